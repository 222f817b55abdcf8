//! Writes images to repositories of registries: blobs first, then manifests, children before
//! parents, and tags last, so that a tag appears only with everything that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::attached::subject_of;
use super::name::{RegistryName, Which};
use super::session::{Registries, RepositoryScope};
use super::upload::Subject;
use crate::bytes::files::{BlobKey, ByteSource, RemoteBytes};
use crate::digest::Digest;
use crate::document::descriptor::blob_path;
use crate::document::kind::{DocumentKind, kind_of};
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::layer::Encode;
use crate::image::reading::Note;
use crate::json::{self, Trailing};
use crate::progress::{Event, tell};
use crate::store::{DocumentRole, Job, NewDocument, Store, StoredBlob, Top};

/// What is done where a tag names something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MovedTags {
    /// It is moved, with a note.
    Noted,
    /// Nothing is written but blobs.
    Refused,
}

/// Repositories that images are written to.
pub(crate) struct RegistryStore {
    session: Arc<Registries>,
    /// The repositories that need each blob.
    homes: BTreeMap<(BlobKey, Encode), Vec<RegistryName>>,
    /// Folder for layers that are compressed before they are sent.
    spool: PathBuf,
    at: Location,
    /// The repositories of manifests without a tag.
    places: BTreeMap<Digest, Vec<RegistryName>>,
    moved: MovedTags,
}

impl RegistryStore {
    pub(crate) fn new(
        session: Arc<Registries>,
        homes: BTreeMap<(BlobKey, Encode), Vec<RegistryName>>,
        (spool, at): (PathBuf, Location),
        (places, moved): (BTreeMap<Digest, Vec<RegistryName>>, MovedTags),
    ) -> Self {
        Self { session, homes, spool, at, places, moved }
    }

    /// The repositories that lack a blob.
    fn missing<'h>(
        &self,
        homes: &'h [RegistryName],
        digest: Digest,
    ) -> Result<Vec<&'h RegistryName>> {
        let mut missing = Vec::new();
        for home in homes {
            let has = self.session.has_blob(RepositoryScope::push(home), digest);
            if !has.at(&place(home, digest))? {
                missing.push(home);
            }
        }
        Ok(missing)
    }

    /// Sends a blob to a repository, and links it from there into the others of the registry.
    fn send(
        &self,
        (homes, missing): (&[RegistryName], &[&RegistryName]),
        (digest, from): (Digest, &ByteSource),
    ) -> Result<()> {
        let mut has = homes.iter().filter(|it| !missing.contains(it)).collect::<Vec<_>>();
        for home in missing {
            let beside = has.iter().find(|it| it.host() == home.host());
            let sent = self.session.upload(home, (digest, from), beside.copied());
            sent.at(&place(home, digest))?;
            has.push(home);
        }
        Ok(())
    }

    /// Links a blob from the repository that it would be fetched from, where that is of the same
    /// registry; returns the repositories that still lack it.
    fn linked<'h>(
        &self,
        missing: Vec<&'h RegistryName>,
        remote: &dyn RemoteBytes,
    ) -> Result<Vec<&'h RegistryName>> {
        let Ok(from) = remote.repository().parse::<RegistryName>() else { return Ok(missing) };
        let mut left = Vec::new();
        for home in missing {
            let near = home.host() == from.host() && home.path() != from.path();
            let digest = remote.digest();
            if !(near && self.session.mount(home, digest, &from).at(&place(home, digest))?) {
                left.push(home);
            }
        }
        Ok(left)
    }

    /// Puts one document into a repository.
    fn document(&self, home: &RegistryName, document: &NewDocument) -> Result<()> {
        let at = Location::named(&home.to_string());
        match document.role {
            DocumentRole::Config => {
                let homes = std::slice::from_ref(home);
                let missing = self.missing(homes, document.digest)?;
                let from = ByteSource::bytes(self.at.clone(), Arc::clone(&document.raw));
                self.send((homes, &missing), (document.digest, &from))
            }
            DocumentRole::Manifest => {
                let which = Which::Digest(document.digest);
                if self.session.has_manifest(home, which).at(&at)?.is_some() {
                    return Ok(());
                }
                self.manifest(home, which, document).at(&at)
            }
        }
    }

    fn manifest(
        &self,
        home: &RegistryName,
        which: Which<'_>,
        document: &NewDocument,
    ) -> Result<(), ErrorKind> {
        let media_type = media_type_of(&document.raw)?;
        let listed = self.session.put_manifest(home, which, (&document.raw, &media_type))?;
        match (listed, subject_of(&document.raw)) {
            (Subject::Unlisted, Some(subject)) => {
                self.session.add_referrer(home, subject, &document.raw)
            }
            _ => Ok(()),
        }
    }
}

/// A blob in a repository, for messages.
fn place(home: &RegistryName, digest: Digest) -> Location {
    Location::named(&home.to_string()).member(&blob_path(&digest))
}

/// The media type under which a manifest or index is sent: its own, or that of its kind.
fn media_type_of(raw: &[u8]) -> Result<String, ErrorKind> {
    let checked = json::check(raw, Trailing::Refused)?;
    let [own] = checked.value.fields("the manifest", ["mediaType"])?;
    if let Some(own) = own {
        return Ok(own.string("mediaType")?.into_owned());
    }
    let name = match kind_of(checked.value)? {
        DocumentKind::OciIndex => MediaKind::Index.name(MediaFamily::Oci),
        DocumentKind::List => MediaKind::Index.name(MediaFamily::Docker),
        DocumentKind::Schema2 => MediaKind::Manifest.name(MediaFamily::Docker),
        _ => MediaKind::Manifest.name(MediaFamily::Oci),
    };
    Ok(name.unwrap_or_default().to_owned())
}

impl<'a> Store<'a> for RegistryStore {
    fn put(&self, job: Job<'a>, session: crate::store::Session<'_>) -> Result<StoredBlob> {
        let at = &job.blob.from.at;
        let key = (job.blob.from.key(), job.encode);
        let homes = self.homes.get(&key).map(Vec::as_slice).unwrap_or_default();
        let claim = job.blob.stored.first().filter(|_| job.encode == Encode::Keep);
        let missing = claim.map(|it| self.missing(homes, it.digest)).transpose()?;
        let missing = match (missing, job.blob.from.as_remote()) {
            (Some(missing), Some(remote)) => Some(self.linked(missing, &**remote)?),
            (missing, _) => missing,
        };
        if let (Some(claim), Some([])) = (claim, missing.as_deref()) {
            // Its bytes in the registry are those of its digest; nothing of ours is sent.
            tell(session.progress, Event::Read(job.size())).at(at)?;
            return Ok(StoredBlob { digest: claim.digest, size: claim.size });
        }
        let (stored, from) = match (job.encode, job.blob.from.as_remote()) {
            (Encode::Keep, None) => {
                let stored = StoredBlob::of(&job.check(session)?);
                (stored, job.blob.from.clone())
            }
            _ => match job.blob.from.staged(job.encode) {
                Some(staged) => (StoredBlob::of(&job.check(session)?), staged.source(at)),
                None => self.spooled(&job, session)?,
            },
        };
        let missing = match missing {
            Some(missing) => missing,
            None => self.missing(homes, stored.digest)?,
        };
        self.send((homes, &missing), (stored.digest, &from))?;
        Ok(stored)
    }

    fn finish(self: Box<Self>, top: Top<'a>, _: crate::store::Session<'_>) -> Result<Vec<Note>> {
        let mut notes = Vec::new();
        if self.moved == MovedTags::Refused {
            self.keep_tags(&top)?;
        }
        for entry in &top.entries {
            let Some(descriptor) = entry.descriptor.as_deref() else { continue };
            let below = below(&top.documents, descriptor.digest);
            let names = entry.names.iter().filter_map(|it| it.reference.clone());
            let mut names: Vec<RegistryName> = names.map(RegistryName::of).collect();
            if names.is_empty() {
                let places = self.places.get(&descriptor.digest).into_iter().flatten();
                names.extend(places.map(|it| it.by_digest(descriptor.digest)));
            }
            let mut done = BTreeSet::new();
            for name in names {
                let at = Location::named(&name.to_string());
                if done.insert(name.repository()) {
                    for document in &below {
                        self.document(&name, document)?;
                    }
                }
                let own = below.iter().find(|it| it.digest == descriptor.digest);
                if let (Some(document), Which::Tag(_)) = (own, name.which()) {
                    notes.extend(self.tag(&name, document).at(&at)?);
                }
            }
        }
        Ok(notes)
    }
}

impl RegistryStore {
    /// A blob in its form, in a temporary file.
    fn spooled(
        &self,
        job: &Job<'_>,
        session: crate::store::Session<'_>,
    ) -> Result<(StoredBlob, ByteSource)> {
        let at = &job.blob.from.at;
        let spool = |error| Error::new(at, ErrorKind::Spool(error));
        let file = tempfile::tempfile_in(&self.spool).map_err(spool)?;
        let mut out = io::BufWriter::with_capacity(128 << 10, file);
        let stored = StoredBlob::of(&job.store(&mut out, session)?);
        let file = out.into_inner().map_err(|error| spool(error.into_error()))?;
        Ok((stored, ByteSource::open_file(file, stored.size, at.clone())))
    }

    /// Refuses tags that name something else, before any manifest is put.
    fn keep_tags(&self, top: &Top<'_>) -> Result<()> {
        for entry in &top.entries {
            let Some(digest) = entry.descriptor.as_ref().map(|it| it.digest) else { continue };
            for reference in entry.names.iter().filter_map(|it| it.reference.clone()) {
                let name = RegistryName::of(reference);
                let at = Location::named(&name.to_string());
                let there = self.session.has_manifest(&name, name.which()).at(&at)?;
                if let Some(other) = there.filter(|other| *other != digest) {
                    let losses = format!("this tag is {other}; it would be {digest}");
                    return Err(Error::new(&at, ErrorKind::Strict { losses }));
                }
            }
        }
        Ok(())
    }

    /// Makes a tag name a manifest that the repository has; returns a note if it named another.
    fn tag(&self, name: &RegistryName, document: &NewDocument) -> Result<Option<Note>, ErrorKind> {
        let which = name.which();
        let there = self.session.has_manifest(name, which)?;
        if there == Some(document.digest) {
            return Ok(None);
        }
        self.manifest(name, which, document)?;
        Ok(there.map(|other| {
            let text = format!("this tag was {other}; it is {} now", document.digest);
            Note::new(&Location::named(&name.to_string()), "tag-moved", text)
        }))
    }
}

/// The documents below one of them: configs, then manifests, children before parents.
fn below(documents: &[NewDocument], top: Digest) -> Vec<&NewDocument> {
    let find = |digest: Digest| documents.iter().find(|it| it.digest == digest);
    let mut wanted = BTreeSet::from([top]);
    let mut todo = vec![top];
    while let Some(document) = todo.pop().and_then(find) {
        for digest in digests_in(&document.raw) {
            if find(digest).is_some() && wanted.insert(digest) {
                todo.push(digest);
            }
        }
    }
    let mut below: Vec<_> = documents.iter().filter(|it| wanted.contains(&it.digest)).collect();
    below.sort_by_key(|it| it.role);
    below
}

/// Every digest that a document names.
fn digests_in(raw: &[u8]) -> BTreeSet<Digest> {
    let paths = crate::image::reading::paths_in(raw).into_iter();
    let digest = |path: String| path.strip_prefix("blobs/")?.replace('/', ":").parse().ok();
    paths.filter_map(digest).collect()
}

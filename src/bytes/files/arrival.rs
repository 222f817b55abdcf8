//! Takes a stream apart while it arrives: documents are held, blobs are measured and staged in the
//! form that will be wanted, and what is not part of an image is dropped.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arrived::{ArrivedBlob, StagedBlob, StagedIn};
use super::byte_source::BytesAt;
use super::foreign::is_json;
use super::spool::temporary;
use super::stamp::Stamp;
use crate::bytes::staging::{UnnamedFile, check_space};
use crate::codec::{
    Compressed, Compression, Encode, Pool, SNIFFED, Transcoded, WholePass, decoder, kind_of,
    transcode_whole,
};
use crate::digest::{Algorithm, Hasher};
use crate::error::{ErrorKind, Location};
use crate::limits;
use crate::progress::Quiet;
use crate::tar::{PassingMember, Taker, content, is_header};

/// What will be wanted of a stream, so that it need not be kept whole.
#[derive(Debug, Clone, Default)]
pub struct Arrival(pub(super) StreamUse);

#[derive(Debug, Clone, Default)]
pub(super) enum StreamUse {
    /// Anything: it is copied into a temporary file.
    #[default]
    Anything,
    /// Documents, and what is measured of blobs.
    Digests { threads: usize, plain: Encode },
    /// Documents, and the sizes of the files in layers.
    Contents,
    /// Documents, and blobs that are placed in a destination.
    Blobs(BlobForms),
}

/// The form of blobs that are staged when they arrive, and where.
#[derive(Debug, Clone)]
pub(crate) struct BlobForms {
    /// The form of what is not compressed.
    pub(crate) plain: Encode,
    /// The form of uncompressed blobs of a layout, whose manifest may be kept.
    pub(crate) blobs: Encode,
    /// The form of what is compressed.
    pub(crate) coded: Encode,
    pub(crate) threads: usize,
    /// The folder of a destination that staged files get their names in; `None` for one that they
    /// are copied into.
    pub(crate) destination: Option<(PathBuf, Location)>,
    /// Finds what is not selected; `None` if everything is.
    pub(crate) unwanted: Option<FindUnwanted>,
}

/// Held documents, by their names.
pub(crate) type HeldDocuments = BTreeMap<String, Arc<[u8]>>;

/// Finds the names of blobs that a conversion will not want; `None` until all documents are held
/// that tell it.
#[derive(Clone)]
pub(crate) struct FindUnwanted(pub(crate) Arc<dyn UnwantedIn + Send + Sync>);

/// Names of blobs, found in documents.
pub(crate) trait UnwantedIn: Fn(&HeldDocuments) -> Option<BTreeSet<String>> {}

impl<F: Fn(&HeldDocuments) -> Option<BTreeSet<String>>> UnwantedIn for F {}

impl fmt::Debug for FindUnwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FindUnwanted")
    }
}

impl Arrival {
    /// Anything may be wanted, so a stream is copied into a temporary file.
    #[must_use]
    pub fn anything() -> Self {
        Self(StreamUse::Anything)
    }

    /// Documents are wanted, and digests and sizes of blobs, but not their bytes.
    #[must_use]
    pub fn digests(threads: usize) -> Self {
        Self(StreamUse::Digests { threads, plain: Encode::Keep })
    }

    /// The same, and what uncompressed layers become in this form.
    pub(crate) fn digests_of(threads: usize, plain: Encode) -> Self {
        Self(StreamUse::Digests { threads, plain })
    }

    /// Documents are wanted, and the sizes of the files in layers.
    #[must_use]
    pub fn contents() -> Self {
        Self(StreamUse::Contents)
    }

    pub(crate) fn blobs(forms: BlobForms) -> Self {
        Self(StreamUse::Blobs(forms))
    }

    pub(super) fn is_anything(&self) -> bool {
        matches!(self.0, StreamUse::Anything)
    }

    pub(super) fn threads(&self) -> usize {
        match &self.0 {
            StreamUse::Digests { threads, .. } => *threads,
            StreamUse::Blobs(forms) => forms.threads,
            StreamUse::Anything | StreamUse::Contents => 1,
        }
    }

    /// Where an error of a write belongs, if not to the source.
    pub(super) fn place_of(&self, kind: &ErrorKind) -> Option<&Location> {
        match (&self.0, kind) {
            (StreamUse::Blobs(forms), ErrorKind::Write(_) | ErrorKind::NoSpace { .. }) => {
                forms.destination.as_ref().map(|(_, at)| at)
            }
            _ => None,
        }
    }
}

/// How a stream is opened: the folder for temporary files, and what will be wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reception<'a> {
    pub(crate) spool: &'a Path,
    pub(crate) arrival: &'a Arrival,
}

static ANYTHING: Arrival = Arrival(StreamUse::Anything);

impl<'a> Reception<'a> {
    /// A stream is copied into a temporary file.
    pub(crate) fn spooled(spool: &'a Path) -> Self {
        Self { spool, arrival: &ANYTHING }
    }
}

/// Up to this size, a member is held whole, whatever it is.
const SMALL: u64 = 64 << 10;
/// The bytes of held members in memory; more are held in a temporary file.
const HELD: u64 = 4 << 20;
/// The number of blobs with a file of their own: each is open until it is placed.
const OWN_FILES: usize = 40;
/// The last bytes of a blob that tell whether it is padded.
const TAIL: usize = 4096;
/// The first bytes, by which a document that is none is refused.
const HEAD: u64 = 4096;

/// The document that a selection begins with.
const INDEX: &str = "index.json";

/// What is kept of a member.
#[derive(Debug)]
pub(super) struct ReceivedMember {
    pub(super) place: BytesAt,
    pub(super) stamp: Option<Stamp>,
}

/// Takes the members of an archive.
pub(super) struct Receiver<'a> {
    reception: Reception<'a>,
    pool: &'a Pool,
    /// By offset.
    pub(super) received: BTreeMap<u64, ReceivedMember>,
    held: u64,
    own_files: usize,
    /// Held members over the limit, and blobs without a file of their own.
    overflow: Option<(Arc<File>, u64)>,
    selection: Selecting,
}

/// What is known of a selection.
#[derive(Default)]
struct Selecting {
    documents: HeldDocuments,
    /// The number of documents at the last question.
    asked: usize,
    unwanted: Option<BTreeSet<String>>,
}

/// What a member is, by its name and first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberRole {
    /// It is held whole.
    Document,
    /// It begins as a layer, or is named as one.
    Layer,
    /// It is named as a blob, but is no layer.
    Blob,
    /// No document names such a thing.
    Stray,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(reception: Reception<'a>, pool: &'a Pool) -> Self {
        let received = BTreeMap::new();
        let selection = Selecting::default();
        Self { reception, pool, received, held: 0, own_files: 0, overflow: None, selection }
    }

    /// Finds what is not selected, if something is.
    fn find_unwanted(&self) -> Option<&'a FindUnwanted> {
        match &self.reception.arrival.0 {
            StreamUse::Blobs(forms) => forms.unwanted.as_ref(),
            _ => None,
        }
    }

    /// Whether no selected image has this blob. It is known where documents come first.
    fn is_unwanted(&mut self, path: Option<&str>) -> bool {
        let (Some(find), Some(path)) = (self.find_unwanted(), path) else { return false };
        let Selecting { documents, asked, unwanted } = &mut self.selection;
        // All documents are read for an answer, so it is not asked for after each of them.
        let many_more = documents.len() >= asked.saturating_mul(2);
        if unwanted.is_none() && many_more && documents.contains_key(INDEX) {
            *asked = documents.len();
            *unwanted = (find.0)(documents);
        }
        unwanted.as_ref().is_some_and(|unwanted| unwanted.contains(path))
    }

    fn hold(&mut self, from: &mut dyn Read, size: u64) -> Result<BytesAt, ErrorKind> {
        let read = |error| kind_of(error, ErrorKind::Read);
        if self.held.saturating_add(size) <= HELD {
            self.held = self.held.saturating_add(size);
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            from.read_to_end(&mut bytes).map_err(read)?;
            return Ok(BytesAt::Held(bytes.into()));
        }
        let (file, start) = self.overflow()?;
        let mut out = PartWriter { file: &file, at: start };
        io::copy(from, &mut out).map_err(read)?;
        self.overflow = Some((Arc::clone(&file), out.at));
        Ok(BytesAt::Range { file, offset: start })
    }

    fn overflow(&mut self) -> Result<(Arc<File>, u64), ErrorKind> {
        if let Some((file, end)) = &self.overflow {
            return Ok((Arc::clone(file), *end));
        }
        let file = Arc::new(temporary(self.reception.spool)?);
        self.overflow = Some((Arc::clone(&file), 0));
        Ok((file, 0))
    }

    /// Reads a blob once, and stages it if its bytes are wanted.
    fn blob(
        &mut self,
        member: &PassingMember<'_>,
        role: MemberRole,
        head: Vec<u8>,
        from: &mut (dyn Read + Send),
    ) -> Result<ArrivedBlob, ErrorKind> {
        let codec = Compression::sniff(&head);
        let algorithm = match member.path {
            Some(path) if path.starts_with("blobs/sha512/") => Algorithm::Sha512,
            _ => Algorithm::Sha256,
        };
        let size = member.size;
        let mut from = TailReader { from, tail: Vec::new() };
        if matches!(self.reception.arrival.0, StreamUse::Contents) {
            let (pass, contents) = measured((&mut from, size), (codec, algorithm))?;
            return Ok(arrived(pass, (codec, Encode::Keep), (head, from.tail), contents, None));
        }
        let to = self.form(member.path, role, codec);
        let (pass, staged) = self.staged((&mut from, size), (codec, algorithm), (to, role))?;
        Ok(arrived(pass, (codec, to), (head, from.tail), None, staged))
    }

    /// The form in which a blob is wanted.
    fn form(&self, path: Option<&str>, role: MemberRole, codec: Compression) -> Encode {
        match (&self.reception.arrival.0, role, codec) {
            (
                StreamUse::Digests { plain, .. },
                MemberRole::Layer,
                Compression::None | Compression::Bzip2 | Compression::Xz,
            ) => *plain,
            (StreamUse::Blobs(forms), MemberRole::Layer, Compression::None) => {
                let in_layout = path.is_some_and(|path| path.starts_with("blobs/"));
                if in_layout { forms.blobs } else { forms.plain }
            }
            (StreamUse::Blobs(forms), MemberRole::Layer, _) => forms.coded,
            _ => Encode::Keep,
        }
    }

    fn staged(
        &mut self,
        from: (&mut TailReader<'_>, u64),
        form: (Compression, Algorithm),
        (to, role): (Encode, MemberRole),
    ) -> Result<(WholePass, Option<StagedBlob>), ErrorKind> {
        let (pool, size) = (self.pool, from.1);
        let mut pass = |out: &mut (dyn Write + Send)| {
            transcode_whole((&mut *from.0, Some(size)), form, (to, pool), out, &Quiet)
        };
        let StreamUse::Blobs(forms) = &self.reception.arrival.0 else {
            return pass(&mut io::sink()).map(|found| (found, None));
        };
        if role == MemberRole::Stray {
            return pass(&mut io::sink()).map(|found| (found, None));
        }
        let own = forms.destination.as_ref().filter(|_| self.own_files < OWN_FILES);
        if let (Some((folder, at)), Encode::Keep) = (&own, to) {
            check_space(folder, size, at).map_err(|error| error.kind)?;
        }
        let own = own.map(|(folder, _)| UnnamedFile::make(folder)).transpose();
        if let Some(file) = own.map_err(ErrorKind::Write)?.flatten() {
            self.own_files = self.own_files.saturating_add(1);
            let mut out = OwnWriter { file: &file, at: 0 };
            let found = pass(&mut out)?;
            let staged = StagedBlob { size: out.at, place: StagedIn::Own(file) };
            return Ok((found, Some(staged)));
        }
        let (file, start) = self.overflow()?;
        let mut out = PartWriter { file: &file, at: start };
        let found = pass(&mut out)?;
        let end = out.at;
        self.overflow = Some((Arc::clone(&file), end));
        let place = StagedIn::Part(file, start);
        Ok((found, Some(StagedBlob { size: end.saturating_sub(start), place })))
    }
}

impl Taker for Receiver<'_> {
    fn take(
        &mut self,
        member: &PassingMember<'_>,
        from: &mut (dyn Read + Send),
    ) -> Result<(), ErrorKind> {
        if member.size == 0 {
            return Ok(());
        }
        let mut head = Vec::new();
        let read = from.take(HEAD).read_to_end(&mut head);
        read.map_err(|error| kind_of(error, ErrorKind::Read))?;
        let role = role(member.path, member.size, &head);
        let place = if role == MemberRole::Document {
            let place = self.hold(&mut Cursor::new(head).chain(from), member.size)?;
            if let (BytesAt::Held(bytes), Some(path), Some(_)) =
                (&place, member.path, self.find_unwanted())
            {
                self.selection.documents.insert(path.to_owned(), Arc::clone(bytes));
            }
            place
        } else {
            let unwanted = self.is_unwanted(member.path);
            let role = if unwanted { MemberRole::Stray } else { role };
            let from = &mut Cursor::new(head.clone()).chain(from);
            BytesAt::Arrived(Arc::new(self.blob(member, role, head, from)?))
        };
        let stamp = Stamp::of(member.header);
        self.received.insert(member.offset, ReceivedMember { place, stamp });
        Ok(())
    }
}

fn role(path: Option<&str>, size: u64, head: &[u8]) -> MemberRole {
    let Some(path) = path else { return MemberRole::Stray };
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_document =
        matches!(path, "manifest.json" | INDEX | "repositories" | "oci-layout") || name == "json";
    let in_layout = path.starts_with("blobs/");
    let is_layer = Compression::sniff(head) != Compression::None
        || is_header(head)
        || head.iter().all(|byte| *byte == 0);
    if size <= SMALL || size <= limits::CONFIG && (is_document || is_json(head) || is_blank(head)) {
        MemberRole::Document
    } else if is_layer || !in_layout && name.split('.').skip(1).any(|it| it == "tar") {
        MemberRole::Layer
    } else if in_layout {
        MemberRole::Blob
    } else {
        MemberRole::Stray
    }
}

/// Whether JSON may follow.
fn is_blank(head: &[u8]) -> bool {
    head.iter().all(u8::is_ascii_whitespace)
}

fn arrived(
    pass: WholePass,
    (codec, encode): (Compression, Encode),
    (head, tail): (Vec<u8>, Vec<u8>),
    contents: Option<Result<Option<(u64, u64)>, ErrorKind>>,
    staged: Option<StagedBlob>,
) -> ArrivedBlob {
    let WholePass { source, found, plain_head } = pass;
    ArrivedBlob { source, codec, found, encode, head, plain_head, tail, contents, staged }
}

/// What a pass finds that counts the files of a layer.
type Counted = (WholePass, Option<Result<Option<(u64, u64)>, ErrorKind>>);

/// Measures a blob, and the files in it.
fn measured(
    (from, size): (&mut TailReader<'_>, u64),
    (codec, algorithm): (Compression, Algorithm),
) -> Result<Counted, ErrorKind> {
    let mut source = HashedReader { from, hasher: Hasher::new(algorithm), head: Vec::new() };
    let mut plain = Hasher::new(Algorithm::Sha256);
    let (mut head, mut found) = (Vec::new(), Ok(None));
    let compressed = Compressed { from: Box::new(&mut source), size: Some(size) };
    let decoded = decoder(codec, compressed).and_then(|mut decoded| {
        let hasher = Hasher::new(Algorithm::Sha256);
        let mut hashed = HashedReader { from: &mut *decoded, hasher, head: Vec::new() };
        found = content(&mut hashed);
        let read = |error| kind_of(error, ErrorKind::Read);
        let rest = io::copy(&mut hashed, &mut io::sink()).map_err(read);
        (plain, head) = (hashed.hasher, hashed.head);
        rest.map(drop)
    });
    let read = |error| kind_of(error, ErrorKind::Read);
    io::copy(&mut source, &mut io::sink()).map_err(read)?;
    let (source, uncompressed) = (source.hasher.finish(), plain.finish());
    let fatal = |kind: &ErrorKind| matches!(kind, ErrorKind::Interrupted | ErrorKind::Read(_));
    let decoded = match decoded {
        Err(kind) if fatal(&kind) => return Err(kind),
        decoded => decoded,
    };
    let transcoded = |()| Transcoded { source, uncompressed, stored: source };
    let pass = WholePass { source, found: decoded.map(transcoded), plain_head: head };
    Ok((pass, Some(found)))
}

/// Hashes what is read.
struct HashedReader<'a> {
    from: &'a mut (dyn Read + Send),
    hasher: Hasher,
    head: Vec<u8>,
}

impl Read for HashedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        let missing = SNIFFED.saturating_sub(self.head.len()).min(count);
        self.head.extend(bytes.get(..missing).unwrap_or_default());
        self.hasher.update(bytes);
        Ok(count)
    }
}

/// Remembers the last bytes.
struct TailReader<'a> {
    from: &'a mut (dyn Read + Send),
    tail: Vec<u8>,
}

impl Read for TailReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        let last = bytes.get(count.saturating_sub(TAIL)..).unwrap_or_default();
        let over = self.tail.len().saturating_add(last.len()).saturating_sub(TAIL);
        self.tail.drain(..over);
        self.tail.extend(last);
        Ok(count)
    }
}

/// Writes to a file without a name; its errors are those of the destination.
struct OwnWriter<'a> {
    file: &'a UnnamedFile,
    at: u64,
}

impl Write for OwnWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write_at(bytes, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes to a part of a temporary file.
struct PartWriter<'a> {
    file: &'a File,
    at: u64,
}

impl Write for PartWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write_at(bytes, self.at) {
            Ok(count) => {
                self.at = self.at.saturating_add(count as u64);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(ErrorKind::Spool(error).into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

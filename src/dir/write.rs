//! Writes a new folder: it is created in a private folder and renamed.

use std::path::{Path, PathBuf};

use super::{MANIFEST_NAME, VERSION, VERSION_NAME};
use crate::bytes::files::CHILD;
use crate::bytes::staging::{Folder, Private, check_space};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::reading::Note;
use crate::layout::blobs::Blobs;
use crate::progress::Progress;
use crate::store::{DocumentRole, Job, Session, Store, StoredBlob, Top};

/// The name of the new folder in the private one.
const NEW: &str = "dir";

/// A folder in progress.
pub(crate) struct DirStore<'a> {
    path: PathBuf,
    at: Location,
    root: Folder,
    blobs: Blobs,
    /// Dropped last: to remove it takes descriptors, which those above give back.
    private: Private<'a>,
}

impl<'a> DirStore<'a> {
    /// Starts a new folder; `needed` bytes must be free.
    pub(crate) fn create(path: &Path, needed: u64, progress: &'a dyn Progress) -> Result<Self> {
        let at = Location::of(path);
        let private = Private::beside_new(path, progress)?;
        check_space(private.path(), needed, &at)?;
        let root = private.make_folder(NEW)?;
        let blobs = Blobs::flat(&root);
        Ok(Self { path: path.to_owned(), at, root, blobs, private })
    }
}

impl<'j> Store<'j> for DirStore<'_> {
    fn put(&self, job: Job<'j>, session: Session<'_>) -> Result<StoredBlob> {
        self.blobs.store(&job, session)
    }

    fn finish(self: Box<Self>, top: Top<'j>, _: Session<'_>) -> Result<Vec<Note>> {
        let said = top.entries.first().and_then(|it| it.descriptor.as_deref());
        let own = said.ok_or_else(|| {
            let found = "nothing to write".to_owned();
            Error::new(&self.at, ErrorKind::NoImage { found })
        })?;
        for document in &top.documents {
            let name = match document.role {
                DocumentRole::Config => {
                    self.blobs.document(document).at(&self.at)?;
                    continue;
                }
                DocumentRole::Manifest if document.digest == own.digest => MANIFEST_NAME.to_owned(),
                DocumentRole::Manifest => format!("{}{CHILD}", document.digest.hex()),
            };
            self.root.replace(&name, &document.raw, &self.root).at(&self.at)?;
        }
        let version = format!("{VERSION}1.1\n");
        self.root.replace(VERSION_NAME, version.as_bytes(), &self.root).at(&self.at)?;
        self.blobs.sync().at(&self.at)?;
        self.private.publish(NEW, &self.path)?;
        Ok(Vec::new())
    }
}

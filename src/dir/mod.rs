//! Folders of skopeo's and podman's directory transport, `dir:` (containers/image `directory`): one
//! manifest or index in `manifest.json`, blobs named by their hex digests.
//!
//! A folder is read as a layout with one entry without a name.

mod read;
pub(crate) mod write;

pub(crate) use read::{notes, open, open_files};

/// The manifest or index of a folder.
const MANIFEST_NAME: &str = "manifest.json";
/// The name of the file with the version.
const VERSION_NAME: &str = "version";
/// The beginning of the version.
const VERSION: &str = "Directory Transport Version: ";

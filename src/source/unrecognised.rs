//! Describes a source that is neither a docker archive nor a layout.

use crate::bytes::files::Files;
use crate::limits;

/// The beginning of the file `version` in directories of skopeo and podman (containers/image
/// `directory/directory_dest.go`).
const DIRECTORY: &[u8] = b"Directory Transport Version: ";

/// Why the source cannot be read.
pub(super) fn why(files: &Files) -> &'static str {
    if !files.is_directory() {
        return "the archive is empty, or has no manifest.json, index.json or repositories";
    }
    let version = files.find("version").ok().flatten();
    let version = version.and_then(|it| it.read(limits::LAYOUT_MARKER, "the size of a file").ok());
    if version.is_some_and(|it| it.starts_with(DIRECTORY)) {
        return "it is a directory of skopeo's dir: transport; convert it with skopeo copy dir:DIR oci:LAYOUT";
    }
    "the directory has no oci-layout and no index.json"
}

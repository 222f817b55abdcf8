//! Describes a source that is neither a docker archive nor a layout.

use crate::bytes::files::Files;
use crate::limits;

/// The beginning of the file `version` in directories of skopeo and podman (containers/image
/// `directory/directory_dest.go`).
const DIRECTORY: &[u8] = b"Directory Transport Version: ";

/// Why the source cannot be read.
pub(super) fn why(files: &Files) -> &'static str {
    if !files.is_directory() {
        let top = files.top_level();
        let inside = |name: &&str| {
            let there =
                |document: &str| matches!(files.find(&format!("{name}/{document}")), Ok(Some(_)));
            there("manifest.json") || there("index.json")
        };
        if top.iter().any(inside) {
            return "everything is in a folder; pack what is in it: tar -C FOLDER -cf NEW.tar .";
        }
        return "the archive is empty or has no manifest.json, no index.json and no repositories";
    }
    let version = files.find("version").ok().flatten();
    let version = version.and_then(|it| it.read(limits::LAYOUT_MARKER, "the size of a file").ok());
    if version.is_some_and(|it| it.starts_with(DIRECTORY)) {
        return "it is a directory of skopeo's dir: transport; convert it with skopeo copy dir:DIR oci:LAYOUT";
    }
    "the directory has no oci-layout and no index.json"
}

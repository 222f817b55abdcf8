//! Describes a source that is neither a docker archive nor a layout.

use crate::bytes::files::Files;

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
    "the directory has no oci-layout and no index.json, and no manifest of skopeo's dir:"
}

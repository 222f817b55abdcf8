//! OCI image layouts: directories and tars (image-spec `image-layout.md`).

pub(crate) mod blobs;
mod kinds;
mod read;
pub(crate) mod write;

pub(crate) use read::{RECORDED, read};

use crate::bytes::files::Files;
use crate::document::descriptor::optional;
use crate::error::{At as _, Error, ErrorKind, Result};
use crate::json::{self, Trailing};
use crate::limits;

/// The bytes of `oci-layout`, as containerd and Docker's containerd store write them.
pub(crate) const MARKER: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";
/// The marker's name.
pub(crate) const MARKER_NAME: &str = "oci-layout";
/// The index's name.
pub(crate) const INDEX_NAME: &str = "index.json";

/// Whether this looks like a layout.
pub(crate) fn is_layout(files: &Files) -> bool {
    [MARKER_NAME, INDEX_NAME].iter().any(|name| !matches!(files.find(name), Ok(None)))
}

/// Checks the marker of a layout.
fn marker(files: &Files) -> Result<()> {
    let at = files.at().member(MARKER_NAME);
    let Some(marker) = files.find(MARKER_NAME)? else {
        let by = "every OCI layout".to_owned();
        return Err(Error::new(&at, ErrorKind::MissingMember { by }));
    };
    let raw = marker.read(limits::LAYOUT_MARKER, "the size of oci-layout, in bytes,")?;
    check_marker(&raw).at(&at)
}

/// Checks the bytes of an `oci-layout`.
pub(crate) fn check_marker(raw: &[u8]) -> Result<(), ErrorKind> {
    let checked = json::check(raw, Trailing::Refused)?;
    if let Some(repeated) = checked.duplicates.first() {
        return Err(ErrorKind::DuplicateKey { key: repeated.key.clone() });
    }
    let [version] = checked.value.fields("oci-layout", ["imageLayoutVersion"])?;
    let version = optional(version, "imageLayoutVersion")?;
    if version == "1.0.0" {
        return Ok(());
    }
    let found = if version.is_empty() { "nothing".to_owned() } else { version };
    Err(ErrorKind::LayoutVersion { found })
}

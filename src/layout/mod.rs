//! OCI image layouts: directories and tars (image-spec `image-layout.md`).

mod blobs;
mod read;
pub(crate) mod write;

pub(crate) use read::{check_marker, is_layout, read};

/// The bytes of `oci-layout`, as containerd and Docker's containerd store write them.
pub(crate) const MARKER: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";
/// The marker's name.
pub(crate) const MARKER_NAME: &str = "oci-layout";
/// The index's name.
pub(crate) const INDEX_NAME: &str = "index.json";

//! Tells what a descriptor of a layout and its bytes are.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::read::MANIFEST;
use crate::bytes::files::ByteSource;
use crate::document::descriptor::Descriptor;
use crate::document::kind::{DocumentKind, kind_of};
use crate::document::media_type::{MediaKind, is_image_config, is_layer};
use crate::document::{Document, Index, Manifest};
use crate::error::{ErrorKind, Result};
use crate::image::NotImage;
use crate::json::{self, Trailing};
use crate::limits;

/// Why a manifest is not an image, from its own fields and its entry.
pub(super) fn not_image(view: &Manifest, said: &Descriptor) -> Option<NotImage> {
    // An entry may repeat the type of an image config as its artifact type (image-spec 1.1).
    let artifact_type = &said.artifact_type;
    let unknown = view.layers.iter().any(|layer| !is_layer(&layer.media_type));
    if said.is_attestation() {
        Some(NotImage::Attestation)
    } else if !artifact_type.is_empty() && !is_image_config(artifact_type)
        || !view.is_image()
        || unknown
    {
        Some(NotImage::Artifact)
    } else if view.layers.iter().any(|layer| layer.media_type.ends_with("+encrypted")) {
        // The data of its diff ID cannot be read without the key (ocicrypt).
        Some(NotImage::Encrypted)
    } else {
        None
    }
}

/// Whether a media type is a manifest or an index.
pub(super) fn kind_by_type(media_type: &str) -> Option<MediaKind> {
    let kind = MediaKind::of(media_type).map(|(kind, _)| kind);
    kind.filter(|kind| matches!(kind, MediaKind::Manifest | MediaKind::Index))
}

/// The kind of a document whose descriptor has no media type or an unrelated one. One field with
/// the name of a manifest field is not enough.
pub(super) fn kind_by_look(said: &Descriptor, from: &ByteSource) -> Option<MediaKind> {
    if from.size > limits::MANIFEST {
        return None;
    }
    let raw = from.read(MANIFEST.0, MANIFEST.1).ok()?;
    kind_of_bytes(&raw).filter(|kind| {
        said.media_type.is_empty()
            || match kind {
                MediaKind::Index => Document::<Index>::parse(raw).is_ok(),
                _ => Document::<Manifest>::parse(raw).is_ok(),
            }
    })
}

/// Whether a document is a manifest or an index, from its fields.
pub(super) fn kind_of_bytes(raw: &[u8]) -> Option<MediaKind> {
    match kind_of(json::check(raw, Trailing::Refused).ok()?.value).ok()? {
        DocumentKind::List | DocumentKind::OciIndex => Some(MediaKind::Index),
        DocumentKind::Schema2 | DocumentKind::OciManifest => Some(MediaKind::Manifest),
        _ => None,
    }
}

/// Refuses a document whose media type differs from its descriptor.
pub(super) fn same_type(descriptor: &Descriptor, found: &str) -> Result<(), ErrorKind> {
    let expected = &descriptor.media_type;
    let found = match found {
        // It was detected by its fields; a program that uses the descriptor would not copy its
        // blobs.
        "" if kind_by_type(expected).is_none() => "a manifest or index",
        found => found,
    };
    if found.is_empty() || expected.is_empty() || found == expected {
        return Ok(());
    }
    Err(ErrorKind::MediaType { expected: expected.clone(), found: found.to_owned() })
}

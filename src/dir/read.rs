//! Opens a folder, and shows it as a layout.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::{MANIFEST_NAME, VERSION, VERSION_NAME};
use crate::bytes::files::{self, ByteSource, Files, Input, Opened, Reception};
use crate::digest::Measured;
use crate::document::Index;
use crate::document::descriptor::Descriptor;
use crate::document::kind::{DocumentKind, kind_of};
use crate::document::media_type::{MediaFamily, MediaKind};
use crate::error::Result;
use crate::image::reading::Note;
use crate::json::{self, Trailing};
use crate::layout::{INDEX_NAME, MARKER, MARKER_NAME, is_layout};
use crate::limits;
use crate::progress::Progress;

/// Opens a source as [`files::open`] does; a folder is shown as a layout.
pub(crate) fn open(input: Input, to: Reception<'_>, progress: &dyn Progress) -> Result<Opened> {
    match files::open(input, to, progress)? {
        Opened::Files(files) => shown(files),
        document => Ok(document),
    }
}

/// The same, but a document is an error.
pub(crate) fn open_files(
    input: Input,
    to: Reception<'_>,
    progress: &dyn Progress,
) -> Result<Files> {
    shown(Files::open(input, to, progress)?)?.into_files(to, progress)
}

/// Shows a folder as a layout, or as its only document; leaves other sources as they are.
fn shown(files: Files) -> Result<Opened> {
    if !files.is_directory() || is_layout(&files) {
        return Ok(Opened::Files(files));
    }
    let Ok(Some(manifest)) = files.find(MANIFEST_NAME) else { return Ok(Opened::Files(files)) };
    let read = manifest.read(limits::MANIFEST, "the size of a manifest, in bytes,");
    let kind = read.as_ref().ok().and_then(|raw| manifest_kind(raw));
    if kind.is_none() && !has_version(&files) {
        return Ok(Opened::Files(files));
    }
    let raw = read?;
    let (kind, family) = match kind {
        Some(DocumentKind::Schema1) => return Ok(Opened::Document(manifest.at.clone(), raw)),
        Some(DocumentKind::Schema2) => (MediaKind::Manifest, MediaFamily::Docker),
        Some(DocumentKind::List) => (MediaKind::Index, MediaFamily::Docker),
        Some(DocumentKind::OciIndex) => (MediaKind::Index, MediaFamily::Oci),
        // A damaged one is a problem of the manifest.
        _ => (MediaKind::Manifest, MediaFamily::Oci),
    };
    let entry = Descriptor::of(kind.name(family).unwrap_or_default(), &Measured::of(&raw));
    let manifest = (entry.path(), ByteSource::bytes(manifest.at.clone(), raw));
    let index = Index::of(vec![entry]).to_json().into_bytes();
    let index = ByteSource::bytes(files.at().member(MANIFEST_NAME), index);
    let marker = ByteSource::bytes(files.at().member(VERSION_NAME), MARKER);
    let documents = BTreeMap::from([
        (INDEX_NAME.to_owned(), index),
        (MARKER_NAME.to_owned(), marker),
        manifest,
    ]);
    Ok(Opened::Files(files.shown_as_layout(documents)))
}

/// The kind of a registry manifest or index; `None` for another document.
fn manifest_kind(raw: &[u8]) -> Option<DocumentKind> {
    let kind = kind_of(json::check(raw, Trailing::Refused).ok()?.value).ok()?;
    matches!(
        kind,
        DocumentKind::Schema1
            | DocumentKind::Schema2
            | DocumentKind::OciManifest
            | DocumentKind::List
            | DocumentKind::OciIndex
    )
    .then_some(kind)
}

fn has_version(files: &Files) -> bool {
    let version = files.find(VERSION_NAME).ok().flatten();
    let version = version.and_then(|it| it.read(limits::LAYOUT_MARKER, "the size of a file").ok());
    version.is_some_and(|it| it.starts_with(VERSION.as_bytes()))
}

/// Notes about the signatures of a folder.
pub(crate) fn notes(files: &Files) -> Result<Vec<Note>> {
    let names = files.list()?.into_iter().filter_map(|it| it.path);
    let signatures = names.filter(|name| is_signature(name));
    let text = "a signature is not copied; skopeo copy keeps it";
    Ok(signatures.map(|it| Note::new(&files.at().member(&it), "signature-apart", text)).collect())
}

/// Whether this is the name of a signature: of the manifest, or of one in an index.
fn is_signature(name: &str) -> bool {
    let number = name.rsplit_once("signature-").filter(|(before, _)| {
        before.is_empty() || before.strip_suffix('.').is_some_and(|it| !it.contains('/'))
    });
    number.is_some_and(|(_, it)| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
}

//! Converts schema 2 to OCI and back: only media types change.
//!
//! The config is not touched (formats: a Docker config is a valid OCI config unchanged), so the
//! image ID does not change. The document keeps the formatting of its writer, so that a round trip
//! gives the original digest.

use super::{Parsed, ParsedBody};
use crate::codec::Compression;
use crate::document::kind::DocumentKind;
use crate::document::media_type::{MediaFamily, MediaKind, is_image_config};
use crate::error::ErrorKind;
use crate::image::reason::{Change, Reason};
use crate::json::edit::{Action, rewrite};
use crate::json::{self, JsonKind, Trailing, Value, go};

const ENCRYPTED: &str = "+encrypted";

/// Converts a manifest to a family.
pub(super) fn swap(
    parsed: &Parsed,
    to: MediaFamily,
    changes: &mut Vec<Change>,
) -> Result<Vec<u8>, ErrorKind> {
    if let ParsedBody::Manifest(document) = &parsed.body {
        let view = document.view();
        let kind = view.config.as_ref().map_or("", |config| config.media_type.as_str());
        let docker = to == MediaFamily::Docker && view.family() == to;
        if docker && !view.is_image() {
            // A plugin: its types are Docker's alone, and nothing has to change.
            return Ok(parsed.raw.clone());
        }
        if to == MediaFamily::Docker && (!view.is_image() || !is_image_config(kind)) {
            let why = "it is an artifact, and Docker's formats hold only images";
            return Err(ErrorKind::CannotConvert { to: DocumentKind::Schema2.name(), why });
        }
    }
    let mut failed = None;
    let own = MediaKind::Manifest.name(to).unwrap_or_default();
    let text = rewrite(&parsed.raw, &mut |path, value| {
        manifest_member(path, value, to, changes).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            Action::Keep
        })
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    Ok(with_media_type(text, own, changes)?.into_bytes())
}

fn manifest_member(
    path: &str,
    value: Value<'_>,
    to: MediaFamily,
    changes: &mut Vec<Change>,
) -> Result<Action, ErrorKind> {
    let docker = to == MediaFamily::Docker;
    let (head, tail) = path.rsplit_once('.').unwrap_or(("", path));
    Ok(match (head, tail) {
        ("", "mediaType") => typed(path, value, MediaKind::Manifest.name(to), changes)?,
        ("", name) if name == "config" || name.starts_with("layers") => Action::Into(Vec::new()),
        (_, "mediaType") if head == "config" || head.starts_with("layers[") => {
            blob_type(path, value, to, changes)?
        }
        (_, name) if docker => match lost(name) {
            Some(reason) => drop_member(path, value, reason, changes),
            None => Action::Keep,
        },
        _ => Action::Keep,
    })
}

/// The fields that Docker's manifests and lists cannot hold.
pub(super) fn lost(name: &str) -> Option<Reason> {
    Some(match name {
        "annotations" => Reason::Annotations,
        "subject" => Reason::Subject,
        "artifactType" => Reason::ArtifactType,
        "data" => Reason::Data,
        _ => return None,
    })
}

/// Removes a field and reports it.
pub(super) fn drop_member(
    path: &str,
    value: Value<'_>,
    reason: Reason,
    changes: &mut Vec<Change>,
) -> Action {
    let before = Some(plain(value));
    changes.push(Change { field: path.to_owned(), before, after: None, reason });
    Action::Drop
}

/// Replaces a media type.
pub(super) fn typed(
    path: &str,
    value: Value<'_>,
    name: Option<&str>,
    changes: &mut Vec<Change>,
) -> Result<Action, ErrorKind> {
    typed_because(path, value, (name, Reason::MediaType), changes)
}

fn typed_because(
    path: &str,
    value: Value<'_>,
    (name, reason): (Option<&str>, Reason),
    changes: &mut Vec<Change>,
) -> Result<Action, ErrorKind> {
    let before = value.string(path)?;
    let Some(name) = name.filter(|name| *name != before) else { return Ok(Action::Keep) };
    let (field, after) = (path.to_owned(), Some(name.to_owned()));
    changes.push(Change { field, before: Some(before.into_owned()), after, reason });
    Ok(Action::Replace(go::quoted(name)))
}

/// Replaces the type of a config or layer, by the table; encrypted ones keep their suffix.
fn blob_type(
    path: &str,
    value: Value<'_>,
    to: MediaFamily,
    changes: &mut Vec<Change>,
) -> Result<Action, ErrorKind> {
    let said = value.string(path)?;
    let (plain, suffix) = match said.strip_suffix(ENCRYPTED) {
        Some(plain) => (plain, ENCRYPTED),
        None => (said.as_ref(), ""),
    };
    let name = match MediaKind::of(plain) {
        Some((thing, _)) => thing.name(to),
        None if path == "config.mediaType" && is_image_config(plain) => MediaKind::Config.name(to),
        // An artifact's own types belong to no family.
        None if to == MediaFamily::Oci && !plain.starts_with("application/vnd.docker.") => {
            return Ok(Action::Keep);
        }
        None => None,
    };
    let Some(name) = name else {
        let expected = "a media type that exists in both families";
        return Err(ErrorKind::field(path, expected, &said));
    };
    let zstd = MediaKind::of(name) == Some((MediaKind::Layer(Compression::Zstd), to));
    let reason = match to {
        MediaFamily::Docker if zstd => Reason::DockerZstd,
        _ => Reason::MediaType,
    };
    typed_because(path, value, (Some(&format!("{name}{suffix}")), reason), changes)
}

/// Adds a missing `mediaType`, after `schemaVersion`.
pub(super) fn with_media_type(
    text: String,
    media_type: &str,
    changes: &mut Vec<Change>,
) -> Result<String, ErrorKind> {
    let checked = json::check(text.as_bytes(), Trailing::Refused)?;
    let [there, version] = checked.value.fields("the document", ["mediaType", "schemaVersion"])?;
    let (None, Some(version)) = (there, version) else { return Ok(text) };
    let end = version.span_in(text.as_bytes()).end;
    let (before, after) = text.split_at_checked(end).unwrap_or((&text, ""));
    // The separators of the writer: white space before the first key and after its colon.
    let inside = text.get(1..).unwrap_or_default();
    let space = inside.get(..inside.find('"').unwrap_or(0)).unwrap_or_default();
    let colon = if inside.contains("\": ") { ": " } else { ":" };
    let member = format!(",{space}\"mediaType\"{colon}{}", go::quoted(media_type));
    changes.push(Change {
        field: "mediaType".to_owned(),
        before: None,
        after: Some(media_type.to_owned()),
        reason: Reason::MediaType,
    });
    Ok(format!("{before}{member}{after}"))
}

/// A value for output: strings without quotes, the rest as written.
pub(super) fn plain(value: Value<'_>) -> String {
    match value.kind() {
        JsonKind::String => value.string("").map_or_else(|_| value.raw().to_owned(), Into::into),
        _ => value.raw().to_owned(),
    }
}

//! What each conversion changes: digests before and after, and what is lost.

use serde::Serialize;

use super::Question;
use super::history::has_legacy_folders;
use super::image::{ExplainedImage, target};
use super::manifests::{ExplainedLoss, Made, Origin, again, manifest};
use crate::archive::Dialect;
use crate::codec::Compression;
use crate::convert::{Format, LayerCompression as Codec, Plan, PlannedManifest};
use crate::digest::Digest;
use crate::document::Manifest;
use crate::document::kind::DocumentKind;
use crate::document::media_type::MediaFamily;
use crate::error::Result;
use crate::image::reason::Loss;

/// Every target, and what it makes of this image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Conversions {
    /// Why there are none, where the layers are not here.
    pub note: Option<&'static str>,
    /// One per target.
    pub conversions: Vec<ExplainedConversion>,
}

/// One target.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExplainedConversion {
    /// What comes out.
    pub target: &'static str,
    /// How it is asked for.
    pub command: &'static str,
    /// Why this image cannot go there; the rest is empty then.
    pub refused: Option<String>,
    /// Digests before and after.
    pub changes: Vec<FieldChange>,
    /// What the target cannot hold.
    pub losses: Vec<ExplainedLoss>,
}

impl ExplainedConversion {
    fn empty(target: &'static str, command: &'static str) -> Self {
        Self { target, command, refused: None, changes: Vec::new(), losses: Vec::new() }
    }
}

/// A digest before and after.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldChange {
    /// What people call it.
    pub name: &'static str,
    /// The layer that it belongs to, from one.
    pub layer: Option<usize>,
    /// What it was; nothing where there was none.
    pub before: Option<String>,
    /// What it is; nothing where there is none, or where it shows only when it is written.
    pub after: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

/// What becomes of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It stays.
    Same,
    /// Another takes its place.
    New,
    /// There was none, and now there is.
    Made,
    /// The target has no such digest.
    Gone,
    /// There was none, and there is none.
    None,
}

impl Fate {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::New => "new",
            Self::Made => "made",
            Self::Gone => "gone",
            Self::None => "none",
        }
    }

    fn of(before: Option<&String>, after: After) -> Self {
        match (before, after) {
            (Some(_), After::Same) => Self::Same,
            (Some(_), After::Nothing) => Self::Gone,
            (Some(before), After::Is(after)) if *before == after => Self::Same,
            (Some(_), After::Is(_) | After::Later) => Self::New,
            (None, After::Is(_) | After::Later) => Self::Made,
            (None, After::Nothing | After::Same) => Self::None,
        }
    }
}

/// What a target has in the place of a digest.
#[derive(Debug, Clone)]
enum After {
    Same,
    Is(String),
    /// One that shows when it is written.
    Later,
    Nothing,
}

struct ConversionRow {
    target: &'static str,
    command: &'static str,
    form: Format,
    codec: Codec,
}

const fn row(
    target: &'static str,
    command: &'static str,
    form: Format,
    codec: Codec,
) -> ConversionRow {
    ConversionRow { target, command, form, codec }
}

/// Every target that a plan tells of.
const ROWS: [ConversionRow; 7] = [
    row("OCI layout", "save2oci, convert --to oci", Format::Layout, Codec::Auto),
    row("OCI layout, zstd layers", "save2oci -c zstd", Format::Layout, Codec::Zstd),
    row("OCI layout, uncompressed layers", "save2oci -c none", Format::Layout, Codec::None),
    row(
        "docker archive, universal",
        "oci2save",
        Format::DockerArchive(Dialect::Universal),
        Codec::Auto,
    ),
    row(
        "docker archive, classic",
        "oci2save -d classic",
        Format::DockerArchive(Dialect::Classic),
        Codec::Auto,
    ),
    row(
        "docker archive, hybrid",
        "oci2save -d hybrid",
        Format::DockerArchive(Dialect::Hybrid),
        Codec::Auto,
    ),
    row(
        "docker archive, podman",
        "oci2save -d podman",
        Format::DockerArchive(Dialect::Podman),
        Codec::Auto,
    ),
];

/// Manifests alone: how they are asked for, and how after a source got a manifest.
const DOCUMENTS: [(&str, (&str, &str), DocumentKind); 3] = [
    (
        "schema 2 manifest",
        ("manifest convert --to schema2", "save2oci, then manifest convert --to schema2"),
        DocumentKind::Schema2,
    ),
    (
        "OCI manifest",
        ("manifest convert --to oci", "save2oci, then manifest convert --to oci"),
        DocumentKind::OciManifest,
    ),
    (
        "schema 1 manifest",
        ("manifest convert --to schema1", "save2oci, then manifest convert --to schema1"),
        DocumentKind::Schema1,
    ),
];

/// What is lost with this image, and with what stands above it.
fn losses(subject: &ExplainedImage, plan: &Plan) -> Vec<ExplainedLoss> {
    let mut losses: Vec<&Loss> = plan.losses.iter().chain(&subject.left).collect();
    losses.sort();
    losses.dedup();
    losses.into_iter().map(ExplainedLoss::of).collect()
}

/// Plans every conversion.
pub(super) fn conversions(subject: &ExplainedImage, wanted: &Question) -> Result<Conversions> {
    let mut conversions = Vec::new();
    for row in &ROWS {
        let asked = target(row.form, wanted.threads);
        let asked = crate::convert::Target { compression: row.codec, ..asked };
        let empty = ExplainedConversion::empty(row.target, row.command);
        match subject.plan(asked) {
            Ok(None) => (),
            Ok(Some(plan)) => conversions.push(ExplainedConversion {
                changes: changes(subject, row, &plan),
                losses: losses(subject, &plan),
                ..empty
            }),
            Err(error) => {
                conversions
                    .push(ExplainedConversion { refused: Some(error.kind.to_string()), ..empty });
            }
        }
    }
    conversions.extend(DOCUMENTS.map(|(name, commands, kind)| {
        // A source without a registry manifest is compressed first.
        let command = if subject.made.is_some() { commands.1 } else { commands.0 };
        of_manifest(subject, name, command, kind)
    }));
    let note = (!subject.is_whole()).then_some(
        "The layers are missing, so this page tells only what follows from the documents.",
    );
    Ok(Conversions { note, conversions })
}

fn changes(subject: &ExplainedImage, row: &ConversionRow, plan: &Plan) -> Vec<FieldChange> {
    let planned = plan.images().into_iter().next();
    let kept = planned.as_ref().map(|image| image.manifest);
    let all_kept = planned.as_ref().is_some_and(|image| image.kept.0 == image.kept.1);
    let mut changes = ids(subject);
    for layer in &subject.layers {
        let after = match (row.form, row.codec) {
            (Format::DockerArchive(Dialect::Hybrid), _) | (Format::Layout, Codec::None) => {
                layer.diff_id.clone().map_or(After::Later, After::Is)
            }
            (Format::DockerArchive(dialect), _) if dialect.is_plain() => After::Nothing,
            (_, Codec::Zstd) if layer.compression != Some(Compression::Zstd.name()) => After::Later,
            (_, Codec::Zstd) => After::Same,
            _ if layer.digest.is_some() => After::Same,
            _ => layer.made_digest.clone().map_or(After::Later, After::Is),
        };
        changes.push(change("layer digest", Some(layer.layer), layer.digest.clone(), after));
    }
    if row.form == Format::DockerArchive(Dialect::Classic) {
        let here = has_legacy_folders(subject);
        for (at, id) in subject.legacy.iter().map(ToString::to_string).enumerate() {
            let before = Some(id.clone()).filter(|_| here);
            changes.push(change("V1 layer ID", Some(at.saturating_add(1)), before, After::Is(id)));
        }
    }
    let own = subject.own.as_ref().map(|own| own.measured().digest().to_string());
    let after = match (kept, row.form, row.codec) {
        (Some(PlannedManifest::Kept(digest)), _, _) => After::Is(digest.to_string()),
        (Some(PlannedManifest::None) | None, _, _) => After::Nothing,
        (_, Format::DockerArchive(Dialect::Hybrid), _) | (_, Format::Layout, Codec::None)
            if own.is_none() || row.form != Format::Layout =>
        {
            plain(subject).map_or(After::Later, |digest| After::Is(digest.to_string()))
        }
        (_, _, Codec::Auto) if own.is_none() => match &subject.made {
            Some(made) => After::Is(made.measured().digest().to_string()),
            None => After::Later,
        },
        _ if all_kept && own.is_some() => After::Same,
        _ => After::Later,
    };
    changes.push(change("manifest digest", None, own, after));
    changes
}

/// The digest of the manifest of uncompressed layers, as the hybrid dialect has it.
fn plain(subject: &ExplainedImage) -> Option<Digest> {
    let config = subject.config.as_ref()?;
    let layer = |layer: &super::ExplainedLayer| {
        let digest: Digest = layer.diff_id.as_ref()?.parse().ok()?;
        Some((digest, layer.uncompressed_size?, Compression::None))
    };
    let layers: Option<Vec<(Digest, u64, Compression)>> =
        subject.layers.iter().map(layer).collect();
    let manifest = Manifest::of_image(MediaFamily::Oci, config.measured(), layers?);
    Some(Digest::of(manifest.to_json().as_bytes()))
}

/// What no conversion touches.
fn ids(subject: &ExplainedImage) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    if let Some(id) = subject.image_id() {
        changes.push(change("image ID", None, Some(id.to_string()), After::Same));
    }
    for layer in &subject.layers {
        if layer.diff_id.is_some() {
            changes.push(change("diff ID", Some(layer.layer), layer.diff_id.clone(), After::Same));
        }
    }
    changes
}

fn change(
    name: &'static str,
    layer: Option<usize>,
    before: Option<String>,
    after: After,
) -> FieldChange {
    let fate = Fate::of(before.as_ref(), after.clone());
    let after = match after {
        After::Same => before.clone(),
        After::Is(after) => Some(after),
        After::Later | After::Nothing => None,
    };
    FieldChange { name, layer, before, after, fate }
}

/// A conversion of the manifest alone: layers stay as they are.
fn of_manifest(
    subject: &ExplainedImage,
    target: &'static str,
    command: &'static str,
    kind: DocumentKind,
) -> ExplainedConversion {
    let own = subject.own.as_ref().map(|own| own.measured().digest().to_string());
    let mut conversion = ExplainedConversion::empty(target, command);
    match manifest(subject, kind) {
        Ok(Made { parsed, origin: Origin::Source | Origin::Saved, .. }) => {
            let after = again(subject, &parsed);
            let after = after.map_or(After::Same, |digest| After::Is(digest.to_string()));
            conversion.changes.push(change("manifest digest", None, own, after));
        }
        Ok(Made { parsed, losses, .. }) => {
            if kind == DocumentKind::Schema1 {
                let before = subject.image_id().map(|id| id.to_string());
                conversion.changes.push(change("image ID", None, before, After::Nothing));
            } else {
                conversion.changes = ids(subject);
            }
            for layer in &subject.layers {
                let digest = layer.stored_digest().map(str::to_owned);
                conversion.changes.push(change(
                    "layer digest",
                    Some(layer.layer),
                    digest,
                    After::Same,
                ));
            }
            let after = parsed.measured().digest().to_string();
            conversion.changes.push(change("manifest digest", None, own, After::Is(after)));
            conversion.losses = losses;
        }
        Err(missing) => conversion.refused = Some(missing),
    }
    conversion
}

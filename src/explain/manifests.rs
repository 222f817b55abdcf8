//! The manifests of an image, of each kind: the source's own, or made of it, and what that loses.

use serde::Serialize;

use super::image::ExplainedImage;
use crate::digest::Digest;
use crate::document::kind::DocumentKind;
use crate::error::ErrorKind;
use crate::image::reason::Lost;
use crate::manifest::{ConfigRules, ManifestRequest, Parsed, PlatformFill, convert, parse};

/// Where a document comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The source has it.
    Source,
    /// The source has it; docker save made it of uncompressed layers.
    Saved,
    /// It was made here.
    Made,
    /// It cannot be made from this source.
    Missing,
}

/// Something that is lost.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ExplainedLoss {
    /// A stable word; `explain CODE` says more.
    pub code: &'static str,
    /// What.
    pub what: String,
    /// Why, in a sentence.
    pub text: &'static str,
}

impl ExplainedLoss {
    /// A loss of a conversion.
    pub(super) fn of(loss: &crate::image::reason::Loss) -> Self {
        let (code, text) = (loss.reason.code(), loss.reason.sentence());
        Self { code, what: loss.what.clone(), text }
    }

    /// A change of a document that loses something.
    fn of_change(change: &crate::image::reason::Change) -> Self {
        let (code, text) = (change.reason.code(), change.reason.sentence());
        Self { code, what: change.field.clone(), text }
    }
}

/// A manifest, where it comes from, and what it cannot hold of the one that it was made of.
pub(super) struct Made {
    pub(super) parsed: Parsed,
    pub(super) origin: Origin,
    pub(super) losses: Vec<ExplainedLoss>,
}

/// A manifest, or why there is none.
pub(super) type MadeManifest = Result<Made, String>;

/// A manifest of a kind: the source's, or made of the one that is there.
pub(super) fn manifest(subject: &ExplainedImage, kind: DocumentKind) -> MadeManifest {
    let says = |kind: ErrorKind| kind.to_string();
    let (from, origin) = match (&subject.own, &subject.made) {
        (Some(own), _) if subject.saved => (own.clone(), Origin::Saved),
        (Some(own), _) => (own.clone(), Origin::Source),
        (None, Some(made)) => (parse(made.raw()).map_err(says)?, Origin::Made),
        (None, None) => {
            return Err("it lists compressed layers, which this source does not have".to_owned());
        }
    };
    if from.kind == kind {
        return Ok(Made { parsed: from, origin, losses: Vec::new() });
    }
    let made =
        convert(&from, &request(subject, kind), &subject.at).map_err(|error| says(error.kind))?;
    let lost = made.changes.iter().filter(|change| change.reason.row().lost == Lost::Yes);
    let losses = lost.map(ExplainedLoss::of_change).collect();
    Ok(Made { parsed: parse(&made.raw).map_err(says)?, origin: Origin::Made, losses })
}

/// The digest of what `manifest convert` makes of a manifest that is of the kind already: the same
/// unless it has members that converters write otherwise.
pub(super) fn again(subject: &ExplainedImage, own: &Parsed) -> Option<Digest> {
    let made = convert(own, &request(subject, own.kind), &subject.at).ok()?;
    Some(parse(&made.raw).ok()?.measured().digest())
}

fn request(subject: &ExplainedImage, to: DocumentKind) -> ManifestRequest<'_> {
    ManifestRequest {
        to,
        config: subject.config.as_ref().map(|config| config.raw().to_vec()),
        blobs: None,
        name: subject.reference.clone(),
        key: None,
        like: ConfigRules::Moby,
        fill: PlatformFill::Needed,
    }
}

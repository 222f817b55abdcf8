//! The manifests of an image, of each kind: the source's own, or made of it, and what that loses.

use serde::Serialize;

use super::subject::Subject;
use crate::digest::Digest;
use crate::error::ErrorKind;
use crate::manifest::{Fill, Kind, Like, Parsed, Request, convert, parse};
use crate::reason::Lost;

/// Where a document comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It stands in the source.
    Source,
    /// It was made here.
    Made,
    /// It cannot be made from this source.
    Missing,
}

/// Something that is lost.
#[derive(Debug, Serialize)]
pub struct Loss {
    /// A stable word; `explain CODE` says more.
    pub reason: &'static str,
    /// What.
    pub what: String,
    /// Why, in a sentence.
    pub text: &'static str,
}

impl Loss {
    /// A loss of a conversion.
    pub(super) fn of(loss: &crate::reason::Loss) -> Self {
        let (reason, text) = (loss.reason.code(), loss.reason.sentence());
        Self { reason, what: loss.what.clone(), text }
    }

    /// A change of a document that loses something.
    fn of_change(change: &crate::reason::Change) -> Self {
        let (reason, text) = (change.reason.code(), change.reason.sentence());
        Self { reason, what: change.field.clone(), text }
    }
}

/// A manifest and where it comes from, or why there is none.
pub(super) type Found = Result<(Parsed, Origin), String>;

/// A manifest of a kind: the source's, or made of the one that is there.
pub(super) fn manifest(subject: &Subject, kind: Kind) -> Found {
    let at = &subject.at;
    let says = |kind: ErrorKind| kind.to_string();
    let from = match (&subject.own, &subject.made) {
        (Some(own), _) if own.kind == kind => return Ok((own.clone(), Origin::Source)),
        (Some(own), _) => own.clone(),
        (None, Some(made)) => parse(made.raw()).map_err(says)?,
        (None, None) => {
            return Err("it lists compressed layers, and these are not here".to_owned());
        }
    };
    if from.kind == kind {
        return Ok((from, Origin::Made));
    }
    let made = convert(&from, &request(subject, kind), at).map_err(|error| says(error.kind))?;
    Ok((parse(&made.raw).map_err(says)?, Origin::Made))
}

/// The digest of what `manifest convert` makes of a manifest that is of the kind already: the same
/// unless it has members that converters write otherwise.
pub(super) fn again(subject: &Subject, own: &Parsed) -> Option<Digest> {
    let made = convert(own, &request(subject, own.kind), &subject.at).ok()?;
    Some(parse(&made.raw).ok()?.measured().digest())
}

/// What a manifest of a kind cannot hold of the one that is there.
pub(super) fn losses(subject: &Subject, kind: Kind) -> Vec<Loss> {
    let from = match (&subject.own, &subject.made) {
        (Some(own), _) => Some(own.clone()),
        (None, made) => made.as_ref().and_then(|made| parse(made.raw()).ok()),
    };
    let converted = from.and_then(|from| convert(&from, &request(subject, kind), &subject.at).ok());
    let changes = converted.map(|converted| converted.changes).unwrap_or_default();
    changes
        .iter()
        .filter(|change| change.reason.row().lost == Lost::Yes)
        .map(Loss::of_change)
        .collect()
}

fn request(subject: &Subject, to: Kind) -> Request<'_> {
    Request {
        to,
        config: subject.config.as_ref().map(|config| config.raw().to_vec()),
        blobs: None,
        name: subject.reference.clone(),
        key: None,
        like: Like::Moby,
        fill: Fill::Needed,
    }
}

//! A finding, and the list of findings without duplicates.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::check::{Severity, check};
use crate::error::{Error, ErrorKind, Location};
use crate::image::reading::Note;

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// A stable code: a row of [`CHECKS`](super::CHECKS).
    pub code: &'static str,
    /// The severity.
    pub severity: Severity,
    /// Where.
    pub at: Location,
    /// The text, with the expected and found values.
    pub text: String,
    /// The expected value, if there is one.
    pub expected: Option<String>,
    /// The found value, if there is one.
    pub found: Option<String>,
    /// What to do, if known.
    pub hint: Option<&'static str>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}

/// Findings without duplicates, sorted by place.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeSet<(Location, Severity, Finding)>);

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.0.insert((finding.at.clone(), finding.severity, finding));
    }

    /// Adds a problem.
    pub(super) fn error(&mut self, error: &Error) {
        self.kind(&error.at, &error.kind);
    }

    pub(super) fn kind(&mut self, at: &Location, kind: &ErrorKind) {
        let (expected, found) = kind.sides();
        let code = check(kind.code()).code;
        let text = kind.text();
        let (at, hint, severity) = (at.clone(), kind.hint(), check(code).severity);
        self.add(Finding { code, severity, at, text, expected, found, hint });
    }

    /// Adds a finding from the catalogue.
    pub(super) fn say(&mut self, at: &Location, code: &'static str, text: impl Into<String>) {
        let (severity, text) = (check(code).severity, text.into());
        let at = at.clone();
        self.add(Finding { code, severity, at, text, expected: None, found: None, hint: None });
    }

    /// Adds a note of a reader.
    pub(super) fn note(&mut self, note: &Note) {
        let (severity, at, text) = (check(note.code).severity, note.at.clone(), note.text.clone());
        let (expected, found) = note.sides.clone().unzip();
        self.add(Finding { code: note.code, severity, at, text, expected, found, hint: None });
    }

    /// Whether there is a finding with this code at this place.
    pub(super) fn has(&self, at: &Location, code: &str) -> bool {
        self.0.iter().any(|(place, _, finding)| place == at && finding.code == code)
    }

    pub(super) fn finish(self) -> Vec<Finding> {
        self.0.into_iter().map(|(_, _, finding)| finding).collect()
    }
}

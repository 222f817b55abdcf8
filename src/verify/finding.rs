//! The list of findings without duplicates.

use std::collections::BTreeSet;

use super::check::check;
use crate::error::{Error, ErrorKind, Finding, Location, Severity, Verdict};
use crate::image::reading::Note;

/// Findings without duplicates, sorted by place.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeSet<(Location, Severity, Finding)>);

impl Findings {
    /// Adds a finding; its code is a row of the catalogue.
    pub(super) fn add(&mut self, mut finding: Finding) {
        (finding.code, finding.severity) = (check(finding.code).code, check(finding.code).severity);
        self.0.insert((finding.at.clone(), finding.severity, finding));
    }

    /// Adds a problem.
    pub(super) fn error(&mut self, error: &Error) {
        self.add(error.into());
    }

    pub(super) fn kind(&mut self, at: &Location, kind: &ErrorKind) {
        self.add(Finding::of(at, kind));
    }

    /// Adds a finding from the catalogue.
    pub(super) fn say(&mut self, at: &Location, code: &'static str, text: impl Into<String>) {
        let mut finding = Finding::from(&Note::new(at, code, text));
        finding.kind = (check(code).severity == Severity::Problem).then_some(Verdict::Damaged);
        self.add(finding);
    }

    /// Adds a note of a reader.
    pub(super) fn note(&mut self, note: &Note) {
        self.add(note.into());
    }

    /// Whether there is a finding with this code at this place.
    pub(super) fn has(&self, at: &Location, code: &str) -> bool {
        self.0.iter().any(|(place, _, finding)| place == at && finding.code == code)
    }

    pub(super) fn finish(self) -> Vec<Finding> {
        self.0.into_iter().map(|(_, _, finding)| finding).collect()
    }
}

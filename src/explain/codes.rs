//! The catalogues by their codes: why something changes or is lost, and what can be wrong or odd.

use serde::Serialize;

use crate::image::readers::{READERS, ReaderRow};
use crate::image::reason::{Lost, Reason};
use crate::verify::{CHECKS, Check, DESTINATION_NOTES, Severity};

/// One entry of a catalogue. `docs/schema/code.json` describes its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Code {
    /// The stable word.
    pub code: &'static str,
    /// `reason`, `problem` or `note`.
    pub kind: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What follows from it.
    pub consequence: &'static str,
    /// Where it comes from, or what to do about it; empty for reasons, which say it themselves.
    pub advice: &'static str,
    /// Where the rule is written; empty for what is one of this program alone.
    pub section: &'static str,
    /// Which programs cannot read what, and in which versions that was seen.
    pub readers: Vec<&'static ReaderRow>,
}

impl Code {
    fn of_reason(reason: Reason) -> Self {
        let row = reason.row();
        let consequence = match row.lost {
            Lost::Yes => {
                "Something is gone from the result and cannot be had back from it. Conversions name \
                 it as a loss before anything is written; --strict refuses it."
            }
            Lost::No => {
                "The bytes differ and the meaning stays: it can be had back, or was never there."
            }
        };
        let (code, meaning, section) = (row.code, row.sentence, row.section);
        let readers = of_readers(code);
        Self { code, kind: "reason", meaning, consequence, advice: "", section, readers }
    }

    fn of_check(check: &Check) -> Self {
        let (kind, consequence) = match check.severity {
            Severity::Problem => {
                ("problem", "verify lists it and exits 1; conversions refuse what it touches.")
            }
            Severity::Note => (
                "note",
                "Odd, and it changes nothing that is converted. verify lists it and exits 0; \
                 --strict refuses it.",
            ),
        };
        let (code, meaning, advice) = (check.code, check.sentence, check.advice);
        let readers = of_readers(code);
        Self { code, kind, meaning, consequence, advice, section: "", readers }
    }

    /// A note about a destination, which `verify` does not make.
    fn of_destination(check: &Check) -> Self {
        let consequence = "Conversions name it; the destination is as it should be.";
        Self { consequence, ..Self::of_check(check) }
    }
}

fn of_readers(code: &str) -> Vec<&'static ReaderRow> {
    READERS.iter().copied().filter(|row| row.code == code).collect()
}

/// Every entry, reasons first.
#[must_use]
pub fn codes() -> Vec<Code> {
    let reasons = Reason::ALL.into_iter().map(Code::of_reason);
    let destinations = DESTINATION_NOTES.iter().map(Code::of_destination);
    reasons.chain(CHECKS.iter().map(Code::of_check)).chain(destinations).collect()
}

/// The entry of a code.
#[must_use]
pub fn code(code: &str) -> Option<Code> {
    codes().into_iter().find(|known| known.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_means_two_things() {
        let mut seen = std::collections::BTreeSet::new();
        for known in codes() {
            assert!(seen.insert(known.code), "{} twice", known.code);
            assert_eq!(code(known.code), Some(known.clone()));
        }
    }
}

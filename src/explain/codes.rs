//! The catalogues by their codes: why something changes or is lost, and what can be wrong or odd.

use serde::Serialize;

use crate::image::reason::{Lost, Reason};
use crate::verify::{CHECKS, Check, Severity};

/// One entry of a catalogue. `docs/schema/code.json` describes its JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
        Self { code, kind: "reason", meaning, consequence, advice: "", section }
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
        Self { code, kind, meaning, consequence, advice, section: "" }
    }
}

/// Every entry, reasons first.
#[must_use]
pub fn codes() -> Vec<Code> {
    let reasons = Reason::ALL.into_iter().map(Code::of_reason);
    reasons.chain(CHECKS.iter().map(Code::of_check)).collect()
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
            assert_eq!(code(known.code), Some(known));
        }
    }
}

//! One shape for what is wrong or unusual: an error of any command, a finding of `verify`, a note.

use std::fmt;

use serde::Serialize;

use super::{Error, ErrorKind, Location};

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The image is damaged, inconsistent or ambiguous; conversions refuse it.
    Problem,
    /// Something unusual that has no effect.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Problem => "problem",
            Self::Note => "note",
        })
    }
}

/// What a refusal says about the bytes, or that it says nothing about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The bytes contradict what a digest, a size, a checksum, a format or another document says of
    /// them, or bytes that a document names are missing.
    Damaged,
    /// The bytes may be what they should be; imgconv does not read, choose or store them.
    Unsupported,
    /// They exceed a limit of imgconv.
    Limit,
    /// The command asks for something that is not there or is not possible.
    Usage,
    /// The machine, the destination or another program is in the way.
    Environment,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "damaged",
            Self::Unsupported => "unsupported",
            Self::Limit => "limit",
            Self::Usage => "usage",
            Self::Environment => "environment",
        })
    }
}

/// A problem or a note. `docs/schema/verification.json` describes its JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// A stable code.
    pub code: &'static str,
    /// The severity.
    pub severity: Severity,
    /// What it says about the bytes; `None` for a note.
    pub kind: Option<Verdict>,
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

impl Finding {
    /// The finding that a problem at a place is.
    #[must_use]
    pub fn of(at: &Location, kind: &ErrorKind) -> Self {
        let (expected, found) = kind.sides();
        Self {
            code: kind.code(),
            severity: Severity::Problem,
            kind: Some(kind.verdict()),
            at: at.clone(),
            text: kind.text(),
            expected,
            found,
            hint: kind.hint(),
        }
    }
}

impl From<&Error> for Finding {
    fn from(error: &Error) -> Self {
        Self::of(&error.at, &error.kind)
    }
}

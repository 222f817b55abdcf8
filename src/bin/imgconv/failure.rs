//! Failures of commands and their exit status.

use std::fmt;
use std::io;

use imgconv::error::{Class, Error, ErrorKind, Location, Severity, Verdict};
use serde::{Serialize, Serializer};

/// A failure of a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the library, with place, hint and class.
    Library(Error),
    /// Wrong usage.
    Usage { text: String, hint: Option<String> },
    /// The output was printed, and the check failed; this is the summary.
    No(String),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl Failure {
    /// 1: refused, or a check failed. 2: could not run. 141: the reader of the output closed it, as
    /// for `cat`.
    pub(crate) fn status(&self) -> u8 {
        match self {
            _ if self.is_silent() => 128 + 13,
            Self::No(_) => 1,
            Self::Library(error) if error.kind.class() == Class::Refused => 1,
            Self::Library(_) | Self::Usage { .. } | Self::Output(_) => 2,
        }
    }

    /// Whether the reader closed standard output, so that no message is needed.
    pub(crate) fn is_silent(&self) -> bool {
        let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        match self {
            Self::Output(error) => closed(error),
            Self::Library(Error { at, kind: ErrorKind::Write(error), .. }) => {
                *at == Location::named("-") && closed(error)
            }
            Self::Library(_) | Self::Usage { .. } | Self::No(_) => false,
        }
    }

    /// The code, if it says more than that the command is wrong.
    pub(crate) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Library(error) => Some(error.code()).filter(|code| *code != "usage"),
            Self::Usage { .. } | Self::No(_) | Self::Output(_) => None,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Library(error) => error.kind.hint().map(str::to_owned),
            Self::Usage { hint, .. } => hint.clone(),
            Self::No(_) | Self::Output(_) => None,
        }
    }

    pub(crate) fn usage(text: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self::Usage { text: text.into(), hint: hint.into() }
    }
}

impl Serialize for Failure {
    /// As every finding.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields {
            code: &'static str,
            severity: Severity,
            kind: Option<Verdict>,
            at: &'static str,
            text: String,
            expected: Option<String>,
            found: Option<String>,
            hint: Option<String>,
        }
        let (code, kind) = match self {
            Self::Library(error) => return error.serialize(to),
            Self::Usage { .. } => ("usage", Some(Verdict::Usage)),
            Self::Output(_) => ("write", Some(Verdict::Environment)),
            Self::No(_) => ("no", None),
        };
        let (severity, text, hint) = (Severity::Problem, self.to_string(), self.hint());
        let (expected, found) = (None, None);
        Fields { code, severity, kind, at: "", text, expected, found, hint }.serialize(to)
    }
}

/// A failure as the whole JSON output.
#[derive(Serialize)]
pub(crate) struct FailureJson<'a> {
    pub(crate) error: &'a Failure,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(error) => {
                write!(f, "{error}")?;
                let mut cause = std::error::Error::source(error);
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            Self::Usage { text, .. } | Self::No(text) => f.write_str(text),
            Self::Output(error) => write!(f, "standard output: cannot write: {error}"),
        }
    }
}

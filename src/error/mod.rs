//! The error type of the library: the place, the problem, the expected and found values, and a
//! hint.

mod carried;
mod finding;
mod hint;
mod kind;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub(crate) use carried::{carried, kind_of};
pub use finding::{Finding, Severity, Verdict};
pub use kind::{Class, ErrorKind};

use crate::limits;

/// The result of every fallible function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A place and the problem there. Prints `nginx.tar!a4e2/layer.tar: size differs, …`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Error {
    /// Where.
    pub at: Location,
    /// What.
    pub kind: ErrorKind,
}

impl Error {
    /// An error at a place.
    #[must_use]
    pub fn new(at: &Location, kind: ErrorKind) -> Self {
        Self { at: at.clone(), kind }
    }

    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The class, which decides the exit status.
    #[must_use]
    pub fn class(&self) -> Class {
        self.kind.class()
    }

    /// What the user can do about it; `None` if imgconv does not know.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.kind.hint()
    }
}

impl Serialize for Error {
    /// As every finding.
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        Finding::from(self).serialize(to)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.kind)
    }
}

impl std::error::Error for Error {
    // The message already contains the kind; only its cause is a source.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

/// A source or destination, and a member or blob of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    // Shared, because every layer has one and many values refer to it.
    place: Arc<str>,
    member: Option<Arc<str>>,
}

impl Location {
    /// A whole source or destination.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self { place: path.to_string_lossy().into(), member: None }
    }

    /// The same place under another name, such as `-` for a pipe.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { place: name.into(), member: None }
    }

    /// A member, blob or part of this place.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        Self { place: Arc::clone(&self.place), member: Some(name.into()) }
    }

    /// The source or destination without the member.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The member, if there is one.
    #[must_use]
    pub fn member_name(&self) -> Option<&str> {
        self.member.as_deref()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.place))?;
        match &self.member {
            Some(member) => write!(f, "!{}", Shown(member)),
            None => Ok(()),
        }
    }
}

impl Serialize for Location {
    /// Serialized as text, as in messages.
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A word that is not one of the allowed values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct UnknownWord {
    expected: String,
}

/// The item of `all` with the name `text`.
pub(crate) fn by_name<T: Copy>(
    text: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> std::result::Result<T, UnknownWord> {
    let words = || all.iter().map(|it| name(*it)).collect::<Vec<_>>().join(", ");
    let found = all.iter().copied().find(|it| name(*it) == text);
    found.ok_or_else(|| UnknownWord { expected: format!("one of {}", words()) })
}

/// Adds the place to an error of a lower module that does not know it.
pub trait At<T> {
    /// The error at `place`.
    ///
    /// # Errors
    /// The same error, with its place.
    fn at(self, place: &Location) -> Result<T>;
}

impl<T, E: Into<ErrorKind>> At<T> for Result<T, E> {
    fn at(self, place: &Location) -> Result<T> {
        self.map_err(|kind| Error::new(place, kind.into()))
    }
}

/// Text from an input, escaped for terminals and cut to [`limits::SHOWN`] characters.
///
/// It escapes C0, DEL, C1 and the characters that reorder a line.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(f, self.0, limits::SHOWN)
    }
}

/// The same for what a program or a server says by itself, cut to [`limits::SHOWN_ANSWER`]
/// characters.
#[derive(Debug, Clone, Copy)]
pub struct ShownAnswer<'a>(pub &'a str);

impl fmt::Display for ShownAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(f, self.0, limits::SHOWN_ANSWER)
    }
}

fn escaped(f: &mut fmt::Formatter<'_>, text: &str, most: usize) -> fmt::Result {
    use fmt::Write as _;
    for (count, char) in text.chars().enumerate() {
        if count == most {
            return write!(f, "… ({} bytes)", text.len());
        }
        match char {
            '\t' => f.write_str("\\t")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            char if drives_terminals(char) => write!(f, "{}", char.escape_unicode())?,
            char => f.write_char(char)?,
        }
    }
    Ok(())
}

/// Whether a character may move a cursor, change colours or reorder what is beside it.
pub(crate) fn drives_terminals(char: char) -> bool {
    char.is_control() || reorders(char)
}

fn reorders(char: char) -> bool {
    matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_out_of_an_input_cannot_drive_a_terminal() {
        for (text, shown) in [
            ("plain/layer.tar", "plain/layer.tar"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("tab\tnewline\n", "tab\\tnewline\\n"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("left\u{202e}right", "left\\u{202e}right"),
            ("arabic\u{61c}mark", "arabic\\u{61c}mark"),
            ("über", "über"),
        ] {
            assert_eq!(Shown(text).to_string(), shown);
        }
    }

    #[test]
    fn long_names_are_cut_and_their_length_said() {
        let long = "x".repeat(5000);
        let shown = Shown(&long).to_string();
        assert!(shown.ends_with("x… (5000 bytes)") && shown.chars().count() < 230, "{shown}");
    }

    #[test]
    fn no_message_contains_its_source() {
        let io = || std::io::Error::other("the cause");
        for kind in [ErrorKind::Read(io()), ErrorKind::Write(io()), ErrorKind::Open(io())] {
            let error = Error::new(&Location::named("a.tar"), kind);
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(!error.to_string().contains(&source), "{error}");
        }
    }
}

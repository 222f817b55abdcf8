//! A piece of checked JSON text, read one level at a time.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::borrow::Cow;

use crate::error::ErrorKind;

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonKind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// The exact text of one value of a checked document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The exact text.
    pub(crate) fn raw(self) -> &'a str {
        self.0
    }

    /// Its position in the document.
    pub(crate) fn span_in(self, document: &[u8]) -> std::ops::Range<usize> {
        let start = self.0.as_ptr().addr().saturating_sub(document.as_ptr().addr());
        start..start.saturating_add(self.0.len())
    }

    pub(crate) fn kind(self) -> JsonKind {
        match self.0.as_bytes().first() {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'n') | None => JsonKind::Null,
            Some(_) => JsonKind::Number,
        }
    }

    pub(crate) fn is_null(self) -> bool {
        self.kind() == JsonKind::Null
    }

    /// A string.
    pub(crate) fn string(self, field: &str) -> Result<Cow<'a, str>, ErrorKind> {
        match self.kind() {
            JsonKind::String => Ok(text(self.0)),
            _ => Err(self.unexpected(field, "a string")),
        }
    }

    /// A whole number from 0 to 2^63-1.
    pub(crate) fn size(self, field: &str) -> Result<u64, ErrorKind> {
        match self.0.parse::<u64>() {
            Ok(number) if i64::try_from(number).is_ok() => Ok(number),
            _ => Err(self.unexpected(field, "an integer from 0 to 2^63-1")),
        }
    }

    pub(crate) fn bool(self, field: &str) -> Result<bool, ErrorKind> {
        match self.0 {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.unexpected(field, "true or false")),
        }
    }

    /// The elements of a list; `null` is an empty list.
    pub(crate) fn list(
        self,
        field: &str,
    ) -> Result<impl Iterator<Item = Self> + use<'a>, ErrorKind> {
        match self.kind() {
            JsonKind::Array | JsonKind::Null => Ok(Parts::new(self.0).map(|(_, value)| value)),
            _ => Err(self.unexpected(field, "a list")),
        }
    }

    /// The members of an object in the order of the text; `null` is an empty object.
    pub(crate) fn members(
        self,
        field: &str,
    ) -> Result<impl Iterator<Item = (Cow<'a, str>, Self)> + use<'a>, ErrorKind> {
        match self.kind() {
            JsonKind::Object | JsonKind::Null => {
                Ok(Parts::new(self.0).map(|(key, value)| (text(key.unwrap_or_default()), value)))
            }
            _ => Err(self.unexpected(field, "an object")),
        }
    }

    /// The members with these names, compared without case; the exact spelling wins. `null` has no
    /// members.
    pub(crate) fn fields<const N: usize>(
        self,
        field: &str,
        names: [&str; N],
    ) -> Result<[Option<Self>; N], ErrorKind> {
        if self.kind() != JsonKind::Object {
            return Err(self.unexpected(field, "an object"));
        }
        let mut found = [None; N];
        let mut exact = [false; N];
        for (key, value) in self.members(field)? {
            for ((name, found), exact) in names.iter().zip(&mut found).zip(&mut exact) {
                if key == *name {
                    (*found, *exact) = (Some(value), true);
                } else if !*exact && folded(&key).eq(folded(name)) {
                    *found = Some(value);
                }
            }
        }
        Ok(found.map(|value| value.filter(|value| !value.is_null())))
    }

    /// Elements, or members with the text of their keys.
    pub(super) fn parts(self) -> impl Iterator<Item = (Option<&'a str>, Self)> + use<'a> {
        let some = matches!(self.kind(), JsonKind::Array | JsonKind::Object);
        Parts::new(if some { self.0 } else { "null" })
    }

    /// The members with other names, with their values as compact text.
    pub(crate) fn others(self, known: &[&str]) -> Vec<(String, String)> {
        let Ok(members) = self.members("") else { return Vec::new() };
        let unknown = |key: &str| !known.iter().any(|known| folded(known).eq(folded(key)));
        members
            .filter(|(key, _)| unknown(key))
            .map(|(key, value)| {
                let mut text = String::new();
                super::go::compact(&mut text, value.raw());
                (key.into_owned(), text)
            })
            .collect()
    }

    pub(crate) fn unexpected(self, field: &str, expected: &'static str) -> ErrorKind {
        let found = match self.kind() {
            JsonKind::Object => "an object",
            JsonKind::Array => "a list",
            JsonKind::Null => "null",
            JsonKind::Bool | JsonKind::Number | JsonKind::String => self.0,
        };
        ErrorKind::field(field, expected, found)
    }
}

/// Elements of an array, or keys and values of an object, of checked text.
struct Parts<'a> {
    rest: &'a str,
    object: bool,
}

impl<'a> Parts<'a> {
    fn new(text: &'a str) -> Self {
        let object = text.starts_with('{');
        let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        // `null` has no parts.
        Self { rest: if text == "null" { "" } else { inside }, object }
    }

    fn take(&mut self) -> &'a str {
        self.skip();
        let (taken, rest) = self.rest.split_at_checked(end(self.rest)).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ',', ':']);
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = (Option<&'a str>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip();
        if self.rest.is_empty() {
            return None;
        }
        let key = self.object.then(|| self.take());
        Some((key, Value(self.take())))
    }
}

/// The length of the value at the start of checked text.
fn end(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        let after = at.saturating_add(1);
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    quoted = false;
                    if depth == 0 {
                        return after;
                    }
                }
                _ => (),
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' if depth <= 1 => return if depth == 1 { after } else { at },
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => (),
        }
    }
    text.len()
}

/// The content of a checked string in quotes; unpaired surrogates become U+FFFD, as in Go.
pub(super) fn text(quoted: &str) -> Cow<'_, str> {
    let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (char, after) = unescape(after);
        out.push(char);
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of the escape that follows a backslash, and the rest.
fn unescape(text: &str) -> (char, &str) {
    let mut chars = text.chars();
    let char = match chars.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unicode(chars.as_str()),
        Some(char) => char,
        None => char::REPLACEMENT_CHARACTER,
    };
    (char, chars.as_str())
}

fn unicode(text: &str) -> (char, &str) {
    let (Some(first), rest) = hex4(text) else { return (char::REPLACEMENT_CHARACTER, text) };
    if let Some(char) = char::from_u32(first) {
        return (char, rest);
    }
    if (0xd800..0xdc00).contains(&first)
        && let Some(low) = rest.strip_prefix("\\u")
        && let (Some(second @ 0xdc00..=0xdfff), after) = hex4(low)
    {
        let low = second.saturating_sub(0xdc00);
        let char = (first.saturating_sub(0xd800) << 10).saturating_add(low).saturating_add(0x10000);
        return (char::from_u32(char).unwrap_or(char::REPLACEMENT_CHARACTER), after);
    }
    (char::REPLACEMENT_CHARACTER, rest)
}

fn hex4(text: &str) -> (Option<u32>, &str) {
    let (digits, rest) = text.split_at_checked(4).unwrap_or(("", text));
    (u32::from_str_radix(digits, 16).ok(), rest)
}

/// Whether two keys are the same name in Go.
pub(crate) fn same_key(a: &str, b: &str) -> bool {
    folded(a).eq(folded(b))
}

/// A key as Go compares it: without case; the long s and the Kelvin sign count as letters.
pub(super) fn folded(key: &str) -> impl Iterator<Item = char> {
    key.chars().flat_map(char::to_lowercase).map(|char| match char {
        'ſ' => 's',
        'K' => 'k',
        char => char,
    })
}

//! One pass over a document: syntax, depth, duplicate keys.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::value::{self, Value, folded};
use crate::error::ErrorKind;
use crate::limits;

/// A syntax error and its position in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not JSON, or truncated.
    Syntax(&'static str, usize),
    /// Nested more deeply than [`limits::JSON_DEPTH`].
    Depth,
}

impl From<Fault> for ErrorKind {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax(what, at) => Self::Json { what, at },
            Fault::Depth => {
                Self::limit("nesting of JSON", limits::JSON_DEPTH as u64, "more levels")
            }
        }
    }
}

/// A document that was checked completely.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    /// The value.
    pub(crate) value: Value<'a>,
    /// Duplicate keys, in the same or another spelling.
    pub(crate) duplicates: Vec<Duplicate>,
    /// Bytes after the value, other than white space.
    pub(crate) trailing: bool,
}

/// A duplicate key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// Its first spelling in the text.
    pub(crate) key: String,
    /// The nesting level of its object; 0 is the top level.
    pub(crate) depth: usize,
    /// Whether this exact spelling is duplicated.
    pub(crate) exact: bool,
}

/// Whether bytes may follow the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trailing {
    /// Only white space.
    Refused,
    /// Any bytes: docker and containerd read the `manifest.json` of a docker archive like this.
    Allowed,
}

/// Checks the whole text.
pub(crate) fn check(bytes: &[u8], trailing: Trailing) -> Result<Checked<'_>, Fault> {
    let (text, broken) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            (std::str::from_utf8(valid).unwrap_or_default(), Some(error.valid_up_to()))
        }
    };
    let not_utf8 = |fault| match (broken, fault) {
        (Some(at), _) => Fault::Syntax("bytes that are not UTF-8", at),
        (None, fault) => fault,
    };
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0, duplicates: Vec::new() };
    scan.space();
    let start = scan.at;
    scan.value(0).map_err(not_utf8)?;
    let value = Value::new(scan.between(start));
    scan.space();
    let rest = scan.at < scan.bytes.len() || broken.is_some();
    if rest && trailing == Trailing::Refused {
        return Err(not_utf8(Fault::Syntax("trailing characters after the value", scan.at)));
    }
    Ok(Checked { value, duplicates: scan.duplicates, trailing: rest })
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    duplicates: Vec<Duplicate>,
}

impl<'a> Scan<'a> {
    fn fault<T>(&self, what: &'static str) -> Result<T, Fault> {
        let what = if self.at >= self.bytes.len() { "unexpected end of text" } else { what };
        Err(Fault::Syntax(what, self.at))
    }

    fn between(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.step();
        }
        there
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > limits::JSON_DEPTH {
            return Err(Fault::Depth);
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.fault("expected a value"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        self.step();
        let mut keys: Vec<Cow<'a, str>> = Vec::new();
        self.space();
        if !self.eat(b'}') {
            loop {
                self.space();
                let start = self.at;
                if self.peek() != Some(b'"') {
                    return self.fault("expected a key in quotes");
                }
                self.string()?;
                keys.push(value::text(self.between(start)));
                self.space();
                if !self.eat(b':') {
                    return self.fault("expected a colon");
                }
                self.space();
                self.value(depth.saturating_add(1))?;
                self.space();
                if self.eat(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return self.fault("expected a comma or a brace");
                }
            }
        }
        self.repeated(keys, depth);
        Ok(())
    }

    /// Notes the duplicate keys; linear except for the sort.
    ///
    /// It notes only some of the deeper ones, because one is enough to refuse a document.
    /// Duplicates in the two upper levels matter more, so the others must not hide them.
    fn repeated(&mut self, mut keys: Vec<Cow<'a, str>>, depth: usize) {
        if keys.len() < 2 {
            return;
        }
        keys.sort_by(|a, b| folded(a).cmp(folded(b)));
        for alike in keys.chunk_by(|a, b| folded(a).eq(folded(b))) {
            let [first, others @ ..] = alike else { continue };
            let mut spellings = BTreeSet::from([first]);
            let again = others.iter().find(|key| !spellings.insert(key));
            let other = others.iter().any(|key| key != first).then_some(first);
            for (key, exact) in [(again, true), (other, false)] {
                let is_noted = depth < 2 || self.duplicates.len() < limits::SHOWN;
                if let Some(key) = key.filter(|_| is_noted) {
                    self.duplicates.push(Duplicate { key: key.to_string(), depth, exact });
                }
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        self.step();
        self.space();
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.space();
            self.value(depth.saturating_add(1))?;
            self.space();
            if self.eat(b']') {
                return Ok(());
            }
            if !self.eat(b',') {
                return self.fault("expected a comma or a bracket");
            }
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.step();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return Ok(());
                }
                Some(b'\\') => {
                    self.step();
                    self.escape()?;
                }
                Some(0..=0x1f) => return self.fault("a control character inside a string"),
                Some(_) => self.step(),
                None => return self.fault(""),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.step(),
            Some(b'u') => {
                self.step();
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.fault("expected four hex digits");
                    }
                    self.step();
                }
            }
            _ => return self.fault("an unknown escape"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.fault("expected a digit");
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.step();
        }
        Ok(())
    }

    fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.fault("expected a value");
        }
        self.at = self.at.saturating_add(word.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, bool)> {
        let checked = check(text.as_bytes(), Trailing::Refused).unwrap();
        checked.duplicates.into_iter().map(|it| (it.key, it.exact)).collect()
    }

    #[test]
    fn a_repeat_is_exact_wherever_it_is() {
        for (text, expected) in [
            (r#"{"A":1,"a":2}"#, &[("A", false)][..]),
            (r#"{"a":1,"a":2}"#, &[("a", true)]),
            (r#"{"A":1,"a":2,"A":3}"#, &[("A", true), ("A", false)]),
            (r#"{"A":1,"a":2,"b":0,"a":3}"#, &[("a", true), ("A", false)]),
            (r#"{"a":1,"A":2,"\u0061":3}"#, &[("a", true), ("a", false)]),
            (r#"{"a":{"b":1,"B":2,"b":3}}"#, &[("b", true), ("b", false)]),
            (r#"{"a":1,"b":2}"#, &[]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(key, it)| ((*key).to_owned(), *it)).collect();
            assert_eq!(found(text), expected, "{text}");
        }
    }

    /// An object ends after its inner objects, and `z` sorts last.
    #[test]
    fn a_repeat_is_not_hidden_behind_many_others() {
        let many: Vec<String> = (0..1000).map(|at| format!("\"k{at}\":1,\"K{at}\":2")).collect();
        let many = many.join(",");
        for text in [
            format!("{{\"z\":1,\"a\":[{{{many}}}],\"z\":2}}"),
            format!("{{{many},\"z\":1,\"Z\":1,\"z\":2}}"),
            format!("{{\"a\":{{{many},\"z\":1,\"z\":2}}}}"),
        ] {
            assert!(found(&text).contains(&("z".to_owned(), true)));
        }
    }
}

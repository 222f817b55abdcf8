//! Reads the parts of header fields (RFC 9110, 5.6): tokens, quoted strings, parameters.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

/// The unread rest of a field value. Every step is linear; nothing is read twice but by a copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldText<'a>(&'a str);

impl<'a> FieldText<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Skips blanks.
    pub(super) fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    /// Skips blanks and the commas between the items of a list; an item may be empty.
    pub(super) fn commas(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    pub(super) fn eat(&mut self, char: char) -> bool {
        let rest = self.0.strip_prefix(char);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Everything before the first character that stops.
    pub(super) fn until(&mut self, stops: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(stops).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    /// A token; empty if there is none.
    pub(super) fn token(&mut self) -> &'a str {
        self.until(|char| !is_token(char))
    }

    /// The value of a parameter: a quoted string, or everything before a blank or a separator.
    /// `None` if the string does not end.
    pub(super) fn value(&mut self) -> Option<String> {
        if !self.eat('"') {
            return Some(self.until(|char| matches!(char, ' ' | '\t' | ',' | ';')).to_owned());
        }
        let mut out = String::new();
        loop {
            out.push_str(self.until(|char| matches!(char, '"' | '\\')));
            if self.eat('"') {
                return Some(out);
            }
            if !self.eat('\\') {
                return None;
            }
            let mut rest = self.0.chars();
            out.push(rest.next()?);
            self.0 = rest.as_str();
        }
    }
}

fn is_token(char: char) -> bool {
    char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char)
}

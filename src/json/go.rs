//! The exact bytes of Go's `encoding/json`, from which V1 layer IDs and new documents are hashed.
//!
//! Rules: `formats` of docker and containerd documents; Go `encoding/json` `encode.go`,
//! `appendString` and `appendCompact` with HTML escaping on, as of Go 1.19 (docker up to 27).

use std::fmt::Write as _;

/// Appends a string as Go's `Marshal` does.
pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escape(out, char),
            char => out.push(char),
        }
    }
    out.push('"');
}

/// A string, as Go's `Marshal` prints it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::new();
    string(&mut out, text);
    out
}

/// Appends the text of a checked value as Go re-prints a `json.RawMessage`: removes white space
/// between tokens, escapes `<`, `>`, `&` and the line separators, and keeps everything else.
pub(crate) fn compact(out: &mut String, raw: &str) {
    let (mut quoted, mut escaped) = (false, false);
    for char in raw.chars() {
        match char {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escape(out, char),
            ' ' | '\t' | '\n' | '\r' if !quoted => (),
            char => out.push(char),
        }
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => (),
        }
    }
}

/// Indents compact JSON as Go's `MarshalIndent` does, starting at this level.
pub(crate) fn indent(compact: &str, step: &str, depth: usize) -> String {
    let mut out = String::with_capacity(compact.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (depth, false, false);
    let mut chars = compact.chars().peekable();
    let newline = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&step.repeat(depth));
    };
    while let Some(char) = chars.next() {
        if quoted {
            out.push(char);
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => (),
            }
            continue;
        }
        match char {
            '{' | '[' => {
                out.push(char);
                if let Some(close @ ('}' | ']')) = chars.peek().copied() {
                    chars.next();
                    out.push(close);
                } else {
                    depth = depth.saturating_add(1);
                    newline(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                newline(&mut out, depth);
                out.push(char);
            }
            ',' => {
                out.push(char);
                newline(&mut out, depth);
            }
            ':' => out.push_str(": "),
            char => {
                quoted = char == '"';
                out.push(char);
            }
        }
    }
    out
}

fn escape(out: &mut String, char: char) {
    let _ = write!(out, "\\u{:04x}", u32::from(char)); // Writing to a String does not fail.
}

/// Writes one compact object, member by member in the order of the calls.
#[derive(Debug)]
pub(crate) struct Object {
    text: String,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self { text: "{".to_owned() }
    }

    fn key(&mut self, key: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        string(&mut self.text, key);
        self.text.push(':');
    }

    /// A string member.
    pub(crate) fn string(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        string(&mut self.text, value);
        self
    }

    /// A string member unless it is empty (`omitempty`).
    pub(crate) fn nonempty(&mut self, key: &str, value: &str) -> &mut Self {
        if value.is_empty() { self } else { self.string(key, value) }
    }

    /// A member whose value is already compact JSON.
    pub(crate) fn json(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        self.text.push_str(value);
        self
    }

    /// Members whose values are already compact JSON.
    pub(crate) fn all(&mut self, members: &[(String, String)]) -> &mut Self {
        for (key, value) in members {
            self.json(key, value);
        }
        self
    }

    /// A whole number.
    pub(crate) fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.json(key, &value.to_string())
    }

    pub(crate) fn finish(&mut self) -> String {
        let mut text = std::mem::take(&mut self.text);
        text.push('}');
        text
    }
}

/// A compact list of values that are already compact JSON.
pub(crate) fn list<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    let mut text = "[".to_owned();
    for (count, value) in values.into_iter().enumerate() {
        if count > 0 {
            text.push(',');
        }
        text.push_str(value.as_ref());
    }
    text.push(']');
    text
}

/// A compact list of strings.
pub(crate) fn strings<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    list(values.into_iter().map(|value| quoted(value.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        for (text, go) in [
            ("plain é /", r#""plain é /""#),
            ("<&>", r#""\u003c\u0026\u003e""#),
            ("\u{8}\u{c}\u{7f}\u{1}", "\"\\u0008\\u000c\u{7f}\\u0001\""),
            ("\u{2028}\u{2029}", r#""\u2028\u2029""#),
            ("q\" b\\ n\n r\r t\t", r#""q\" b\\ n\n r\r t\t""#),
        ] {
            let mut out = String::new();
            string(&mut out, text);
            assert_eq!(out, go);
        }
    }

    #[test]
    fn raw_messages_lose_white_space_and_keep_every_spelling() {
        let mut out = String::new();
        compact(&mut out, "{ \"a\" : [ 1.50e3 ,\n\"x \\\" <\\/\\u00e9\" ] }");
        assert_eq!(out, "{\"a\":[1.50e3,\"x \\\" \\u003c\\/\\u00e9\"]}");
    }
}

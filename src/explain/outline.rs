//! A JSON document for reading: indented, and JSON still. A large one is shortened: long texts are
//! cut, and long lists and objects lose their middle.

use std::fmt::Write as _;

use crate::error::drives_terminals;
use crate::json::{self, JsonKind, Trailing, Value, go};

/// Largest document that is shown whole, in bytes: a config with 127 layers fits.
const WHOLE: usize = 128 * 1024;
/// Longest text of a larger one that is shown whole, in characters.
const TEXT: usize = 96;
/// Most elements or members of a larger one.
const LIST: usize = 12;

/// The text of a document.
pub(super) struct Outline {
    pub(super) text: String,
    /// Whether something of the document is missing in it.
    pub(super) shortened: bool,
}

/// The outline of a document; as it stands where it is not JSON.
pub(super) fn outline(raw: &[u8]) -> Outline {
    let Ok(checked) = json::check(raw, Trailing::Allowed) else {
        return Outline { text: String::from_utf8_lossy(raw).into_owned(), shortened: false };
    };
    let mut writer = Writer { out: String::new(), cuts: raw.len() > WHOLE, shortened: false };
    writer.value(checked.value);
    Outline { text: go::indent(&writer.out, "  ", 0), shortened: writer.shortened }
}

struct Writer {
    out: String,
    /// Whether what is long is cut.
    cuts: bool,
    shortened: bool,
}

impl Writer {
    fn value(&mut self, value: Value<'_>) {
        match value.kind() {
            JsonKind::String => self.text(&value.string("").unwrap_or_default()),
            JsonKind::Array => {
                let elements: Vec<_> = value.list("").into_iter().flatten().collect();
                self.out.push('[');
                self.parts(&elements, |writer, element| writer.value(*element), |_| ());
                self.out.push(']');
            }
            JsonKind::Object => {
                let members: Vec<_> = value.members("").into_iter().flatten().collect();
                self.out.push('{');
                let member = |writer: &mut Self, (key, member): &(_, Value<'_>)| {
                    let key: &std::borrow::Cow<'_, str> = key;
                    writer.text(key);
                    writer.out.push(':');
                    writer.value(*member);
                };
                self.parts(&members, member, |writer| writer.out.push_str(":null"));
                self.out.push('}');
            }
            JsonKind::Null | JsonKind::Bool | JsonKind::Number => self.out.push_str(value.raw()),
        }
    }

    /// Elements or members. In place of the middle of many stands how many those are; the last one
    /// stays in sight, as it is the top layer or the oldest.
    fn parts<T>(
        &mut self,
        parts: &[T],
        one: impl Fn(&mut Self, &T),
        behind_gap: impl Fn(&mut Self),
    ) {
        let hidden = if self.cuts { parts.len().saturating_sub(LIST) } else { 0 };
        let kept = parts.len().saturating_sub(hidden).saturating_sub(1);
        for (at, part) in parts.iter().enumerate() {
            let last = at.saturating_add(1) == parts.len();
            if hidden > 0 && at >= kept && !last {
                if at == kept {
                    self.out.push(',');
                    self.text(&format!("… {hidden} more …"));
                    behind_gap(self);
                    self.shortened = true;
                }
                continue;
            }
            if at > 0 {
                self.out.push(',');
            }
            one(self, part);
        }
    }

    /// A text for people: unlike Go, `<`, `>` and `&` are left as they are. What drives a terminal
    /// is escaped as JSON does.
    fn text(&mut self, text: &str) {
        let most = if self.cuts { TEXT } else { usize::MAX };
        self.out.push('"');
        for char in text.chars().take(most) {
            match char {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                // All of these are of the first plane.
                char if drives_terminals(char) => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(char));
                }
                char => self.out.push(char),
            }
        }
        let length = if self.cuts { text.chars().count() } else { 0 };
        if length > most {
            let _ = write!(self.out, "… ({length} characters)");
            self.shortened = true;
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_whole_and_means_the_same() {
        let long = "x".repeat(1000);
        let many: Vec<u64> = (0..100).collect();
        for value in [
            serde_json::json!({"a": long, "b": many, "c": {"d\u{202e}\u{1b}\"\\\n": [null, true, {}]}}),
            serde_json::json!([]),
            serde_json::json!("\u{7f}\u{9b}\u{2028}<&>"),
        ] {
            let told = outline(value.to_string().as_bytes());
            let read: serde_json::Value = serde_json::from_str(&told.text).unwrap();
            assert_eq!((read, told.shortened), (value, false), "{}", told.text);
            assert!(!told.text.chars().any(|it| drives_terminals(it) && it != '\n'));
        }
        let number = format!("[1{}]", "0".repeat(5000));
        assert!(outline(number.as_bytes()).text.contains(&"0".repeat(5000)));
    }

    #[test]
    fn a_large_document_is_shortened_and_still_json() {
        let members: serde_json::Map<_, _> =
            (0..20_000).map(|at| (format!("key {at:05}"), "y".repeat(200).into())).collect();
        let list = vec![serde_json::Value::from("z"); 20_000];
        let value = serde_json::json!({"members": members, "list": list, "few": [1, 2]});
        let told = outline(value.to_string().as_bytes());
        assert!(told.shortened && told.text.len() < 10_000, "{}", told.text.len());
        let read: serde_json::Value = serde_json::from_str(&told.text).unwrap();
        assert_eq!(read["few"], serde_json::json!([1, 2]));
        let list = read["list"].as_array().unwrap();
        assert_eq!((list.len(), &list[11]), (13, &"… 19988 more …".into()));
        let members = read["members"].as_object().unwrap();
        assert_eq!(members.len(), 13);
        let text = members["key 00000"].as_str().unwrap();
        assert_eq!(text, format!("{}… (200 characters)", "y".repeat(96)));
        assert!(members.contains_key("key 19999"));
    }
}

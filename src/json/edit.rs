//! Rewrites some values of a document and keeps every other byte.
//!
//! A manifest with new media types keeps the indentation, order and white space of its writer.

use super::value::{JsonKind, Value};
use super::{Trailing, check};
use crate::error::ErrorKind;

/// What to do with a value.
#[derive(Debug)]
pub(crate) enum Action {
    /// Keep it.
    Keep,
    /// Remove it, with its key.
    Drop,
    /// Replace it with another text.
    Replace(String),
    /// Visit its content, and add members at the end of an object.
    Into(Vec<(&'static str, String)>),
}

/// Rewrites a document. `visit` decides for each value, by its path such as `layers[0].mediaType`.
/// White space around the document is kept.
pub(crate) fn rewrite(
    raw: &[u8],
    visit: &mut dyn FnMut(&str, Value<'_>) -> Action,
) -> Result<String, ErrorKind> {
    let value = check(raw, Trailing::Refused)?.value;
    let span = value.span_in(raw);
    let around =
        |range: Option<&[u8]>| String::from_utf8_lossy(range.unwrap_or_default()).into_owned();
    let (before, after) = (around(raw.get(..span.start)), around(raw.get(span.end..)));
    Ok(format!("{before}{}{after}", inside(value, "", Vec::new(), visit)))
}

fn inside(
    value: Value<'_>,
    path: &str,
    added: Vec<(&'static str, String)>,
    visit: &mut dyn FnMut(&str, Value<'_>) -> Action,
) -> String {
    let raw = value.raw();
    let parts: Vec<JsonPiece> = pieces(value, path);
    let mut out = String::with_capacity(raw.len());
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return if added.is_empty() { raw.to_owned() } else { members(added) };
    };
    out.push_str(raw.get(..first.start).unwrap_or_default());
    let opening = out.len();
    let mut between = "";
    for (at, part) in parts.iter().enumerate() {
        let text = match visit(&part.path, part.value) {
            Action::Keep => part.value.raw().to_owned(),
            Action::Drop => continue,
            Action::Replace(text) => text,
            Action::Into(added) => inside(part.value, &part.path, added, visit),
        };
        if out.len() > opening {
            out.push_str(between);
        }
        out.push_str(raw.get(part.start..part.value_start).unwrap_or_default());
        out.push_str(&text);
        let next = parts.get(at.saturating_add(1)).map_or(part.end, |next| next.start);
        if next > part.end {
            between = raw.get(part.end..next).unwrap_or_default();
        }
    }
    let colon = raw.get(first.colon()..first.value_start).unwrap_or(":");
    for (key, text) in added {
        if out.len() > opening {
            out.push_str(if between.is_empty() { "," } else { between });
        }
        out.push_str(&super::go::quoted(key));
        out.push_str(colon);
        out.push_str(&text);
    }
    if out.len() == opening {
        return if value.kind() == JsonKind::Object { "{}".to_owned() } else { "[]".to_owned() };
    }
    out.push_str(raw.get(last.end..).unwrap_or_default());
    out
}

fn members(members: Vec<(&'static str, String)>) -> String {
    let mut object = super::go::Object::new();
    for (key, text) in members {
        object.json(key, &text);
    }
    object.finish()
}

/// An element, or a member with its key, and its position in the text of its parent.
struct JsonPiece<'a> {
    path: String,
    value: Value<'a>,
    start: usize,
    value_start: usize,
    end: usize,
    key: usize,
}

impl JsonPiece<'_> {
    fn colon(&self) -> usize {
        self.start.saturating_add(self.key)
    }
}

fn pieces<'a>(value: Value<'a>, path: &str) -> Vec<JsonPiece<'a>> {
    let raw = value.raw();
    let whole = raw.as_bytes();
    value
        .parts()
        .enumerate()
        .map(|(at, (key, value))| {
            let span = value.span_in(whole);
            let name = key.map(|key| super::value::text(key));
            let path = match name {
                None => format!("{path}[{at}]"),
                Some(name) if path.is_empty() => name.into_owned(),
                Some(name) => format!("{path}.{name}"),
            };
            let key = key.unwrap_or_default();
            let start = if key.is_empty() {
                span.start
            } else {
                key.as_ptr().addr().saturating_sub(raw.as_ptr().addr())
            };
            let (value_start, end) = (span.start, span.end);
            JsonPiece { path, value, start, value_start, end, key: key.len() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, visit: &mut dyn FnMut(&str, Value<'_>) -> Action) -> String {
        rewrite(text.as_bytes(), visit).unwrap()
    }

    #[test]
    fn what_is_not_asked_for_keeps_every_byte() {
        for text in ["{}", " [ ]\n", "{ \"a\" : [ 1 , { \"b\":2 } ] ,\n \"c\": null }"] {
            assert_eq!(run(text, &mut |_, _| Action::Into(Vec::new())), text);
        }
    }

    #[test]
    fn members_are_dropped_replaced_and_added_in_the_writers_spelling() {
        let text = "{\n  \"a\": 1,\n  \"b\": {\n    \"x\": 2\n  },\n  \"c\": 3\n}";
        let new = run(text, &mut |path, _| match path {
            "a" => Action::Drop,
            "b" => Action::Into(vec![("y", "4".to_owned())]),
            "c" => Action::Replace("5".to_owned()),
            _ => Action::Keep,
        });
        assert_eq!(new, "{\n  \"b\": {\n    \"x\": 2,\"y\": 4\n  },\n  \"c\": 5\n}");
        assert_eq!(run(text, &mut |_, _| Action::Drop), "{}");
        let last = run(text, &mut |path, _| if path == "c" { Action::Drop } else { Action::Keep });
        assert_eq!(last, "{\n  \"a\": 1,\n  \"b\": {\n    \"x\": 2\n  }\n}");
    }
}

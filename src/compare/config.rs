//! Two configs of the same layers, field by field.
//!
//! Some programs drop fields that they do not know (containers/image `convertToManifestOCI1`:
//! `Healthcheck`, `OnBuild`, `Shell` and more); a lost field is reported at its root, so that each
//! loss is one line.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::image::reason::{Change, Reason};
use crate::json::{self, JsonKind, Trailing, Value, go};

/// All differences; if no field differs, the spelling.
pub(super) fn differences(a: &[u8], b: &[u8]) -> Vec<Change> {
    let mut found = Vec::new();
    if let (Ok(one), Ok(other)) =
        (json::check(a, Trailing::Refused), json::check(b, Trailing::Refused))
    {
        values("", one.value, other.value, &mut found);
    }
    if found.is_empty() {
        found.push(Change {
            field: "config".to_owned(),
            before: Some(Digest::of(a).to_string()),
            after: Some(Digest::of(b).to_string()),
            reason: Reason::Spelling,
        });
    }
    found
}

fn values(path: &str, a: Value<'_>, b: Value<'_>, found: &mut Vec<Change>) {
    match (a.kind(), b.kind()) {
        (JsonKind::Object, JsonKind::Object) => {
            let (a, b) = (members(a), members(b));
            for (key, one) in &a {
                let path = inside(path, key);
                match b.get(key) {
                    Some(other) => values(&path, *one, *other, found),
                    None => found.push(gone(path, *one, ConfigSide::A)),
                }
            }
            let new = b.iter().filter(|(key, _)| !a.contains_key(*key));
            found.extend(new.map(|(key, other)| gone(inside(path, key), *other, ConfigSide::B)));
        }
        (JsonKind::Array, JsonKind::Array) => {
            let (a, b) = (elements(a), elements(b));
            for (at, one) in a.iter().enumerate() {
                let path = format!("{path}[{at}]");
                match b.get(at) {
                    Some(other) => values(&path, *one, *other, found),
                    None => found.push(gone(path, *one, ConfigSide::A)),
                }
            }
            for (at, other) in b.iter().enumerate().skip(a.len()) {
                found.push(gone(format!("{path}[{at}]"), *other, ConfigSide::B));
            }
        }
        _ => {
            let (before, after) = (compact(a), compact(b));
            if before != after {
                let reason = if same(a, b) { Reason::Spelling } else { Reason::Content };
                let (before, after) = (Some(before), Some(after));
                found.push(Change { field: path.to_owned(), before, after, reason });
            }
        }
    }
}

/// The sides that have a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConfigSide {
    A,
    B,
}

/// A field on one side only: an empty value is only a difference in spelling.
fn gone(field: String, value: Value<'_>, side: ConfigSide) -> Change {
    let text = compact(value);
    let nothing = matches!(text.as_str(), "null" | "{}" | "[]" | "\"\"" | "false" | "0");
    let reason = if nothing { Reason::Spelling } else { Reason::ConfigReencoded };
    let (before, after) = match side {
        ConfigSide::A => (Some(text), None),
        ConfigSide::B => (None, Some(text)),
    };
    Change { field, before, after, reason }
}

/// Whether two texts have the same value: strings with different escapes, or both empty.
fn same(a: Value<'_>, b: Value<'_>) -> bool {
    let nothing = |it: Value<'_>| matches!(compact(it).as_str(), "null" | "{}" | "[]" | "\"\"");
    let text = |it: Value<'_>| it.string("").ok().map(std::borrow::Cow::into_owned);
    (a.kind() == JsonKind::String && text(a) == text(b)) || (nothing(a) && nothing(b))
}

fn inside(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn members(value: Value<'_>) -> BTreeMap<String, Value<'_>> {
    let all = value.members("").into_iter().flatten();
    all.map(|(key, value)| (key.into_owned(), value)).collect()
}

fn elements(value: Value<'_>) -> Vec<Value<'_>> {
    value.list("").into_iter().flatten().collect()
}

fn compact(value: Value<'_>) -> String {
    let mut text = String::new();
    go::compact(&mut text, value.raw());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_field_is_one_line_at_its_root_and_what_says_nothing_is_spelling() {
        let a = br#"{"config":{"Healthcheck":{"Test":["NONE"]},"Env":[]},"os":"linux"}"#;
        let b = br#"{"os":"linux","config":{}}"#;
        let found: Vec<(String, Reason)> =
            differences(a, b).into_iter().map(|it| (it.field, it.reason)).collect();
        assert_eq!(
            found,
            [
                ("config.Env".to_owned(), Reason::Spelling),
                ("config.Healthcheck".to_owned(), Reason::ConfigReencoded),
            ]
        );
        for (a, b) in [("{ \"a\": 1 }", "{\"a\":1}"), ("[\"\\u0026\"]", "[\"&\"]")] {
            let found = differences(a.as_bytes(), b.as_bytes());
            assert!(matches!(found.as_slice(), [Change { reason: Reason::Spelling, .. }]), "{a}");
        }
    }
}

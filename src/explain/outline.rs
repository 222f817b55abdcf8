//! A JSON document for reading: indented, long texts cut, long lists cut in the middle.

use crate::error::Shown;
use crate::json::{self, JsonKind, Trailing, Value, go};

/// Longest text that is shown whole, in characters; half of what [`Shown`] shows, as each may be
/// a quote that gets a backslash.
const TEXT: usize = 96;
/// Longest list that is shown whole.
const LIST: usize = 12;
/// Most lines.
const LINES: usize = 300;

/// The outline of a document; as it stands where it is no JSON.
pub(super) fn outline(raw: &[u8]) -> String {
    let Ok(checked) = json::check(raw, Trailing::Allowed) else {
        return String::from_utf8_lossy(raw).into_owned();
    };
    let mut compact = String::new();
    write(&mut compact, checked.value);
    let text = go::indent(&compact, "  ", 0);
    if text.lines().count() <= LINES {
        return text;
    }
    let mut cut: Vec<&str> = text.lines().take(LINES).collect();
    cut.push("…");
    cut.join("\n")
}

fn write(out: &mut String, value: Value<'_>) {
    match value.kind() {
        JsonKind::String => {
            quoted(out, &value.string("").unwrap_or_default());
        }
        JsonKind::Array => list(out, value),
        JsonKind::Object => {
            out.push('{');
            for (at, (key, member)) in value.members("").into_iter().flatten().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quoted(out, &key);
                out.push(':');
                write(out, member);
            }
            out.push('}');
        }
        JsonKind::Null | JsonKind::Bool => out.push_str(value.raw()),
        JsonKind::Number => out.push_str(&Shown(value.raw()).to_string()),
    }
}

fn list(out: &mut String, value: Value<'_>) {
    let count = value.list("").into_iter().flatten().count();
    let hidden = count.saturating_sub(LIST);
    out.push('[');
    for (at, element) in value.list("").into_iter().flatten().enumerate() {
        // The last one stays in sight, as it is the top layer or the oldest.
        if hidden > 0 && at >= LIST.saturating_sub(1) && at.saturating_add(1) < count {
            if at.saturating_add(1) == LIST {
                out.push(',');
                quoted(out, &format!("… {hidden} more …"));
            }
            continue;
        }
        if at > 0 {
            out.push(',');
        }
        write(out, element);
    }
    out.push(']');
}

/// A text for people: unlike Go, `<`, `>` and `&` are left as they are.
fn quoted(out: &mut String, text: &str) {
    let length = text.chars().count();
    let head: String = text.chars().take(TEXT).collect();
    let escaped = head.replace('\\', "\\\\").replace('"', "\\\"");
    out.push('"');
    out.push_str(&Shown(&escaped).to_string());
    if length > TEXT {
        out.push_str(&format!("… ({length} characters)"));
    }
    out.push('"');
}

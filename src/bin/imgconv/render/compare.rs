//! Prints comparisons as text.

use std::fmt::Write as _;

use imgconv::compare::{ComparedImage, Comparison, Level};
use imgconv::error::Shown;
use imgconv::image::reason::{Change, Reason};

use super::{TestCase, TestResult, TestSuite, junit, names};

pub(crate) fn comparison(found: &Comparison) -> String {
    let mut text = format!("{}\n", found.level.sentence());
    let _ = writeln!(text, "  a: {}, {}", found.a.0, found.a.1.name());
    let _ = writeln!(text, "  b: {}, {}", found.b.0, found.b.1.name());
    for pair in &found.pairs {
        let _ = writeln!(text, "\n{}: {}", title(&pair.a), pair.level.sentence());
        let (a, b) = (pair.a.image_id, pair.b.image_id);
        if a == b {
            let _ = writeln!(text, "  image ID {a}");
        } else {
            let _ = writeln!(text, "  image ID {a}\n        -> {b}");
        }
        changes(&mut text, &pair.differences, next(pair.level));
    }
    for (side, alone) in [("a", &found.only_a), ("b", &found.only_b)] {
        for it in alone {
            let _ = writeln!(text, "\n{}: in {side} only\n  image ID {}", title(it), it.image_id);
        }
    }
    if !found.differences.is_empty() {
        text.push('\n');
        changes(&mut text, &found.differences, "the bytes");
    }
    text
}

/// The same as JUnit: a case for each image, and one for the sources as a whole, at this level.
pub(crate) fn comparison_junit(found: &Comparison, wanted: Level) -> String {
    let failed = |level: Level, text: String| TestResult::Failed {
        code: level.name().to_owned(),
        summary: format!("expected {}, found {}", wanted.sentence(), level.sentence()),
        text,
    };
    let judged = |name: String, level: Level, text: String| TestCase {
        name,
        result: if level >= wanted { TestResult::Passed } else { failed(level, text) },
    };
    let mut cases: Vec<TestCase> = Vec::new();
    for pair in &found.pairs {
        let mut text = String::new();
        changes(&mut text, &pair.differences, next(pair.level));
        // Images have no level of bytes.
        let level = if pair.level == Level::Manifest { found.level } else { pair.level };
        cases.push(judged(title(&pair.a), level, text));
    }
    for (side, alone) in [("a", &found.only_a), ("b", &found.only_b)] {
        let only = |it| judged(title(it), Level::Nothing, format!("in {side} only\n"));
        cases.extend(alone.iter().map(only));
    }
    cases.push(judged("whole sources".to_owned(), found.level, comparison(found)));
    junit("imgconv compare", &[TestSuite { name: format!("{} {}", found.a.0, found.b.0), cases }])
}

fn title(found: &ComparedImage) -> String {
    format!("{} ({})", names(&found.names), Shown(&found.platform))
}

/// The subject of the next level.
fn next(level: Level) -> &'static str {
    match level {
        Level::Nothing => "the content",
        Level::Content => "the image",
        Level::Image => "the manifest",
        _ => "the bytes",
    }
}

/// Grouped by reason; for spelling, only the fields, because their values are not useful.
fn changes(text: &mut String, changes: &[Change], what: &str) {
    if changes.is_empty() {
        return;
    }
    let _ = writeln!(text, "  differences in {what}:");
    let mut reasons: Vec<Reason> = Vec::new();
    for change in changes {
        if !reasons.contains(&change.reason) {
            reasons.push(change.reason);
        }
    }
    for reason in reasons {
        let own: Vec<&Change> = changes.iter().filter(|it| it.reason == reason).collect();
        let _ = writeln!(text, "    {}: {}", reason.code(), reason.sentence());
        if reason == Reason::Spelling && own.len() > 1 {
            let fields: Vec<String> = own.iter().map(|it| Shown(&it.field).to_string()).collect();
            let _ = writeln!(text, "      {}", fields.join(", "));
            continue;
        }
        for change in own {
            let (before, after) = (side(change.before.as_deref()), side(change.after.as_deref()));
            let _ = writeln!(text, "      {}: {before} -> {after}", Shown(&change.field));
        }
    }
}

/// A value on one line of a reasonable length.
fn side(value: Option<&str>) -> String {
    const LONGEST: usize = 100;
    let Some(value) = value else { return "nothing".to_owned() };
    if value.chars().count() <= LONGEST {
        return Shown(value).to_string();
    }
    let start: String = value.chars().take(LONGEST).collect();
    format!("{}… ({} bytes)", Shown(&start), value.len())
}

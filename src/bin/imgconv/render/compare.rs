//! Comparisons for people and as JSON.

use std::fmt::Write as _;

use imgconv::compare::{ComparedImage, Comparison, ImagePair, Level};
use imgconv::error::Shown;
use imgconv::image::reason::{Change, Reason};
use serde::Serialize;

use super::{json, names};

/// `docs/schema/comparison.json` describes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ComparisonJson {
    a: ComparedSourceJson,
    b: ComparedSourceJson,
    level: &'static str,
    images: Vec<Both>,
    only_a: Vec<ComparedImageJson>,
    only_b: Vec<ComparedImageJson>,
    differences: Vec<DifferenceJson>,
}

#[derive(Serialize)]
struct ComparedSourceJson {
    source: String,
    kind: &'static str,
}

#[derive(Serialize)]
struct Both {
    a: ComparedImageJson,
    b: ComparedImageJson,
    level: &'static str,
    differences: Vec<DifferenceJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ComparedImageJson {
    names: Vec<String>,
    platform: String,
    image_id: String,
    manifest_digest: Option<String>,
}

#[derive(Serialize)]
struct DifferenceJson {
    field: String,
    before: Option<String>,
    after: Option<String>,
    reason: &'static str,
    text: &'static str,
}

impl From<&ComparedImage> for ComparedImageJson {
    fn from(it: &ComparedImage) -> Self {
        Self {
            names: it.names.clone(),
            platform: it.platform.clone(),
            image_id: it.image_id.to_string(),
            manifest_digest: it.manifest.map(|it| it.to_string()),
        }
    }
}

impl From<&Change> for DifferenceJson {
    fn from(it: &Change) -> Self {
        Self {
            field: it.field.clone(),
            before: it.before.clone(),
            after: it.after.clone(),
            reason: it.reason.code(),
            text: it.reason.sentence(),
        }
    }
}

pub(crate) fn comparison_json(found: &Comparison) -> String {
    let both = |it: &ImagePair| Both {
        a: ComparedImageJson::from(&it.a),
        b: ComparedImageJson::from(&it.b),
        level: it.level.name(),
        differences: it.differences.iter().map(DifferenceJson::from).collect(),
    };
    json(&ComparisonJson {
        a: ComparedSourceJson { source: found.a.0.to_string(), kind: found.a.1.name() },
        b: ComparedSourceJson { source: found.b.0.to_string(), kind: found.b.1.name() },
        level: found.level.name(),
        images: found.pairs.iter().map(both).collect(),
        only_a: found.only_a.iter().map(ComparedImageJson::from).collect(),
        only_b: found.only_b.iter().map(ComparedImageJson::from).collect(),
        differences: found.differences.iter().map(DifferenceJson::from).collect(),
    })
}

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

fn title(found: &ComparedImage) -> String {
    format!("{} ({})", names(&found.names), Shown(&found.platform))
}

/// What the next level is about.
fn next(level: Level) -> &'static str {
    match level {
        Level::Nothing => "the content",
        Level::Content => "the image",
        Level::Image => "the manifest",
        Level::Manifest | Level::Bytes => "the bytes",
    }
}

/// By reason; of what is spelled in another way the fields alone, as their values say nothing.
fn changes(text: &mut String, changes: &[Change], what: &str) {
    if changes.is_empty() {
        return;
    }
    let _ = writeln!(text, "  what differs of {what}:");
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

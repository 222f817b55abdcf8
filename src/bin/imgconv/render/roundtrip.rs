//! Prints the table of `roundtrip`.

use std::fmt::Write as _;

use imgconv::compare::{Comparison, Level};
use imgconv::error::Shown;
use imgconv::image::reason::{Change, Lost, Reason};
use serde::Serialize;

use super::{TestCase, TestResult, TestSuite, json, junit};
use crate::roundtrip::{By, RoundtripStep};

/// `docs/schema/roundtrip.json` describes it.
#[derive(Serialize)]
struct RoundtripJson<'a> {
    source: &'a str,
    steps: Vec<RoundtripRow>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoundtripRow {
    through: String,
    level: Option<&'static str>,
    codes: Vec<&'static str>,
    lost_fields: Vec<String>,
    refused: Option<String>,
    counts: bool,
}

impl From<&RoundtripStep> for RoundtripRow {
    fn from(step: &RoundtripStep) -> Self {
        let (through, counts) = (step.through.clone(), step.by == By::Us);
        match &step.found {
            Ok(found) => {
                let level = step.level().map(Level::name);
                let (codes, lost_fields) = (reasons(found), lost(found));
                Self { through, level, codes, lost_fields, refused: None, counts }
            }
            Err(error) => {
                let (codes, lost_fields) = (Vec::new(), Vec::new());
                Self {
                    through,
                    level: None,
                    codes,
                    lost_fields,
                    refused: Some(error.clone()),
                    counts,
                }
            }
        }
    }
}

fn all(found: &Comparison) -> impl Iterator<Item = &Change> {
    found.pairs.iter().flat_map(|it| &it.differences).chain(&found.differences)
}

/// Why something differs, each reason once.
fn reasons(found: &Comparison) -> Vec<&'static str> {
    let mut reasons: Vec<&'static str> = Vec::new();
    if !found.only_a.is_empty() {
        reasons.push(Reason::Platforms.code());
    }
    for change in all(found) {
        let code = change.reason.code();
        if !reasons.contains(&code) {
            reasons.push(code);
        }
    }
    reasons
}

/// Lost fields.
fn lost(found: &Comparison) -> Vec<String> {
    let mut lost = Vec::new();
    for change in all(found) {
        let gone = change.after.is_none() && change.reason.row().lost == Lost::Yes;
        if gone && change.reason != Reason::Manifest && !lost.contains(&change.field) {
            lost.push(change.field.clone());
        }
    }
    lost
}

pub(crate) fn steps_json(source: &str, steps: &[RoundtripStep]) -> String {
    json(&RoundtripJson { source, steps: steps.iter().map(RoundtripRow::from).collect() })
}

/// The same as JUnit: a case for each conversion. What other programs change is said, and no failure.
pub(crate) fn steps_junit(source: &str, steps: &[RoundtripStep]) -> String {
    let case = |step: &RoundtripStep| {
        let row = RoundtripRow::from(step);
        let level = row.level.unwrap_or("refused").to_owned();
        let mut text = format!("same: {}\n", row.level.unwrap_or("-"));
        if !row.codes.is_empty() {
            let _ = writeln!(text, "changed: {}", row.codes.join(", "));
        }
        if !row.lost_fields.is_empty() {
            let _ = writeln!(text, "lost: {}", row.lost_fields.join(", "));
        }
        let refused = row.refused.map(|error| Shown(&error).to_string());
        let summary = refused.unwrap_or_else(|| "the image is not the same".to_owned());
        let result = match step.is_failed() {
            true => TestResult::Failed { code: level, summary, text },
            false => TestResult::Said(text),
        };
        TestCase { name: row.through, result }
    };
    let cases = steps.iter().map(case).collect();
    junit("imgconv roundtrip", &[TestSuite { name: source.to_owned(), cases }])
}

/// One line per conversion, and below it the lost fields.
pub(crate) fn steps(steps: &[RoundtripStep]) -> String {
    let rows: Vec<RoundtripRow> = steps.iter().map(RoundtripRow::from).collect();
    let widest = rows.iter().map(|it| it.through.chars().count()).max().unwrap_or_default();
    let mut text = format!("{:widest$}  SAME      CHANGED\n", "THROUGH");
    for row in rows {
        let level = row.level.unwrap_or("-");
        let changed = match &row.refused {
            Some(error) => Shown(error).to_string(),
            None if row.codes.is_empty() => "-".to_owned(),
            None => row.codes.join(", "),
        };
        let _ = writeln!(text, "{:widest$}  {level:8}  {changed}", row.through);
        if !row.lost_fields.is_empty() {
            let fields: Vec<String> =
                row.lost_fields.iter().map(|it| Shown(it).to_string()).collect();
            let _ = writeln!(text, "  lost: {}", fields.join(", "));
        }
    }
    text
}

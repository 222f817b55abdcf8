//! Prints how far a batch is, as text, JSON and JUnit.

use std::fmt::Write as _;

use imgconv::error::Shown;
use serde::Serialize;

use super::{TestCase, TestResult, TestSuite, json, junit, whole};
use crate::args::CheckFormat;
use crate::batch::{ItemOutcome, ItemState, StateCounts};

/// `docs/schema/batch.json` describes it.
#[derive(Serialize)]
struct BatchJson<'a> {
    #[serde(flatten)]
    counts: &'a StateCounts,
    items: &'a [ItemState],
}

pub(crate) fn batch(items: &[ItemState], counts: &StateCounts, format: CheckFormat) -> String {
    match format {
        CheckFormat::Text => text(items, counts),
        CheckFormat::Json => json(&BatchJson { counts, items }),
        CheckFormat::Junit => {
            let cases = items.iter().map(case).collect();
            junit("imgconv batch", &[TestSuite { name: "imgconv batch".to_owned(), cases }])
        }
    }
}

/// The counts, and a line for each item that is not done.
fn text(items: &[ItemState], counts: &StateCounts) -> String {
    let StateCounts { done, no, failed, open } = counts;
    let all = items.len();
    let mut text =
        format!("{all} items: {done} done, {no} refused, {failed} failed, {open} open\n");
    for item in items.iter().filter(|it| it.outcome != Some(ItemOutcome::Done)) {
        let _ = write!(text, "{:7} {}", item.word(), whole(&item.source));
        match item.said("text") {
            "" => text.push('\n'),
            why => {
                let _ = writeln!(text, ": {} [{}]", Shown(why), Shown(item.said("code")));
            }
        }
    }
    text
}

fn case(item: &ItemState) -> TestCase {
    let (code, summary) = (item.said("code").to_owned(), item.said("text").to_owned());
    let text = format!("at: {}\n", item.said("at"));
    let result = match item.outcome {
        Some(ItemOutcome::Done) => TestResult::Passed,
        Some(ItemOutcome::No) => TestResult::Failed { code, summary, text },
        Some(ItemOutcome::Failed) => TestResult::Broken { code, summary, text },
        None => TestResult::Skipped("not done yet".to_owned()),
    };
    TestCase { name: item.source.clone(), result }
}

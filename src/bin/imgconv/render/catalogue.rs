//! Prints the topics and codes, or one code.

use std::fmt::Write as _;

use imgconv::explain::{Code, Topic};
use imgconv::image::readers::{Newest, Refuser};
use serde::Serialize;

use super::json;
use crate::args::PageFormat;

/// `docs/schema/catalogue.json` describes it.
#[derive(Serialize)]
struct CatalogueJson<'a> {
    topics: Vec<TopicRow>,
    codes: &'a [Code],
}

#[derive(Serialize)]
struct TopicRow {
    topic: &'static str,
    question: &'static str,
}

/// Codes as JSON.
pub(crate) fn codes_json(codes: &[Code]) -> String {
    json(&CatalogueJson { topics: Vec::new(), codes })
}

/// One code, or all topics and codes.
pub(crate) fn catalogue(codes: &[Code], format: PageFormat) -> String {
    let topics = Topic::ALL.map(|it| TopicRow { topic: it.name(), question: it.question() });
    match (format, codes) {
        (PageFormat::Json, [_]) => codes_json(codes),
        (PageFormat::Json, codes) => json(&CatalogueJson { topics: topics.into(), codes }),
        (_, [one]) => of_one(one),
        (_, codes) => {
            let mut text = "Topics, for --topic:\n".to_owned();
            for row in topics {
                let _ = writeln!(text, "  {:14} {}", row.topic, row.question);
            }
            for (group, head) in [
                ("reason", "Reasons why something changes or is lost:"),
                ("problem", "Problems that verify reports:"),
                ("note", "Notes of verify and of conversions:"),
                ("failure", "Failures of commands:"),
            ] {
                let _ = writeln!(text, "\n{head}");
                for code in codes.iter().filter(|code| code.group == group) {
                    let _ = writeln!(text, "  {:22} {}", code.code, code.meaning);
                }
            }
            text
        }
    }
}

fn of_one(code: &Code) -> String {
    let mut text = format!("{} ({})\n  {}.\n", code.code, code.group, code.meaning);
    for line in [code.advice, code.consequence] {
        if !line.is_empty() {
            let _ = writeln!(text, "  {line}");
        }
    }
    for row in &code.readers {
        let refusers: Vec<String> = row.refusers.iter().map(refuser).collect();
        let _ = writeln!(text, "  {}; refused by {}.", row.sentence, refusers.join(", "));
    }
    if !code.section.is_empty() {
        let _ = writeln!(text, "  rule: {}", code.section);
    }
    text
}

/// A program that refuses something, with the versions that did.
fn refuser(it: &Refuser) -> String {
    let versions = it.versions.join(" and ");
    match (it.versions, it.newest) {
        ([], _) => format!("{} (its source says so)", it.program),
        (_, Newest::Refuses) => format!("{} {versions}", it.program),
        (_, Newest::Accepts) => format!("{} {versions} (newer versions accept it)", it.program),
    }
}

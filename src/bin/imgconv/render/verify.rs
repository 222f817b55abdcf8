//! Prints the findings of `verify` as text, as JSON, and for CI: as SARIF, JUnit, and workflow commands
//! of GitHub.

use std::fmt::Write as _;

use imgconv::digest::Digest;
use imgconv::error::{Finding, Severity};
use imgconv::verify::{Check, Verification};
use serde::Serialize;
use serde_json::{Value, json};

use super::{TestCase, TestResult, TestSuite, junit, pretty};
use crate::failure::Failure;
use crate::verify::ReportFormat;

/// Which findings decide the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FindingCount {
    Problems,
    /// Problems and notes.
    All,
}

/// A source by its name, and its findings, or why it could not be checked.
pub(crate) type Verified = (String, Result<Verification, Failure>);

/// The output. `docs/schema/verification.json` describes the JSON.
pub(crate) fn verifications(
    done: &[Verified],
    form: ReportFormat,
    counted: FindingCount,
) -> String {
    let whole: Vec<&Verification> = done.iter().filter_map(|it| it.1.as_ref().ok()).collect();
    match form {
        ReportFormat::Text => whole.iter().map(|it| text(it)).collect::<Vec<_>>().join("\n"),
        ReportFormat::Json => {
            let sources = done.iter().map(source).collect();
            super::json(&VerifyJson { sources })
        }
        ReportFormat::Sarif => pretty(&sarif(done, &whole, counted)),
        ReportFormat::Junit => {
            let suite = |(name, found): &Verified| TestSuite {
                name: name.clone(),
                cases: match found {
                    Ok(found) => found.checks().filter_map(|it| case(it, found, counted)).collect(),
                    Err(failure) => vec![TestCase::broken(failure)],
                },
            };
            junit("imgconv verify", &done.iter().map(suite).collect::<Vec<_>>())
        }
        ReportFormat::Github => done.iter().map(|(_, found)| commands(found, counted)).collect(),
    }
}

/// A check of a source. A note that does not count is said if there is one.
fn case(check: &Check, done: &Verification, counted: FindingCount) -> Option<TestCase> {
    let own: Vec<&Finding> = done.findings.iter().filter(|it| it.code == check.code).collect();
    let counts = check.severity == Severity::Problem || counted == FindingCount::All;
    let text: String = own.iter().map(|it| paragraph(it)).collect();
    let result = match own.as_slice() {
        [] if !counts => return None,
        [] => TestResult::Passed,
        _ if !counts => TestResult::Said(text),
        [first, more @ ..] => {
            let code = check.code.to_owned();
            let more = if more.is_empty() { "" } else { &format!(" (and {} more)", more.len()) };
            TestResult::Failed { code, summary: format!("{first}{more}"), text }
        }
    };
    Some(TestCase { name: check.code.to_owned(), result })
}

/// All of a finding.
fn paragraph(it: &Finding) -> String {
    let mut text = format!("{it}\n");
    let rows = [("expected", it.expected.as_deref()), ("found", it.found.as_deref())];
    for (name, value) in rows.into_iter().chain([("hint", it.hint)]) {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name}: {value}");
        }
    }
    text
}

/// A command for each finding, as GitHub's runner reads them on standard output.
fn commands(found: &Result<Verification, Failure>, counted: FindingCount) -> String {
    let line = |level: &str, code: &str, text: &str| {
        let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        format!("::{level} title={code}::{text}\n")
    };
    let level = |severity| match severity {
        Severity::Problem => "error",
        Severity::Note if counted == FindingCount::All => "error",
        Severity::Note => "warning",
    };
    match found {
        Ok(found) => {
            let finding = |it: &Finding| line(level(it.severity), it.code, &it.to_string());
            found.findings.iter().map(finding).collect()
        }
        Err(failure) => line("error", failure.code().unwrap_or("failed"), &failure.to_string()),
    }
}

#[derive(Serialize)]
struct VerifyJson<'a> {
    sources: Vec<SourceJson<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SourceJson<'a> {
    Checked(&'a Verification),
    Failed {
        source: &'a str,
        problems: Option<usize>,
        notes: Option<usize>,
        findings: [Finding; 0],
        error: &'a Failure,
    },
}

fn source((name, found): &Verified) -> SourceJson<'_> {
    match found {
        Ok(found) => SourceJson::Checked(found),
        Err(error) => {
            SourceJson::Failed { source: name, problems: None, notes: None, findings: [], error }
        }
    }
}

fn counts(done: &Verification) -> String {
    let count = |count: usize, one: &str| match count {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let problems = done.problems();
    let notes = done.findings.len() - problems;
    format!("{}, {}", count(problems, "problem"), count(notes, "note"))
}

fn text(done: &Verification) -> String {
    let mut text = format!("{}: {}\n", done.at, counts(done));
    for it in &done.findings {
        let place = it.at.member_name().map(|name| imgconv::error::Shown(name).to_string());
        let place = place.unwrap_or_else(|| "(whole source)".to_owned());
        let _ = writeln!(text, "  {} {}: {place}", it.severity, it.code);
        let _ = writeln!(text, "    {}", it.text);
        if let Some(hint) = it.hint {
            let _ = writeln!(text, "    hint: {hint}");
        }
    }
    match done.unread {
        None => (),
        Some(0) => text.push_str("  documents only: no blob was read or looked for\n"),
        Some(1) => text.push_str("  documents only: 1 blob exists and was not read\n"),
        Some(count) => {
            let _ = writeln!(text, "  documents only: {count} blobs exist and were not read");
        }
    }
    for it in done.writers.iter().flatten() {
        let writer = super::inspect::by(it.writer.as_ref());
        let place = it.at.member_name().unwrap_or_default();
        let _ = writeln!(text, "  compressed {writer}: {}", imgconv::error::Shown(place));
    }
    text
}

/// One line for standard error: the number of problems, the first places, and their codes.
pub(crate) fn problems(done: &[Verification], counted: FindingCount) -> String {
    const SHOWN: usize = 8;
    let strict = counted == FindingCount::All;
    let counts = |it: &&Finding| strict || it.severity == Severity::Problem;
    let all: Vec<&Finding> = done.iter().flat_map(|it| &it.findings).filter(counts).collect();
    let what = if strict { "findings" } else { "problems" };
    let what = if all.len() == 1 { what.trim_end_matches('s') } else { what };
    let mut places: Vec<(String, Vec<&str>)> = Vec::new();
    for it in &all {
        let at = it.at.to_string();
        match places.last_mut().filter(|last| last.0 == at) {
            Some((_, codes)) => codes.push(it.code),
            None => places.push((at, vec![it.code])),
        }
    }
    let mut text = format!("{} {what}: ", all.len());
    let shown = places.iter().take(SHOWN).map(|(at, codes)| format!("{at} ({})", codes.join(", ")));
    text.push_str(&shown.collect::<Vec<_>>().join("; "));
    if places.len() > SHOWN {
        let _ = write!(text, "; and {} more places", places.len() - SHOWN);
    }
    text
}

/// The catalogue.
pub(crate) fn checks(checks: &[Check]) -> String {
    let row =
        |it: &Check| format!("{:22} {:8} {}\n", it.code, it.severity.to_string(), it.sentence);
    checks.iter().map(row).collect()
}

/// SARIF 2.1.0, as GitHub's code scanning and others take it.
fn sarif(done: &[Verified], whole: &[&Verification], counted: FindingCount) -> Value {
    let level = |severity| match severity {
        Severity::Problem => "error",
        Severity::Note if counted == FindingCount::All => "error",
        Severity::Note => "note",
    };
    let rules: Vec<_> = imgconv::verify::CHECKS
        .iter()
        .map(|it| json!({ "id": it.code, "shortDescription": { "text": it.sentence }, "help": { "text": it.advice } }))
        .collect();
    let result = |place: &str, it: &Finding| {
        let mut location = json!({
            "physicalLocation": {
                "artifactLocation": { "uri": uri(place) },
                "region": { "startLine": 1 },
            },
        });
        if let Some(member) = it.at.member_name() {
            location["logicalLocations"] = json!([{ "fullyQualifiedName": member }]);
        }
        let text = match it.hint {
            Some(hint) => format!("{}: {} ({hint})", it.at, it.text),
            None => format!("{}: {}", it.at, it.text),
        };
        json!({
            "ruleId": it.code,
            "level": level(it.severity),
            "message": { "text": text },
            "locations": [location],
            // The same finding in the next run, wherever it stands in the list.
            "partialFingerprints": { "finding/v1": fingerprint(it) },
        })
    };
    // A source that could not be checked must not look like one without findings.
    let failures: Vec<Value> = done
        .iter()
        .filter_map(|(_, found)| found.as_ref().err())
        .map(|failure| json!({ "level": "error", "message": { "text": failure.to_string() } }))
        .collect();
    let results: Vec<_> = whole
        .iter()
        .flat_map(|source| {
            let place = source.at.to_string();
            source.findings.iter().map(move |it| result(&place, it)).collect::<Vec<_>>()
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "imgconv",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "invocations": [{
                "executionSuccessful": failures.is_empty(),
                "toolExecutionNotifications": failures,
            }],
            "results": results,
        }],
    })
}

/// What tells a finding from others of its source: its check, its place, and the bytes it is about.
fn fingerprint(it: &Finding) -> String {
    let parts = [
        it.code,
        it.at.member_name().unwrap_or_default(),
        it.expected.as_deref().unwrap_or_default(),
    ];
    Digest::of(parts.join("\0").as_bytes()).hex()
}

/// A relative reference to a path (RFC 3986).
fn uri(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            byte => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

//! Nothing unverified gets through: what holds between a source, a conversion of it, and what was
//! written.
//!
//! Every output is clean for `verify --strict`, but for what the source had already or what the
//! conversion named; what a conversion refuses is a problem for `verify`, and the other way round.
//! Everything is seen through the command, so that both are judged as a user meets them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::Value;

use super::run::{Ran, imgconv};

/// One thing that `verify` finds.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) code: String,
    pub(crate) at: String,
    pub(crate) text: String,
    pub(crate) is_problem: bool,
}

/// What `verify --strict` says of one source.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) code: Option<i32>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) err: String,
}

/// Findings of a conversion's output that the conversion names in other words: the code, the reason
/// of its loss, why it may be so.
const NAMED: &[(&str, &str, &str)] = &[(
    "foreign-layer-absent",
    "foreign-layer",
    "a layer that is elsewhere stays there, and the conversion says so",
)];

/// Problems that a conversion need not refuse: the code, why. Each is asked of a whole source.
const ONLY_VERIFIED: &[(&str, &str)] = &[
    ("signature-broken", "documents are converted by `manifest convert`, not by `convert`"),
    ("history-count", "documents are converted by `manifest convert`, not by `convert`"),
];

/// Refusals of a docker archive that say nothing of the source, by code or words: it holds less than
/// a source may have.
const OF_DOCKER_ARCHIVE: &[(&str, &str)] = &[
    ("cannot-hold", "a docker archive has no place for it"),
    ("cannot be in a save archive", "the same in words"),
    ("cannot be stored in a docker archive", "the same in words"),
    (
        "no-image",
        "artifacts alone have no place there; where nothing is there, an OCI layout says so",
    ),
    ("found artifacts or other media types only", "the same in words"),
];

pub(crate) fn checked(path: &str) -> Checked {
    let ran = imgconv(&["verify", "--strict", "--format", "json", path]);
    assert!(!ran.err.contains("panicked"), "verify {path}: {}", ran.err);
    let answer: Value = serde_json::from_slice(&ran.out).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = answer["sources"][0]["findings"].as_array().cloned().unwrap_or_default();
    let findings = rows
        .iter()
        .map(|row| Finding {
            code: text(&row["code"]),
            at: text(&row["at"]).replace(path, ""),
            text: text(&row["text"]),
            is_problem: row["severity"] == "problem",
        })
        .collect();
    Checked { code: ran.code, findings, err: ran.err }
}

impl Checked {
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|it| it.is_problem)
    }

    fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|it| it.code == code)
    }
}

/// What a conversion says on standard output: codes of its losses and notes, and all their words.
struct Said {
    codes: BTreeSet<String>,
    words: String,
}

fn said(ran: &Ran) -> Said {
    let answer: Value = serde_json::from_slice(&ran.out).unwrap_or_default();
    let lists = ["losses", "notes"].iter().filter_map(|key| answer[*key].as_array());
    let rows: Vec<&Value> = lists.flatten().collect();
    let codes = rows
        .iter()
        .flat_map(|row| [&row["reason"], &row["code"]])
        .filter_map(|it| it.as_str().map(str::to_owned))
        .collect();
    let words = rows.iter().map(|row| format!("{row}\n")).collect::<String>() + &ran.err;
    Said { codes, words }
}

/// What `verify --strict` finds in an output that neither the source had nor the conversion named:
/// codes, with the words of the first of each.
pub(crate) fn unclean(source: &Checked, ran: &Ran, output: &str) -> Vec<(String, String)> {
    let found = checked(output);
    let said = said(ran);
    let named = |it: &Finding| {
        said.codes.contains(&it.code)
            || said.words.contains(&it.text)
            || NAMED.iter().any(|row| row.0 == it.code && said.codes.contains(row.1))
    };
    let mut failures: Vec<(String, String)> = Vec::new();
    for it in found.findings.iter().filter(|it| !source.has(&it.code) && !named(it)) {
        if failures.iter().all(|known| known.0 != it.code) {
            failures.push((it.code.clone(), format!("{}: {}", it.at, it.text)));
        }
    }
    // Exit 2 says that it could not be looked at: nothing excuses that of our own output.
    if found.findings.is_empty() && found.code != Some(0) {
        failures.push((format!("exit {:?}", found.code), found.err));
    }
    failures
}

/// Panics unless the output is clean; for conversions of which no failure is known.
#[track_caller]
pub(crate) fn holds(source: &str, ran: &Ran, output: &str) {
    // Nearly always that is all, and the source need not be looked at.
    if checked(output).code == Some(0) {
        return;
    }
    let failures = unclean(&checked(source), ran, output);
    assert!(failures.is_empty(), "{output}, made of {source}: {failures:?}");
}

/// How `convert` and `verify` disagree about a source, if they do: a code and words.
pub(crate) fn disagreement(
    source: &Checked,
    destination: &str,
    ran: &Ran,
) -> Option<(String, String)> {
    if ran.code == Some(0) {
        let only = |code: &str| ONLY_VERIFIED.iter().any(|it| it.0 == code);
        let problem =
            source.problems().find(|it| !only(&it.code) && !source.is_unreferenced(it))?;
        let text = format!("converted, though {}: {}", problem.at, problem.text);
        return Some((problem.code.clone(), text));
    }
    let answer: Value = serde_json::from_slice(&ran.out).unwrap_or_default();
    let code = answer["error"]["code"].as_str();
    let line = ran.err.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    let of_destination =
        |it: &(&str, &str)| code == Some(it.0) || code.is_none() && line.contains(it.0);
    if !destination.starts_with("oci") && OF_DOCKER_ARCHIVE.iter().any(of_destination) {
        return None;
    }
    let same = |it: &Finding| match code {
        Some(code) => it.code == code,
        None => line.ends_with(&it.text) || line.contains(&format!("{}, expected", it.text)),
    };
    let reported = match ran.code {
        Some(1) => source.code == Some(1) && source.problems().any(same),
        _ => source.code != Some(0),
    };
    let found: BTreeSet<&str> = source.problems().map(|it| it.code.as_str()).collect();
    (!reported).then(|| {
        let text = format!("exit {:?}, {line:?}; verify has {found:?}", ran.code);
        (code.unwrap_or("unreported").to_owned(), text)
    })
}

impl Checked {
    /// Whether it is about what nothing refers to, so that a conversion has no reason to read it.
    fn is_unreferenced(&self, problem: &Finding) -> bool {
        self.findings.iter().any(|it| it.code == "blob-unreferenced" && it.at == problem.at)
    }
}

/// Notes that say how things hang together; where they are wrong, something was not read.
const STRUCTURE: &[&str] = &["blob-unreferenced", "file-stray", "index-name"];

/// How what `verify` finds differs from what is odd about a source: `right` are those codes. A code
/// that is missing has a minus before it.
pub(crate) fn misjudged(source: &Checked, right: &[&str]) -> Vec<(String, String)> {
    let counts = |it: &&Finding| it.is_problem || STRUCTURE.contains(&it.code.as_str());
    let mut failures: Vec<(String, String)> = Vec::new();
    for it in source.findings.iter().filter(counts) {
        if !right.contains(&it.code.as_str()) && failures.iter().all(|known| known.0 != it.code) {
            failures.push((it.code.clone(), format!("found without a reason: {}", it.text)));
        }
    }
    for code in right.iter().filter(|code| !source.has(code)) {
        failures.push((format!("-{code}"), "not found".to_owned()));
    }
    failures
}

/// A way in which a promise is not kept: input, destination, code, words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Failure {
    pub(crate) input: String,
    pub(crate) destination: String,
    pub(crate) code: String,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(input: &str, destination: &str, (code, text): (String, String)) -> Self {
        Self { input: input.to_owned(), destination: destination.to_owned(), code, text }
    }
}

/// A known failure: input, destinations, code, finding.
pub(crate) type Known = (&'static str, &'static [&'static str], &'static str, &'static str);

/// Panics where something failed that is not known, or a known failure is gone. `tried` are the
/// inputs of this test: nothing is said of the others.
pub(crate) fn judge(known: &[Known], tried: &BTreeSet<String>, failures: &[Failure]) {
    let is = |it: &Failure, row: &Known, destination: &str| {
        (it.input.as_str(), it.destination.as_str(), it.code.as_str())
            == (row.0, destination, row.2)
    };
    let mut wrong = Vec::new();
    for it in failures {
        if !known.iter().any(|row| row.1.iter().any(|to| is(it, row, to))) {
            let Failure { input, destination, code, text } = it;
            wrong.push(format!("({input:?}, {destination:?}, {code:?}): {text}"));
        }
    }
    for row in known.iter().filter(|row| tried.contains(row.0)) {
        for to in row.1.iter().filter(|to| !failures.iter().any(|it| is(it, row, to))) {
            wrong
                .push(format!("({:?}, {to:?}, {:?}): gone, take it out of the list", row.0, row.2));
        }
    }
    println!("{} inputs, {} known failures", tried.len(), failures.len());
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Does it with each, two at a time: most of it is waiting for a process to start.
pub(crate) fn with_each<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Vec<Failure> + Sync,
) -> Vec<Failure> {
    let queue = Mutex::new(items.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(item) = queue.lock().unwrap().next() else { break };
                    let failed = work(item);
                    failures.lock().unwrap().extend(failed);
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    failures
}

//! JUnit XML, which CI servers show as tests. Without times, so that the same input gives the same bytes.

use std::fmt::Write as _;

use super::whole;
use crate::failure::Failure;

/// The cases of one source.
pub(crate) struct TestSuite {
    pub(crate) name: String,
    pub(crate) cases: Vec<TestCase>,
}

/// One check.
pub(crate) struct TestCase {
    pub(crate) name: String,
    pub(crate) result: TestResult,
}

/// What a check found.
pub(crate) enum TestResult {
    Passed,
    /// Passed, with something to say.
    Said(String),
    /// The answer is no.
    Failed {
        code: String,
        summary: String,
        text: String,
    },
    /// It could not run.
    Broken {
        code: String,
        summary: String,
        text: String,
    },
    /// It did not run yet.
    Skipped(String),
}

impl TestCase {
    /// A source that could not be checked.
    pub(crate) fn broken(failure: &Failure) -> Self {
        let code = failure.code().unwrap_or("failed").to_owned();
        let text = failure.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        let result = TestResult::Broken { code: code.clone(), summary: failure.to_string(), text };
        Self { name: code, result }
    }
}

/// A failure as the whole output.
pub(crate) fn junit_of_failure(failure: &Failure) -> String {
    let cases = vec![TestCase::broken(failure)];
    junit("imgconv", &[TestSuite { name: "imgconv".to_owned(), cases }])
}

/// The document.
pub(crate) fn junit(name: &str, suites: &[TestSuite]) -> String {
    let all = Sums::of(suites.iter().flat_map(|it| &it.cases));
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let _ = writeln!(
        text,
        "<testsuites name={} tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        attribute(name),
        all.tests,
        all.failures,
        all.errors
    );
    for suite in suites {
        let own = Sums::of(&suite.cases);
        let name = attribute(&suite.name);
        let _ = writeln!(
            text,
            "  <testsuite name={name} tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
            own.tests, own.failures, own.errors, own.skipped
        );
        suite.cases.iter().for_each(|it| case(&mut text, &name, it));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(text: &mut String, class: &str, case: &TestCase) {
    let _ = write!(text, "    <testcase name={} classname={class}", attribute(&case.name));
    let mut detail = |tag: &str, (code, summary): (&str, &str), body: &str| {
        let (code, summary, body) = (attribute(code), attribute(summary), content(body));
        let _ = write!(text, ">\n      <{tag} type={code} message={summary}>{body}</{tag}>\n");
        text.push_str("    </testcase>\n");
    };
    match &case.result {
        TestResult::Failed { code, summary, text } => detail("failure", (code, summary), text),
        TestResult::Broken { code, summary, text } => detail("error", (code, summary), text),
        TestResult::Passed => text.push_str("/>\n"),
        TestResult::Said(said) => {
            let said = content(said);
            let _ = write!(text, ">\n      <system-out>{said}</system-out>\n    </testcase>\n");
        }
        TestResult::Skipped(why) => {
            let why = attribute(why);
            let _ = write!(text, ">\n      <skipped message={why}/>\n    </testcase>\n");
        }
    }
}

/// The numbers of some cases.
#[derive(Default)]
struct Sums {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Sums {
    fn of<'a>(cases: impl IntoIterator<Item = &'a TestCase>) -> Self {
        let mut sums = Self::default();
        for case in cases {
            sums.tests += 1;
            match case.result {
                TestResult::Failed { .. } => sums.failures += 1,
                TestResult::Broken { .. } => sums.errors += 1,
                TestResult::Skipped(_) => sums.skipped += 1,
                TestResult::Passed | TestResult::Said(_) => (),
            }
        }
        sums
    }
}

/// The value of an attribute, in quotes. It is one line, as its readers show it on one.
fn attribute(text: &str) -> String {
    format!("\"{}\"", escaped(&whole(text)))
}

/// The text of an element, in lines.
fn content(text: &str) -> String {
    text.split('\n').map(|line| escaped(&whole(line))).collect::<Vec<_>>().join("\n")
}

/// Markup as references. What XML 1.0 forbids in any form, beyond control characters, is escaped as
/// those are.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.extend(char.escape_unicode()),
            char => out.push(char),
        }
    }
    out
}

//! README.md and `docs/`: each `console` block is commands and their output, run as they stand in
//! one folder per document that holds `testdata`; links lead to files and headings that exist.
//! `.ci/bless` rewrites the outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::judges::find;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A document, and what its commands print now.
struct Document {
    path: PathBuf,
    text: String,
    outputs: Vec<String>,
}

/// Every document with examples, run once for all tests.
fn documents() -> &'static [Document] {
    static RUN: OnceLock<Vec<Document>> = OnceLock::new();
    RUN.get_or_init(|| texts(&["", "docs"]).into_iter().filter_map(ran).collect())
}

/// The Markdown files of some folders.
fn texts(folders: &[&str]) -> Vec<PathBuf> {
    let mut all = BTreeSet::new();
    for folder in folders {
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            // The examples of other files at the root are about building, not about the command.
            let examples = !folder.is_empty() || path.ends_with("README.md");
            if path.extension().is_some_and(|it| it == "md") && examples {
                all.insert(path);
            }
        }
    }
    all.into_iter().collect()
}

/// Nothing where a program is missing that the examples need.
fn ran(path: PathBuf) -> Option<Document> {
    let text = std::fs::read_to_string(&path).unwrap();
    if commands(&text).iter().any(|it| it.contains("| jq ")) {
        find("jq")?;
    }
    let folder = folder();
    let outputs = commands(&text).iter().map(|it| run(it, folder.path())).collect();
    Some(Document { path, text, outputs })
}

/// An empty folder but for `testdata`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let testdata = Path::new(ROOT).join("testdata");
    std::os::unix::fs::symlink(testdata, folder.path().join("testdata")).unwrap();
    folder
}

/// Standard output and standard error, in the order of a terminal.
fn run(command: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_imgconv")).parent().unwrap();
    let search = format!("{}:{}", program.display(), std::env::var_os("PATH").unwrap().display());
    let done = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(folder)
        .env("PATH", search)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let markup = text.lines().find(|line| line.starts_with("$ ") || *line == "```");
    assert_eq!(markup, None, "{command} prints what ends an example");
    assert!(text.is_empty() || text.ends_with('\n'), "{command} does not end its last line");
    text
}

/// One line of a document.
enum Line<'a> {
    Text(&'a str),
    Command(&'a str),
    Output,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut inside = false;
    text.lines().map(move |line| {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            line if inside => {
                return line.strip_prefix("$ ").map_or(Line::Output, Line::Command);
            }
            _ => (),
        }
        Line::Text(line)
    })
}

fn commands(text: &str) -> Vec<&str> {
    let command = |line| if let Line::Command(it) = line { Some(it) } else { None };
    lines(text).filter_map(command).collect()
}

/// The document with these outputs in place of its own.
fn with_outputs(text: &str, outputs: &[String]) -> String {
    let (mut out, mut outputs) = (String::new(), outputs.iter());
    for line in lines(text) {
        match line {
            Line::Text(line) => out.extend([line, "\n"]),
            Line::Command(line) => out.extend(["$ ", line, "\n", outputs.next().unwrap()]),
            Line::Output => (),
        }
    }
    out
}

/// The first line of a document that its commands do not print.
fn drift(text: &str, outputs: &[String]) -> Option<String> {
    let current = with_outputs(text, outputs);
    if text == current {
        return None;
    }
    let mut pairs = text.lines().zip(current.lines()).enumerate();
    let first = pairs.find(|(_, (says, prints))| says != prints);
    Some(first.map_or("its end".to_owned(), |(at, (says, prints))| {
        format!("line {}: says {says:?}, the command prints {prints:?}", at + 1)
    }))
}

#[test]
fn the_examples_in_the_readme_and_in_docs_print_what_they_say() {
    let mut stale = Vec::new();
    for document in documents() {
        let Document { path, text, outputs } = document;
        if std::env::var_os("IMGCONV_BLESS").is_some() {
            std::fs::write(path, with_outputs(text, outputs)).unwrap();
        } else if let Some(first) = drift(text, outputs) {
            stale.push(format!("{}: {first}", path.display()));
        }
    }
    assert!(stale.is_empty(), "not current, run .ci/bless: {stale:#?}");
}

#[test]
fn an_altered_output_of_any_example_is_found() {
    let mut examples = BTreeMap::new();
    for document in documents() {
        let outputs = &document.outputs;
        let text = with_outputs(&document.text, outputs);
        assert_eq!(drift(&text, outputs), None);
        for (at, output) in outputs.iter().enumerate() {
            let altered = |new: String| {
                let mut all = outputs.clone();
                all[at] = new;
                drift(&with_outputs(&text, &all), outputs)
            };
            assert!(altered(format!("{output}one more\n")).is_some());
            if let Some(last) = output.lines().last() {
                let rest = &output[..output.len() - last.len() - 1];
                assert!(altered(rest.to_owned()).is_some(), "a line less");
                assert!(altered(format!("{rest}{last}.\n")).is_some(), "a longer line");
                assert!(altered(format!(" {output}")).is_some(), "a space before it");
            }
        }
        examples.insert(document.path.file_name().unwrap().to_str().unwrap(), outputs.len());
    }
    // What a document shows with real output, at least.
    for (name, least) in [("README.md", 3), ("guide.md", 20), ("exit-status.md", 5)] {
        assert!(examples[name] >= least, "{name} has {} examples", examples[name]);
    }
}

#[test]
fn the_readme_is_short_and_its_first_commands_run() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let length = text.lines().count();
    assert!(length <= 150, "README.md has {length} lines, 150 at most");
    let mut commands = text.lines().filter_map(|line| line.strip_prefix("$ "));
    let first = commands.next().unwrap();
    let arguments = first.strip_prefix("cargo run --release -- save2oci ");
    let arguments = arguments.unwrap_or_else(|| panic!("README.md begins with {first}"));
    let printed = run(&format!("imgconv save2oci {arguments} || echo failed"), folder().path());
    assert!(printed.contains("\tsha256:") && !printed.contains("failed"), "{printed}");
    // .ci/run takes the command of the tests from here.
    assert_eq!(commands.next(), Some("cargo test"));
}

#[test]
fn links_in_documents_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    let root = Path::new(ROOT);
    let names = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "testdata/README.md"];
    let others = names.iter().map(|name| root.join(name));
    for path in texts(&["", "docs"]).into_iter().chain(others) {
        let text = std::fs::read_to_string(&path).unwrap();
        broken.extend(broken_links(&path, &text));
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

#[test]
fn the_readme_links_to_every_page_of_docs() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let links = links(&text);
    for path in texts(&["docs"]) {
        let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap();
        let linked = links.iter().any(|link| link.split('#').next() == Some(name));
        assert!(linked, "README.md has no link to {name}");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let path = Path::new(ROOT).join("docs/page.md");
    let good = "# One `two`, three\n\n# Again\n\n# Again\n\n[a](#one-two-three) [b](#again-1) \
        [c](../README.md) [d](schema) [e](https://example.com/#x) [f](../README.md#two-commands)\n\
        \n```\n[g](nothing.md)\n```\n";
    assert_eq!(broken_links(&path, good), Vec::<String>::new());
    for bad in
        ["nothing.md", "#nothing", "#again-2", "../README.md#nothing", "../../", "/README.md"]
    {
        let text = format!("{good}\n[x]({bad})\n\n| a |\n|---|\n| [y]({bad}) |\n");
        assert_eq!(broken_links(&path, &text).len(), 2, "{bad}");
    }
}

/// Links of a document that do not lead to a file of the repository, or to a heading in it.
fn broken_links(path: &Path, text: &str) -> Vec<String> {
    let root = Path::new(ROOT).canonicalize().unwrap();
    let leads = |link: &str| {
        let (file, heading) = link.split_once('#').map_or((link, None), |(a, b)| (a, Some(b)));
        let found = match file {
            "" => None,
            file => match path.parent().unwrap().join(file).canonicalize() {
                Ok(there) if there.starts_with(&root) => Some(there),
                _ => return false,
            },
        };
        let Some(heading) = heading else { return true };
        let there = found.map(|it| std::fs::read_to_string(it).unwrap());
        headings(there.as_deref().unwrap_or(text)).contains(heading)
    };
    let inside = links(text).into_iter().filter(|it| !it.contains("://"));
    inside.filter(|it| !leads(it)).map(|it| format!("{}: {it}", path.display())).collect()
}

fn links(text: &str) -> Vec<String> {
    let link = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    };
    Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(link).collect()
}

/// The anchors that GitHub gives to the headings of a document.
fn headings(text: &str) -> BTreeSet<String> {
    let (mut all, mut heading) = (BTreeSet::new(), None::<String>);
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap());
                let mut names = (1..).map(|at| format!("{anchor}-{at}"));
                let free = Some(anchor.clone()).filter(|it| !all.contains(it));
                let free = free.or_else(|| names.find(|it| !all.contains(it)));
                all.extend(free);
            }
            _ => (),
        }
    }
    all
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || "-_ ".contains(*it));
    kept.flat_map(char::to_lowercase).map(|it| if it == ' ' { '-' } else { it }).collect()
}

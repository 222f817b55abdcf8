//! `imgconv verify`: checks sources completely and lists all problems.

use std::ffi::{OsStr, OsString};

use clap::ValueEnum;
use imgconv::explain::{Code, code};
use imgconv::source::Arrival;
use imgconv::verify::{BlobCheck, CHECKS, Effort, Rebuild, Verification, verify_images};

use crate::args::{Choosing, ReadingArgs, Threads, VerbosityArgs, temporary};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render::{self, FindingCount};
use crate::ui::Ui;

/// Check every digest, size, diff ID and document, and list all problems
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv verify nginx.tar layout
  docker save nginx | imgconv verify --strict -
  imgconv verify --format junit *.tar > verify.xml

Exit status: 0 no problems, 1 problems (with --strict also notes), 2 could not run.")]
pub(crate) struct Args {
    /// Docker archives, layouts, configs or manifests: paths, - for a pipe, or docker://NAME
    #[arg(value_hint = clap::ValueHint::AnyPath, required_unless_present = "list_checks", value_name = "SOURCE")]
    sources: Vec<OsString>,
    /// List all checks
    #[arg(long, conflicts_with_all = ["sources", "strict", "rebuild", "documents", "image", "platform", "prefer", "threads"])]
    list_checks: bool,
    /// Fail on notes too
    #[arg(long)]
    strict: bool,
    /// Compress each gzip layer again, and say which program gives its bytes
    #[arg(long)]
    rebuild: bool,
    /// Check documents, and only that blobs exist with the right sizes; read no layer
    #[arg(long, conflicts_with = "rebuild")]
    documents: bool,
    /// Output format; junit, sarif and github (one workflow command per finding) are for CI
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    format: ReportFormat,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    threads: Threads,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    verbosity: VerbosityArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Text,
    Json,
    Sarif,
    Junit,
    Github,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.verbosity.apply(ui);
        if self.list_checks {
            return ui.answer(&match self.format {
                ReportFormat::Text | ReportFormat::Junit | ReportFormat::Github => {
                    render::checks(CHECKS)
                }
                ReportFormat::Json | ReportFormat::Sarif => {
                    let codes: Vec<Code> = CHECKS.iter().filter_map(|it| code(it.code)).collect();
                    render::codes_json(&codes)
                }
            });
        }
        self.reading.access.needed_for(&self.sources)?;
        self.reading.access.connect(self.threads.count());
        if self.strict {
            self.reading.access.distrust_mirrors();
        }
        let mut done = Vec::new();
        for source in &self.sources {
            let found = self.one(ui, source);
            done.push((source.to_string_lossy().into_owned(), found));
        }
        let text = render::verifications(&done, self.format, self.counted());
        if !text.is_empty() {
            ui.answer(&text)?;
        }
        let (mut whole, mut failed) = (Vec::new(), None);
        for (_, found) in done {
            match found {
                Ok(found) => whole.push(found),
                // The other sources were checked anyway; the last failure decides the exit status.
                Err(failure) => {
                    if let Some(earlier) = failed.replace(failure) {
                        ui.failure(&earlier);
                    }
                }
            }
        }
        match failed {
            Some(failure) => Err(failure),
            None => self.judge(&whole),
        }
    }

    fn one(&self, ui: &Ui, source: &OsStr) -> Result<Verification, Failure> {
        let place = PlaceArg::parse(source)?;
        let mut options = self.reading.options(&place, temporary());
        if !self.rebuild {
            options.arrival = Arrival::digests(self.threads.count());
        }
        let selection = self.choosing.selection(&place)?;
        let mut effort = Effort::new(self.threads.count());
        if self.rebuild {
            effort.rebuild = Rebuild::GzipLayers;
        }
        if self.documents {
            effort.blobs = BlobCheck::Presence;
        }
        let input = place.input(ui, &self.reading.access)?;
        Ok(verify_images(input, &options, &selection, effort, ui)?)
    }

    fn counted(&self) -> FindingCount {
        if self.strict { FindingCount::All } else { FindingCount::Problems }
    }

    fn judge(&self, done: &[Verification]) -> Result<(), Failure> {
        let counts = |it: &Verification| match self.strict {
            true => it.findings.len(),
            false => it.problems(),
        };
        if done.iter().all(|it| counts(it) == 0) {
            return Ok(());
        }
        let text = render::problems(done, self.counted());
        // A file in none of the formats was not checked at all.
        let is_other = |it: &Verification| it.findings.iter().any(|it| it.code == "unrecognised");
        Err(match done.iter().any(is_other) {
            true => Failure::usage(text, None),
            false => Failure::No(text),
        })
    }
}

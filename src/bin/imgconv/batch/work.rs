//! One item: verifies or converts a source.

use imgconv::bytes::files::Input;
use imgconv::convert::{Existing, Format, Outcome, check_destination, plan, run};
use imgconv::error::{Error, ErrorKind, Severity, Shown};
use imgconv::progress::Progress;
use imgconv::source::{Selection, open};
use imgconv::verify::{Effort, Verification, verify_images};
use serde_json::Value;

use super::receipts::{ItemOutcome, Receipt, ReceiptImage};
use super::run::BatchRun;
use super::{Goal, PlannedItem};
use crate::args::{OutputFormat, spool, temporary};
use crate::convert::check_output;
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render::{self, FindingCount};

/// What an item that is done has to say.
#[derive(Debug, Default)]
pub(super) struct ItemEnd {
    pub(super) images: Vec<ReceiptImage>,
    pub(super) digests: Vec<String>,
    pub(super) answer: String,
}

/// Why an item is not done, for people and for its receipt.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) failure: Failure,
    pub(super) error: Value,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let error = serde_json::to_value(&failure).unwrap_or_default();
        Self { failure, error }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl Refusal {
    pub(super) fn outcome(&self) -> ItemOutcome {
        if self.failure.status() == 1 { ItemOutcome::No } else { ItemOutcome::Failed }
    }
}

impl From<&Outcome> for ItemEnd {
    fn from(outcome: &Outcome) -> Self {
        let images = outcome.written.iter().map(|image| ReceiptImage {
            names: image.names.clone(),
            manifest_digest: image.manifest.map(|digest| digest.to_string()),
            image_id: image.image_id.to_string(),
        });
        let digests = outcome.entries.iter().filter_map(|it| it.digest);
        Self {
            images: images.collect(),
            digests: digests.map(|it| it.to_string()).collect(),
            answer: render::written((outcome, &[]), ["", ""], OutputFormat::Text),
        }
    }
}

impl BatchRun<'_> {
    pub(super) fn work(
        &self,
        item: &PlannedItem,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<ItemEnd, Refusal> {
        match &item.goal {
            Goal::Verify => self.verify(&item.source, threads, progress),
            Goal::Write { destination, form, existing } => {
                check_output(&item.source, destination, *form)?;
                let forms = (*form, *existing);
                let places = (&item.source, destination);
                let target = self.args.target(places, forms, threads, &self.shared)?;
                match check_destination(&target) {
                    Err(Error { kind: ErrorKind::Exists | ErrorKind::FileExists, at, .. }) => {
                        let there = self.adopt(places, forms, threads, progress)?;
                        there.ok_or_else(|| Error::new(&at, ErrorKind::Exists).into())
                    }
                    checked => {
                        checked?;
                        Ok(self.convert(places, forms, threads, progress)?)
                    }
                }
            }
        }
    }

    /// Converts one source.
    pub(super) fn convert(
        &self,
        (source, destination): (&PlaceArg, &PlaceArg),
        forms: (Format, Existing),
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<ItemEnd, Failure> {
        let target = self.args.target((source, destination), forms, threads, &self.shared)?;
        let options = self.args.prefer.options(source, spool(destination));
        let opened = open(Input::Path(source.path.clone()), &options, progress)?;
        source.check(opened.kind)?;
        let plan = plan(opened, target)?;
        let outcome = run(&plan, progress)?;
        for note in &outcome.notes {
            self.ui.note(&format!("{note} [{}]", note.code));
        }
        let name = source.shown();
        for loss in &outcome.losses {
            self.ui.warning(&format!("{}: {loss} [{}]", Shown(&name), loss.reason.code()));
        }
        Ok(ItemEnd::from(&outcome))
    }

    fn verify(
        &self,
        source: &PlaceArg,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<ItemEnd, Refusal> {
        let selection = self.args.choosing.selection(source)?;
        let options = self.args.prefer.options(source, temporary());
        let input = Input::Path(source.path.clone());
        let found = verify_images(input, &options, &selection, Effort::new(threads), progress)?;
        self.judge(found)?;
        Ok(ItemEnd { answer: "ok".to_owned(), ..ItemEnd::default() })
    }

    fn judge(&self, found: Verification) -> Result<(), Refusal> {
        let counted = match self.args.strict {
            true => FindingCount::All,
            false => FindingCount::Problems,
        };
        let counts = |severity| severity == Severity::Problem || counted == FindingCount::All;
        let first = found.findings.iter().find(|it| counts(it.severity));
        let Some(first) = first else { return Ok(()) };
        let error = serde_json::to_value(first).unwrap_or_default();
        // A file in none of the formats was not checked at all.
        let is_other = found.findings.iter().any(|it| it.code == "unrecognised");
        let text = render::problems(&[found], counted);
        let failure = if is_other { Failure::usage(text, None) } else { Failure::No(text) };
        Err(Refusal { failure, error })
    }

    /// Verifies what an earlier run wrote.
    pub(super) fn recheck(
        &self,
        item: &PlannedItem,
        receipt: &Receipt,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<(), Refusal> {
        let Goal::Write { destination, form, .. } = &item.goal else { return Ok(()) };
        let mut selection = Selection::default();
        if *form == Format::Layout {
            selection.images.clone_from(&receipt.digests);
        }
        let options = imgconv::source::Options::new(temporary());
        let input = Input::Path(destination.path.clone());
        let found = verify_images(input, &options, &selection, Effort::new(threads), progress)?;
        let problem = found.findings.iter().find(|it| it.severity == Severity::Problem);
        let Some(problem) = problem else { return Ok(()) };
        let error = serde_json::to_value(problem).unwrap_or_default();
        let text = format!("{problem} [{}]", problem.code);
        let hint = "remove the destination and run the batch again".to_owned();
        Err(Refusal { failure: Failure::usage(text, hint), error })
    }
}

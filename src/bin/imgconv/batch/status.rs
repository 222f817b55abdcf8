//! How far a list is: what the receipts say of each item.

use serde::Serialize;
use serde_json::Value;

use super::Args;
use super::list::BatchItem;
use super::receipts::{ItemOutcome, Receipts, key, spelled};
use super::stamp::SourceStamp;
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render;
use crate::ui::Ui;

/// An item and its last receipt.
#[derive(Debug, Serialize)]
pub(crate) struct ItemState {
    pub(crate) source: String,
    pub(crate) destination: Option<String>,
    /// `None` if it has no receipt, or the source changed since.
    #[serde(serialize_with = "outcome_or_open")]
    pub(crate) outcome: Option<ItemOutcome>,
    pub(crate) error: Option<Value>,
}

/// The word for an item without an outcome.
const OPEN: &str = "open";

fn outcome_or_open<S: serde::Serializer>(
    it: &Option<ItemOutcome>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(it.map_or(OPEN, ItemOutcome::name))
}

/// The number of items of each state.
#[derive(Debug, Default, Serialize)]
pub(crate) struct StateCounts {
    pub(crate) done: usize,
    pub(crate) no: usize,
    pub(crate) failed: usize,
    pub(crate) open: usize,
}

impl StateCounts {
    fn of(items: &[ItemState]) -> Self {
        let mut counts = Self::default();
        for item in items {
            match item.outcome {
                Some(ItemOutcome::Done) => counts.done += 1,
                Some(ItemOutcome::No) => counts.no += 1,
                Some(ItemOutcome::Failed) => counts.failed += 1,
                None => counts.open += 1,
            }
        }
        counts
    }
}

impl ItemState {
    /// The state as a word.
    pub(crate) fn word(&self) -> &'static str {
        self.outcome.map_or(OPEN, ItemOutcome::name)
    }

    /// A text of the error of its receipt.
    pub(crate) fn said(&self, name: &str) -> &str {
        let error = self.error.as_ref().and_then(|it| it.get(name));
        error.and_then(Value::as_str).unwrap_or_default()
    }
}

impl Args {
    pub(super) fn show_status(&self, ui: &Ui, items: &[BatchItem]) -> Result<(), Failure> {
        let known = Receipts::read(&self.receipts, ui)?;
        let states: Vec<ItemState> = items.iter().map(|it| self.state(it, &known)).collect();
        let counts = StateCounts::of(&states);
        ui.answer(&render::batch(&states, &counts, self.speaking.format))?;
        let text = format!(
            "{} done, {} refused, {} failed, {} open",
            counts.done, counts.no, counts.failed, counts.open
        );
        match (counts.failed + counts.open, counts.no) {
            (0, 0) => Ok(()),
            (0, _) => Err(Failure::No(text)),
            _ => Err(Failure::usage(text, None)),
        }
    }

    fn state(&self, item: &BatchItem, known: &Receipts) -> ItemState {
        let into = self.into.as_deref().map(std::path::Path::new);
        let key = key(item, into);
        let receipt = match &key.1 {
            Some(_) => known.of(&key),
            None => known.of_source(&key.0),
        };
        let now = PlaceArg::parse(&item.source).ok().and_then(|it| SourceStamp::of(&it.path));
        let receipt = receipt.filter(|it| now.is_none() || it.stamp == now);
        let destination = receipt.and_then(|it| it.destination.clone());
        let destination = destination.or_else(|| key.1.as_deref().map(|it| spelled(it).0));
        ItemState {
            source: spelled(&key.0).0,
            destination,
            outcome: receipt.map(|it| it.outcome),
            error: receipt.and_then(|it| it.error.clone()),
        }
    }
}

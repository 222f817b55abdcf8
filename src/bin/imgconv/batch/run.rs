//! Does the items of a shard: which are known already, and the others, large ones first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use imgconv::convert::{CompressedLayers, Format};
use imgconv::digest::{Algorithm, Measured};
use imgconv::progress::{Event, Progress};
use serde_json::Value;

use super::receipts::{ItemOutcome, Receipt, ReceiptFile, Receipts};
use super::shard::Shard;
use super::stamp::SourceStamp;
use super::work::{ItemEnd, Refusal};
use super::{Args, Goal, PlannedItem};
use crate::failure::Failure;
use crate::render;
use crate::ui::Ui;

/// From this size on an item has all threads; smaller ones are done side by side.
const LARGE: u64 = 64 << 20;

/// A shard at work.
pub(super) struct BatchRun<'a> {
    pub(super) args: &'a Args,
    pub(super) ui: &'a Ui,
    pub(super) shared: Arc<CompressedLayers>,
    receipts: ReceiptFile,
    /// The number of items of the shard.
    all: usize,
    counts: Mutex<BTreeMap<&'static str, usize>>,
    /// Why the whole run ends early.
    fatal: Mutex<Option<Failure>>,
    is_over: AtomicBool,
}

/// An item to do, and the state of its source before.
struct DueItem {
    item: PlannedItem,
    stamp: Option<SourceStamp>,
    /// What an earlier run wrote, to be verified.
    recheck: Option<Receipt>,
}

impl DueItem {
    fn size(&self) -> u64 {
        self.stamp.as_ref().map_or(0, |it| it.size)
    }
}

impl Args {
    /// Does the items of a shard.
    pub(super) fn do_all(
        &self,
        ui: &Ui,
        items: Vec<PlannedItem>,
        shard: Shard,
    ) -> Result<(), Failure> {
        self.check_into(&items)?;
        let receipts = ReceiptFile::open(&self.receipts, shard)?;
        let known = Receipts::read(&self.receipts, ui)?;
        let run = BatchRun {
            args: self,
            ui,
            shared: Arc::default(),
            receipts,
            all: items.len(),
            counts: Mutex::default(),
            fatal: Mutex::default(),
            is_over: AtomicBool::new(false),
        };
        let mut due = run.due(items, &known);
        due.sort_by_key(|it| Reverse(it.size()));
        let total = due.iter().map(DueItem::size).sum();
        let _ = ui.event(Event::Total(total));
        let small = due.partition_point(|it| it.size() >= LARGE);
        let threads = self.threads.count();
        let (large, small) = due.split_at(small);
        run.each(large, 1, threads);
        run.each(small, threads, 1);
        run.end()
    }
}

impl BatchRun<'_> {
    /// The items that are not known to be done or refused.
    fn due(&self, items: Vec<PlannedItem>, known: &Receipts) -> Vec<DueItem> {
        let mut due = Vec::new();
        let mut there = Destinations::default();
        let mut others: BTreeSet<String> = BTreeSet::new();
        for item in items {
            let stamp = SourceStamp::of(&item.source.path);
            let receipt = known.of(&item.key);
            let receipt = receipt.filter(|it| self.still_counts(&item, it, stamp.as_ref()));
            let recheck = match receipt {
                Some(receipt) if !there.has(&item.goal, receipt) => None,
                Some(receipt) => {
                    if !receipt.tool.ends_with(env!("CARGO_PKG_VERSION")) {
                        others.insert(receipt.tool.clone());
                    }
                    if !self.args.recheck || receipt.outcome != ItemOutcome::Done {
                        self.count(receipt.outcome);
                        continue;
                    }
                    Some(receipt.clone())
                }
                None => None,
            };
            due.push(DueItem { item, stamp, recheck });
        }
        if !others.is_empty() {
            let others: Vec<String> = others.into_iter().collect();
            self.ui.note(&format!("receipts of {} count too", others.join(", ")));
        }
        due
    }

    /// Whether a receipt is about these bytes and options, and needs no other try.
    fn still_counts(
        &self,
        item: &PlannedItem,
        receipt: &Receipt,
        now: Option<&SourceStamp>,
    ) -> bool {
        let again = match receipt.outcome {
            ItemOutcome::Failed => true,
            ItemOutcome::No => self.args.retry_no,
            ItemOutcome::Done => false,
        };
        // A source that was converted may go.
        let gone = now.is_none() && matches!(item.goal, Goal::Write { .. });
        !again
            && receipt.task == self.args.task(&item.goal)
            && (gone || receipt.stamp.as_ref() == now)
    }

    /// Does items on several threads.
    fn each(&self, items: &[DueItem], workers: usize, threads: usize) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(due) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.is_over.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(failure) = self.one(due, threads) {
                    self.is_over.store(true, Ordering::Relaxed);
                    let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
                    fatal.get_or_insert(failure);
                }
            }
        };
        std::thread::scope(|scope| {
            // This thread is one of them, and the only one where no other is to be had.
            for _ in 1..workers.min(items.len()) {
                if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
    }

    /// Does one item, and writes its receipt. An error ends the whole run.
    fn one(&self, due: &DueItem, threads: usize) -> Result<(), Failure> {
        let begun = Instant::now();
        let progress = ItemProgress { ui: self.ui, left: AtomicU64::new(due.size()) };
        let done = match &due.recheck {
            Some(receipt) => match self.recheck(&due.item, receipt, threads, &progress) {
                Ok(()) => {
                    self.count(ItemOutcome::Done);
                    return Ok(());
                }
                Err(refusal) => Err(refusal),
            },
            None => self.work(&due.item, threads, &progress),
        };
        progress.finish();
        if done.is_err() && self.ui.signal().is_some() {
            self.is_over.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let outcome = match &done {
            Ok(_) => ItemOutcome::Done,
            Err(refusal) => refusal.outcome(),
        };
        let mut receipt = Receipt::new(&due.item.key, &self.args.task(&due.item.goal), outcome);
        receipt.stamp.clone_from(&due.stamp);
        if self.args.hash_source {
            receipt.sha256 = hash(&due.item.source.path);
        }
        let (end, failure) = match done {
            Ok(end) => (end, None),
            Err(Refusal { failure, error }) => {
                receipt.error = Some(error);
                (ItemEnd::default(), Some(failure))
            }
        };
        (receipt.images, receipt.digests) = (end.images, end.digests);
        receipt.seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        self.receipts.add(&receipt)?;
        self.count(outcome);
        match failure {
            None => self.ui.answer_part(&lines(&due.item, &end.answer)),
            Some(failure) if is_fatal(&failure) || failure.is_silent() => Err(failure),
            Some(failure) => {
                self.ui.complain(&failure);
                Ok(())
            }
        }
    }

    fn count(&self, outcome: ItemOutcome) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(outcome.name()).or_default() += 1;
        let ended: usize = counts.values().sum();
        self.ui.set_message(&format!("{ended} of {} items", self.all));
    }

    /// What became of all.
    fn end(self) -> Result<(), Failure> {
        self.ui.finish();
        if let Some(failure) = self.fatal.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(failure);
        }
        let counts = self.counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let count = |outcome: ItemOutcome| counts.get(outcome.name()).copied().unwrap_or_default();
        let (done, no) = (count(ItemOutcome::Done), count(ItemOutcome::No));
        let failed = count(ItemOutcome::Failed);
        let text = format!("{done} done, {no} refused, {failed} failed");
        let hint = "imgconv batch --status shows which and why";
        match (failed, no) {
            (0, 0) => self.ui.line(&text),
            (0, _) if self.args.judged_ok => self.ui.line(&text),
            (0, _) => return Err(Failure::No(text)),
            _ => return Err(Failure::usage(text, hint.to_owned())),
        }
        Ok(())
    }
}

/// Whether all other items would fail too.
fn is_fatal(failure: &Failure) -> bool {
    use imgconv::error::{Error, ErrorKind};
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let Failure::Library(Error { kind, .. }) = failure else { return false };
    match kind {
        ErrorKind::NoSpace { .. } => true,
        ErrorKind::Write(error) | ErrorKind::Spool(error) => {
            matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
        }
        _ => false,
    }
}

/// The lines of an item on standard output, each with its source.
fn lines(item: &PlannedItem, answer: &str) -> String {
    let source = String::from_utf8_lossy(&item.key.0);
    let source = render::whole(&source);
    answer.lines().map(|line| format!("{source}\t{line}\n")).collect()
}

fn hash(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok().filter(|it| it.metadata().is_ok_and(|it| it.is_file()))?;
    let measured = Measured::read(Algorithm::Sha256, &mut file).ok()?;
    Some(measured.digest().to_string())
}

/// What destinations have; the index of each layout is read once.
#[derive(Default)]
struct Destinations {
    layouts: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl Destinations {
    /// Whether what an item wrote is still there.
    fn has(&mut self, goal: &Goal, receipt: &Receipt) -> bool {
        let Goal::Write { destination, form, .. } = goal else { return true };
        if receipt.outcome != ItemOutcome::Done {
            return true;
        }
        let path = &destination.path;
        match form {
            Format::Layout => {
                let listed = self.layouts.entry(path.clone()).or_insert_with(|| listed(path));
                receipt.digests.iter().all(|digest| listed.contains(digest))
            }
            Format::Directory => path.join("manifest.json").is_file(),
            _ => path.is_file(),
        }
    }
}

/// The digests that the index of a layout lists.
fn listed(path: &Path) -> BTreeSet<String> {
    let raw = fs::read(path.join("index.json")).unwrap_or_default();
    let index: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let entries = index.get("manifests").and_then(Value::as_array);
    let digest = |entry: &Value| Some(entry.get("digest")?.as_str()?.to_owned());
    entries.into_iter().flatten().filter_map(digest).collect()
}

/// One item is a part of a whole; it counts as much as its source has bytes.
struct ItemProgress<'a> {
    ui: &'a Ui,
    left: AtomicU64,
}

impl ItemProgress<'_> {
    fn read(&self, count: u64) -> ControlFlow<()> {
        let take = |left: u64| Some(left.saturating_sub(count));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        self.ui.event(Event::Read(before.unwrap_or_default().min(count)))
    }

    fn finish(&self) {
        let _ = self.read(u64::MAX);
    }
}

impl Progress for ItemProgress<'_> {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Read(count) => self.read(count),
            Event::Total(_) => self.read(0),
            // The bar tells of items.
            Event::Started { .. } if !self.ui.is_verbose() => self.read(0),
            event => self.ui.event(event),
        }
    }
}

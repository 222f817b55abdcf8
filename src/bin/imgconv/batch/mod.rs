//! `imgconv batch`: converts or verifies every source of a list, and keeps a receipt of each.
//!
//! It starts no processes and knows no machines: engines that exist do that, and tell it its shard.

mod adopt;
mod list;
mod receipts;
mod run;
mod shard;
mod stamp;
mod status;
mod work;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use imgconv::convert::{
    CompressedLayers, Destination, Existing, Format, Losses, Target, check_destination,
};
use imgconv::digest::Digest;
use imgconv::error::Shown;

use self::list::{BatchItem, BatchList, ListEnds};
pub(crate) use self::receipts::ItemOutcome;
use self::receipts::{ItemKey, key};
use self::shard::{Shard, ShardArg};
pub(crate) use self::status::{ItemState, StateCounts};
use crate::args::{CheckFormat, CheckSpeaking, Choosing, Coding, DialectArg, PreferArg, Threads};
use crate::convert::TargetFormat;
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::ui::Ui;

/// Convert or verify all sources of a list, in shards, and go on after a stop
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each line of the list is SOURCE, or SOURCE, a tab and DESTINATION. Empty lines and lines that
start with # are skipped. A source without a destination, and without --into, is verified.

Each item that ends gets a line of JSON in DIR/K-of-N.jsonl. The next run skips items that are done
or refused, if the source did not change, the options are the same and the destination is there.

Examples:
  find archives -name '*.tar' -print0 | imgconv batch -0 - --receipts receipts
  imgconv batch list.txt --receipts receipts --into layout -c zstd
  imgconv batch list.txt --receipts receipts --to oci --shard auto
  imgconv batch list.txt --receipts receipts --status

Exit status: 0 all items are done, 1 some are refused, 2 some could not run. A refused item does not
stop the others; a full disk does."
)]
pub(crate) struct Args {
    /// File with one item per line, or - for a pipe
    #[arg(value_hint = clap::ValueHint::FilePath)]
    list: OsString,
    /// Items end with NUL instead of a newline and are sources only, as find -print0 writes them
    #[arg(short = '0', long)]
    null: bool,
    /// Folder for the receipts
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    receipts: PathBuf,
    /// Do only part K of N, counted from 0; auto takes it from Slurm, Kubernetes, AWS Batch, CI or
    /// Nomad
    #[arg(long, value_name = "K/N|auto|auto/N", conflicts_with = "status")]
    shard: Option<ShardArg>,
    /// Add the images of all sources to this OCI layout
    #[arg(long, value_name = "LAYOUT", conflicts_with_all = ["to", "dialect"], value_hint = clap::ValueHint::DirPath)]
    into: Option<OsString>,
    /// Format to write; a prefix of a destination sets it too
    #[arg(long, value_enum, value_name = "KIND")]
    to: Option<TargetFormat>,
    #[command(flatten)]
    dialect: DialectArg,
    /// Show how far the list is, and run nothing
    #[arg(long, conflicts_with_all = ["judged_ok", "retry_no", "recheck", "hash_source"])]
    status: bool,
    /// Exit with 0 if items are refused, but none failed
    #[arg(long)]
    judged_ok: bool,
    /// Try refused items again
    #[arg(long)]
    retry_no: bool,
    /// Verify the destinations of items that are done
    #[arg(long)]
    recheck: bool,
    /// Record the SHA-256 of each source; reads it once more
    #[arg(long)]
    hash_source: bool,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    coding: Coding,
    /// Refuse sources with notes, and conversions that lose anything
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    threads: Threads,
    #[command(flatten)]
    prefer: PreferArg,
    #[command(flatten)]
    speaking: CheckSpeaking,
}

/// What is to be done with a source.
#[derive(Debug, Clone)]
enum Goal {
    Verify,
    Write { destination: PlaceArg, form: Format, existing: Existing },
}

/// An item with all that the command line says about it.
#[derive(Debug, Clone)]
struct PlannedItem {
    key: ItemKey,
    source: PlaceArg,
    goal: Goal,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        let ends = if self.null { ListEnds::Nul } else { ListEnds::Lines };
        let BatchList { items, repeated } = list::read(&self.list, ends)?;
        if repeated > 0 {
            ui.note(&format!("items that are in the list twice are done once: {repeated}"));
        }
        if self.status {
            self.refuse_work()?;
            return self.show_status(ui, &items);
        }
        if self.speaking.format != CheckFormat::Text {
            let text = "--format: expected --status, as receipts are JSON already";
            return Err(Failure::usage(text, "leave out --format, or add --status".to_owned()));
        }
        self.refuse_idle(&items)?;
        let shard = self.shard.map_or(Ok(Shard::WHOLE), |it| it.shard(ui))?;
        let mut planned = Vec::new();
        for (number, item) in items.iter().enumerate() {
            let item = self.planned(item)?;
            if shard.has(number) {
                planned.push(item);
            }
        }
        self.do_all(ui, planned, shard)
    }

    /// Refuses options of conversions, of which the status shows only what became.
    fn refuse_work(&self) -> Result<(), Failure> {
        let idle = [
            self.to.map(|_| "--to"),
            self.dialect.is_set().then_some("--dialect"),
            self.strict.then_some("--strict"),
            self.threads.is_set().then_some("--threads"),
            self.prefer.prefer.as_ref().map(|_| "--prefer"),
            self.choosing.passed(),
            self.coding.passed(),
        ];
        match idle.into_iter().flatten().next() {
            None => Ok(()),
            Some(option) => {
                let text = format!("{option}: expected items to do, found --status");
                Err(Failure::usage(text, format!("leave out {option}")))
            }
        }
    }

    /// Refuses options without an effect on this list.
    fn refuse_idle(&self, items: &[BatchItem]) -> Result<(), Failure> {
        if self.into.is_some() || items.iter().any(|it| it.destination.is_some()) {
            return Ok(());
        }
        let idle = [
            self.to.map(|_| "--to"),
            self.dialect.is_set().then_some("--dialect"),
            self.recheck.then_some("--recheck"),
            self.coding.passed(),
        ];
        match idle.into_iter().flatten().next() {
            None => Ok(()),
            Some(option) => {
                let text = format!("{option}: expected a destination, found a list to verify");
                let hint = format!("leave out {option}, or pass --into LAYOUT");
                Err(Failure::usage(text, hint))
            }
        }
    }

    fn planned(&self, item: &BatchItem) -> Result<PlannedItem, Failure> {
        let place = |text: &OsString| {
            let place = PlaceArg::parse(text)?;
            place.refuse_registry("batch", "pull or push")?;
            if place.is_pipe() {
                let hint = "write ./- for a file with this name".to_owned();
                return Err(Failure::usage("-: a list cannot have a pipe", hint));
            }
            Ok(place)
        };
        let source = place(&item.source)?;
        let goal = match (&self.into, &item.destination) {
            (Some(_), Some(to)) => {
                let to = to.to_string_lossy();
                let text = format!("{}: a destination in the list, and --into", Shown(&to));
                return Err(Failure::usage(text, "leave out one of them".to_owned()));
            }
            (None, None) => Goal::Verify,
            (Some(layout), None) => {
                let destination = place(layout)?;
                let is_layout = destination.transport.and_then(TargetFormat::of);
                if is_layout.is_some_and(|it| it != TargetFormat::Oci) || destination.name.is_some()
                {
                    let text = "--into: expected an OCI layout without a name";
                    return Err(Failure::usage(text, "pass the path of a directory".to_owned()));
                }
                Goal::Write { destination, form: Format::Layout, existing: Existing::Append }
            }
            (None, Some(to)) => {
                let destination = place(to)?;
                let form = self.form(&destination)?;
                Goal::Write { destination, form, existing: Existing::Refuse }
            }
        };
        let into = self.into.as_deref().map(std::path::Path::new);
        Ok(PlannedItem { key: key(item, into), source, goal })
    }

    /// The format of a destination in the list.
    fn form(&self, destination: &PlaceArg) -> Result<Format, Failure> {
        let said = destination.transport.and_then(TargetFormat::of);
        match (self.to, said) {
            (Some(to), Some(said)) if to != said => {
                let text = format!(
                    "--to and the prefix of the destination {} differ",
                    Shown(&destination.shown())
                );
                Err(Failure::usage(text, "leave out one of them".to_owned()))
            }
            (Some(to), _) | (None, Some(to)) => to.format(&self.dialect, destination),
            (None, None) => {
                let text = "no destination format; pass --to FORMAT";
                let hint = "FORMAT is docker-archive, oci, oci-archive or dir".to_owned();
                Err(Failure::usage(text, hint))
            }
        }
    }

    /// The target of a conversion.
    fn target(
        &self,
        (source, destination): (&PlaceArg, &PlaceArg),
        (form, existing): (Format, Existing),
        threads: usize,
        shared: &Arc<CompressedLayers>,
    ) -> Result<Target, Failure> {
        let mut target = Target::new(Destination::Path(destination.path.clone()), form);
        target.existing = existing;
        target.images = self.choosing.images(source);
        target.tags = destination.as_names()?;
        target.platforms = self.choosing.platforms()?;
        target.losses = if self.strict { Losses::Refused } else { Losses::Named };
        target.threads = threads;
        target.shared = Some(Arc::clone(shared));
        self.coding.apply(&mut target)?;
        target.check()?;
        Ok(target)
    }

    /// Refuses a layout to add to that cannot be added to, before anything runs.
    fn check_into(&self, items: &[PlannedItem]) -> Result<(), Failure> {
        if let Some(PlannedItem {
            source, goal: Goal::Write { destination, form, existing }, ..
        }) = items.first()
        {
            let places = (source, destination);
            let target = self.target(places, (*form, *existing), 1, &Arc::default())?;
            if self.into.is_some() {
                check_destination(&target)?;
            }
        }
        Ok(())
    }

    /// The digest of the verb and the options that change a result.
    fn task(&self, goal: &Goal) -> String {
        let verb = match goal {
            Goal::Verify => "verify",
            Goal::Write { .. } => "convert",
        };
        let to = self.to.and_then(|it| clap::ValueEnum::to_possible_value(&it));
        let to = to.map(|it| it.get_name().to_owned()).unwrap_or_default();
        let text = format!(
            "{verb} to={to} dialect={} strict={} prefer={:?} {} {}",
            self.dialect.spelled(),
            self.strict,
            self.prefer.prefer,
            self.choosing.spelled(),
            self.coding.spelled(),
        );
        Digest::of(text.as_bytes()).to_string()
    }
}

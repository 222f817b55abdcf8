//! `imgconv inspect`: shows the content of sources.

use std::ffi::{OsStr, OsString};

use clap::ValueEnum;
use imgconv::image::Node;
use imgconv::inspect::{add_writers, inspect};
use imgconv::source::{Arrival, Selection, Source};

use crate::args::{Choosing, OutputFormat, ReadingArgs, Speaking, WidthArgs, cores, whole};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render;
use crate::ui::Ui;

/// Show the writer, names, platforms, image IDs, digests and layers of a source
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv inspect nginx.tar
  docker save nginx | imgconv inspect --no-trunc -
  imgconv inspect --format json layout
  imgconv inspect --raw config layout | jq .config.Env")]
pub(crate) struct Args {
    /// Docker archives, layouts, configs, manifests or indexes: paths, - for a pipe, or docker://NAME
    #[arg(value_hint = clap::ValueHint::AnyPath, required = true, value_name = "SOURCE")]
    sources: Vec<OsString>,
    /// Print one document byte for byte
    #[arg(long, value_enum, value_name = "DOCUMENT")]
    raw: Option<Raw>,
    /// Show which program compressed each gzip layer; compresses them again
    #[arg(long, conflicts_with = "raw")]
    writers: bool,
    #[command(flatten)]
    table: WidthArgs,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    speaking: Speaking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Raw {
    Config,
    Manifest,
    Index,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        if let (Some(_), [_, _, ..]) = (self.raw, self.sources.as_slice()) {
            let text = "--raw: expected one source";
            return Err(Failure::usage(text, "pass one source".to_owned()));
        }
        self.reading.access.needed_for(&self.sources)?;
        // The other sources are shown anyway; the last failure decides the exit status.
        let mut failed: Option<Failure> = None;
        for (at, source) in self.sources.iter().enumerate() {
            if at > 0 && self.speaking.format == OutputFormat::Text {
                ui.answer("\n")?;
            }
            if let Err(failure) = self.one(ui, source)
                && let Some(earlier) = failed.replace(failure)
            {
                ui.failure(&earlier);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn one(&self, ui: &Ui, source: &OsStr) -> Result<(), Failure> {
        let place = PlaceArg::parse(source)?;
        let arrival = if self.writers { Arrival::anything() } else { Arrival::digests(cores()) };
        let mut source = self.reading.open_with_problems(ui, &place, arrival)?;
        let selection = self.choosing.selection(&place)?;
        if let Some(raw) = self.raw {
            source = whole(source)?;
            return ui.answer_bytes(&bytes(source, &selection, raw)?);
        }
        source.narrow(&selection)?;
        let mut facts = inspect(&source);
        if self.writers {
            add_writers(&mut facts, &source, cores(), ui)?;
        }
        let width = self.table.width(&self.speaking.verbosity);
        match self.speaking.format {
            OutputFormat::Json => ui.answer(&render::json(&facts))?,
            OutputFormat::Text => ui.answer(&render::inspection(&facts, width))?,
        }
        // The content was shown; the exit status reports the problems.
        match (facts.problems(), whole(source)) {
            (0, _) => Ok(()),
            (1, Err(failure)) => Err(failure),
            (count, _) => Err(Failure::No(format!("{}: {count} problems", facts.source))),
        }
    }
}

/// The one document of this kind; several different ones are an error.
fn bytes(mut source: Source, selection: &Selection, raw: Raw) -> Result<Vec<u8>, Failure> {
    if let (Raw::Index, true, Some(index)) = (raw, selection.is_all(), &source.index) {
        return Ok(index.raw().to_vec());
    }
    source.narrow(selection)?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    for entry in &source.entries {
        let own = source.nodes.get(entry.node);
        match (raw, own) {
            (Raw::Index, Some(Node::Index { document, .. })) => found.push(document.raw().to_vec()),
            (Raw::Manifest, Some(Node::Other { document, .. })) => {
                found.push(document.raw().to_vec());
            }
            _ => (),
        }
        for image in source.images_below(entry.node).into_iter().filter_map(|it| source.image(it)) {
            match (raw, &image.manifest) {
                (Raw::Config, _) => found.push(image.config.raw().to_vec()),
                (Raw::Manifest, Some(manifest)) => found.push(manifest.raw().to_vec()),
                _ => (),
            }
        }
    }
    found.sort();
    found.dedup();
    let name = match raw {
        Raw::Config => "config",
        Raw::Manifest => "manifest",
        Raw::Index => "index",
    };
    if found.len() > 1 {
        let text = format!("{}: expected one {name}, found {}", source.at, found.len());
        let hint = "choose one with --image: a name, a digest or @N".to_owned();
        return Err(Failure::usage(text, hint));
    }
    found.pop().ok_or_else(|| Failure::No(format!("{}: has no {name}", source.at)))
}

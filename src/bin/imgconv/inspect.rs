//! `imgconv inspect`: what is in there.

use std::ffi::OsString;

use clap::ValueEnum;
use imgconv::convert::entries;
use imgconv::image::Node;
use imgconv::inspect::inspect;
use imgconv::source::Source;

use crate::args::{Choosing, OutputFormat, ReadingArgs, Speaking, whole};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render::{self, Width};
use crate::ui::Ui;

/// Show who wrote a source, its names, platforms, image IDs, digests and layers
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv inspect nginx.tar
  docker save nginx | imgconv inspect -v -
  imgconv inspect --format json layout
  imgconv inspect --raw config layout | jq .config.Env")]
pub(crate) struct Args {
    /// Docker archive, layout, or bare config, manifest or index: a path, or - for a pipe
    source: OsString,
    /// Print the bytes of one document as they are
    #[arg(long, value_enum, value_name = "DOCUMENT")]
    raw: Option<Raw>,
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
        self.speaking.verbosity.apply(ui);
        let place = PlaceArg::parse(&self.source)?;
        let mut source = self.reading.open_with_problems(ui, &place)?;
        let wanted = self.choosing.images(&place);
        if let Some(raw) = self.raw {
            source = whole(source)?;
            return ui.answer_bytes(&bytes(&source, &wanted, raw)?);
        }
        if !wanted.is_empty() {
            source.entries = entries(&source, &wanted)?;
        }
        let facts = inspect(&source);
        let width = if self.speaking.verbosity.verbose { Width::Wide } else { Width::Narrow };
        match self.speaking.format {
            OutputFormat::Json => ui.answer(&render::json(&facts))?,
            OutputFormat::Text => ui.answer(&render::inspection(&facts, width))?,
        }
        // What is there was shown; the exit status says that not all of it is right.
        match (facts.problems.len(), whole(source)) {
            (0, _) => Ok(()),
            (1, Err(failure)) => Err(failure),
            (count, _) => Err(Failure::No(format!("{}: {count} problems", facts.source))),
        }
    }
}

/// The one document of this kind; several different ones are an error.
fn bytes(source: &Source, wanted: &[String], raw: Raw) -> Result<Vec<u8>, Failure> {
    if let (Raw::Index, true, Some(index)) = (raw, wanted.is_empty(), &source.index) {
        return Ok(index.raw().to_vec());
    }
    let mut found: Vec<Vec<u8>> = Vec::new();
    for entry in entries(source, wanted)? {
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
        let text = format!("{}: has {} documents of kind {name}", source.at, found.len());
        let hint = "choose one with --image: a name, a digest or @N".to_owned();
        return Err(Failure::usage(text, hint));
    }
    found.pop().ok_or_else(|| Failure::No(format!("{}: has no {name}", source.at)))
}

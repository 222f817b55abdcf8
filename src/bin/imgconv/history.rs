//! `imgconv history`: prints a history like `docker history`.

use std::ffi::OsString;

use imgconv::history::history;
use imgconv::source::Arrival;

use crate::args::{Choosing, OutputFormat, ReadingArgs, Speaking, WidthArgs, whole};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render;
use crate::ui::Ui;

/// Show how an image was built, newest step first, like docker history
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv history nginx.tar
  docker save nginx | imgconv history --no-trunc -
  imgconv history --format json layout -i nginx:1.17")]
pub(crate) struct Args {
    /// Docker archive, layout or config: a path, - for a pipe, or docker://NAME
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    source: OsString,
    #[command(flatten)]
    table: WidthArgs,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    speaking: Speaking,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        let place = PlaceArg::parse(&self.source)?;
        self.reading.access.needed(&[&place])?;
        let selection = self.choosing.selection(&place)?;
        let mut source = self.reading.open_with_problems(ui, &place, Arrival::contents())?;
        source.narrow(&selection)?;
        let source = whole(source)?;
        let facts = history(&source, ui)?;
        let width = self.table.width(&self.speaking.verbosity);
        match self.speaking.format {
            OutputFormat::Json => ui.answer(&render::json(&facts)),
            OutputFormat::Text => ui.answer(&render::histories(&facts, width)),
        }
    }
}

//! `imgconv inspect`: what is in there.

use imgconv::inspect::inspect;

use crate::args::{Format, Reading, Speaking, temporary};
use crate::failure::Failure;
use crate::place::Place;
use crate::render::{self, Width};
use crate::ui::Ui;

/// Show names, platforms, image IDs and layers of a save archive or layout
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv inspect nginx.tar
  docker save nginx | imgconv inspect -v -
  imgconv inspect --format json layout")]
pub(crate) struct Args {
    /// Save archive or layout: a path, or - for a pipe
    source: String,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    speaking: Speaking,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        let place = Place::parse(&self.source)?;
        let mut source = self.reading.open(&place, temporary())?;
        if !source.problems.is_empty() {
            return Err(source.problems.swap_remove(0).into());
        }
        let facts = inspect(&source)?;
        let width = if self.speaking.verbose { Width::Wide } else { Width::Narrow };
        match self.speaking.format {
            Format::Json => ui.answer(&render::json(&facts)),
            Format::Text => ui.answer(&render::inspection(&facts, width)),
        }
    }
}

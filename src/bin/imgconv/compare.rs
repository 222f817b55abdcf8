//! `imgconv compare`: whether two sources have the same image, and how they differ.

use std::ffi::OsString;

use clap::ValueEnum;
use imgconv::compare::{ComparedSource, Level, compare_watched};

use crate::args::{CheckFormat, CheckSpeaking, Choosing, ReadingArgs, temporary};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render;
use crate::ui::Ui;

/// Compare the images of two sources, across formats, and show what differs
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Levels: content (the same diff IDs), image (the same config, so the same image ID),
manifest (the same manifest, so the same stored layers), bytes.

Examples:
  imgconv compare nginx.tar layout
  imgconv compare --level manifest oci:a oci:b
  imgconv compare a.tar b.tar --image nginx:1.17

Exit status: 0 the same at that level, 1 different, 2 could not run."
)]
pub(crate) struct Args {
    /// Docker archive, layout or config: a path, - for a pipe, or docker://NAME
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    a: OsString,
    /// Source to compare it with
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    b: OsString,
    #[command(flatten)]
    choosing: Choosing,
    /// Level that is required for exit status 0
    #[arg(long, value_enum, default_value_t = LevelArg::Image, value_name = "LEVEL")]
    level: LevelArg,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    speaking: CheckSpeaking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelArg {
    Content,
    Image,
    Manifest,
    Bytes,
}

impl LevelArg {
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Content => Level::Content,
            Self::Image => Level::Image,
            Self::Manifest => Level::Manifest,
            Self::Bytes => Level::Bytes,
        }
    }
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        let (a, b) = (PlaceArg::parse(&self.a)?, PlaceArg::parse(&self.b)?);
        self.reading.access.needed(&[&a, &b])?;
        let found = compare_watched(self.side(ui, &a)?, self.side(ui, &b)?, ui)?;
        match self.speaking.format {
            CheckFormat::Json => ui.answer(&render::json(&found))?,
            CheckFormat::Junit => {
                ui.answer(&render::comparison_junit(&found, self.level.level()))?
            }
            CheckFormat::Text => ui.answer(&render::comparison(&found))?,
        }
        if found.level >= self.level.level() {
            return Ok(());
        }
        let wanted = self.level.level().sentence();
        let text = format!("{} and {}: expected {wanted}, found {}", found.a.0, found.b.0, {
            found.level.sentence()
        });
        Err(Failure::No(text))
    }

    fn side(&self, ui: &Ui, place: &PlaceArg) -> Result<ComparedSource, Failure> {
        let options = self.reading.options(place, temporary());
        let input = place.input(ui, &self.reading.access)?;
        let mut side = ComparedSource::new(input, options);
        side.selection = self.choosing.selection(place)?;
        Ok(side)
    }
}

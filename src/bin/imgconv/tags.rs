//! `imgconv tags`: the tags of a repository.

use std::ffi::OsString;

use serde::Serialize;

use crate::access::AccessArgs;
use crate::args::{OutputFormat, Speaking};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render;
use crate::ui::Ui;

/// List the tags of a repository, one a line
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  imgconv tags quay.io/prometheus/prometheus")]
pub(crate) struct Args {
    /// Repository: HOST/NAME
    repository: OsString,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    speaking: Speaking,
}

/// `docs/schema/tags.json` describes it.
#[derive(Serialize)]
struct TagsJson<'a> {
    repository: String,
    tags: &'a [String],
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        let place = PlaceArg::registry(std::slice::from_ref(&self.repository))?;
        self.access.needed(&[&place])?;
        let Some(name) = place.names.first() else { return Ok(()) };
        if !name.is_repository() {
            let hint = format!("pass {}", name.repository());
            return Err(Failure::usage(
                format!("{name}: expected a repository without a tag"),
                hint,
            ));
        }
        let tags = self.access.session(ui)?.tags(name)?;
        match self.speaking.format {
            OutputFormat::Json => {
                ui.answer(&render::json(&TagsJson { repository: name.repository(), tags: &tags }))
            }
            OutputFormat::Text => {
                ui.answer(&tags.iter().map(|tag| format!("{tag}\n")).collect::<String>())
            }
        }
    }
}

//! `imgconv convert`: anything to anything; the other two verbs are this with fixed ends.

use clap::{Args as _, ValueEnum};
use imgconv::convert::{Destination, Format, Plan, Target, check_destination, plan, run};
use imgconv::source::Source;

use crate::args::{DialectArg, Reading, Shaping, Speaking, spool};
use crate::failure::Failure;
use crate::place::{Place, Transport};
use crate::render;
use crate::ui::Ui;

/// Convert any of them to any of them, also to the same kind: recompress, pick a platform, re-tag
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv convert nginx.tar nginx.oci.tar --to oci-archive
  imgconv convert oci:layout small.tar --to docker-archive -p linux/arm64 -d classic
  docker save app | imgconv convert - layout --to oci -c zstd -t app:v2")]
pub(crate) struct Args {
    /// Docker archive or layout: a path, - for a pipe, or with docker-archive:, oci: or oci-archive:
    source: String,
    /// Where to: a path that does not exist yet, or - for a pipe
    destination: String,
    /// What to write; a prefix of the destination says it too
    #[arg(long, value_enum, value_name = "KIND")]
    to: Option<To>,
    #[command(flatten)]
    dialect: DialectArg,
    #[command(flatten)]
    conversion: Conversion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    DockerArchive,
    Oci,
    OciArchive,
}

/// What every conversion takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Conversion {
    #[command(flatten)]
    shaping: Shaping,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    speaking: Speaking,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        let destination = Place::parse(&self.destination)?;
        let said = destination.transport.map(|transport| match transport {
            Transport::DockerArchive => To::DockerArchive,
            Transport::Oci => To::Oci,
            Transport::OciArchive => To::OciArchive,
        });
        let form = match (self.to, said) {
            (Some(to), Some(said)) if to != said => {
                let text = "--to and the prefix of the destination differ";
                return Err(Failure::usage(text, "leave out one of them".to_owned()));
            }
            (Some(to), _) | (None, Some(to)) => match to {
                To::DockerArchive => Format::DockerArchive(self.dialect.dialect),
                To::Oci if destination.is_pipe() => Format::OciArchive,
                To::Oci => Format::Layout,
                To::OciArchive => Format::OciArchive,
            },
            (None, None) => {
                let text = "what to write is not said: expected --to KIND";
                let hint = "KIND is docker-archive, oci or oci-archive".to_owned();
                return Err(Failure::usage(text, hint));
            }
        };
        self.conversion.run(ui, &self.source, &destination, form, &|_, _| Ok(()))
    }
}

impl Conversion {
    /// Opens, plans, says what gets lost, and writes.
    pub(crate) fn run(
        &self,
        ui: &Ui,
        source: &str,
        destination: &Place,
        form: Format,
        check: &dyn Fn(&Place, &Source) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.speaking.verbosity.apply(ui);
        let place = Place::parse(source)?;
        let target = self.shaping.target(form, &place, destination)?;
        check_destination(&target)?;
        let opened = self.reading.open(ui, &place, spool(destination))?;
        check(&place, &opened)?;
        let piped = matches!(target.destination, Destination::Stream { .. });
        let plan = self.plan(ui, opened, target)?;
        let format = self.speaking.format;
        if self.shaping.dry_run {
            return ui.answer(&render::plan(&plan, format));
        }
        let mut late = Vec::new();
        let written = run(&plan, ui, &mut late)?;
        for loss in &late {
            ui.warning(&loss.to_string());
        }
        let answer = render::written(&written, &plan, &late, format);
        if piped {
            // Standard output is the archive.
            ui.line(answer.trim_end());
            return Ok(());
        }
        ui.answer(&answer)
    }

    fn plan(&self, ui: &Ui, source: Source, target: Target) -> Result<Plan, Failure> {
        let plan = plan(source, target)?;
        for note in &plan.notes {
            ui.note(&note.to_string());
        }
        for loss in &plan.losses {
            ui.warning(&loss.to_string());
        }
        Ok(plan)
    }
}

/// Holds that the flattened options are known to the command line.
const _: fn(clap::Command) -> clap::Command = Conversion::augment_args;

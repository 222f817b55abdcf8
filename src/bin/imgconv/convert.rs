//! `imgconv convert`: converts between all formats; save2oci and oci2save are special cases of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use imgconv::convert::{Destination, Format, Plan, Target, check_destination, plan, run};
use imgconv::error::Shown;
use imgconv::image::reading::Note;
use imgconv::image::reason::Loss;
use imgconv::registry::With;
use imgconv::source::{Arrival, Source};

use crate::access::{EndAuthfiles, Keep};
use crate::args::{DialectArg, ReadingArgs, Shaping, Speaking, spool};
use crate::failure::Failure;
use crate::place::{PlaceArg, Transport};
use crate::recover::{Recover, RecoveringArgs, recover, write_recovery_file};
use crate::render;
use crate::ui::Ui;

/// Convert between all formats; recompress, choose a platform, rename
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv convert nginx.tar nginx.oci.tar --to oci-archive
  imgconv convert oci:layout small.tar --to docker-archive -p linux/arm64 -d classic
  docker save app | imgconv convert - layout --to oci -c zstd -t app:v2")]
pub(crate) struct Args {
    /// Docker archive, OCI layout or dir: folder: a path, - for a pipe, or a path with the prefix
    /// docker-archive:, oci:, oci-archive: or dir:; or an image of a registry, docker://NAME
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    source: OsString,
    /// Destination: a new path, - for a pipe (the result is then printed to standard error), or
    /// docker://NAME
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    destination: OsString,
    /// Format to write; a prefix of the destination sets it too
    #[arg(long, value_enum, value_name = "KIND")]
    to: Option<TargetFormat>,
    #[command(flatten)]
    dialect: DialectArg,
    #[command(flatten)]
    recovering: RecoveringArgs,
    #[command(flatten)]
    conversion: ConversionArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetFormat {
    DockerArchive,
    Oci,
    OciArchive,
    Dir,
}

impl TargetFormat {
    /// The format that a prefix sets.
    pub(crate) fn of(transport: Transport) -> Option<Self> {
        match transport {
            Transport::DockerArchive => Some(Self::DockerArchive),
            Transport::Oci => Some(Self::Oci),
            Transport::OciArchive => Some(Self::OciArchive),
            Transport::Directory => Some(Self::Dir),
            Transport::Registry => None,
        }
    }

    /// The format at a destination: a layout in a pipe is an archive.
    pub(crate) fn format(
        self,
        dialect: &DialectArg,
        destination: &PlaceArg,
    ) -> Result<Format, Failure> {
        match self {
            Self::DockerArchive => Ok(dialect.docker_archive()),
            Self::Oci if !destination.is_pipe() => dialect.refuse(Format::Layout),
            Self::Dir => dialect.refuse(Format::Directory),
            Self::Oci | Self::OciArchive => dialect.refuse(Format::OciArchive),
        }
    }
}

/// Options of every conversion.
#[derive(Debug, clap::Args)]
pub(crate) struct ConversionArgs {
    #[command(flatten)]
    shaping: Shaping,
    /// What to copy along with images of a registry: none, signatures, referrers or all
    #[arg(long, value_name = "WHAT", value_parser = withs(), help_heading = "Registry options")]
    with: Option<With>,
    /// Also write a file that brings the compressed layers back, with --recover, if this conversion
    /// does not keep them
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    recovery_file: Option<PathBuf>,
    /// Do not keep what was fetched when a pull fails
    #[arg(long, help_heading = "Registry options")]
    no_partial: bool,
    #[command(flatten)]
    ends: EndAuthfiles,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    speaking: Speaking,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.conversion.speak(ui, &self.destination);
        let destination = PlaceArg::parse(&self.destination)?;
        let said = destination.transport.and_then(TargetFormat::of);
        let form = match (self.to, said) {
            (None, _) if destination.is_registry() => self.dialect.refuse(Format::Registry)?,
            (Some(to), Some(said)) if to != said => {
                let text = "--to and the prefix of the destination differ";
                return Err(Failure::usage(text, "leave out one of them".to_owned()));
            }
            (Some(_), None) if destination.is_registry() => {
                let text = "--to: a registry has its own format";
                return Err(Failure::usage(text, "leave out --to".to_owned()));
            }
            (Some(to), _) | (None, Some(to)) => to.format(&self.dialect, &destination)?,
            (None, None) => {
                let text = "no destination format; pass --to FORMAT";
                let hint = "FORMAT is docker-archive, oci, oci-archive or dir".to_owned();
                return Err(Failure::usage(text, hint));
            }
        };
        let source = PlaceArg::parse(&self.source)?;
        let recovering = Some(&self.recovering);
        self.conversion.run(ui, [&source, &destination], form, recovering, &|_| Ok(()))
    }
}

impl ConversionArgs {
    /// Sets the verbosity, and where to print: standard output may be the archive.
    pub(crate) fn speak(&self, ui: &Ui, destination: &OsStr) {
        self.speaking.apply(ui);
        if !self.shaping.dry_run && PlaceArg::parse(destination).is_ok_and(|it| it.is_pipe()) {
            ui.answer_aside(self.speaking.format);
        }
    }

    /// Opens the source, plans, reports losses, and writes.
    pub(crate) fn run(
        &self,
        ui: &Ui,
        [place, destination]: [&PlaceArg; 2],
        form: Format,
        recovering: Option<&RecoveringArgs>,
        check: &dyn Fn(&Source) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let known = recovering.map_or(Ok(Vec::new()), RecoveringArgs::places)?;
        let places: Vec<&PlaceArg> = [place, destination].into_iter().chain(&known).collect();
        self.reading.access.needed(&places)?;
        self.refuse_idle(place, destination)?;
        let with = self.with.unwrap_or_default();
        let place = &PlaceArg { with, ..place.clone() };
        let destination = &PlaceArg { with, ..destination.clone() };
        let keep = if self.no_partial { Keep::Nothing } else { Keep::Fetched };
        self.reading.access.keep(keep);
        check_output(place, destination, form)?;
        self.reading.access.set_ends(&self.ends);
        self.reading.access.connect(self.shaping.threads.count());
        if self.shaping.strict {
            self.reading.access.distrust_mirrors();
        }
        let session = || self.reading.access.destination(ui);
        let target = self.shaping.target(form, place, destination, &session)?;
        check_destination(&target)?;
        let arrival = match self.shaping.dry_run {
            true => Arrival::digests(target.threads),
            // Layers are compressed again, in ways that are not known before.
            false if recovering.is_some_and(RecoveringArgs::is_set) => Arrival::anything(),
            false if self.recovery_file.is_some() => Arrival::anything(),
            false => target.arrival(),
        };
        let mut opened = self.reading.open(ui, place, (spool(destination), arrival))?;
        check(&opened)?;
        let mut recovered = Vec::new();
        if let Some(recovering) = recovering.filter(|it| it.is_set()) {
            let how = if self.shaping.dry_run { Recover::Foreseen } else { Recover::Done };
            let what = (&mut opened, recovering, known.as_slice());
            recovered = recover(ui, what, &self.reading, (&target, spool(destination)), how)?;
        }
        let piped = matches!(target.destination, Destination::Stream { .. });
        let plan = self.plan(ui, opened, target)?;
        let format = self.speaking.format;
        let places = [place, destination].map(PlaceArg::shown);
        let places = [places[0].as_str(), places[1].as_str()];
        if self.shaping.dry_run {
            let push = plan.push_forecast()?;
            return ui.answer(&render::plan(&plan, push, places, format));
        }
        let file = self.recovery_file.as_deref();
        file.map_or(Ok(()), |file| write_recovery_file(ui, &plan, file))?;
        let outcome = run(&plan, ui).inspect_err(|_| {
            // It is of no use without what it brings back.
            let _ = file.map(std::fs::remove_file);
        })?;
        tell(
            ui,
            outcome.notes.iter().filter(|note| !plan.notes.contains(note)),
            outcome.losses.iter().filter(|loss| !plan.losses.contains(loss)),
        );
        let answer = render::written((&outcome, &recovered), places, format);
        if piped {
            ui.print_aside(&answer);
            return Ok(());
        }
        ui.answer(&answer)
    }

    /// Refuses options of registries for files.
    fn refuse_idle(&self, source: &PlaceArg, destination: &PlaceArg) -> Result<(), Failure> {
        let refused = |option: &str, expected: &str| {
            let text = format!("{option}: expected {expected}, found only files");
            Err(Failure::usage(text, format!("leave out {option}")))
        };
        if self.with.is_some() && !source.is_registry() && !destination.is_registry() {
            return refused("--with", "an image of a registry");
        }
        if self.no_partial && (!source.is_registry() || destination.is_registry()) {
            return refused("--no-partial", "a pull from a registry");
        }
        self.ends.needed([source, destination])
    }

    fn plan(&self, ui: &Ui, source: Source, target: Target) -> Result<Plan, Failure> {
        let plan = plan(source, target)?;
        tell(ui, plan.notes.iter(), plan.losses.iter());
        Ok(plan)
    }
}

/// Prints notes and losses with their codes.
fn tell<'a>(
    ui: &Ui,
    notes: impl Iterator<Item = &'a Note>,
    losses: impl Iterator<Item = &'a Loss>,
) {
    notes.for_each(|note| ui.note(&format!("{note} [{}]", note.code)));
    losses.for_each(|loss| ui.warning(&format!("{loss} [{}]", loss.reason.code())));
}

fn withs() -> impl clap::builder::TypedValueParser<Value = With> {
    let names = With::ALL.map(With::name);
    PossibleValuesParser::new(names).map(|name| name.parse().unwrap_or_default())
}

/// Suffixes of compressed archives, which a layout cannot have.
const COMPRESSED: [&str; 8] = ["gz", "tgz", "zst", "tzst", "bz2", "tbz", "xz", "txz"];

/// Refuses a destination inside its own source, and a directory that is named like an archive.
pub(crate) fn check_output(
    source: &PlaceArg,
    destination: &PlaceArg,
    form: Format,
) -> Result<(), Failure> {
    if destination.is_pipe() || destination.is_registry() {
        return Ok(());
    }
    let path = &destination.path;
    let is_folder = matches!(form, Format::Layout | Format::Directory);
    if !is_folder && path.as_os_str().as_bytes().ends_with(b"/") {
        let text = format!("{}: expected a file name, found a directory", path.display());
        return Err(Failure::usage(text, "add the name of the archive to it".to_owned()));
    }
    let shown = path.to_string_lossy().into_owned();
    let shown = Shown(&shown);
    let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    let compressed = COMPRESSED.iter().any(|it| it.eq_ignore_ascii_case(ending));
    if is_folder && compressed && !path.is_dir() {
        let text = format!("{shown}: a layout is a directory, not a compressed archive");
        let hint = "write an archive and compress it: imgconv … - | gzip > FILE".to_owned();
        return Err(Failure::usage(text, hint));
    }
    // If its folder is missing, the destination is refused later.
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    let inside = match (folder, source.path.canonicalize()) {
        (Ok(folder), Ok(source)) => source.is_dir() && folder.starts_with(&source),
        _ => false,
    };
    if inside && !source.is_pipe() {
        let text = format!("{shown}: is inside the source {}", source.path.display());
        return Err(Failure::usage(text, "write it somewhere else".to_owned()));
    }
    Ok(())
}

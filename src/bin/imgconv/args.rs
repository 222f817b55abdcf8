//! Options that several verbs share, with one spelling each.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use imgconv::convert::{
    Destination, Dialect, Existing, Format, GzipMembers, GzipProgram, LayerCompression, Losses,
    Platforms, Target,
};
use imgconv::document::media_type::MediaFamily;
use imgconv::image::Name;
use imgconv::platform::Platform;
use imgconv::registry::Registries;
use imgconv::source::{Arrival, Options, Prefer, Selection, Source, open, open_any};

use crate::access::AccessArgs;
use crate::completions;
use crate::failure::Failure;
use crate::patient::Patient;
use crate::place::{PlaceArg, Transport, name};
use crate::render::Width;
use crate::ui::{FailureForm, Ui, Verbosity};

/// Output format and verbosity.
#[derive(Debug, Args)]
pub(crate) struct Speaking {
    /// Output format
    #[arg(long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub(crate) format: OutputFormat,
    #[command(flatten)]
    pub(crate) verbosity: VerbosityArgs,
}

/// The same for checks, which CI servers show as tests.
#[derive(Debug, Args)]
pub(crate) struct CheckSpeaking {
    /// Output format; junit is for the test reports of CI servers
    #[arg(long, value_enum, default_value_t = CheckFormat::Text, value_name = "FORMAT")]
    pub(crate) format: CheckFormat,
    #[command(flatten)]
    pub(crate) verbosity: VerbosityArgs,
}

/// Verbosity.
#[derive(Debug, Args)]
pub(crate) struct VerbosityArgs {
    /// Print no warnings, notes or progress
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Print each step
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl Speaking {
    pub(crate) fn apply(&self, ui: &Ui) {
        self.verbosity.apply(ui);
        ui.answer_failures(self.format);
    }
}

impl CheckSpeaking {
    pub(crate) fn apply(&self, ui: &Ui) {
        self.verbosity.apply(ui);
        ui.answer_failures(self.format);
    }
}

impl VerbosityArgs {
    pub(crate) fn apply(&self, ui: &Ui) {
        ui.set_verbosity(match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Text,
    Json,
}

/// The format of a check with a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    Text,
    Json,
    Junit,
}

impl From<CheckFormat> for FailureForm {
    fn from(format: CheckFormat) -> Self {
        match format {
            CheckFormat::Text => Self::None,
            CheckFormat::Json => Self::Json,
            CheckFormat::Junit => Self::Junit,
        }
    }
}

/// The format of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageFormat {
    Text,
    Markdown,
    Json,
    Html,
}

/// Which reading of a source to use.
#[derive(Debug, Default, Args)]
pub(crate) struct PreferArg {
    /// File to trust when manifest.json and index.json disagree
    #[arg(long, value_name = "FILE", value_parser = PossibleValuesParser::new(["manifest.json", "index.json"]))]
    pub(crate) prefer: Option<String>,
}

/// How to read a source.
#[derive(Debug, Default, Args)]
pub(crate) struct ReadingArgs {
    #[command(flatten)]
    prefer: PreferArg,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

/// The width of a table.
#[derive(Debug, Args)]
pub(crate) struct WidthArgs {
    /// Do not shorten digests and texts
    #[arg(long)]
    no_trunc: bool,
}

impl WidthArgs {
    pub(crate) fn width(&self, verbosity: &VerbosityArgs) -> Width {
        if self.no_trunc || verbosity.verbose { Width::Wide } else { Width::Narrow }
    }
}

/// The number of threads.
#[derive(Debug, Args)]
pub(crate) struct Threads {
    /// Number of threads [default: number of cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

impl Threads {
    pub(crate) fn count(&self) -> usize {
        self.threads.map_or_else(cores, usize::from)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.threads.is_some()
    }
}

/// The selected images of a source.
#[derive(Debug, Args)]
pub(crate) struct Choosing {
    /// Select an image by name, digest (6 hex digits or more) or @N; may be repeated [default: all]
    #[arg(short, long, value_name = "NAME|DIGEST|@N", add = ArgValueCompleter::new(completions::images))]
    image: Vec<String>,
    /// Select a platform: OS/ARCH, local (this machine) or all; may be repeated
    #[arg(short, long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',', add = ArgValueCompleter::new(completions::platforms))]
    platform: Vec<String>,
}

impl Choosing {
    /// The selected images, from the options and after the path.
    pub(crate) fn images(&self, place: &PlaceArg) -> Vec<String> {
        self.image.iter().chain(&place.name).cloned().collect()
    }

    /// The first of these options that was passed.
    pub(crate) fn passed(&self) -> Option<&'static str> {
        match (self.image.is_empty(), self.platform.is_empty()) {
            (false, _) => Some("--image"),
            (_, false) => Some("--platform"),
            (true, true) => None,
        }
    }

    /// All of it as text, to tell one task from another.
    pub(crate) fn spelled(&self) -> String {
        format!("image={:?} platform={:?}", self.image, self.platform)
    }

    /// The same with the platforms, for commands that only read.
    pub(crate) fn selection(&self, place: &PlaceArg) -> Result<Selection, Failure> {
        let mut selection = Selection::default();
        selection.images = self.images(place);
        if let Platforms::Only(wanted) = self.platforms()? {
            selection.platforms = wanted;
        }
        Ok(selection)
    }

    /// The selected platform, for commands that describe one image.
    pub(crate) fn one_platform(&self) -> Result<Option<Platform>, Failure> {
        match self.platform.as_slice() {
            [] => Ok(None),
            [one] if one != "all" => platform(one).map(Some),
            _ => {
                let hint = "pass one platform, for example -p linux/arm64".to_owned();
                Err(Failure::usage("--platform: expected one platform", hint))
            }
        }
    }

    pub(crate) fn platforms(&self) -> Result<Platforms, Failure> {
        if self.platform.iter().any(|platform| platform == "all") {
            return Ok(Platforms::All);
        }
        let wanted: Vec<Platform> =
            self.platform.iter().map(|text| platform(text)).collect::<Result<_, _>>()?;
        Ok(if wanted.is_empty() { Platforms::Default } else { Platforms::Only(wanted) })
    }
}

impl PreferArg {
    /// How to open a source; temporary files go into `spool`.
    pub(crate) fn options(&self, place: &PlaceArg, spool: PathBuf) -> Options {
        let prefer = match (self.prefer.as_deref(), place.transport) {
            (Some("manifest.json"), _) | (None, Some(Transport::DockerArchive)) => {
                Prefer::ManifestJson
            }
            (Some(_), _) | (None, Some(Transport::OciArchive)) => Prefer::IndexJson,
            (None, _) => Prefer::Neither,
        };
        let mut options = Options::new(spool);
        options.prefer = prefer;
        options
    }
}

impl ReadingArgs {
    /// How to open a source; temporary files go into `spool`.
    pub(crate) fn options(&self, place: &PlaceArg, spool: PathBuf) -> Options {
        self.prefer.options(place, spool)
    }

    /// Opens a source or a single document, even with problems.
    pub(crate) fn open_with_problems(
        &self,
        ui: &Ui,
        place: &PlaceArg,
        arrival: Arrival,
    ) -> Result<Source, Failure> {
        let mut options = self.options(place, temporary());
        options.arrival = arrival;
        let source = open_any(place.input(ui, &self.access)?, &options, ui)?;
        place.check(source.kind)?;
        Ok(source)
    }

    /// Opens a source; temporary files go into `spool`.
    pub(crate) fn open(
        &self,
        ui: &Ui,
        place: &PlaceArg,
        (spool, arrival): (PathBuf, Arrival),
    ) -> Result<Source, Failure> {
        let mut options = self.options(place, spool);
        options.arrival = arrival;
        let source = open(place.input(ui, &self.access)?, &options, ui)?;
        place.check(source.kind)?;
        Ok(source)
    }
}

/// Refuses a source with problems.
pub(crate) fn whole(mut source: Source) -> Result<Source, Failure> {
    if source.problems.is_empty() {
        return Ok(source);
    }
    Err(source.problems.swap_remove(0).into())
}

/// The selected images, and their form in the destination.
#[derive(Debug, Args)]
pub(crate) struct Shaping {
    #[command(flatten)]
    choosing: Choosing,
    /// Set the name in the destination; may be repeated [default: as in the source]
    #[arg(short, long, value_name = "NAME")]
    tag: Vec<String>,
    #[command(flatten)]
    coding: Coding,
    /// Add to an existing layout or archive
    #[arg(long)]
    append: bool,
    /// Show what would be read, kept, recompressed and lost; write nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Fail if anything would be lost or looks unusual
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) threads: Threads,
}

/// How layers are compressed and manifests written.
#[derive(Debug, Args)]
pub(crate) struct Coding {
    /// Compression of layers; auto keeps compressed layers byte for byte and gzips the others
    #[arg(short, long, value_enum, default_value_t = CompressionArg::Auto, value_name = "CODEC")]
    compression: CompressionArg,
    /// Compression level; needs -c gzip or zstd; also recompresses layers that already use the codec
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    level: Option<i32>,
    /// Write each new gzip layer as many members (compressed in parallel) or one [default: many]
    #[arg(long, value_enum, value_name = "HOW")]
    gzip_members: Option<CutMembers>,
    /// Compress layers to the bytes that a program writes: docker, crane, skopeo, jib, or one that
    /// uses the same writer [default: imgconv]
    #[arg(long, value_name = "PROGRAM", value_parser = programs(), conflicts_with = "gzip_members")]
    gzip_like: Option<GzipLike>,
    /// Media types of new manifests; kept manifests do not change
    #[arg(long, value_enum, value_name = "FAMILY")]
    manifest: Option<ManifestFamily>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressionArg {
    Auto,
    Gzip,
    Zstd,
    None,
}

/// Whose gzip it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GzipLike {
    Own,
    Other(GzipProgram),
}

fn programs() -> impl clap::builder::TypedValueParser<Value = GzipLike> {
    let names = GzipProgram::NAMES.iter().map(|(name, _)| *name).chain(["imgconv"]);
    PossibleValuesParser::new(names).map(|name| {
        let known = GzipProgram::NAMES.iter().find(|(known, _)| *known == name);
        known.map_or(GzipLike::Own, |(_, program)| GzipLike::Other(*program))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CutMembers {
    Many,
    One,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ManifestFamily {
    Oci,
    Docker,
}

/// The layout of a docker archive.
#[derive(Debug, Args)]
pub(crate) struct DialectArg {
    /// Dialect of the docker archive [default: universal]
    #[arg(short, long, value_name = "DIALECT", value_parser = dialects())]
    dialect: Option<Dialect>,
}

impl DialectArg {
    pub(crate) fn is_set(&self) -> bool {
        self.dialect.is_some()
    }

    /// Its name, if there is one, to tell one task from another.
    pub(crate) fn spelled(&self) -> &'static str {
        self.dialect.map_or("", Dialect::name)
    }

    pub(crate) fn docker_archive(&self) -> Format {
        Format::DockerArchive(self.dialect.unwrap_or(Dialect::Universal))
    }

    /// Refuses a dialect for other formats.
    pub(crate) fn refuse(&self, form: Format) -> Result<Format, Failure> {
        match self.dialect {
            None => Ok(form),
            Some(dialect) => {
                let text =
                    format!("--dialect {dialect}: expected a docker archive, found --to {form}");
                Err(Failure::usage(
                    text,
                    "leave out --dialect, or use --to docker-archive".to_owned(),
                ))
            }
        }
    }
}

fn dialects() -> impl clap::builder::TypedValueParser<Value = Dialect> {
    let names = Dialect::ALL.map(Dialect::name);
    PossibleValuesParser::new(names).map(|name| {
        let known = Dialect::ALL.into_iter().find(|dialect| dialect.name() == name);
        known.unwrap_or(Dialect::Universal)
    })
}

impl Shaping {
    /// The target of a conversion into `place`.
    pub(crate) fn target(
        &self,
        form: Format,
        source: &PlaceArg,
        place: &PlaceArg,
        session: &dyn Fn() -> Result<Arc<Registries>, Failure>,
    ) -> Result<Target, Failure> {
        let images = self.choosing.images(source);
        let tags: Result<Vec<Name>, Failure> =
            self.tag.iter().map(|tag| name("--tag", tag)).collect();
        let mut tags = tags?;
        tags.extend(place.as_names()?);
        let destination = if place.is_registry() {
            Destination::Registry { session: session()?, spool: temporary(), with: place.with }
        } else if place.is_pipe() {
            if std::io::stdout().is_terminal() && !self.dry_run {
                let hint = "redirect it to a file, or pipe it into another program".to_owned();
                return Err(Failure::usage("cannot write an archive to a terminal", hint));
            }
            use std::os::fd::AsFd as _;
            let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(Failure::Output)?;
            Destination::stream(Patient(std::fs::File::from(stdout)), temporary())
        } else {
            Destination::Path(place.path.clone())
        };
        let mut target = Target::new(destination, form);
        target.existing = if self.append { Existing::Append } else { Existing::Refuse };
        target.images = images;
        target.tags = tags;
        target.platforms = self.choosing.platforms()?;
        target.losses = if self.strict { Losses::Refused } else { Losses::Named };
        target.threads = self.threads.count();
        self.coding.apply(&mut target)?;
        self.refuse_idle(&target)?;
        target.check()?;
        Ok(target)
    }

    /// Refuses options without an effect on this target.
    fn refuse_idle(&self, target: &Target) -> Result<(), Failure> {
        if self.append && target.format == Format::Registry {
            let text = "--append: a registry keeps what it has";
            return Err(Failure::usage(text, "leave out --append".to_owned()));
        }
        if self.append && matches!(target.destination, Destination::Stream { .. }) {
            let hint = "pass a path instead of -".to_owned();
            return Err(Failure::usage("--append: cannot add to a pipe", hint));
        }
        Ok(())
    }
}

impl Coding {
    /// Sets what the options say, and refuses those without an effect on this target.
    pub(crate) fn apply(&self, target: &mut Target) -> Result<(), Failure> {
        target.compression = match self.compression {
            CompressionArg::Auto => LayerCompression::Auto,
            CompressionArg::Gzip => LayerCompression::Gzip,
            CompressionArg::Zstd => LayerCompression::Zstd,
            CompressionArg::None => LayerCompression::None,
        };
        target.level = self.level;
        target.members = match (self.gzip_like, self.gzip_members) {
            (Some(GzipLike::Other(program)), _) => GzipMembers::Like(program),
            (_, None | Some(CutMembers::Many)) => GzipMembers::Many,
            (_, Some(CutMembers::One)) => GzipMembers::One,
        };
        target.family = self.manifest.map(|family| match family {
            ManifestFamily::Oci => MediaFamily::Oci,
            ManifestFamily::Docker => MediaFamily::Docker,
        });
        self.refuse_idle(target)
    }

    /// All of them as text, to tell one task from another.
    pub(crate) fn spelled(&self) -> String {
        let word = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|it| it.get_name().to_owned()).unwrap_or_default()
        };
        let compression = word(&|| self.compression.to_possible_value());
        let members = word(&|| self.gzip_members?.to_possible_value());
        let family = word(&|| self.manifest?.to_possible_value());
        format!(
            "compression={compression} level={:?} members={members} manifest={family}",
            self.level
        )
    }

    /// The first of these options that was passed.
    pub(crate) fn passed(&self) -> Option<&'static str> {
        [
            (self.compression != CompressionArg::Auto).then_some("--compression"),
            self.level.map(|_| "--level"),
            self.gzip_members.map(|_| "--gzip-members"),
            self.manifest.map(|_| "--manifest"),
        ]
        .into_iter()
        .flatten()
        .next()
    }

    fn refuse_idle(&self, target: &Target) -> Result<(), Failure> {
        let no_gzip = match (target.compression, target.format) {
            (LayerCompression::Zstd, _) => Some("--compression zstd"),
            (LayerCompression::None, _) => Some("--compression none"),
            (_, Format::DockerArchive(dialect)) if dialect.is_plain() => {
                Some("a dialect with uncompressed layers")
            }
            _ => None,
        };
        if let (Some(_), Some(found)) = (self.gzip_members, no_gzip) {
            let text = format!("--gzip-members: expected new gzip layers, found {found}");
            return Err(Failure::usage(text, "leave out --gzip-members".to_owned()));
        }
        if let (Some(_), Some(found)) = (self.gzip_like, no_gzip) {
            let text = format!("--gzip-like: expected new gzip layers, found {found}");
            return Err(Failure::usage(text, "leave out --gzip-like".to_owned()));
        }
        if let (Some(_), Format::DockerArchive(dialect @ (Dialect::Classic | Dialect::Podman))) =
            (self.manifest, target.format)
        {
            let text = format!("--manifest: the dialect {dialect} has no registry manifests");
            let hint = "leave out --manifest, or use --dialect universal".to_owned();
            return Err(Failure::usage(text, hint));
        }
        Ok(())
    }
}

/// Parses a platform; `local` is the one of this machine.
fn platform(text: &str) -> Result<Platform, Failure> {
    if text == "local" {
        return Ok(Platform::host());
    }
    text.parse().map_err(|error| {
        let text = format!("--platform {text}: {error}");
        Failure::usage(text, "for example linux/amd64 or linux/arm64/v8".to_owned())
    })
}

/// The number of cores.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The folder for temporary files without a destination.
#[expect(clippy::disallowed_methods, reason = "the binary alone looks at the environment")]
pub(crate) fn temporary() -> PathBuf {
    std::env::temp_dir()
}

/// The folder to spool a source: next to the destination, or for a pipe the temporary folder.
pub(crate) fn spool(destination: &PlaceArg) -> PathBuf {
    match destination.is_pipe() || destination.is_registry() {
        true => temporary(),
        false => folder_of(&destination.path),
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => temporary(),
    }
}

//! Options that several verbs share, with one spelling each.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};
use imgconv::convert::{
    Destination, Dialect, Existing, Format, GzipMembers, LayerCompression, Losses, Platforms,
    Target,
};
use imgconv::document::media_type::MediaFamily;
use imgconv::image::Name;
use imgconv::platform::Platform;
use imgconv::source::{Options, Prefer, Source, open, open_any};

use crate::failure::Failure;
use crate::place::{PlaceArg, Transport, name};
use crate::ui::{Ui, Verbosity};

/// How the answer is printed, and how much is said.
#[derive(Debug, Args)]
pub(crate) struct Speaking {
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub(crate) format: OutputFormat,
    #[command(flatten)]
    pub(crate) verbosity: VerbosityArgs,
}

/// How much is said.
#[derive(Debug, Args)]
pub(crate) struct VerbosityArgs {
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Say each step
    #[arg(short, long)]
    pub(crate) verbose: bool,
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

/// How a page is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageFormat {
    Text,
    Markdown,
    Json,
    Html,
}

/// Which reading of a source counts.
#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Which file to trust when manifest.json and index.json disagree
    #[arg(long, value_name = "FILE", value_parser = PossibleValuesParser::new(["manifest.json", "index.json"]))]
    prefer: Option<String>,
}

/// How many threads.
#[derive(Debug, Args)]
pub(crate) struct Threads {
    /// Number of threads [default: the cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

impl Threads {
    pub(crate) fn count(&self) -> usize {
        self.threads.map_or_else(cores, usize::from)
    }
}

/// Which images of a source.
#[derive(Debug, Args)]
pub(crate) struct Choosing {
    /// Image to take: a name, a digest (6 hex digits or more) or @N; may be repeated [default: all]
    #[arg(short, long, value_name = "NAME|DIGEST|@N")]
    image: Vec<String>,
}

impl Choosing {
    /// What was asked for, here and behind the path.
    pub(crate) fn images(&self, place: &PlaceArg) -> Vec<String> {
        self.image.iter().chain(&place.name).cloned().collect()
    }
}

impl ReadingArgs {
    /// How a source is opened; what must be spooled goes into `spool`.
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

    /// Opens a source, or a document alone, which has to be without problems.
    pub(crate) fn open_any(&self, ui: &Ui, place: &PlaceArg) -> Result<Source, Failure> {
        whole(self.open_with_problems(ui, place)?)
    }

    /// Opens a source, or a document alone, whatever is wrong with it.
    pub(crate) fn open_with_problems(&self, ui: &Ui, place: &PlaceArg) -> Result<Source, Failure> {
        let source = open_any(place.input()?, &self.options(place, temporary()), ui)?;
        place.check(source.kind)?;
        Ok(source)
    }

    /// Opens a source; what must be spooled goes into `spool`.
    pub(crate) fn open(
        &self,
        ui: &Ui,
        place: &PlaceArg,
        spool: PathBuf,
    ) -> Result<Source, Failure> {
        let source = open(place.input()?, &self.options(place, spool), ui)?;
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

/// Which images, and what they look like in the destination.
#[derive(Debug, Args)]
pub(crate) struct Shaping {
    #[command(flatten)]
    choosing: Choosing,
    /// Name in the destination instead of the source's; may be repeated
    #[arg(short, long, value_name = "NAME")]
    tag: Vec<String>,
    /// Platform to take, or all; may be repeated
    #[arg(short, long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    platform: Vec<String>,
    /// How layers are stored; auto keeps what is compressed, byte for byte, and gzips uncompressed layers
    #[arg(short, long, value_enum, default_value_t = CompressionArg::Auto, value_name = "CODEC")]
    compression: CompressionArg,
    /// Compression level on the codec's own scale; also recompresses layers that already use the
    /// codec; needs --compression gzip or zstd
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    level: Option<i32>,
    /// Write new gzip layers as many members, compressed in parallel, or as one
    #[arg(long, value_enum, default_value_t = CutMembers::Many, value_name = "HOW")]
    gzip_members: CutMembers,
    /// Media types of manifests that are made new; kept ones are never touched
    #[arg(long, value_enum, value_name = "FAMILY")]
    manifest: Option<ManifestFamily>,
    /// Add to an existing layout or archive instead of refusing
    #[arg(long)]
    append: bool,
    /// Show what would be read, kept, recompressed and lost, write nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Fail if anything would be lost or looks unusual
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    threads: Threads,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressionArg {
    Auto,
    Gzip,
    Zstd,
    None,
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
    /// Dialect of the docker archive
    #[arg(short, long, default_value = Dialect::ALL[0].name(), value_name = "DIALECT", value_parser = dialects())]
    pub(crate) dialect: Dialect,
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
    ) -> Result<Target, Failure> {
        let images = self.choosing.images(source);
        let tags: Result<Vec<Name>, Failure> =
            self.tag.iter().map(|tag| name("--tag", tag)).collect();
        let mut tags = tags?;
        tags.extend(place.as_name()?);
        let destination = if place.is_pipe() {
            if std::io::stdout().is_terminal() && !self.dry_run {
                let hint = "redirect it to a file, or pipe it into another program".to_owned();
                return Err(Failure::usage("an archive is not written to a terminal", hint));
            }
            use std::os::fd::AsFd as _;
            let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(Failure::Output)?;
            Destination::stream(std::fs::File::from(stdout), temporary())
        } else {
            Destination::Path(place.path.clone())
        };
        let mut target = Target::new(destination, form);
        target.existing = if self.append { Existing::Append } else { Existing::Refuse };
        target.images = images;
        target.tags = tags;
        target.platforms = self.platforms()?;
        target.compression = match self.compression {
            CompressionArg::Auto => LayerCompression::Auto,
            CompressionArg::Gzip => LayerCompression::Gzip,
            CompressionArg::Zstd => LayerCompression::Zstd,
            CompressionArg::None => LayerCompression::None,
        };
        target.level = self.level;
        target.members = match self.gzip_members {
            CutMembers::Many => GzipMembers::Many,
            CutMembers::One => GzipMembers::One,
        };
        target.family = self.manifest.map(|family| match family {
            ManifestFamily::Oci => MediaFamily::Oci,
            ManifestFamily::Docker => MediaFamily::Docker,
        });
        target.losses = if self.strict { Losses::Refused } else { Losses::Named };
        target.threads = self.threads.count();
        target.check()?;
        Ok(target)
    }

    fn platforms(&self) -> Result<Platforms, Failure> {
        if self.platform.iter().any(|platform| platform == "all") {
            return Ok(Platforms::All);
        }
        let wanted: Vec<Platform> =
            self.platform.iter().map(|text| platform(text)).collect::<Result<_, _>>()?;
        Ok(if wanted.is_empty() { Platforms::Default } else { Platforms::Only(wanted) })
    }
}

/// A platform as people type it; `local` is that of this machine.
pub(crate) fn platform(text: &str) -> Result<Platform, Failure> {
    if text == "local" {
        return Ok(Platform::host());
    }
    text.parse().map_err(|error| {
        let text = format!("--platform {text}: {error}");
        Failure::usage(text, "for example linux/amd64 or linux/arm64/v8".to_owned())
    })
}

fn cores() -> usize {
    available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Where temporary files go that have no destination beside them.
#[expect(clippy::disallowed_methods, reason = "the binary alone looks at the environment")]
pub(crate) fn temporary() -> PathBuf {
    std::env::temp_dir()
}

/// Where a source is spooled: beside the destination, or for a pipe among temporary files.
pub(crate) fn spool(destination: &PlaceArg) -> PathBuf {
    match destination.path.parent() {
        _ if destination.is_pipe() => temporary(),
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => temporary(),
    }
}

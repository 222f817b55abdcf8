//! Options that several verbs share, with one spelling each.

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
use imgconv::reference::Reference;
use imgconv::source::{Options, Prefer, Source, open, open_any};

use crate::failure::Failure;
use crate::place::{Place, Transport};
use crate::ui::{Loudness, Ui};

/// How the answer is printed, and how much is said.
#[derive(Debug, Args)]
pub(crate) struct Speaking {
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub(crate) format: OutputFormat,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
}

/// How much is said.
#[derive(Debug, Args)]
pub(crate) struct Verbosity {
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Say each step
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl Verbosity {
    pub(crate) fn apply(&self, ui: &Ui) {
        ui.set_loudness(match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (_, true) => Loudness::Verbose,
            (false, false) => Loudness::Normal,
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
pub(crate) struct Reading {
    /// Which document counts where manifest.json and index.json of one archive disagree
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
    /// Image to take: a name, a digest or @N; may be repeated [default: all]
    #[arg(short, long, value_name = "NAME|DIGEST|@N")]
    image: Vec<String>,
}

impl Choosing {
    /// What was asked for, here and behind the path.
    pub(crate) fn images(&self, place: &Place) -> Vec<String> {
        self.image.iter().chain(&place.name).cloned().collect()
    }
}

impl Reading {
    /// How a source is opened; what must be spooled goes into `spool`.
    pub(crate) fn options(&self, place: &Place, spool: PathBuf) -> Options {
        let prefer = match (self.prefer.as_deref(), place.transport) {
            (Some("manifest.json"), _) | (None, Some(Transport::DockerArchive)) => {
                Prefer::ManifestJson
            }
            (Some(_), _) | (None, Some(Transport::OciArchive)) => Prefer::IndexJson,
            (None, _) => Prefer::Neither,
        };
        Options { prefer, spool }
    }

    /// Opens a source, or a document alone, which has to be without problems.
    pub(crate) fn open_any(&self, ui: &Ui, place: &Place) -> Result<Source, Failure> {
        let mut source = open_any(place.input()?, &self.options(place, temporary()), ui)?;
        place.check(source.kind)?;
        if source.problems.is_empty() {
            return Ok(source);
        }
        Err(source.problems.swap_remove(0).into())
    }

    /// Opens a source; what must be spooled goes into `spool`.
    pub(crate) fn open(&self, ui: &Ui, place: &Place, spool: PathBuf) -> Result<Source, Failure> {
        let source = open(place.input()?, &self.options(place, spool), ui)?;
        place.check(source.kind)?;
        Ok(source)
    }
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
    #[arg(short, long, value_enum, default_value_t = Compression::Auto, value_name = "CODEC")]
    compression: Compression,
    /// Level on the codec's own scale; compresses anew what has the codec already
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    level: Option<i32>,
    /// Cut new gzip layers into members that are compressed in parallel, or not
    #[arg(long, value_enum, default_value_t = CutMembers::Many, value_name = "HOW")]
    gzip_members: CutMembers,
    /// Media types of manifests that are made new; kept ones are never touched
    #[arg(long, value_enum, value_name = "FAMILY")]
    manifest: Option<ManifestFamily>,
    /// Add to an existing layout or archive instead of refusing
    #[arg(long)]
    append: bool,
    /// Do everything but writing: say what would be read, kept, recompressed and lost
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Take a loss or an oddity for an error
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    threads: Threads,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compression {
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
    /// Which writer of docker archives to be like
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
        source: &Place,
        place: &Place,
    ) -> Result<Target, Failure> {
        if let Format::DockerArchive(dialect) = form
            && dialect.is_plain()
            && !matches!(self.compression, Compression::Auto | Compression::None)
        {
            let text =
                format!("--compression: dialect {} holds uncompressed layers only", dialect.name());
            return Err(Failure::usage(
                text,
                "leave it out, or use --dialect universal".to_owned(),
            ));
        }
        self.check_level()?;
        let images = self.choosing.images(source);
        let tags: Result<Vec<Name>, Failure> = self.tag.iter().map(|tag| name(tag)).collect();
        let mut tags = tags?;
        tags.extend(place.as_name());
        let destination = if place.is_pipe() {
            use std::os::fd::AsFd as _;
            let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(Failure::Output)?;
            Destination::Stream { file: stdout.into(), spool: temporary() }
        } else {
            Destination::Path(place.path.clone())
        };
        Ok(Target {
            destination,
            form,
            existing: if self.append { Existing::Append } else { Existing::Refuse },
            images,
            tags,
            platforms: self.platforms()?,
            compression: match self.compression {
                Compression::Auto => LayerCompression::Auto,
                Compression::Gzip => LayerCompression::Gzip,
                Compression::Zstd => LayerCompression::Zstd,
                Compression::None => LayerCompression::None,
            },
            level: self.level,
            members: match self.gzip_members {
                CutMembers::Many => GzipMembers::Many,
                CutMembers::One => GzipMembers::One,
            },
            family: self.manifest.map(|family| match family {
                ManifestFamily::Oci => MediaFamily::Oci,
                ManifestFamily::Docker => MediaFamily::Docker,
            }),
            losses: if self.strict { Losses::Refused } else { Losses::Named },
            threads: self.threads.count(),
        })
    }

    fn platforms(&self) -> Result<Platforms, Failure> {
        if self.platform.iter().any(|platform| platform == "all") {
            return Ok(Platforms::All);
        }
        let wanted: Vec<Platform> =
            self.platform.iter().map(|text| platform(text)).collect::<Result<_, _>>()?;
        Ok(if wanted.is_empty() { Platforms::Default } else { Platforms::Only(wanted) })
    }

    fn check_level(&self) -> Result<(), Failure> {
        let range = match (self.compression, self.gzip_members) {
            (Compression::Zstd, _) => -7..=22,
            (_, CutMembers::Many) => 1..=12,
            (_, CutMembers::One) => 0..=9,
        };
        match self.level {
            Some(level) if !range.contains(&level) => {
                let (from, to) = range.into_inner();
                let text = format!("--level {level}: expected {from} to {to} for this codec");
                Err(Failure::usage(text, None))
            }
            _ => Ok(()),
        }
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

pub(crate) fn name(text: &str) -> Result<Name, Failure> {
    let reference: Result<Reference, _> = text.parse();
    reference.map(Name::of).map_err(|error| {
        Failure::usage(
            format!("--tag {text}: {error}"),
            "for example nginx:1.17 or host/app:v2".to_owned(),
        )
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
pub(crate) fn spool(destination: &Place) -> PathBuf {
    match destination.path.parent() {
        _ if destination.is_pipe() => temporary(),
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => temporary(),
    }
}

//! Conversion of a whole source: what will happen, and doing it.
//!
//! [`plan`] decides everything that can be decided without reading layers and names what the
//! destination cannot hold; [`run`] reads each distinct layer once, checks it, and writes. There
//! is one path for every pair of formats: sources become images and indexes, and destinations are
//! an OCI layout, an OCI archive, or a docker archive of some dialect.

mod documents;
mod encoding;
mod existing;
mod forecast;
mod options;
mod outcome;
mod plan;
mod platforms;
mod run;
mod saved;
mod select;
mod work;

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Mutex;

pub use existing::check_destination;
pub(crate) use forecast::{Forecast, forecast};
pub use outcome::{Outcome, Written, WrittenEntry};
pub use plan::{Plan, PlannedImage, PlannedManifest, plan};
pub(crate) use platforms::losses_of;
pub use run::run;

pub use crate::archive::Dialect;
use crate::document::media_type::MediaFamily;
use crate::error::{Location, UnknownWord, by_name};
use crate::image::Name;
use crate::platform::Platform;

/// Where to, and what it shall look like there.
#[derive(Debug)]
#[non_exhaustive]
pub struct Target {
    /// Where to.
    pub destination: Destination,
    /// What is written there.
    pub format: Format,
    /// What to do when something is there already.
    pub existing: Existing,
    /// Which images: names, digests or `@N`; none means all.
    pub images: Vec<String>,
    /// Names in place of the source's own.
    pub tags: Vec<Name>,
    /// Which children of an index.
    pub platforms: Platforms,
    /// How layers are stored.
    pub compression: LayerCompression,
    /// Level on the codec's own scale; nothing for the default.
    pub level: Option<i32>,
    /// How gzip layers that are made new are cut.
    pub members: GzipMembers,
    /// Media types of manifests that are made new; nothing for OCI.
    pub family: Option<MediaFamily>,
    /// Whether a loss is an error.
    pub losses: Losses,
    /// Number of threads; at least one.
    pub threads: usize,
}

impl Target {
    /// All images under their own names, as the command writes them where nothing else is asked
    /// for: uncompressed layers compressed with gzip, losses named, nothing added to what is there, on all
    /// cores.
    #[must_use]
    pub fn new(destination: Destination, format: Format) -> Self {
        Self {
            destination,
            format,
            existing: Existing::Refuse,
            images: Vec::new(),
            tags: Vec::new(),
            platforms: Platforms::Default,
            compression: LayerCompression::Auto,
            level: None,
            members: GzipMembers::Many,
            family: None,
            losses: Losses::Named,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }

    fn at(&self) -> Location {
        match &self.destination {
            Destination::Path(path) => Location::of(path),
            Destination::Stream { .. } => Location::named("-"),
        }
    }
}

/// Where to.
#[non_exhaustive]
pub enum Destination {
    /// A path that does not exist yet, or is added to.
    Path(PathBuf),
    /// An open pipe, shown as `-`; [`Destination::stream`] makes one.
    Stream {
        /// Where bytes go.
        out: Mutex<Box<dyn Write + Send>>,
        /// Folder for temporary files.
        spool: PathBuf,
    },
}

impl Destination {
    /// Bytes that go to a pipe, an upload or a buffer; `spool` is the folder for what has to be
    /// kept meanwhile.
    pub fn stream(out: impl Write + Send + 'static, spool: impl Into<PathBuf>) -> Self {
        Self::Stream { out: Mutex::new(Box::new(out)), spool: spool.into() }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stream { spool, .. } => f.debug_tuple("Stream").field(spool).finish(),
        }
    }
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// An OCI layout in a directory.
    Layout,
    /// An OCI archive.
    OciArchive,
    /// A docker archive.
    DockerArchive(Dialect),
}

impl Format {
    /// Every format, docker archives in the dialect that most programs read.
    pub const ALL: [Self; 3] =
        [Self::Layout, Self::OciArchive, Self::DockerArchive(Dialect::Universal)];

    /// Whether it holds images alone, with uncompressed layers: most dialects of docker archives.
    fn is_plain(self) -> bool {
        matches!(self, Self::DockerArchive(dialect) if dialect.is_plain())
    }

    /// The word for it, whatever the dialect.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Layout => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive(_) => "docker-archive",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownWord;

    /// By its name; a docker archive is of the first dialect.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        by_name(text, &Self::ALL, Self::name)
    }
}

/// What to do when something is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone.
    Refuse,
    /// Add to it.
    Append,
}

/// Which children of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Platforms {
    /// All that are there where the destination holds an index, the host's where it cannot.
    Default,
    /// All that are there.
    All,
    /// These.
    Only(Vec<Platform>),
}

/// How layers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerCompression {
    /// What is compressed stays, byte for byte, as does what a registry's manifest lists; plain
    /// layers are compressed with gzip.
    Auto,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Plain.
    None,
}

impl LayerCompression {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Gzip, Self::Zstd, Self::None];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }
}

impl fmt::Display for LayerCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LayerCompression {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        by_name(text, &Self::ALL, Self::name)
    }
}

/// How gzip layers that are made new are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GzipMembers {
    /// A member per block, encoded in parallel.
    Many,
    /// One member, for readers that stop after the first.
    One,
}

/// Whether a loss is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Losses {
    /// It is named.
    Named,
    /// It is refused, as are oddities of the source.
    Refused,
}

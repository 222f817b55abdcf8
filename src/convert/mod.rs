//! Converts a source: plans the conversion and runs it.
//!
//! [`plan`] decides everything that does not need the layers and reports what the destination
//! cannot hold; [`run`] reads each distinct layer once, checks it, and writes. There is one path
//! for every pair of formats: sources become images and indexes, and destinations are an OCI
//! layout, an OCI archive, a `dir:` folder, or a docker archive of some dialect.

mod documents;
mod encoding;
mod existing;
mod fetched;
mod forecast;
mod options;
mod outcome;
mod plan;
mod platforms;
#[cfg(feature = "registry")]
mod push;
mod run;
mod saved;
mod select;
mod unwanted;
mod work;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex};

pub use existing::check_destination;
pub(crate) use forecast::{Forecast, forecast};
pub use outcome::{Outcome, Written, WrittenEntry};
pub use plan::{Plan, PlannedImage, PlannedManifest, plan};
pub(crate) use platforms::losses_of;
#[cfg(feature = "registry")]
pub use push::PushForecast;
pub use run::run;
pub use select::selected;

pub use crate::archive::Dialect;
pub use crate::codec::GzipProgram;
use crate::document::media_type::MediaFamily;
use crate::error::{Location, UnknownWord, by_name};
use crate::image::Name;
use crate::platform::Platform;
#[cfg(feature = "registry")]
use crate::registry::{Registries, With};
pub use crate::store::CompressedLayers;

/// The target of a conversion.
#[derive(Debug)]
#[non_exhaustive]
pub struct Target {
    /// The destination.
    pub destination: Destination,
    /// The format.
    pub format: Format,
    /// What to do if the destination exists.
    pub existing: Existing,
    /// Which images: names, digests or `@N`; none means all.
    pub images: Vec<String>,
    /// Names that replace those of the source.
    pub tags: Vec<Name>,
    /// The selected children of an index.
    pub platforms: Platforms,
    /// How layers are stored.
    pub compression: LayerCompression,
    /// Compression level of the codec; `None` for the default.
    pub level: Option<i32>,
    /// How new gzip layers are split into members.
    pub members: GzipMembers,
    /// Media types of new manifests; `None` for OCI.
    pub family: Option<MediaFamily>,
    /// Whether a loss is an error.
    pub losses: Losses,
    /// Number of threads; at least one.
    pub threads: usize,
    /// Layers to share with other conversions of this process.
    pub shared: Option<Arc<CompressedLayers>>,
}

impl Target {
    /// All images under their own names, with the defaults of the command: uncompressed layers are
    /// compressed with gzip, losses are reported, an existing destination is refused, all cores are
    /// used.
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
            shared: None,
        }
    }

    fn at(&self) -> Location {
        match &self.destination {
            Destination::Path(path) => Location::of(path),
            Destination::Stream { .. } => Location::named("-"),
            #[cfg(feature = "registry")]
            Destination::Registry { .. } => {
                let names: Vec<String> = self.tags.iter().map(Name::shown).collect();
                match names.as_slice() {
                    [] => Location::named("registry"),
                    names => Location::named(&names.join(", ")),
                }
            }
        }
    }
}

/// The destination.
#[non_exhaustive]
pub enum Destination {
    /// A new path, or an existing one to add to.
    Path(PathBuf),
    /// An open pipe, shown as `-`; [`Destination::stream`] makes one.
    Stream {
        /// The writer.
        out: Mutex<Box<dyn Write + Send>>,
        /// Folder for temporary files.
        spool: PathBuf,
    },
    /// The repositories of the names that images have in the destination.
    #[cfg(feature = "registry")]
    Registry {
        /// Reaches them.
        session: Arc<Registries>,
        /// Folder for temporary files.
        spool: PathBuf,
        /// What is sent along with the images.
        with: With,
    },
}

impl Destination {
    /// Bytes that go to a pipe, an upload or a buffer; `spool` is the folder for temporary files.
    pub fn stream(out: impl Write + Send + 'static, spool: impl Into<PathBuf>) -> Self {
        Self::Stream { out: Mutex::new(Box::new(out)), spool: spool.into() }
    }

    /// The path, if it is one.
    fn as_path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Stream { .. } => None,
            #[cfg(feature = "registry")]
            Self::Registry { .. } => None,
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stream { spool, .. } => f.debug_tuple("Stream").field(spool).finish(),
            #[cfg(feature = "registry")]
            Self::Registry { session, .. } => f.debug_tuple("Registry").field(session).finish(),
        }
    }
}

/// The format of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// An OCI layout in a directory.
    Layout,
    /// An OCI archive.
    OciArchive,
    /// A docker archive.
    DockerArchive(Dialect),
    /// A folder of skopeo's `dir:`, with one image or index.
    Directory,
    /// Repositories of registries.
    Registry,
}

impl Format {
    /// Every format of a file, docker archives in the dialect that most programs read.
    pub const ALL: [Self; 4] =
        [Self::Layout, Self::OciArchive, Self::DockerArchive(Dialect::Universal), Self::Directory];

    /// Whether it holds only images with uncompressed layers: most dialects of docker archives.
    fn is_plain(self) -> bool {
        matches!(self, Self::DockerArchive(dialect) if dialect.is_plain())
    }

    /// The name, without the dialect.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Layout => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive(_) => "docker-archive",
            Self::Directory => "dir",
            Self::Registry => "registry",
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

    /// Parses a name; a docker archive has the first dialect.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        by_name(text, &Self::ALL, Self::name)
    }
}

/// What to do if the destination exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    Refuse,
    /// Add to it.
    Append,
}

/// The selected children of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Platforms {
    /// All that the source has; the host's if the destination cannot hold an index.
    Default,
    /// All that the source has.
    All,
    /// These.
    Only(Vec<Platform>),
}

impl Platforms {
    /// Those that are named; none if nothing is.
    fn only(&self) -> &[Platform] {
        match self {
            Self::Only(wanted) => wanted,
            Self::Default | Self::All => &[],
        }
    }
}

/// How layers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerCompression {
    /// Compressed layers and layers of a registry manifest are kept byte for byte; other layers are
    /// compressed with gzip.
    Auto,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Uncompressed.
    None,
}

impl LayerCompression {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Gzip, Self::Zstd, Self::None];

    /// The name.
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

/// How new gzip layers are split into members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GzipMembers {
    /// One member per block, encoded in parallel.
    Many,
    /// One member, for readers that stop after the first.
    One,
    /// One member with the bytes that a program writes.
    Like(GzipProgram),
}

/// Whether a loss is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Losses {
    /// It is reported.
    Named,
    /// It is refused, and so are notes about the source.
    Refused,
}

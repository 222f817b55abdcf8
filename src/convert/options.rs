//! Finds contradictions in a target, before a source is read.

use std::ops::RangeInclusive;
use std::path::Path;

use super::{Destination, Existing, Format, GzipMembers, LayerCompression, Platforms, Target};
use crate::error::{Error, ErrorKind, Result};

/// The allowed number of threads.
const THREADS: RangeInclusive<usize> = 1..=256;

impl Target {
    /// Refuses options that contradict each other, are out of range, have no effect, or need a
    /// codec that this build does not have.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with the expected value, or [`ErrorKind::NoCodec`].
    pub fn check(&self) -> Result<()> {
        let wrong =
            |what, found: String| Err(Error::new(&self.at(), ErrorKind::Usage { what, found }));
        if matches!(&self.destination, Destination::Path(path) if path == Path::new("")) {
            return wrong("expected a destination path", "an empty name".to_owned());
        }
        if self.images.iter().any(String::is_empty) {
            return wrong("expected a name, a digest or @N", "an empty name".to_owned());
        }
        if !THREADS.contains(&self.threads) {
            return wrong("expected 1 to 256 threads", self.threads.to_string());
        }
        match (&self.platforms, self.format) {
            (Platforms::Only(wanted), _) if wanted.is_empty() => {
                return wrong("expected a platform", "an empty list".to_owned());
            }
            (Platforms::All, Format::DockerArchive(dialect)) if self.format.is_plain() => {
                let what = "this dialect holds one platform of each image (choose one with --platform, or use --dialect universal or a layout)";
                return wrong(what, format!("all platforms and dialect {}", dialect.name()));
            }
            _ => (),
        }
        self.check_directory()?;
        self.check_compression()
    }

    /// A folder of skopeo's `dir:` holds one image or index, without a name.
    fn check_directory(&self) -> Result<()> {
        if self.format != Format::Directory {
            return Ok(());
        }
        let found = match (&self.destination, self.existing) {
            (Destination::Path(_), Existing::Refuse) if self.tags.is_empty() => return Ok(()),
            (Destination::Path(_), Existing::Refuse) => "a new name",
            (Destination::Path(_), Existing::Append) => "an image to add",
            _ => "a pipe",
        };
        let what = "a dir: folder is new and holds one image without a name (use oci: for more)";
        Err(Error::new(&self.at(), ErrorKind::Usage { what, found: found.to_owned() }))
    }

    fn check_compression(&self) -> Result<()> {
        let wrong =
            |what, found: String| Err(Error::new(&self.at(), ErrorKind::Usage { what, found }));
        let codec = match self.compression {
            LayerCompression::Auto => None,
            LayerCompression::Gzip => Some("gzip"),
            LayerCompression::Zstd => Some("zstd"),
            LayerCompression::None => Some("none"),
        };
        if let (Format::DockerArchive(dialect), Some(codec @ ("gzip" | "zstd"))) =
            (self.format, codec)
            && self.format.is_plain()
        {
            let what = "this dialect holds only uncompressed layers (leave out --compression, or use --dialect universal)";
            return wrong(what, format!("{codec} and dialect {}", dialect.name()));
        }
        if let Some(level) = self.level {
            let (expected, range) = match (self.compression, self.members) {
                (LayerCompression::Auto | LayerCompression::None, _) => {
                    let what = "--level needs --compression gzip or zstd";
                    return wrong(what, format!("--level {level} alone"));
                }
                (LayerCompression::Gzip, GzipMembers::Like(_)) => {
                    let what = "a program has its own level (leave out --level or --gzip-like)";
                    return wrong(what, format!("--level {level}"));
                }
                (LayerCompression::Zstd, _) => ("expected a level of -7 to 22 for zstd", -7..=22),
                (LayerCompression::Gzip, GzipMembers::Many) => {
                    ("expected a level of 1 to 12 for gzip", 1..=12)
                }
                (LayerCompression::Gzip, GzipMembers::One) => {
                    ("expected a level of 0 to 9 for gzip in one member", 0..=9)
                }
            };
            if !range.contains(&level) {
                return wrong(expected, level.to_string());
            }
        }
        if matches!(self.compression, LayerCompression::Zstd | LayerCompression::None) {
            let codec = codec.unwrap_or("auto");
            match self.members {
                GzipMembers::Many => (),
                GzipMembers::One => {
                    let found = format!("{codec} and one gzip member");
                    return wrong("--gzip-members needs gzip layers", found);
                }
                GzipMembers::Like(_) => {
                    let found = format!("--compression {codec}");
                    return wrong("--gzip-like needs gzip layers", found);
                }
            }
        }
        if self.compression == LayerCompression::Zstd && cfg!(not(feature = "zstd")) {
            return Err(Error::new(&self.at(), ErrorKind::NoCodec { codec: "zstd" }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Dialect;
    use crate::image::Name;

    #[test]
    fn what_makes_no_sense_is_found_before_a_source_is_read() {
        let good = || Target::new(Destination::Path("out".into()), Format::Layout);
        let gzip = || Target { compression: LayerCompression::Gzip, ..good() };
        let dir = || Target { format: Format::Directory, ..good() };
        let one = || Target { members: GzipMembers::One, ..gzip() };
        let classic = || Target { format: Format::DockerArchive(Dialect::Classic), ..good() };
        for (name, target, code) in [
            ("as it comes", good(), None),
            ("level 12", Target { level: Some(12), ..gzip() }, None),
            ("level 13", Target { level: Some(13), ..gzip() }, Some("usage")),
            ("level -5", Target { level: Some(-5), ..gzip() }, Some("usage")),
            ("level 0 in one member", Target { level: Some(0), ..one() }, None),
            ("level 10 in one member", Target { level: Some(10), ..one() }, Some("usage")),
            ("level alone", Target { level: Some(9), ..good() }, Some("usage")),
            ("no threads", Target { threads: 0, ..good() }, Some("usage")),
            ("all threads", Target { threads: 256, ..good() }, None),
            ("too many threads", Target { threads: 257, ..good() }, Some("usage")),
            ("no image", Target { images: vec![String::new()], ..good() }, Some("usage")),
            ("no platform", Target { platforms: Platforms::Only(vec![]), ..good() }, Some("usage")),
            ("all platforms", Target { platforms: Platforms::All, ..classic() }, Some("usage")),
            ("no path", Target::new(Destination::Path("".into()), Format::Layout), Some("usage")),
            ("dir", dir(), None),
            ("add to dir", Target { existing: Existing::Append, ..dir() }, Some("usage")),
            ("name in dir", Target { tags: vec![Name::of_ref_name("a")], ..dir() }, Some("usage")),
            ("gzip", Target { compression: LayerCompression::Gzip, ..classic() }, Some("usage")),
        ] {
            let found = target.check().map_err(|error| error.kind.code());
            assert_eq!(found.err(), code, "{name}");
        }
        let zstd = Target { compression: LayerCompression::Zstd, ..good() };
        assert_eq!(zstd.check().is_ok(), cfg!(feature = "zstd"));
    }
}

//! The state of a source, to tell whether it changed since its receipt.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Size and time of the last change, as the file system says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceStamp {
    pub(crate) size: u64,
    /// With nanoseconds.
    pub(crate) mtime: String,
}

/// The documents of a folder that change whenever its images do.
const TOPS: [&str; 2] = ["index.json", "manifest.json"];

impl SourceStamp {
    /// The stamp of a file, or of a folder with images: the size of all its files, and the time of
    /// its topmost document. `None` if it is neither.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let there = fs::metadata(path).ok()?;
        if there.is_file() {
            return Some(Self { size: there.len(), mtime: time(&there) });
        }
        let top = TOPS.iter().find_map(|name| fs::metadata(path.join(name)).ok())?;
        let mut size = 0;
        for folder in [path.to_owned(), path.join("blobs/sha256"), path.join("blobs/sha512")] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let there = entry.metadata().ok().filter(fs::Metadata::is_file);
                size += there.map_or(0, |it| it.len());
            }
        }
        Some(Self { size, mtime: time(&top) })
    }
}

fn time(there: &fs::Metadata) -> String {
    let nanoseconds = i32::try_from(there.mtime_nsec()).unwrap_or_default();
    let time = jiff::Timestamp::new(there.mtime(), nanoseconds).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S%.9fZ").to_string()
}

//! A destination that exists without a receipt: that of a run that was killed between the two, or
//! somebody else's.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use imgconv::convert::{Existing, Format};
use imgconv::progress::Progress;

use super::run::BatchRun;
use super::work::ItemEnd;
use crate::args::temporary;
use crate::failure::Failure;
use crate::place::PlaceArg;

impl BatchRun<'_> {
    /// Converts into a temporary folder and compares: the same source gives the same bytes, so a
    /// destination with those bytes is the one that this item makes. `None` if it is another one.
    pub(super) fn adopt(
        &self,
        (source, destination): (&PlaceArg, &PlaceArg),
        forms: (Format, Existing),
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<Option<ItemEnd>, Failure> {
        let Ok(folder) = tempfile::tempdir_in(temporary()) else { return Ok(None) };
        let name = destination.path.file_name().unwrap_or_default();
        let copy = PlaceArg { path: folder.path().join(name), ..destination.clone() };
        match self.convert((source, &copy), forms, threads, progress) {
            Ok(end) => Ok(same(&copy.path, &destination.path).unwrap_or(false).then_some(end)),
            // The source itself is refused.
            Err(failure) if failure.status() == 1 => Err(failure),
            Err(_) => Ok(None),
        }
    }
}

/// Whether two files, or two folders with all that is in them, have the same bytes.
fn same(a: &Path, b: &Path) -> io::Result<bool> {
    let kinds = (fs::symlink_metadata(a)?, fs::symlink_metadata(b)?);
    if kinds.0.is_file() && kinds.1.is_file() {
        return Ok(kinds.0.len() == kinds.1.len() && same_bytes(a, b)?);
    }
    if !kinds.0.is_dir() || !kinds.1.is_dir() {
        return Ok(false);
    }
    let names = |folder: &Path| -> io::Result<Vec<_>> {
        let mut names =
            fs::read_dir(folder)?.map(|it| Ok(it?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    };
    let (own, others) = (names(a)?, names(b)?);
    if own != others {
        return Ok(false);
    }
    for name in own {
        if !same(&a.join(&name), &b.join(&name))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    const BLOCK: u64 = 1 << 16;
    let (mut a, mut b) = (BufReader::new(File::open(a)?), BufReader::new(File::open(b)?));
    let (mut one, mut other) = (Vec::new(), Vec::new());
    loop {
        one.clear();
        other.clear();
        a.by_ref().take(BLOCK).read_to_end(&mut one)?;
        b.by_ref().take(BLOCK).read_to_end(&mut other)?;
        if one != other {
            return Ok(false);
        }
        if one.is_empty() {
            return Ok(true);
        }
    }
}

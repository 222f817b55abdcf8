//! Finds the time in a gzip header (RFC 1952, 2.3.1, MTIME) of a layer whose writer is known.
//!
//! Programs such as Python's `gzip` write the time of the compression, which nothing states. It is
//! mostly soon after the newest file of the layer, so these times are tried.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::Read;

use super::attempt::Guess;
use crate::digest::{DiffId, Digest, Hasher};
use crate::error::{ErrorKind, kind_of};

/// The largest layer that is tried.
const LARGEST: u64 = 16 << 20;
/// Bytes that are hashed at most, which takes a second or two.
const WORK: u64 = 1 << 31;

/// What is known of the layer.
pub(super) struct Undated<'a> {
    pub(super) guess: &'a Guess,
    pub(super) diff_id: DiffId,
    /// What the stored bytes must be.
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The time of its newest file.
    pub(super) newest: u32,
}

/// The header that gives the digest; `body` is everything behind it.
pub(super) fn header(
    it: &Undated<'_>,
    mut body: impl Read,
    length: u64,
) -> Result<Option<Vec<u8>>, ErrorKind> {
    if length > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes).map_err(|error| kind_of(error, ErrorKind::Spool))?;
    let templates = templates(it, it.size.saturating_sub(length));
    let each = it.size.max(64).saturating_mul(templates.len().max(1) as u64);
    let tries = u32::try_from(WORK.checked_div(each).unwrap_or_default()).unwrap_or(u32::MAX);
    for after in 0..tries {
        let Some(time) = it.newest.checked_add(after) else { break };
        for template in &templates {
            let mut header = template.clone();
            if let Some(place) = header.get_mut(4..8) {
                place.copy_from_slice(&time.to_le_bytes());
            }
            let mut hasher = Hasher::new(it.digest.algorithm());
            hasher.update(&header);
            hasher.update(&bytes);
            if hasher.finish().digest() == it.digest {
                return Ok(Some(header));
            }
        }
    }
    Ok(None)
}

/// Headers of this length: the usual ones, and with a name that a program may have given.
fn templates(it: &Undated<'_>, length: u64) -> Vec<Vec<u8>> {
    let hex = it.diff_id.hex();
    let names = ["layer.tar".to_owned(), format!("{hex}.tar"), hex];
    let named = names.iter().flat_map(|name| {
        it.guess.headers.iter().map(move |header| {
            let mut header = header.clone();
            if let Some(flags) = header.get_mut(3) {
                *flags |= 8;
            }
            header.extend(name.bytes().chain([0]));
            header
        })
    });
    let all = it.guess.headers.iter().cloned().chain(named);
    all.filter(|header| header.len() as u64 == length).collect()
}

/// The time of the newest file of a tar, as far as it can be read.
pub(super) fn newest(mut tar: impl Read) -> u32 {
    let mut newest = 0;
    let mut header = tar::Header::new_old();
    while tar.read_exact(header.as_mut_bytes()).is_ok() {
        let (Ok(time), Ok(size)) = (header.mtime(), header.entry_size()) else { break };
        newest = newest.max(u32::try_from(time).unwrap_or_default());
        let padded = size.checked_next_multiple_of(512).unwrap_or(u64::MAX);
        let skipped = std::io::copy(&mut tar.by_ref().take(padded), &mut std::io::sink());
        if skipped.ok() != Some(padded) {
            break;
        }
    }
    newest
}

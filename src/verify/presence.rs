//! Checks that blobs exist, with the sizes that documents state, and reads none of them.

use crate::bytes::files::RemotePresence;
use crate::bytes::parallel::parallel;
use crate::error::{At as _, ErrorKind, Result};
use crate::image::claims::ClaimedBlob;
use crate::progress::{Event, Progress, tell};
use crate::source::Source;
use crate::store::connections;

use super::finding::Findings;

/// Looks for every blob; returns how many there are.
pub(super) fn blobs_exist(
    source: &Source,
    threads: usize,
    progress: &dyn Progress,
    findings: &mut Findings,
) -> Result<usize> {
    let ask = |blob: &ClaimedBlob| {
        tell(progress, Event::Read(0)).at(&blob.from.at)?;
        match blob.from.as_remote() {
            None => Ok(RemotePresence::There { size: Some(blob.from.size) }),
            Some(remote) => remote.presence().at(&blob.from.at),
        }
    };
    let all = source.blobs.all();
    let found = parallel(all, connections(threads), &|_| 0, &ask)?;
    let mut there = 0_usize;
    for (blob, found) in all.iter().zip(found) {
        let at = &blob.from.at;
        let size = match found {
            RemotePresence::There { size } => size,
            RemotePresence::Missing => {
                if let Some(claim) = blob.stored.first() {
                    findings.kind(at, &ErrorKind::MissingBlob { expected: claim.digest });
                }
                continue;
            }
        };
        there = there.saturating_add(1);
        for claim in &blob.stored {
            if let Some(found) = size.filter(|it| *it != claim.size) {
                findings.kind(at, &ErrorKind::Size { expected: claim.size, found });
            }
        }
    }
    Ok(there)
}

//! Notes much that is fetched from a registry only because no platform was chosen.

use std::collections::BTreeMap;

use super::{Platforms, Target};
use crate::bytes::files::BlobKey;
use crate::image::reading::Note;
use crate::image::{Entry, NodeId};
use crate::platform::Platform;
use crate::source::{Source, candidates, matching};

/// Less than this is not worth a note.
const MUCH: u64 = 1 << 30;

/// The note, if the images for other platforms are large and one is for this machine.
pub(super) fn other_platforms(source: &Source, entries: &[Entry], target: &Target) -> Option<Note> {
    if target.platforms != Platforms::Default || target.format.is_plain() {
        return None;
    }
    let host = Platform::host();
    let (mut own, mut others): (Vec<NodeId>, Vec<NodeId>) = (Vec::new(), Vec::new());
    for entry in entries {
        let candidates = candidates(source, entry);
        let local = matching(source, &candidates, std::slice::from_ref(&host)).ok()?;
        let local: Vec<NodeId> =
            local.iter().filter_map(|it| Some(it.child.as_ref()?.node)).collect();
        let all = candidates.iter().filter_map(|it| Some(it.child.as_ref()?.node));
        others.extend(all.filter(|it| !local.contains(it)));
        own.extend(local);
    }
    if own.is_empty() {
        return None;
    }
    let mut blobs = fetched(source, &others);
    let kept = fetched(source, &own);
    blobs.retain(|key, _| !kept.contains_key(key));
    let size = blobs.into_values().fold(0, u64::saturating_add);
    (size > MUCH).then(|| {
        let tenths = size.saturating_mul(10).wrapping_shr(30);
        let (whole, part) = (tenths.wrapping_div(10), tenths.wrapping_rem(10));
        let text = format!(
            "{whole}.{part} GiB of this are images for other platforms; -p local takes {host} alone"
        );
        Note::new(&source.at, "other-platforms", text)
    })
}

/// The layers of images that a registry has, each once.
fn fetched(source: &Source, images: &[NodeId]) -> BTreeMap<BlobKey, u64> {
    let layers = images.iter().filter_map(|it| source.image(*it)).flat_map(|it| &it.layers);
    let blobs = layers.filter_map(|it| it.blob.as_ref()).filter(|it| it.as_remote().is_some());
    blobs.map(|it| (it.key(), it.size)).collect()
}

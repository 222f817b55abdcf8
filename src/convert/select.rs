//! Selects images by name, digest, number and platform, and sets their names.

use super::platforms::{Chosen, platforms};
use super::{Format, Platforms, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::image::NodeId;
use crate::source::{Source, entries, listed};

/// Selects by `--image`, `--platform` and `--tag`; platforms may add nodes to the source.
pub(super) fn choose(source: &mut Source, target: &Target) -> Result<Chosen> {
    let wanted = match &target.platforms {
        Platforms::Only(wanted) => wanted.as_slice(),
        Platforms::Default | Platforms::All => &[],
    };
    let entries = entries(source, &target.images, wanted)?;
    let whole = target.images.is_empty();
    let mut chosen = Chosen { entries, losses: Vec::new(), whole };
    if let Platforms::Only(wanted) = &target.platforms {
        platforms(source, &mut chosen, wanted)?;
    }
    #[cfg(feature = "registry")]
    if target.format == Format::Registry && whole && !target.tags.is_empty() {
        super::push::set_apart(source, &mut chosen);
    }
    if !target.tags.is_empty() {
        rename(source, &mut chosen, target)?;
    }
    Ok(chosen)
}

/// Renames the selected image.
fn rename(source: &Source, chosen: &mut Chosen, target: &Target) -> Result<()> {
    let mut nodes: Vec<NodeId> = chosen.entries.iter().map(|entry| entry.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let ([_], Some(first)) = (nodes.as_slice(), chosen.entries.first()) else {
        let what = match target.format {
            Format::Registry => "a name in a registry needs one image (choose it with --image)",
            _ => "--tag needs one image (choose it with --image)",
        };
        let found = listed(source);
        return Err(Error::new(&source.at, ErrorKind::Usage { what, found }));
    };
    let mut entry = first.clone();
    entry.names = target.tags.clone();
    chosen.entries = vec![entry];
    chosen.whole = false;
    Ok(())
}

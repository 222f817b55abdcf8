//! Selects images by name, digest, number and platform, and sets their names.

use super::platforms::{Chosen, platforms};
use std::collections::BTreeSet;

use super::{Format, Platforms, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::image::reason::{Loss, Reason};
use crate::image::{Name, Node, NodeId};
use crate::source::{Source, entries, listed};

/// Selects by `--image`, `--platform` and `--tag`; platforms may add nodes to the source.
pub(super) fn choose(source: &mut Source, target: &Target) -> Result<Chosen> {
    let wanted = target.platforms.only();
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
    if target.format == Format::Directory {
        alone(source, &mut chosen)?;
    }
    if !target.tags.is_empty() {
        rename(source, &mut chosen, target)?;
    }
    Ok(chosen)
}

/// The images that a conversion to this target would write.
///
/// # Errors
/// There is no such image.
pub fn selected(source: &Source, target: &Target) -> Result<BTreeSet<NodeId>> {
    let wanted = target.platforms.only();
    let platforms = source.platforms();
    let is_wanted = |node: &NodeId| {
        let platform = platforms.get(node);
        wanted.is_empty()
            || platform.is_some_and(|it| wanted.iter().any(|wanted| it.matches(wanted)))
    };
    let entries = entries(source, &target.images, wanted)?;
    Ok(entries.iter().flat_map(|it| source.images_below(it.node)).filter(is_wanted).collect())
}

/// Refuses more than one image or index; leaves out its names.
fn alone(source: &Source, chosen: &mut Chosen) -> Result<()> {
    let (what, found) = match distinct(chosen).as_slice() {
        [node] => match source.nodes.get(*node) {
            Some(Node::UnknownBlob(said, _)) => {
                let (to, why) = ("a dir: folder", "it is not a manifest or index");
                let at = source.at.member(&said.path());
                return Err(Error::new(&at, ErrorKind::CannotConvert { to, why }));
            }
            _ => {
                let names = chosen.entries.iter().flat_map(|it| &it.names).map(Name::shown);
                chosen.losses.extend(names.map(|it| Loss::new(Reason::Nameless, it)));
                chosen.entries.truncate(1);
                chosen.entries.iter_mut().for_each(|it| it.names.clear());
                return Ok(());
            }
        },
        _ => ("a dir: folder holds one image or index (choose it with --image)", listed(source)),
    };
    Err(Error::new(&source.at, ErrorKind::Usage { what, found }))
}

/// The nodes of the entries, each once.
fn distinct(chosen: &Chosen) -> Vec<NodeId> {
    let mut nodes: Vec<NodeId> = chosen.entries.iter().map(|entry| entry.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// Renames the selected image.
fn rename(source: &Source, chosen: &mut Chosen, target: &Target) -> Result<()> {
    let ([_], Some(first)) = (distinct(chosen).as_slice(), chosen.entries.first()) else {
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

//! Matches the images of two sources.

use super::SideImage;

/// The pairs, and the images without a partner.
pub(super) struct Paired<'a, 'b> {
    pub(super) both: Vec<(&'b SideImage<'a>, &'b SideImage<'a>)>,
    pub(super) only_a: Vec<&'b SideImage<'a>>,
    pub(super) only_b: Vec<&'b SideImage<'a>>,
}

/// Whether two images belong together.
type Alike = fn(&SideImage<'_>, &SideImage<'_>) -> bool;

/// From the strongest evidence to the weakest; a single image on each side is a pair.
const SIGNS: [Alike; 5] = [
    |a, b| a.found.image_id == b.found.image_id && a.found.manifest == b.found.manifest,
    |a, b| a.found.image_id == b.found.image_id,
    |a, b| same_platform(a, b) && a.found.names.iter().any(|name| b.found.names.contains(name)),
    |a, b| {
        let (a, b) = (&a.image.config.view().diff_ids, &b.image.config.view().diff_ids);
        !a.is_empty() && a == b
    },
    |a, b| a.found.names.iter().any(|name| b.found.names.contains(name)),
];

fn same_platform(a: &SideImage<'_>, b: &SideImage<'_>) -> bool {
    a.found.platform == b.found.platform
}

/// Pairs them in the order of the first source.
pub(super) fn pair<'a, 'b>(a: &'b [SideImage<'a>], b: &'b [SideImage<'a>]) -> Paired<'a, 'b> {
    let mut left: Vec<(usize, &SideImage<'a>)> = a.iter().enumerate().collect();
    let mut right: Vec<&SideImage<'a>> = b.iter().collect();
    let mut both = Vec::new();
    for alike in SIGNS {
        left.retain(|(at, one)| {
            let Some(found) = right.iter().position(|other| alike(one, other)) else { return true };
            both.push((*at, (*one, right.remove(found))));
            false
        });
    }
    if left.len() == 1 && right.len() == 1 && a.len() == 1 && b.len() == 1 {
        both.extend(left.drain(..).zip(right.drain(..)).map(|((at, a), b)| (at, (a, b))));
    }
    both.sort_by_key(|(at, _)| *at);
    Paired {
        both: both.into_iter().map(|(_, pair)| pair).collect(),
        only_a: left.into_iter().map(|(_, it)| it).collect(),
        only_b: right,
    }
}

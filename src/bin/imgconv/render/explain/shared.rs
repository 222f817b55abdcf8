//! Which layers the images of a source share, as rows of layers to one scale.

use imgconv::explain::{SharedLayers, SharingImage};

use super::page::{Block, Grid, Section, Segment, Stack, short};
use crate::render::{Width, brief, human};

/// So many images are drawn.
const IMAGES: usize = 32;
/// So many layers of an image are told in its row.
const LAYERS: usize = 12;
/// So many layers are listed where not all are asked for.
const LISTED: usize = 16;
/// Colours of the style sheet.
const COLOURS: usize = 8;
/// So much of a name or an instruction.
const TEXT: usize = 100;

pub(super) fn section(facts: &SharedLayers, width: Width) -> Section {
    let common = facts.layers.iter().filter(|layer| layer.images > 1).count();
    let mut blocks = vec![Block::Say(format!(
        "Images: {}. Different layers: {}; in more than one image: {common}. Equal letters mean \
         the same layer: the same diff ID and the same stored size. All stored layers, counted \
         for each image: {}; counted once each: {}.",
        facts.images.len(),
        facts.layers.len(),
        human(facts.size),
        human(facts.size_once),
    ))];
    let largest = facts.images.iter().map(|image| image.size).max().unwrap_or(0);
    let drawn = facts.images.iter().take(IMAGES);
    blocks.push(Block::Stacks(drawn.map(|image| stack(facts, image, largest)).collect()));
    if facts.images.len() > IMAGES {
        let more = facts.images.len() - IMAGES;
        blocks
            .push(Block::Say(format!("{more} more images are not drawn; --format json has them.")));
    }
    let shown = |layer: &imgconv::explain::SharedLayer| width == Width::Wide || layer.images > 1;
    let listed: Vec<_> = facts.layers.iter().enumerate().filter(|(_, it)| shown(it)).collect();
    let most = if width == Width::Wide { listed.len() } else { LISTED };
    let rows = listed.iter().take(most).map(|(at, layer)| {
        let images = match layer.images {
            1 => "1 image".to_owned(),
            many => format!("{many} images"),
        };
        let made_by = brief(&layer.created_by, TEXT);
        vec![letter(*at), size(layer.size), images, layer.diff_id.clone(), made_by]
    });
    let head = ["layer", "stored", "in", "diff ID", "made by"].map(str::to_owned).to_vec();
    let grid = Grid { head, rows: rows.collect(), whole: false };
    if !grid.rows.is_empty() {
        blocks.push(Block::Grid(grid));
    }
    let title = "Which layers do the images of this source share?";
    Section { id: "shared-layers", title, blocks }
}

fn stack(facts: &SharedLayers, image: &SharingImage, largest: u64) -> Stack {
    let name = match image.names.as_slice() {
        [] => format!("image {}", short(&image.image_id)),
        names => brief(&names.join(", "), TEXT),
    };
    let explained = if image.explained { ", the image of this page" } else { "" };
    let layers = image.layers.iter().filter_map(|at| Some((*at, facts.layers.get(*at)?)));
    let segments = layers.clone().map(|(at, layer)| Segment {
        letter: letter(at),
        share: share(layer.size.unwrap_or(0), image.size),
        colour: (layer.images > 1).then_some(at % COLOURS),
    });
    let told =
        layers.take(LAYERS).map(|(at, layer)| format!("{} {}", letter(at), size(layer.size)));
    let mut told: Vec<String> = told.collect();
    if image.layers.len() > LAYERS {
        told.push(format!("{} more", image.layers.len() - LAYERS));
    }
    let told = if told.is_empty() { "no layers".to_owned() } else { told.join(", ") };
    Stack {
        label: format!("{name}, {}{explained}", image.platform),
        detail: format!("{}: {told}", human(image.size)),
        share: share(image.size, largest),
        segments: segments.collect(),
    }
}

fn share(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 1000 / u128::from(whole.max(1))).unwrap_or(1000)
}

fn size(size: Option<u64>) -> String {
    size.map_or_else(|| "size not known".to_owned(), human)
}

/// A to Z, then a to z, then numbers.
fn letter(at: usize) -> String {
    let letters = (b'A'..=b'Z').chain(b'a'..=b'z').map(char::from);
    letters.clone().nth(at).map_or_else(|| format!("L{}", at + 1), String::from)
}

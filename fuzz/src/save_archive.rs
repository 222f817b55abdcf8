//! Docker archives of every writer, whole and damaged.

use arbitrary::Arbitrary;
use serde_json::json;

use crate::archive::{cut, join};
use crate::build::classic::{Repeat, archive};
use crate::build::codec::gzip;
use crate::build::hybrid::{Defect, docker25};
use crate::build::image::Image;
use crate::build::{others, v1};
use crate::damage::{Damage, damage};
use crate::holds::holds;
use crate::images::{self, images, plain};

/// What is written, and what becomes of it.
#[derive(Arbitrary, Debug, Clone)]
pub struct Model {
    images: Vec<images::Model>,
    writer: u8,
    damage: Vec<Damage>,
    cut: Option<u16>,
    packed: bool,
}

/// Whole archives give their images; damaged ones whatever holds for any source.
pub fn run(model: &Model) {
    let images = images(&model.images);
    if images.is_empty() {
        return;
    }
    let (mut bytes, images) = write(&images, model.writer);
    let whole = model.damage.is_empty() && model.cut.is_none();
    if !whole {
        let mut members = cut(&bytes);
        model.damage.iter().take(6).for_each(|it| damage(&mut members, it));
        bytes = join(&members);
    }
    if let Some(length) = model.cut {
        bytes.truncate(usize::from(length) * 64 % (bytes.len() + 1));
    }
    if model.packed {
        bytes = gzip(&bytes);
    }
    let out = holds(&bytes);
    if whole && !images.is_empty() {
        let mut expected: Vec<_> = images.iter().map(|it| (it.id(), it.diff_ids())).collect();
        expected.sort();
        assert_eq!(out, Some(expected), "writer {}", model.writer);
    }
}

/// The archive, and its images where they are known.
fn write(images: &[Image], writer: u8) -> (Vec<u8>, Vec<Image>) {
    match writer % 9 {
        0 => (archive(images, Repeat::Symlink), images.to_vec()),
        1 => (archive(images, Repeat::Chain), images.to_vec()),
        2 => (archive(images, Repeat::Hardlink), images.to_vec()),
        3 => (archive(images, Repeat::Copy), images.to_vec()),
        4 => (others::ggcr(images), images.to_vec()),
        5 => (others::crane_legacy(images), images.to_vec()),
        6 => (others::podman(&plain(images)), plain(images)),
        7 => (docker25(&plain(images), Defect::None), plain(images)),
        _ => {
            let mut below: Option<String> = None;
            let mut directories = Vec::new();
            for (at, layer) in images[0].layers.iter().enumerate() {
                let seed = format!("layer {at}");
                directories.push(v1::docker19(&seed, below.as_deref(), layer.clone(), "x"));
                below = Some(seed);
            }
            let top = v1::id(&below.unwrap_or_default());
            (v1::archive(&directories, Some(&json!({"demo/old": {"1": top}}))), Vec::new())
        }
    }
}

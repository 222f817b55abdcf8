//! Images out of a few arbitrary bytes.

use arbitrary::Arbitrary;
use serde_json::json;

use crate::build::codec::Codec;
use crate::build::image::{Image, layer};

/// One image.
#[derive(Arbitrary, Debug, Clone)]
pub struct Model {
    layers: Vec<(u8, u8)>,
    names: u8,
    author: u8,
}

const NAMES: [&str; 6] =
    ["demo/app:1", "one:latest", "localhost/x:2", "reg.test:5000/a/b-c_d:3", "reg.test/e:4", "a:b"];

/// The images, at most three that differ, each name once.
pub(crate) fn images(models: &[Model]) -> Vec<Image> {
    let mut free: Vec<&str> = NAMES.to_vec();
    let mut images: Vec<Image> = Vec::new();
    for model in models.iter().take(3) {
        let codec = |byte: u8| Codec::ALL[usize::from(byte) % Codec::ALL.len()];
        let layers = model.layers.iter().take(4);
        let (plain, codecs): (Vec<_>, Vec<_>) =
            layers.map(|it| (layer(&format!("{}", it.0 % 6)), codec(it.1))).unzip();
        if plain.is_empty() {
            continue;
        }
        let names: Vec<&str> =
            free.iter().copied().filter(|it| usize::from(model.names) & it.len() == 1).collect();
        free.retain(|name| !names.contains(name));
        let image = Image::of(plain).with(&json!({"author": model.author.to_string()}));
        let image = image.named(&names).stored(&codecs);
        if images.iter().all(|other| other.id() != image.id()) {
            images.push(image);
        }
    }
    images
}

/// The same with uncompressed layers, as some writers have them.
pub(crate) fn plain(images: &[Image]) -> Vec<Image> {
    images.iter().map(|image| image.clone().stored(&[Codec::Plain])).collect()
}

//! `explain` of a source with several images: which layers they share, counted again from the
//! blobs, and drawn to one scale.

use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, imgconv};
use crate::build::shop;
use crate::explain::explained;

/// Diff IDs and stored sizes of an image, base first, from the documents in the archive.
fn layers(files: &check::Files, entry: &Value) -> Vec<(Value, Value)> {
    let blob = |descriptor: &Value| {
        check::json(&files[&format!("blobs/{}", text(&descriptor["digest"]).replace(':', "/"))])
    };
    let manifest = blob(&blob(entry)["manifests"][0]);
    let diff_ids = blob(&manifest["config"])["rootfs"]["diff_ids"].clone();
    let sizes = list(&manifest["layers"]).iter().map(|it| it["size"].clone());
    list(&diff_ids).iter().cloned().zip(sizes).collect()
}

#[test]
fn shared_layers_are_those_of_the_manifests() {
    let place = Place::new();
    let bytes = shop::archive();
    let files = check::archive(&bytes);
    let source = place.put("shop.tar", &bytes);
    let told = explained(&["-i", shop::NAME, &source]);
    let told = &told["sharedLayers"];
    let entries = check::json(&files["index.json"])["manifests"].clone();
    let (mut different, mut all): (Vec<(Value, Value)>, u64) = (Vec::new(), 0);
    assert_eq!(list(&told["images"]).len(), list(&entries).len());
    for (entry, image) in list(&entries).iter().zip(list(&told["images"])) {
        let name = &entry["annotations"]["io.containerd.image.name"];
        assert_eq!(image["names"], json!([name]));
        assert_eq!(image["explained"], *name == shop::NAME);
        let own = layers(&files, entry);
        let size: u64 = own.iter().map(|(_, size)| size.as_u64().unwrap()).sum();
        assert_eq!(image["size"], size);
        all += size;
        let places = own.into_iter().map(|layer| {
            different.iter().position(|it| *it == layer).unwrap_or_else(|| {
                different.push(layer);
                different.len() - 1
            })
        });
        assert_eq!(image["layers"], json!(places.collect::<Vec<_>>()));
    }
    let once: u64 = different.iter().map(|(_, size)| size.as_u64().unwrap()).sum();
    assert_eq!((&told["size"], &told["sizeOnce"]), (&json!(all), &json!(once)));
    let found = list(&told["layers"]).iter().map(|it| (it["diffId"].clone(), it["size"].clone()));
    assert!(found.eq(different));
    let images = list(&told["layers"]).iter().map(|it| it["images"].as_u64().unwrap());
    assert_eq!(images.collect::<Vec<_>>(), [3, 2, 2, 1, 1, 1]);
}

#[test]
fn a_layer_that_an_image_has_twice_is_of_one_image() {
    let place = Place::new();
    let (a, b) = (crate::build::image::layer("a"), crate::build::image::layer("b"));
    let twice = Image::of(vec![a.clone(), b, a.clone()]).named(&["demo/twice:1"]);
    let once = Image::of(vec![a]).named(&["demo/once:1"]);
    let source = place.put("two.tar", &archive(&[twice, once.clone()], Repeat::Symlink));
    let told = explained(&["-i", "@0", &source]);
    let told = &told["sharedLayers"];
    let layers: Vec<&Value> = list(&told["images"]).iter().map(|it| &it["layers"]).collect();
    assert_eq!(layers, [&json!([0, 1, 0]), &json!([0])]);
    let images: Vec<&Value> = list(&told["layers"]).iter().map(|it| &it["images"]).collect();
    assert_eq!(images, [&json!(2), &json!(1)]);

    assert_eq!(explained(&["-i", "@0", "--topic", "ids", &source])["sharedLayers"], Value::Null);
    let alone = place.put("one.tar", &archive(&[once], Repeat::Symlink));
    assert_eq!(explained(&[&alone])["sharedLayers"], Value::Null);
}

#[test]
fn rows_of_layers_are_to_scale_and_told_in_words() {
    let place = Place::new();
    let source = place.put("shop.tar", &shop::archive());
    let sizes: Vec<u64> = list(&explained(&["-i", shop::NAME, &source])["sharedLayers"]["layers"])
        .iter()
        .map(|it| it["size"].as_u64().unwrap())
        .collect();
    let largest = sizes[0] + sizes[1] + sizes[2] + sizes[4];
    let page = |format: &str| {
        let ran = imgconv(&["explain", "--format", format, "-i", shop::NAME, &source]).ok();
        String::from_utf8(ran.out).unwrap()
    };
    // A column more or less is rounding.
    let plain = page("text");
    let bars = plain.lines().map(str::trim).filter(|it| it.starts_with("AAA"));
    let bars: Vec<&str> = bars.collect();
    assert_eq!(bars.len(), 3, "{plain}");
    for (bar, letters) in bars.iter().zip(["ABCD", "ABCE", "AF"]) {
        for letter in letters.chars() {
            let size = sizes[usize::from(u8::try_from(letter).unwrap() - b'A')];
            let columns = bar.chars().filter(|it| *it == letter).count() as u64;
            let expected = (size * 72 / largest).max(1);
            assert!(columns.abs_diff(expected) <= 1, "{letter} in {bar}: {expected}");
        }
    }
    let html = page("html");
    let rows: Vec<&str> = html.split("<div class=\"stack\"").skip(1).collect();
    for (row, letters) in rows.iter().zip(["ABCD", "ABCE", "AF"]) {
        let row = row.split("</div>").next().unwrap();
        let width = |it: &str| it.split('%').next().unwrap().parse::<f64>().unwrap();
        let widths: Vec<f64> = row.split("width:").skip(1).map(width).collect();
        let own = |letter: char| sizes[usize::from(u8::try_from(letter).unwrap() - b'A')];
        let all: u64 = letters.chars().map(own).sum();
        let near = |found: f64, part: u64, whole: u64| {
            assert!((found - part as f64 * 100.0 / whole as f64).abs() < 0.11, "{found} in {row}");
        };
        near(widths[0], all, largest);
        for (width, letter) in widths[1..].iter().zip(letters.chars()) {
            near(*width, own(letter), all);
        }
    }
    assert_eq!(rows.len(), 3);
    for page in [plain, html, page("markdown")] {
        let page = page.replace('\n', " ");
        assert!(page.contains("A 236.15 KiB, B 104.00 KiB, C 80 B, D 20.16 KiB"), "{page}");
        assert!(page.contains("shop/api:1.4, linux/amd64, the image of this page"), "{page}");
        assert!(!page.contains("shop/web:2.1, linux/amd64, the image of this page"), "{page}");
    }
}

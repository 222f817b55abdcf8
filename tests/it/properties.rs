//! What must hold for any image: there and back is the same, and one changed byte is found or
//! changes nothing that counts.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use serde_json::{Value, json};

use crate::build::check::{self, Picture};
use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::hybrid::{Defect, docker25};
use crate::build::image::{Image, layer};
use crate::build::layout::Layout;
use crate::build::others::{ggcr, podman};
use crate::build::promise;
use crate::build::run::{Place, Ran, imgconv, imgconv_from, imgconv_with, tree};
use crate::build::tar::Tar;
use crate::build::trip::{archive_holds, layout_holds};

/// Layers out of a small stock, so that they repeat and are shared; anything in the config.
fn image(number: usize) -> impl Strategy<Value = Image> {
    let bytes = prop_oneof![
        4 => (0..5u8).prop_map(|it| layer(&format!("layer {it}"))),
        1 => vec(proptest::num::u8::ANY, 1..3000).prop_map(|it| Tar::new().file("random", &it).end()),
    ];
    let codec = proptest::sample::select(Codec::ALL.to_vec());
    let names = proptest::sample::subsequence(
        vec!["demo/app", "one", "localhost/x", "reg.test:5000/a/b-c_d", "reg.test/e"],
        0..3,
    );
    let more = vec(("[a-z.A-Z]{1,8}", "\\PC{0,12}", -9i64..9), 0..4);
    (vec((bytes, codec), 1..5), names, more).prop_map(move |(layers, names, more)| {
        let (layers, codecs): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
        let names: Vec<String> = names.iter().map(|it| format!("{it}:v{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let more: Value = more
            .iter()
            .map(|(key, text, n)| (format!("x-{key}"), json!({"t": text, "n": n})))
            .collect();
        let image = Image::of(layers).with(&more_or_empty(more)).named(&names);
        image.stored(&codecs)
    })
}

fn more_or_empty(more: Value) -> Value {
    if more.is_object() { more } else { json!({}) }
}

/// One to three images that differ.
fn images() -> impl Strategy<Value = Vec<Image>> {
    prop_oneof![Just(1usize), Just(2), Just(3)]
        .prop_flat_map(|count| (0..count).map(image).collect::<Vec<_>>())
        .prop_filter("image IDs differ", |images| {
            let mut ids: Vec<String> = images.iter().map(Image::id).collect();
            ids.sort();
            ids.dedup();
            ids.len() == images.len()
        })
}

#[test]
fn any_images_come_back_as_the_same_layout_from_a_universal_archive() {
    let repeats = [Repeat::Symlink, Repeat::Chain, Repeat::Hardlink, Repeat::Copy];
    // A failure is written beside this file, to be committed and tried first from then on.
    let config = Config {
        cases: 24,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("failures"))),
        ..Config::default()
    };
    let strategy = (images(), 0..6usize);
    TestRunner::new(config)
        .run(&strategy, |(images, form)| {
            let bytes = match form {
                0..4 => archive(&images, repeats[form]),
                4 => ggcr(&images),
                _ => {
                    // podman writes uncompressed layers only.
                    let plain: Vec<Image> =
                        images.iter().map(|it| it.clone().stored(&[Codec::Plain])).collect();
                    let bytes = podman(&plain);
                    archive_holds(&bytes, &plain);
                    bytes
                }
            };
            if form < 5 {
                archive_holds(&bytes, &images);
            }
            the_same_from_a_pipe(&bytes);
            Ok(())
        })
        .unwrap();
}

/// Both are `-`: a file on standard input is read in place, a pipe while it arrives.
fn the_same_from_a_pipe(bytes: &[u8]) {
    let place = Place::new();
    let file = place.put("a.tar", bytes);
    let (in_place, arrived) = (place.path("in-place"), place.path("arrived"));
    let from_file = imgconv_from(&file, &["convert", "-", &in_place, "--to", "oci"]).ok();
    let piped = imgconv_with(bytes, &["convert", "-", &arrived, "--to", "oci"]).ok();
    assert_eq!(from_file.out_text(), piped.out_text());
    let said = |ran: Ran, at: &str| ran.err.replace(at, "");
    assert_eq!(said(from_file, &in_place), said(piped, &arrived));
    assert!(tree(in_place.as_ref()) == tree(arrived.as_ref()));
}

#[test]
fn any_images_come_back_from_a_layout_and_from_what_docker_25_writes() {
    let config = Config {
        cases: 8,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("failures"))),
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&images(), |images| {
            layout_holds(&Layout::of(&images), &images);
            let plain: Vec<Image> =
                images.iter().map(|it| it.clone().stored(&[Codec::Plain])).collect();
            let bytes = docker25(&plain, Defect::None);
            archive_holds(&bytes, &plain);
            the_same_from_a_pipe(&bytes);
            Ok(())
        })
        .unwrap();
}

/// What a conversion of these bytes gives, or nothing where they are refused.
fn pictures(bytes: &[u8]) -> Option<Vec<Picture>> {
    let place = Place::new();
    let source = place.put("source.tar", bytes);
    let target = place.path("layout");
    let ran = imgconv(&["save2oci", &source, &target]);
    if ran.code == Some(0) {
        let files = check::folder(Path::new(&target));
        let entries = check::written_layout(&files);
        promise::holds(&source, &ran, &target);
        return Some(entries.into_iter().flat_map(|entry| entry.pictures).collect());
    }
    // What is left may be none of the formats, as a tar without a manifest.json.
    let none_of_them = ran.err.contains("not a docker archive or an OCI layout");
    let ran = ran.refused(if none_of_them { 2 } else { 1 }, &[]);
    assert!(!Path::new(&target).exists(), "{}", ran.err);
    None
}

/// Changes one bit of about `count` bytes, all over the archive but in `except`, and looks at what
/// comes out. Returns how many changes were found.
#[track_caller]
fn changed(good: &[u8], count: usize, except: &std::ops::Range<usize>) -> usize {
    let expected = pictures(good).unwrap();
    // Odd, so that in the long run every field of a header is met.
    let step = (good.len() / count) | 1;
    let mut found = 0;
    for at in (0..good.len()).step_by(step).filter(|at| !except.contains(at)) {
        let mut bad = good.to_vec();
        bad[at] ^= 1 << (at % 8);
        match pictures(&bad) {
            None => found += 1,
            Some(pictures) => assert_eq!(pictures, expected, "byte {at}"),
        }
    }
    found
}

#[test]
fn one_changed_byte_is_found_or_changes_no_image_id_and_no_diff_id() {
    let image = Image::new(&["base", "top"]).named(&["demo/app:1"]);
    let good = docker25(&[image], Defect::None);
    let found = changed(&good, 300, &(0..0));
    assert!(found > 150, "only {found} changes were found");
}

#[test]
fn the_same_holds_without_a_layout_but_for_the_bytes_of_the_config() {
    let image = Image::new(&["base", "top"]).named(&["demo/app:1"]);
    let image = image.stored(&[Codec::Gzip, Codec::Plain]);
    let good = archive(std::slice::from_ref(&image), Repeat::Symlink);
    // Nothing in such an archive vouches for the config: every loader takes any name for it.
    let config = &image.config;
    let start = good.windows(config.len()).position(|it| it == config).unwrap();
    let found = changed(&good, 250, &(start..start + config.len()));
    assert!(found > 100, "only {found} changes were found");
}

#[test]
fn an_archive_that_is_cut_is_refused_wherever_it_is_cut() {
    let image = Image::new(&["base", "top"]).named(&["demo/app:1"]);
    // manifest.json comes last, so nothing but the end blocks may be missing.
    let good = ggcr(&[image]);
    for at in (0..good.len() - 1536).step_by(good.len() / 100) {
        assert_eq!(pictures(&good[..at]), None, "cut at byte {at}");
    }
}

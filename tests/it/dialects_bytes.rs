//! How the bytes are packed: codecs of layers and of whole archives, and the forms of a tar.

use serde_json::json;

use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::others::ggcr;
use crate::build::run::Place;
use crate::build::tar::{GNU, Header, Tar};
use crate::build::trip::{archive_holds, holds, to_layout};

fn image() -> Image {
    Image::new(&["base", "top"]).named(&["demo/app:1"])
}

/// Config, layers and manifest.json, the layers under these names.
fn members(image: &Image, paths: [&str; 2]) -> Vec<(String, Vec<u8>)> {
    let items = json!([{"Config": "config.json", "RepoTags": image.tags(), "Layers": paths}]);
    vec![
        (paths[0].to_owned(), image.stored[0].clone()),
        (paths[1].to_owned(), image.stored[1].clone()),
        ("config.json".into(), image.config.clone()),
        ("manifest.json".into(), format!("{items}\n").into_bytes()),
    ]
}

fn plain_members() -> Vec<(String, Vec<u8>)> {
    members(&image(), ["base/layer.tar", "top/layer.tar"])
}

#[test]
fn layers_of_every_codec_are_known_by_their_content() {
    for codec in Codec::ALL {
        println!("{codec:?}");
        let image = image().stored(&[codec]);
        archive_holds(&ggcr(std::slice::from_ref(&image)), &[image]);
    }
}

#[test]
fn one_archive_may_mix_all_codecs() {
    let image = Image::new(&["a", "b", "c", "d", "e", "f", "g"]).stored(&Codec::ALL);
    archive_holds(&ggcr(std::slice::from_ref(&image)), &[image]);
}

#[test]
fn one_layer_may_be_stored_in_two_codecs() {
    let image = Image::new(&["same", "same"]).named(&["demo/app:1"]);
    let gzip = image.clone().stored(&[Codec::Plain, Codec::Gzip]);
    archive_holds(&Tar::new().files(&members(&gzip, ["a.tar", "b.tar"])).end(), &[gzip]);
}

#[test]
fn whole_archives_of_every_codec_are_read() {
    for codec in Codec::ALL {
        println!("{codec:?}");
        let archive = Tar::new().files(&plain_members()).end();
        archive_holds(&codec.pack(&archive), &[image()]);
    }
}

#[test]
fn compressed_layers_inside_a_compressed_archive_are_read() {
    let image = image().stored(&[Codec::Xz, Codec::Gzip]);
    let archive = Tar::new().files(&members(&image, ["a", "b"])).end();
    archive_holds(&Codec::Zstd.pack(&archive), &[image]);
}

#[test]
fn manifest_json_may_be_first_last_or_in_between() {
    for at in 0..4 {
        let mut members = plain_members();
        let manifest = members.pop().unwrap();
        members.insert(at, manifest);
        archive_holds(&Tar::new().files(&members).end(), &[image()]);
    }
}

#[test]
fn member_names_and_paths_may_start_with_a_dot_or_a_slash() {
    for prefix in ["./", "/", ".//./"] {
        for paths in [
            ["base/layer.tar", "top/layer.tar"],
            ["./base/layer.tar", "/top/layer.tar"],
            ["base/./layer.tar", "other/../top//layer.tar"],
        ] {
            let items =
                json!([{"Config": "./config.json", "RepoTags": ["demo/app:1"], "Layers": paths}]);
            let mut tar = Tar::new();
            for (name, data) in &plain_members()[..3] {
                tar.file(&format!("{prefix}{name}"), data);
            }
            tar.file(&format!("{prefix}manifest.json"), items.to_string().as_bytes());
            archive_holds(&tar.end(), &[image()]);
        }
    }
}

#[test]
fn gnu_long_names_are_read() {
    let long = format!("{}layer.tar", "very/".repeat(60));
    let archive = Tar::new().files(&members(&image(), ["base", &long])).end();
    archive_holds(&archive, &[image()]);
}

#[test]
fn gnu_long_link_targets_are_read() {
    let long = format!("{}layer.tar", "very/".repeat(60));
    let mut members = members(&image(), [&long, "top"]);
    members[0].0.replace_range(.., "real");
    let mut tar = Tar::new();
    tar.symlink(&long, &format!("{}real", "../".repeat(60))).files(&members);
    archive_holds(&tar.end(), &[image()]);
}

#[test]
fn pax_names_and_times_are_read() {
    let long = format!("{}layer-é.tar", "very/".repeat(60));
    let members = members(&image(), ["base", &long]);
    let mut tar = Tar::new();
    tar.file("base", &members[0].1);
    tar.pax(b'x', &[("path", &long), ("mtime", "1.5"), ("comment", "a\n11 path=b\n")]);
    tar.file("short", &members[1].1);
    archive_holds(&tar.files(&members[2..]).end(), &[image()]);
}

#[test]
fn a_pax_size_counts_for_the_member_after_it() {
    let members = plain_members();
    let mut tar = Tar::new();
    tar.pax(b'x', &[("size", &members[0].1.len().to_string())]);
    // The header of the member says 0, as for sizes of 8 GiB and more.
    let header = Header { name: members[0].0.as_bytes(), ..Header::default() };
    tar.raw(&header.block()).raw(&members[0].1);
    archive_holds(&tar.files(&members[1..]).end(), &[image()]);
}

#[test]
fn a_global_pax_header_is_passed_over() {
    let mut tar = Tar::new();
    tar.pax(b'g', &[("comment", "as git archive writes it")]).files(&plain_members());
    archive_holds(&tar.end(), &[image()]);
}

#[test]
fn names_that_are_split_into_prefix_and_name_are_read() {
    let prefix = "p".repeat(120);
    let members = members(&image(), ["base", &format!("{prefix}/layer.tar")]);
    let mut tar = Tar::new();
    tar.file("base", &members[0].1);
    let header = Header { prefix: prefix.as_bytes(), name: b"layer.tar", ..Header::default() };
    tar.member(&header, &members[1].1);
    archive_holds(&tar.files(&members[2..]).end(), &[image()]);
}

#[test]
fn headers_of_gnu_tar_and_of_unix_v7_are_read() {
    for (magic, kind) in [(GNU, b'0'), (&[0; 8], 0)] {
        let mut tar = Tar::new();
        for (name, data) in plain_members() {
            tar.member(&Header { name: name.as_bytes(), magic, kind, ..Header::default() }, &data);
        }
        archive_holds(&tar.end_padded(), &[image()]);
    }
}

#[test]
fn an_archive_without_end_blocks_is_read() {
    archive_holds(&Tar::new().files(&plain_members()).unended(), &[image()]);
}

#[test]
fn what_follows_the_end_blocks_does_not_count() {
    let mut archive = Tar::new().files(&plain_members()).end();
    archive.extend(Tar::new().file("manifest.json", b"[]").end());
    archive_holds(&archive, &[image()]);
}

#[test]
fn a_member_that_is_there_twice_with_the_same_bytes_is_read() {
    let mut members = plain_members();
    members.extend(plain_members());
    archive_holds(&Tar::new().files(&members).end(), &[image()]);
}

#[test]
fn members_that_nobody_names_are_passed_over() {
    let mut tar = Tar::new();
    tar.file("README", b"x")
        .dir("d/")
        .member(&Header { name: b"fifo", kind: b'6', ..Header::default() }, b"");
    tar.symlink("loop", "loop").hardlink("gone", "nowhere").files(&plain_members());
    archive_holds(&tar.end(), &[image()]);
}

#[test]
fn bytes_after_the_json_of_manifest_json_are_a_warning() {
    let mut members = plain_members();
    members[3].1.extend_from_slice(b"trailing");
    let place = Place::new();
    let source = place.put("source.tar", &Tar::new().files(&members).end());
    let (files, ran) = to_layout(&place, &source);
    holds(&files, &[image()]);
    assert!(ran.err.contains("manifest.json"), "{:?}", ran.err);
}

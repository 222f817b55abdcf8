//! One parser's view: what two common readers of tars would read differently is refused, and the
//! message names both readings; what docker, podman and skopeo agree on is read.
//!
//! Go is what docker, podman, skopeo and containerd are written in; Python's tarfile, GNU tar and
//! libarchive are the others.

use std::io::Read as _;

use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::inside::{converted, refused_as};
use crate::build::layout::Layout;
use crate::build::others::odd;
use crate::build::run::{Place, imgconv};
use crate::build::tar::{GNU, Header, Tar, USTAR};

fn image() -> Image {
    Image::new(&["base", "top"]).named(&["demo/app:1"])
}

/// An archive whose `manifest.json` is written by `write`; everything else is right.
fn with(write: impl Fn(&mut Tar, &[u8])) -> Vec<u8> {
    let whole = odd(&image().config, [&image().layers[0], &image().layers[1]]);
    let mut tar = Tar::new();
    for member in tar::Archive::new(whole.as_slice()).entries().unwrap() {
        let mut member = member.unwrap();
        let name = member.path().unwrap().to_str().unwrap().to_owned();
        let mut data = Vec::new();
        member.read_to_end(&mut data).unwrap();
        match name.as_str() {
            "manifest.json" => write(&mut tar, &data),
            name => {
                tar.file(name, &data);
            }
        }
    }
    tar.end()
}

#[track_caller]
fn reads(bytes: &[u8]) {
    let place = Place::new();
    let path = place.put("source.tar", bytes);
    converted(path.as_ref()).unwrap_or_else(|error| panic!("{error}"));
}

/// A header of `manifest.json`, put right after `change` has been at its block.
fn changed(tar: &mut Tar, data: &[u8], change: impl Fn(&mut [u8; 512])) {
    let name = b"manifest.json";
    let mut block = Header { name, size: data.len(), ..Header::default() }.block();
    change(&mut block);
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.raw(&block).raw(data).raw(&vec![0; data.len().next_multiple_of(512) - data.len()]);
}

#[test]
fn the_archive_that_is_changed_here_is_read_as_it_is() {
    reads(&with(|tar, data| {
        tar.file("manifest.json", data);
    }));
}

#[test]
fn a_size_in_a_pax_header_counts_where_the_field_holds_none() {
    for field in [0_u64, 0o777_7777_7777] {
        reads(&with(|tar, data| {
            tar.pax(b'x', &[("size", &data.len().to_string())]);
            changed(tar, data, |block| {
                block[124..136].copy_from_slice(format!("{field:011o}\0").as_bytes());
            });
        }));
    }
}

#[test]
fn a_size_in_a_pax_header_that_is_not_the_one_in_the_header_is_two_readings() {
    let bytes = with(|tar, data| {
        tar.pax(b'x', &[("size", &data.len().to_string())]);
        changed(tar, data, |block| block[124..136].copy_from_slice(b"00000001000\0"));
    });
    refused_as(&bytes, "tar-header", &["512 in the header and", "in the pax header"]);
}

#[test]
fn members_of_one_name_that_differ_are_named_with_both_readings() {
    let bytes = with(|tar, data| {
        tar.file("manifest.json", b"[]").file("manifest.json", data);
    });
    let words = ["manifest.json", "docker reads the last, skopeo the first"];
    refused_as(&bytes, "duplicate-member", &words);
    reads(&with(|tar, data| {
        tar.file("manifest.json", data).file("./manifest.json", data);
    }));
}

#[test]
fn what_follows_the_end_is_looked_at_by_nobody() {
    let whole = with(|tar, data| {
        tar.file("manifest.json", data);
    });
    let more = Tar::new().file("manifest.json", b"[]").end();
    reads(&[whole, more].concat());
}

#[test]
fn one_zero_block_alone_is_an_end_for_some() {
    let bytes = with(|tar, data| {
        tar.raw(&[0; 512]).file("manifest.json", data);
    });
    refused_as(&bytes, "tar-header", &["as some readers stop at one and others do not"]);
}

#[test]
fn a_name_that_goes_on_behind_a_nul_is_two_names() {
    let bytes = with(|tar, data| {
        tar.pax(b'x', &[("path", "manifest.json\0.old")]).file("x", data);
    });
    refused_as(&bytes, "pax-header", &["NUL", "where some readers stop and others continue"]);
    let long = |name: &'static [u8]| {
        with(move |tar, data| {
            let header =
                Header { name: b"././@LongLink", kind: b'L', magic: GNU, ..Header::default() };
            tar.member(&header, name).file("x", data);
        })
    };
    refused_as(&long(b"manifest.json\0.old"), "tar-header", &["NUL, where some readers stop"]);
    // NULs at the end are what every writer has there.
    reads(&long(b"manifest.json\0\0\0"));
}

#[test]
fn a_name_or_link_that_climbs_out_is_two_places() {
    let bytes = with(|tar, data| {
        tar.symlink("manifest.json", "../manifest").file("manifest", data);
    });
    refused_as(&bytes, "path-outside", &["path escapes the archive"]);
    // What nothing refers to may have any name.
    reads(&with(|tar, data| {
        tar.file("../../x", b"x").file("manifest.json", data);
    }));
}

#[test]
fn a_prefix_that_only_some_readers_put_before_the_name_is_refused() {
    let words = ["a prefix that some readers add to the name and others ignore", "other"];
    // No magic: Go and GNU tar leave the field out, Python does not. A version that is not 00: Go
    // takes it, libarchive does not. The magic of GNU: Go takes what is no number.
    for magic in [&[0; 8], b"ustar\x0001", GNU] {
        let bytes = with(|tar, data| {
            let name = b"manifest.json";
            tar.member(&Header { name, prefix: b"other", magic, ..Header::default() }, data);
        });
        refused_as(&bytes, "tar-header", &words);
    }
    // star keeps times in the last of it.
    let bytes = with(|tar, data| {
        changed(tar, data, |block| {
            block[345..500].copy_from_slice(&[b'o'; 155]);
            block[508..512].copy_from_slice(b"tar\0");
        });
    });
    refused_as(&bytes, "tar-header", &words[..1]);
    // Times of GNU tar, and a prefix that all know.
    reads(&with(|tar, data| {
        let name = b"manifest.json";
        let prefix = b"13605052045\x0013605052045\0";
        tar.member(&Header { name, prefix, magic: GNU, ..Header::default() }, data);
    }));
    reads(&with(|tar, data| {
        let whole = Header { name: b"json", prefix: b".", magic: USTAR, ..Header::default() };
        tar.member(&whole, b"x").file("manifest.json", data);
    }));
}

#[test]
fn a_size_with_a_nul_before_its_digits_is_zero_for_some() {
    let bytes = with(|tar, data| {
        changed(tar, data, |block| {
            let digits = format!("\0{:010o}\0", data.len());
            block[124..136].copy_from_slice(digits.as_bytes());
        });
    });
    refused_as(&bytes, "tar-header", &["a size that is not an octal number"]);
    reads(&with(|tar, data| {
        changed(tar, data, |block| {
            block[124..136].copy_from_slice(format!(" {:10o} ", data.len()).as_bytes());
        });
    }));
}

#[test]
fn extended_headers_that_some_readers_obey_are_refused() {
    for (kind, key, value) in [
        (b'g', "path", "other"),
        (b'g', "size", "1"),
        (b'X', "path", "other"),
        (b'X', "linkpath", "other"),
        (b'x', "path", ""),
        (b'x', "linkpath", ""),
        (b'x', "GNU.sparse.major", "1"),
    ] {
        let bytes = with(|tar, data| {
            tar.pax(kind, &[(key, value)]).file("manifest.json", data);
        });
        refused_as(&bytes, "pax-header", &["some readers", "others"]);
    }
    for kind in [b'g', b'x', b'X'] {
        reads(&with(|tar, data| {
            tar.pax(kind, &[("comment", "x"), ("mtime", "1.5")]).file("manifest.json", data);
        }));
    }
}

#[test]
fn a_name_that_is_no_utf_8_is_not_the_one_with_a_replacement_character() {
    let bytes = with(|tar, _| {
        tar.member(&Header { name: b"top\xff.tar", ..Header::default() }, b"x");
        let config = "c\u{fffd}.json";
        tar.member(&Header { name: b"c\xff.json", ..Header::default() }, &image().config);
        let items = serde_json::json!([{"Config": config, "RepoTags": null, "Layers": []}]);
        tar.file("manifest.json", items.to_string().as_bytes());
    });
    refused_as(&bytes, "member-missing", &["not found in the archive"]);
}

#[test]
fn a_size_on_a_member_without_data_is_read_by_some_and_skipped_by_others() {
    for kind in b"123456" {
        let bytes = with(|tar, data| {
            let header = Header { name: b"x", kind: *kind, link: b"y", ..Header::default() };
            tar.member(&header, &[1; 512]).file("manifest.json", data);
        });
        refused_as(&bytes, "tar-header", &["which some readers skip and others read"]);
    }
    let bytes = with(|tar, data| {
        tar.member(&Header { name: b"x", kind: b'S', ..Header::default() }, b"x");
        tar.file("manifest.json", data);
    });
    refused_as(&bytes, "tar-header", &["which some readers expand and others do not"]);
}

/// Found by a target in `fuzz/`: one config, stored once with gzip layers and once with zstd.
#[test]
fn an_image_that_is_there_in_two_codecs_is_read_back_from_every_archive() {
    let image = image();
    let two = [Codec::Gzip, Codec::Zstd].map(|codec| image.clone().stored(&[codec]));
    let mut layout = Layout::new();
    for (image, tag) in two.iter().zip(["gzip", "zstd"]) {
        let manifest = layout.image(image, crate::build::layout::MediaFamily::Oci);
        layout.named(&manifest, tag, Some(&format!("docker.io/demo/app:{tag}")));
    }
    let place = Place::new();
    let source = place.put("source.tar", &layout.tar(""));
    let saved = place.path("saved.tar");
    imgconv(&["oci2save", &source, &saved]).ok();
    imgconv(&["verify", &saved]).ok();
    imgconv(&["compare", &source, &saved]).ok();
    imgconv(&["save2oci", &saved, &place.path("again")]).ok();
}

/// Found by a target in `fuzz/`: registries would take the digest of all of it.
#[test]
fn a_signed_schema_1_manifest_has_one_digest_or_none() {
    let unsigned = serde_json::json!({
        "name": "a", "tag": "1", "architecture": "amd64",
        "fsLayers": [{"blobSum": image().id()}],
        "history": [{"v1Compatibility": format!("{{\"id\":\"{}\"}}", "a".repeat(64))}],
    });
    let place = Place::new();
    let path = place.put("manifest.json", unsigned.to_string().as_bytes());
    imgconv(&["manifest", "show", &path]).refused(1, &["schemaVersion", "expected 1"]);
    // A config that has a field of that name is a config.
    let config = image().with(&serde_json::json!({"schemaVersion": 1, "signatures": ["x"]}));
    let path = place.put("config.json", &config.config);
    let digest = imgconv(&["manifest", "digest", &path]).ok();
    assert_eq!(digest.lines()[0].split_whitespace().next(), Some(config.id().as_str()));
}

#[test]
fn a_config_that_is_named_by_another_hash_is_said_and_refused_with_strict() {
    let good = archive(&[image()], Repeat::Symlink);
    let from = good.windows(5).position(|it| it == b"c0ffe").unwrap();
    let mut bad = good;
    bad[from] = b'd';
    let place = Place::new();
    let source = place.put("source.tar", &bad);
    let ran = imgconv(&["save2oci", &source, &place.path("out")]).ok();
    assert!(ran.err.contains("the hash in its name differs, expected"), "{}", ran.err);
    imgconv(&["save2oci", "--strict", &source, &place.path("strict")])
        .refused(1, &["the hash in its name differs"]);
}

//! Right answers: what is damaged, what is only not supported, what is over a limit, and what some
//! reader does not take are told apart, each with what to do.

use serde_json::{Value, json};

use crate::build::codec::{Codec, gzip, skippable, zstd};
use crate::build::image::{Image, digest, hex};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv};
use crate::build::tar::Tar;
use crate::build::xz;

fn layer() -> Vec<u8> {
    Tar::new().file("a", &[7; 15_000]).end()
}

/// An archive of this config and one layer.
fn one(config: &[u8], layer: &[u8]) -> Vec<u8> {
    let items = json!([{"Config": "c.json", "RepoTags": ["a/b:1"], "Layers": ["layer.tar"]}]);
    let mut tar = Tar::new();
    tar.file("c.json", config).file("layer.tar", layer);
    tar.file("manifest.json", items.to_string().as_bytes()).end()
}

/// An archive of one layer, stored as these bytes.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let image = Image::of(vec![layer()]);
    one(&image.config, bytes)
}

/// An archive of one uncompressed layer with other things in its config.
fn with_config(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let image = Image::of(vec![layer()]);
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    change(&mut config);
    one(config.to_string().as_bytes(), &layer())
}

/// What `verify` and `save2oci` say of an archive, which must be the same.
#[track_caller]
fn answer(name: &str, bytes: &[u8], severity: &str, code: &str, words: &[&str]) {
    let place = Place::new();
    let path = place.put("source.tar", bytes);
    let verified = imgconv(&["verify", "--format", "json", &path]);
    let found: Value = serde_json::from_slice(&verified.out).unwrap();
    let found = found["sources"][0]["findings"].as_array().unwrap().clone();
    let finding = found.iter().find(|it| it["code"] == code);
    let Some(finding) = finding else { panic!("{name}: {code} is not in {found:#?}") };
    assert_eq!(finding["severity"], severity, "{name}");
    let said = format!("{} {}", finding["text"].as_str().unwrap(), finding["hint"]);
    for word in words {
        assert!(said.contains(word), "{name}: {word:?} is not in {said:?}");
    }
    let ran = imgconv(&["save2oci", &path, &place.path("out")]);
    let status = if severity == "problem" { 1 } else { 0 };
    assert_eq!(ran.code, Some(status), "{name}: {}", ran.err);
    assert!(ran.err.contains(finding["text"].as_str().unwrap()), "{name}: {}", ran.err);
    let strict = imgconv(&["save2oci", "--strict", &path, &place.path("strict")]);
    assert_eq!(strict.code, Some(1), "{name}: {}", strict.err);
}

/// The archive is read without a word.
#[track_caller]
fn fine(name: &str, bytes: &[u8]) {
    let place = Place::new();
    let path = place.put("source.tar", bytes);
    let ran = imgconv(&["verify", "--strict", &path]);
    assert_eq!(ran.code, Some(0), "{name}: {}", String::from_utf8_lossy(&ran.out));
    imgconv(&["save2oci", "--strict", &path, &place.path("out")]).ok();
}

#[test]
fn what_is_not_read_is_named_and_not_called_damaged() {
    let tar = layer();
    let begin = |head: &[u8]| [head, &tar[..]].concat();
    let lzma = [0x5d, 0, 0, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for (name, head) in [
        ("lz4", &[0x04, 0x22, 0x4d, 0x18][..]),
        ("compress", &[0x1f, 0x9d, 0x90]),
        ("lzip", b"LZIP\x01"),
        ("lzop", &[0x89, b'L', b'Z', b'O', 0]),
        ("snappy", b"\xff\x06\0\0sNaPpY"),
        ("zip", b"PK\x03\x04"),
        ("7z", b"7z\xbc\xaf\x27\x1c"),
        ("rar", b"Rar!\x1a\x07\x01"),
        ("squashfs", b"hsqs"),
        ("lzma", &lzma),
    ] {
        let hint = "the bytes may be right";
        answer(name, &stored(&begin(head)), "problem", "unsupported", &[name, hint]);
        // Inside gzip as well.
        let inside = stored(&gzip(&begin(head)));
        answer(name, &inside, "problem", "unsupported", &[name, hint]);
    }
    for (name, outer, inner) in [
        ("gzip in gzip", gzip(&gzip(&tar)), "gzip"),
        ("zstd in gzip", gzip(&zstd(&tar)), "zstd"),
        ("gzip in zstd", zstd(&gzip(&tar)), "gzip"),
        ("bzip2 in xz", xz::stored(&Codec::Bzip2.pack(&tar)), "bzip2"),
    ] {
        let words = ["compressed twice", inner, "the bytes may be right"];
        answer(name, &stored(&outer), "problem", "compressed-twice", &words);
    }
    // Another tar is what it was: bytes that contradict the config.
    let other = Tar::new().file("b", b"b").end();
    let words = ["expected", "download or save it again"];
    answer("another tar", &stored(&other), "problem", "diff-id-mismatch", &words);
    answer("noise", &stored(&[9; 5000]), "problem", "diff-id-mismatch", &words);
}

#[test]
fn a_diff_id_of_the_compressed_layer_is_told_from_damage() {
    let tar = layer();
    for (name, packed) in [("gzip", gzip(&tar)), ("zstd", zstd(&tar))] {
        let bytes = with_config_of(&packed, &digest(&packed));
        let words = ["digest of the compressed layer", &hex(&tar), "the bytes are not damaged"];
        answer(name, &bytes, "problem", "diff-id-of-compressed", &words);
    }
}

/// An archive of one layer that is stored as these bytes under that diff ID.
fn with_config_of(packed: &[u8], diff_id: &str) -> Vec<u8> {
    let image = Image::of(vec![layer()]);
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    config["rootfs"]["diff_ids"] = json!([diff_id]);
    one(config.to_string().as_bytes(), packed)
}

#[test]
fn a_window_or_a_dictionary_of_zstd_is_not_damage() {
    let tar = layer();
    let of = |log: u32| {
        let mut encoder = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        std::io::Write::write_all(&mut encoder, &tar).unwrap();
        encoder.finish().unwrap()
    };
    for log in [20, 27, 28] {
        fine("a window that skopeo takes", &stored(&of(log)));
    }
    let words = ["window of the zstd data", "268435456", "536870912"];
    answer("512 MiB", &stored(&of(29)), "problem", "limit", &words);
    // The ID of a dictionary in one byte or in four, in a frame with and without a window.
    for head in [&[0x01, 0x50, 5][..], &[0x21, 5], &[0x03, 0x50, 5, 0, 0, 0], &[0x23, 0, 0, 5, 0]] {
        let packed = [&[0x28, 0xb5, 0x2f, 0xfd][..], head, &tar].concat();
        answer("dictionary", &stored(&packed), "problem", "unsupported", &["needs a dictionary"]);
    }
}

#[test]
fn padding_is_taken_where_the_format_has_it_and_noted_where_readers_refuse_it() {
    let tar = layer();
    let (first, second) = tar.split_at(5000);
    let zeros = |count: usize| vec![0; count];
    let xz = |parts: &[Vec<u8>]| stored(&parts.concat());
    fine("two xz streams", &xz(&[xz::stored(first), xz::stored(second)]));
    fine("padding between", &xz(&[xz::stored(first), zeros(8), xz::stored(second)]));
    fine("padding at the end", &xz(&[xz::stored(&tar), zeros(4)]));
    let odd_padding = xz(&[xz::stored(first), zeros(3), xz::stored(second)]);
    answer("three zeros", &odd_padding, "problem", "compression", &["follow the end"]);
    let padded = stored(&[zstd(&tar), zeros(64)].concat());
    answer("zstd", &padded, "note", "zstd-padding", &["zstd, skopeo and umoci refuse"]);
    fine("skippable behind", &stored(&[zstd(&tar), skippable(0, b"toc")].concat()));
    // A name is not a magic number.
    let named = Tar::new().file("BZh91", b"x").end();
    let image = Image::of(vec![named.clone()]);
    fine("BZh91", &one(&image.config, &named));
}

#[test]
fn what_strict_readers_refuse_in_a_config_is_noted() {
    for field in ["Entrypoint", "Cmd", "Shell", "OnBuild"] {
        let bytes = with_config(|config| config["config"][field] = json!("/bin/sh"));
        answer(field, &bytes, "note", "config-string", &[field, "crane"]);
        fine(field, &with_config(|config| config["config"][field] = json!(["/bin/sh"])));
        fine(field, &with_config(|config| config["config"][field] = json!(null)));
    }
    let bytes =
        with_config(|config| drop(config["rootfs"].as_object_mut().unwrap().remove("type")));
    answer("rootfs", &bytes, "note", "rootfs-type", &["crane refuses"]);
}

#[test]
fn items_of_manifest_json_are_named_where_they_are_odd() {
    let image = Image::of(vec![layer(), layer()]);
    let of = |change: &dyn Fn(&mut Value)| {
        let mut item =
            json!({"Config": "c.json", "RepoTags": ["a/b:1"], "Layers": ["0.tar", "1.tar"]});
        change(&mut item);
        let manifest = json!([item]).to_string();
        Tar::new()
            .file("c.json", &image.config)
            .file("0.tar", &image.layers[0])
            .file("1.tar", &image.layers[1])
            .file("manifest.json", manifest.as_bytes())
            .end()
    };
    let empty = of(&|item| item["Layers"][1] = json!(""));
    answer("no path", &empty, "problem", "field", &["[0].Layers[1]", "an empty string"]);
    let parent = of(&|item| item["Parent"] = json!(digest(b"parent")));
    answer("parent", &parent, "note", "parent-lost", &["Parent is sha256:"]);
    fine("an empty parent", &of(&|item| item["Parent"] = json!("")));
}

/// A folder around everything is the most frequent way to pack an archive again wrongly.
#[test]
fn a_folder_around_everything_is_named_with_the_way_out() {
    let place = Place::new();
    for (name, document) in [("docker", "manifest.json"), ("layout", "index.json")] {
        let bytes = Tar::new().dir("app").file(&format!("app/{document}"), b"[]").end();
        let path = place.put("source.tar", &bytes);
        let ran = imgconv(&["save2oci", &path, &place.path("out")]);
        let ran = ran.refused(2, &["everything is in a folder", "tar -C FOLDER -cf NEW.tar ."]);
        assert!(!ran.err.contains("damaged"), "{name}: {}", ran.err);
    }
}

/// A layout of an image, with a referrer and a signature of its manifest.
fn signed() -> (Layout, String) {
    let mut layout = Layout::new();
    let image = layout.image(&Image::of(vec![layer()]).stored(&[Codec::Gzip]), MediaFamily::Oci);
    layout.named(&image, "app", Some("x.test/app:1"));
    let about = image["digest"].as_str().unwrap().to_owned();
    let referrer = |layout: &mut Layout, subject: Option<&Value>| {
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaFamily::Oci.manifest(),
            "artifactType": "application/x.test",
            "config": layout.descriptor("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [layout.descriptor("application/x.test", b"signature")],
        });
        if let Some(subject) = subject {
            manifest["subject"] = subject.clone();
        }
        layout.document(MediaFamily::Oci.manifest(), &manifest)
    };
    let subject =
        json!({"mediaType": image["mediaType"], "digest": image["digest"], "size": image["size"]});
    let entry = referrer(&mut layout, Some(&subject));
    layout.entry(entry);
    let entry = referrer(&mut layout, None);
    let tag = about.replace(':', "-") + ".sig";
    layout.named(&entry, &tag, None);
    (layout, about)
}

#[test]
fn what_is_about_a_manifest_that_gets_a_new_digest_is_named() {
    let place = Place::new();
    let (layout, about) = signed();
    let path = place.path("layout");
    layout.write(std::path::Path::new(&path));
    let lost = |args: &[&str]| {
        let args = [
            &["convert", &path, &place.path("out"), "--to", "oci", "-n", "--format", "json"],
            args,
        ];
        let answer: Value = serde_json::from_slice(&imgconv(&args.concat()).ok().out).unwrap();
        let all = answer["losses"].as_array().unwrap().clone();
        let of = |it: &&Value| it["code"] == "referrer";
        all.iter().filter(of).map(|it| it["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lost(&[]), Vec::<String>::new());
    // Compressed anew, the manifest has another digest; both speak of the old one.
    let named = lost(&["-c", "zstd"]);
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(named.iter().any(|it| it.contains(&format!("(about {about})"))), "{named:?}");
    assert!(named.iter().any(|it| it.ends_with(".sig")), "{named:?}");
    // Left out, it is not there at all.
    let tag = about.replace(':', "-") + ".sig";
    assert_eq!(lost(&["-i", &tag]), [tag]);
    let out = place.path("strict");
    let strict = ["convert", &path, &out, "--to", "oci", "-c", "zstd", "--strict"];
    imgconv(&strict).refused(1, &[&about]);
}

/// A name in a gzip header that no reader needs; 65,535 bytes is the limit of the decoder.
#[test]
fn a_long_field_of_a_gzip_header_is_over_a_limit_and_not_damage() {
    let named = |length: usize| {
        let mut data = gzip(&layer());
        data[3] |= 8;
        let name = [vec![b'n'; length], vec![0]].concat();
        data.splice(10..10, name);
        stored(&data)
    };
    fine("a short one", &named(60_000));
    let words = ["a field of the gzip header", "over the limit", "65535"];
    answer("a long one", &named(70_000), "problem", "limit", &words);
}

/// GNU's old sparse members have a map where others have a prefix.
#[test]
fn a_sparse_member_is_refused_as_what_it_is() {
    let mut member = Tar::new().file("sparse", &[1; 512]).end();
    member.truncate(1024);
    let header = &mut member[..512];
    header[156] = b'S';
    header[257..265].copy_from_slice(b"ustar  \0");
    header[345..357].copy_from_slice(b"14000000000\0");
    header[386..410].copy_from_slice(b"00000000000\x0000000001000\0");
    header[483..495].copy_from_slice(b"00000010000\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let image = Image::of(vec![layer()]);
    let bytes = [member, one(&image.config, &layer())].concat();
    answer("sparse", &bytes, "problem", "tar-header", &["a sparse member"]);
}

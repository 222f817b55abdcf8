//! One test for each limit: what is at it passes, what is above is refused with the limit and its
//! value. No option raises any of them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::build::image::{Image, digest};
use crate::build::inside::{converted, refused_as};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::others::{ggcr, odd};
use crate::build::run::{Place, imgconv, imgconv_with};
use crate::build::tar::{GNU, Header, Tar};
use crate::build::v1;

fn image() -> Image {
    Image::new(&["base", "top"]).named(&["demo/app:1"])
}

#[track_caller]
fn passes(bytes: &[u8]) {
    let place = Place::new();
    let path = place.put("source.tar", bytes);
    converted(path.as_ref()).unwrap_or_else(|error| panic!("{error}"));
}

/// The value at the limit passes; one more is refused with these words.
#[track_caller]
fn held(limit: usize, make: impl Fn(usize) -> Vec<u8>, words: &[&str]) {
    passes(&make(limit));
    refused_as(&make(limit + 1), "limit", words);
}

/// A document with so much white space behind it.
fn padded(document: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = document.to_vec();
    bytes.resize(length, b' ');
    bytes
}

/// The archive of the image with its `manifest.json` or config changed.
fn archive(change: impl Fn(&str, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let image = image();
    let items = json!([{"Config": "c.json", "RepoTags": null, "Layers": ["l0", "l1"]}]);
    let items = items.to_string();
    let mut tar = Tar::new();
    tar.file("l0", &image.layers[0]).file("l1", &image.layers[1]);
    tar.file("c.json", &change("c.json", &image.config));
    tar.file("manifest.json", &change("manifest.json", items.as_bytes())).end()
}

#[test]
fn bytes_of_the_documents_of_an_archive() {
    let limit = imgconv::limits::ARCHIVE_DOCUMENT.try_into().unwrap();
    let of = |wanted: &'static str| {
        move |length| {
            archive(|name, data| if name == wanted { padded(data, length) } else { data.to_vec() })
        }
    };
    held(limit, of("manifest.json"), &["manifest.json", "8388608"]);
    let index = |length| {
        let mut layout = Layout::of(&[image()]);
        let index = layout.files()["index.json"].clone();
        layout.put("index.json", &padded(&index, length));
        layout.tar("")
    };
    held(limit, index, &["index.json", "8388608"]);
    let repositories = |length| {
        let layer = image().layers[0].clone();
        let old = v1::archive(&[v1::docker19("one", None, layer, "x")], None);
        let names = json!({"demo/old": {"1": v1::id("one")}}).to_string();
        let names = Tar::new().file("repositories", &padded(names.as_bytes(), length)).end();
        [&old[..old.len() - 1024], &names].concat()
    };
    held(limit, repositories, &["repositories", "8388608"]);
}

#[test]
fn bytes_of_a_config_and_of_a_manifest() {
    let config = |length| {
        archive(|name, data| if name == "c.json" { padded(data, length) } else { data.to_vec() })
    };
    held(imgconv::limits::CONFIG.try_into().unwrap(), config, &["c.json", "config", "16777216"]);
    let manifest = |length| {
        let mut layout = Layout::new();
        let entry = layout.image(&image(), MediaFamily::Oci);
        let path = entry["digest"].as_str().unwrap().replace(':', "/");
        let raw = layout.files()[format!("blobs/{path}").as_str()].clone();
        let entry = layout.descriptor(MediaFamily::Oci.manifest(), &padded(&raw, length));
        layout.entry(entry);
        layout.tar("")
    };
    held(imgconv::limits::MANIFEST.try_into().unwrap(), manifest, &["manifest", "4194304"]);
}

#[test]
fn bytes_of_the_marker_of_a_layout() {
    let of = |length| {
        let mut layout = Layout::of(&[image()]);
        layout.marker(&padded(br#"{"imageLayoutVersion":"1.0.0"}"#, length));
        layout.tar("")
    };
    held(imgconv::limits::LAYOUT_MARKER.try_into().unwrap(), of, &["oci-layout", "65536"]);
}

#[test]
fn nesting_of_json() {
    let of = |depth| {
        // The object of the config itself is not counted.
        let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        archive(|name, data| match name {
            "c.json" => {
                let text = String::from_utf8(data.to_vec()).unwrap();
                text.replacen('{', &format!("{{\"x\":{lists},"), 1).into_bytes()
            }
            _ => data.to_vec(),
        })
    };
    held(imgconv::limits::JSON_DEPTH, of, &["c.json", "nesting", "128"]);
}

#[test]
fn bytes_and_number_of_extended_headers() {
    let record = |length: usize| {
        let head = format!("{length} comment=");
        let mut text = head.clone().into_bytes();
        text.resize(length - 1, b'x');
        [text.as_slice(), b"\n"].concat()
    };
    let pax = |text: &[u8], count: usize| {
        let mut tar = Tar::new();
        for _ in 0..count {
            tar.member(&Header { name: b"pax", kind: b'x', ..Header::default() }, text);
        }
        [tar.unended(), odd(&image().config, [&image().layers[0], &image().layers[1]])].concat()
    };
    let limit = imgconv::limits::EXTENDED_HEADER.try_into().unwrap();
    held(limit, |length| pax(&record(length), 1), &["extended header", "1048576"]);
    let count = imgconv::limits::EXTENDED_HEADERS;
    held(count, |count| pax(&record(20), count), &["extended headers before one member", "16"]);
}

#[test]
fn bytes_of_a_path() {
    let long = |length: usize| {
        let name = "n".repeat(length);
        let mut tar = Tar::new();
        let header = Header { name: b"././@LongLink", kind: b'L', magic: GNU, ..Header::default() };
        tar.member(&header, name.as_bytes()).file("x", b"x");
        [tar.unended(), archive(|_, data| data.to_vec())].concat()
    };
    held(imgconv::limits::PATH, long, &["name", "4096"]);
    // Links that double the path stop early: where they do not, memory ends long before the path.
    let mut tar = Tar::new();
    for at in 0..40 {
        let to = format!("l{0}/../l{0}/x", at + 1);
        tar.symlink(&format!("l{at}"), &to);
    }
    let items = json!([{"Config": "l0/l0/c", "RepoTags": null, "Layers": []}]).to_string();
    let bytes = tar.file("manifest.json", items.as_bytes()).end();
    let (code, text) = crate::build::inside::refusal(&bytes);
    assert!(["limit", "member-missing", "path-outside", "link-loop"].contains(&code), "{text}");
    let place = Place::new();
    let source = place.put("source.tar", &bytes);
    let script = "ulimit -v 1000000; exec \"$0\" inspect \"$1\"";
    let done = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_imgconv"), &source])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn links_for_one_path() {
    let chain = |length: usize| {
        let image = image();
        let mut tar = Tar::new();
        for at in 0..length {
            let to = if at + 1 == length { "c.json".to_owned() } else { format!("l{}", at + 1) };
            tar.symlink(&format!("l{at}"), &to);
        }
        tar.file("c.json", &image.config).file("a", &image.layers[0]).file("b", &image.layers[1]);
        let items = json!([{"Config": "l0", "RepoTags": null, "Layers": ["a", "b"]}]);
        tar.file("manifest.json", items.to_string().as_bytes()).end()
    };
    held(imgconv::limits::LINK_HOPS, chain, &["link hops", "255"]);
}

#[test]
fn layers_of_an_image() {
    let of = |count: usize| {
        let layer = image().layers[0].clone();
        let ids = vec![digest(&layer); count];
        let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}});
        let items = json!([{"Config": "c", "RepoTags": null, "Layers": vec!["l"; count]}]);
        let mut tar = Tar::new();
        tar.file("c", config.to_string().as_bytes()).file("l", &layer);
        tar.file("manifest.json", items.to_string().as_bytes()).end()
    };
    held(imgconv::limits::LAYERS, of, &["number of layers", "4096"]);
}

#[test]
fn parents_of_an_image_from_before_docker_1_10() {
    let of = |count: usize| {
        let layer = Tar::new().end();
        let seed = |at: usize| format!("layer {at}");
        let one = |at: usize| {
            let parent = at.checked_sub(1).map(seed);
            v1::docker19(&seed(at), parent.as_deref(), layer.clone(), "x")
        };
        let all: Vec<_> = (0..count).map(one).collect();
        v1::archive(&all, Some(&json!({"demo/old": {"1": v1::id(&seed(count - 1))}})))
    };
    held(imgconv::limits::V1_PARENTS, of, &["parent chain", "1024"]);
}

#[test]
fn images_of_a_source() {
    let of = |count: usize| {
        let items = vec![r#"{"Config":"x"}"#; count].join(",");
        Tar::new().file("manifest.json", format!("[{items}]").as_bytes()).end()
    };
    // At the limit each is looked for.
    refused_as(&of(imgconv::limits::IMAGES), "member-missing", &["!x"]);
    refused_as(&of(imgconv::limits::IMAGES + 1), "limit", &["number of images", "20000"]);
}

#[test]
fn manifests_below_an_index() {
    // In two indexes, as one alone may not list so many.
    let index = |numbers: std::ops::Range<usize>| {
        let mut entries = String::new();
        for at in numbers.clone() {
            let entry = json!({"mediaType": MediaFamily::Oci.manifest(), "digest": digest(&at.to_be_bytes()), "size": 2, "platform": {"os": "linux", "architecture": "amd64"}});
            let _ = write!(entries, "{}{entry}", if at == numbers.start { "" } else { "," });
        }
        format!("{{\"schemaVersion\":2,\"manifests\":[{entries}]}}")
    };
    let of = |count: usize| {
        let mut layout = Layout::new();
        for nested in [index(0..count / 2), index(count / 2..count - 2)] {
            let entry = layout.descriptor(MediaFamily::Oci.index(), nested.as_bytes());
            layout.entry(entry);
        }
        layout.tar("")
    };
    // None of them is there. The indexes that name them are two of those that are counted.
    let limit = imgconv::limits::MANIFESTS;
    let place = Place::new();
    let path = place.put("source.tar", &of(limit));
    let other = converted(path.as_ref()).expect_err("nothing is there");
    assert_ne!(other.kind.code(), "limit", "{other}");
    refused_as(&of(limit + 1), "limit", &["number of manifests", "20000"]);
}

#[test]
fn nesting_of_indexes() {
    let of = |depth: usize| {
        let mut layout = Layout::new();
        let mut below = layout.image(&image(), MediaFamily::Oci);
        // index.json is not counted.
        for _ in 0..depth {
            below = layout.nest(MediaFamily::Oci, &[below]);
        }
        layout.entry(below);
        layout.tar("")
    };
    held(imgconv::limits::INDEX_DEPTH, of, &["nested indexes", "8"]);
}

#[test]
fn signatures_of_a_schema_1_manifest() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let of = |count: usize| {
        let v1 = json!({"id": v1::id("a"), "created": "2015-01-01T00:00:00Z"}).to_string();
        let document = json!({
            "schemaVersion": 1, "name": "demo/old", "tag": "1", "architecture": "amd64",
            "fsLayers": [{"blobSum": digest(b"layer")}], "history": [{"v1Compatibility": v1}],
        });
        let payload = serde_json::to_string_pretty(&document).unwrap();
        let body = &payload[..payload.len() - 2];
        let header =
            json!({"formatLength": body.len(), "formatTail": URL_SAFE_NO_PAD.encode("\n}")});
        let protected = URL_SAFE_NO_PAD.encode(header.to_string());
        let one = json!({"header": {"alg": "ES256"}, "signature": "CQ", "protected": protected});
        let list = Value::from(vec![one; count]);
        format!("{body},\n   \"signatures\": {list}\n}}")
    };
    let place = Place::new();
    let limit = imgconv::limits::SIGNATURES;
    let path = place.put("good.json", of(limit).as_bytes());
    imgconv(&["manifest", "show", &path]).ok();
    let path = place.put("bad.json", of(limit + 1).as_bytes());
    imgconv(&["manifest", "show", &path]).refused(1, &["bad.json", "number of signatures", "64"]);
}

#[test]
fn memory_of_a_decoder() {
    let of = |log: u32| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        std::io::Write::write_all(&mut encoder, &image().layers[1]).unwrap();
        odd(&image().config, [&image().layers[0], &encoder.finish().unwrap()])
    };
    let log = imgconv::limits::DECODER_MEMORY.ilog2();
    passes(&of(log));
    refused_as(&of(log + 1), "limit", &["top.tar", "window of the zstd data"]);
}

#[test]
fn output_to_input_of_a_decoder() {
    let of = |size: u64| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        std::io::copy(&mut std::io::Read::take(std::io::repeat(0), size), &mut encoder).unwrap();
        odd(&image().config, [&image().layers[0], &encoder.finish().unwrap()])
    };
    let free = imgconv::limits::RATIO_FREE;
    refused_as(&of(free + 1), "limit", &["top.tar", "ratio", "10000"]);
    refused_as(&of(1 << 20), "diff-id-mismatch", &["top.tar"]);
}

/// Compressed zeros that would be three times what is free.
fn zeros() -> Vec<u8> {
    let count = 48;
    let part = imgconv::limits::RATIO_FREE * 3 / count;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), part), &mut encoder).unwrap();
    encoder.finish().unwrap().repeat(usize::try_from(count).unwrap())
}

/// The refusal speaks of the limit, and comes before much more was decoded.
#[track_caller]
fn stops_soon(said: &str) {
    assert!(said.contains("ratio") && said.contains("10000"), "{said}");
    let (decoded, _) = said.split_once(" bytes from ").unwrap();
    let decoded: u64 = decoded.rsplit(' ').next().unwrap().parse().unwrap();
    let free = imgconv::limits::RATIO_FREE;
    assert!((free..free + (4 << 20)).contains(&decoded), "{decoded}");
}

#[test]
fn output_to_input_of_a_whole_archive_from_a_file_or_a_pipe() {
    let size = imgconv::limits::RATIO_FREE * 3;
    let header = Header {
        name: b"layer.tar",
        size: size.try_into().unwrap(),
        magic: GNU,
        ..Header::default()
    }
    .block();
    let archive = [zstd::encode_all(&header[..], 1).unwrap(), zeros()].concat();
    let place = Place::new();
    let path = place.put("source.tar.zst", &archive);
    let (code, said) = crate::build::inside::refusal_of(path.as_ref());
    assert_eq!(code, "limit", "{said}");
    stops_soon(&said);
    let ran = imgconv_with(&archive, &["inspect", "-"]).refused(1, &["-: ", "over the limit"]);
    stops_soon(&ran.err);
    // What follows the end marker is decoded too, for its check sums.
    let (code, said) = crate::build::inside::refusal(&zeros());
    assert_eq!(code, "limit", "{said}");
}

#[test]
fn output_to_input_of_a_layer_whose_history_is_asked_for() {
    let place = Place::new();
    let path = place.put("source.tar", &odd(&image().config, [&image().layers[0], &zeros()]));
    let ran = imgconv(&["history", &path]).refused(1, &["top.tar", "over the limit"]);
    stops_soon(&ran.err);
}

#[test]
fn characters_of_a_name_in_a_message() {
    let name = "n".repeat(imgconv::limits::SHOWN + 100);
    let items = json!([{"Config": name, "RepoTags": null, "Layers": []}]).to_string();
    let bytes = Tar::new().file("manifest.json", items.as_bytes()).end();
    let (_, text) = crate::build::inside::refusal(&bytes);
    assert!(text.contains('…') && !text.contains(&name), "{text}");
}

#[test]
fn security_md_says_that_no_option_raises_a_limit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    assert!(text.contains("No option raises them"));
    let help = imgconv(&["convert", "--help"]).ok();
    assert!(!String::from_utf8(help.out).unwrap().contains("limit"));
}

#[test]
fn more_layers_than_files_may_be_open_become_every_archive() {
    let names: Vec<String> = (0..120).map(|at| format!("layer {at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let place = Place::new();
    let source = place.put("source.tar", &ggcr(&[Image::new(&names).named(&["demo/many:1"])]));
    let layout = place.path("layout");
    imgconv(&["save2oci", &source, &layout]).ok();
    for dialect in ["universal", "classic", "hybrid", "podman"] {
        let out = place.path(dialect);
        let command = format!(
            "ulimit -n 40; exec {} oci2save -q -d {dialect} {layout} {out}",
            env!("CARGO_BIN_EXE_imgconv")
        );
        let done = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{dialect}: {said}");
        imgconv(&["verify", "--strict", &out]).ok();
    }
}

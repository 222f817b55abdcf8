//! Compressed layers made again from uncompressed ones, to the digests that a manifest states.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::attack::shared;
use crate::build::classic::{Repeat, archive};
use crate::build::codec::{Codec, gzip, unpack};
use crate::build::image::Image;
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv, imgconv_with, refused};
use crate::judges::{digest, find, run};

/// An image as podman compressed it.
const COMPRESSED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/podman-oci-archive.tar");

/// The same image with uncompressed layers, as docker would save it after a load.
fn uncompressed() -> (Place, String) {
    let place = Place::new();
    let archive = place.path("classic.tar");
    imgconv(&["oci2save", COMPRESSED, &archive, "-d", "classic"]).ok();
    (place, archive)
}

/// The digests of the manifests of a place.
fn manifests(place: &str) -> Vec<String> {
    let facts: Value =
        serde_json::from_slice(&imgconv(&["inspect", "--format", "json", place]).ok().out).unwrap();
    let images = facts["images"].as_array().unwrap();
    images.iter().map(|it| it["manifestDigest"].as_str().unwrap_or("-").to_owned()).collect()
}

/// Writes the only manifest of a place into a file, after a change.
fn manifest(place: &Place, from: &str, change: impl Fn(&mut Value)) -> String {
    let raw = imgconv(&["inspect", "--raw", "manifest", from]).ok().out;
    let mut manifest: Value = serde_json::from_slice(&raw).unwrap();
    change(&mut manifest);
    place.put("manifest.json", manifest.to_string().as_bytes())
}

#[test]
fn an_archive_gets_the_manifest_that_podman_wrote() {
    let (_kept, saved) = uncompressed();
    let place = Place::new();
    let expected = manifests(COMPRESSED);
    let raw = imgconv(&["inspect", "--raw", "manifest", COMPRESSED]).ok().out;
    let file = place.put("manifest.json", &raw);
    let layout = place.path("known");
    imgconv(&["convert", COMPRESSED, &layout, "--to", "oci"]).ok();
    for (name, from) in [("archive", COMPRESSED), ("layout", &layout), ("file", &file)] {
        let out = place.path(name);
        let ran = imgconv(&["save2oci", &saved, &out, "--recover", from, "--strict"]).ok();
        assert!(
            ran.err.contains("recovered 2 of 2 layers, compressed as skopeo does"),
            "{}",
            ran.err
        );
        assert_eq!(manifests(&out), expected, "{name}");
        assert!(ran.lines()[0].contains(&expected[0]), "{name}");
        imgconv(&["verify", "--strict", &out]).ok();
    }
    // In an archive that is both, and with one thread.
    let out = place.path("out.tar");
    let to = ["--to", "docker-archive", "-j", "1", "--recover", COMPRESSED];
    imgconv(&[&["convert", &saved, &out][..], &to].concat()).ok();
    assert_eq!(manifests(&out), expected);
}

#[test]
fn the_digest_of_a_manifest_is_enough_where_one_program_made_all_of_it() {
    let (_kept, saved) = uncompressed();
    let place = Place::new();
    let expected = manifests(COMPRESSED);
    let out = place.path("out");
    imgconv(&["save2oci", &saved, &out, "--recover", &expected[0], "--strict"]).ok();
    assert_eq!(manifests(&out), expected);
    let raw = |from: &str| imgconv(&["inspect", "--raw", "manifest", from]).ok().out;
    assert_eq!(raw(&out), raw(COMPRESSED));
    let wrong = format!("sha256:{}", "c".repeat(64));
    let other = place.path("other");
    let ran = imgconv(&["save2oci", &saved, &other, "--recover", &wrong]).ok();
    assert!(ran.err.contains("cccc") && ran.err.contains("[not-recovered]"), "{}", ran.err);
    imgconv(&["verify", "--strict", &other]).ok();
    let strict = place.path("strict");
    let args = ["save2oci", &saved, &strict, "--recover", &wrong, "--strict"];
    refused(&place, &args, 1, &["cccc"]);
}

#[test]
fn an_index_comes_back_where_all_its_children_do() {
    let (_kept, saved) = uncompressed();
    let place = Place::new();
    let raw = imgconv(&["inspect", "--raw", "manifest", COMPRESSED]).ok().out;
    let mut known = Layout::new();
    let config: Value = serde_json::from_slice(&raw).unwrap();
    let child = json!({
        "mediaType": config["mediaType"].as_str().unwrap_or("application/vnd.oci.image.manifest.v1+json"),
        "digest": digest(&raw), "size": raw.len(),
        "platform": {"os": "linux", "architecture": "amd64"},
    });
    known.blob(&raw);
    let index = known.nest(MediaFamily::Oci, std::slice::from_ref(&child));
    let other = known.nest(
        MediaFamily::Oci,
        &[
            child,
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": format!("sha256:{}", "5".repeat(64)), "size": 7,
            }),
        ],
    );
    known.named(&other, "other", None);
    known.named(&index, "whole", None);
    known.write(place.path("known").as_ref());
    let out = place.path("out");
    imgconv(&["save2oci", &saved, &out, "--recover", &place.path("known")]).ok();
    let top: Value =
        serde_json::from_slice(&fs::read(Path::new(&out).join("index.json")).unwrap()).unwrap();
    let found: Vec<&Value> =
        top["manifests"].as_array().unwrap().iter().map(|it| &it["digest"]).collect();
    assert_eq!(found, [&index["digest"]]);
    imgconv(&["verify", "--strict", &out]).ok();
}

#[test]
fn the_manifest_of_another_image_is_refused_with_both_ids() {
    let (_kept, saved) = uncompressed();
    let place = Place::new();
    let own = imgconv(&["inspect", "--format", "json", &saved]).ok().out;
    let own: Value = serde_json::from_slice(&own).unwrap();
    let id = own["images"][0]["imageId"].as_str().unwrap();
    let from = manifest(&place, COMPRESSED, |it| {
        it["config"]["digest"] = json!(format!("sha256:{}", "a".repeat(64)));
    });
    let out = place.path("out");
    let args = ["save2oci", &saved, &out, "--recover", &from];
    refused(&place, &args, 1, &["another image", id, "aaaa", "hint: "]);
    // And what has no manifest at all.
    let classic = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-one.tar");
    let args = ["save2oci", &saved, &out, "--recover", classic];
    refused(&place, &args, 2, &["needs the manifest"]);
    let args = ["save2oci", &saved, &out, "--recover", &place.path("absent")];
    refused(&place, &args, 2, &["absent"]);
}

#[test]
fn what_no_writer_gives_is_a_named_loss_and_never_under_a_wrong_name() {
    let (_kept, saved) = uncompressed();
    let place = Place::new();
    let wrong = format!("sha256:{}", "b".repeat(64));
    for (name, size) in
        [("same size", None), ("absurd", Some(u64::from(u32::MAX) << 20)), ("none", Some(0))]
    {
        let from = manifest(&place, COMPRESSED, |it| {
            it["layers"][1]["digest"] = json!(wrong);
            if let Some(size) = size {
                it["layers"][1]["size"] = json!(size);
            }
        });
        let out = place.path(name);
        let ran = imgconv(&["save2oci", &saved, &out, "--recover", &from]).ok();
        assert!(ran.err.contains("recovered 1 of 2 layers"), "{name}: {}", ran.err);
        assert!(
            ran.err.contains("[not-recovered]") && ran.err.contains("layer 2 of 2"),
            "{name}: {}",
            ran.err
        );
        imgconv(&["verify", "--strict", &out]).ok();
        let blobs = Path::new(&out).join("blobs/sha256");
        assert!(!blobs.join("b".repeat(64)).exists(), "{name}");
        // The layer that was recovered has the digest of the registry all the same.
        let raw = imgconv(&["inspect", "--raw", "manifest", COMPRESSED]).ok().out;
        let known: Value = serde_json::from_slice(&raw).unwrap();
        let first = known["layers"][0]["digest"].as_str().unwrap();
        assert!(blobs.join(&first["sha256:".len()..]).exists(), "{name}");
        let strict = place.path("strict");
        let args = ["save2oci", &saved, &strict, "--recover", &from, "--strict"];
        refused(&place, &args, 1, &["layer 2 of 2", "new digests"]);
    }
}

#[test]
fn a_dry_run_says_what_would_be_recovered_and_writes_nothing() {
    let (_kept, saved) = uncompressed();
    let place = Place::new();
    let out = place.path("out");
    let ran = imgconv(&["save2oci", &saved, &out, "--recover", COMPRESSED, "-n"]).ok();
    assert!(ran.err.contains("2 layers to recover"), "{}", ran.err);
    assert!(place.tree().is_empty());
}

#[test]
fn layers_are_compressed_as_a_program_does() {
    let (_kept, saved) = uncompressed();
    let place = Place::new();
    for (like, writer) in [
        ("docker", "as docker"),
        ("buildkit", "as docker"),
        ("crane", "as crane"),
        ("kaniko", "as crane"),
        ("skopeo", "as skopeo"),
        ("jib", "as jib"),
        ("imgconv", "as imgconv"),
    ] {
        let out = place.path(like);
        imgconv(&["save2oci", &saved, &out, "--gzip-like", like]).ok();
        imgconv(&["verify", "--strict", &out]).ok();
        for args in [["inspect", "--writers"], ["verify", "--rebuild"]] {
            let text = imgconv(&[args[0], args[1], &out]).ok().out_text();
            let lines = text.lines().filter(|it| it.contains("compressed as"));
            let lines: Vec<&str> = lines.filter(|it| it.contains(writer)).collect();
            assert_eq!(lines.len(), 2, "{like}: {text}");
        }
        // Which is what a manifest then gives back.
        let again = place.path(&format!("{like}-again"));
        if like != "imgconv" {
            imgconv(&["save2oci", &saved, &again, "--recover", &out, "--strict"]).ok();
            assert_eq!(manifests(&again), manifests(&out));
        }
    }
    let out = place.path("refused");
    for (options, word) in [
        (&["-c", "zstd"][..], "gzip-like"),
        (&["-c", "none"], "gzip-like"),
        (&["-c", "gzip", "-l", "6"], "own level"),
        (&["--gzip-members", "one"], "cannot be used with"),
    ] {
        let args = [&["save2oci", &saved, &out, "--gzip-like", "docker"], options].concat();
        refused(&place, &args, 2, &[word]);
    }
    let args = ["convert", COMPRESSED, &out, "--to", "oci", "--gzip-like", "docker"];
    refused(&place, &args, 2, &["not compressed"]);
}

#[test]
fn explain_says_which_digests_programs_give_and_who_compressed_what() {
    let (_kept, saved) = uncompressed();
    let place = Place::new();
    let told = |from: &[u8], source: &str| -> Value {
        let args = ["explain", "--topic", "recovery", "--format", "json", source];
        let ran = if source == "-" { imgconv_with(from, &args) } else { imgconv(&args) };
        serde_json::from_slice::<Value>(&ran.ok().out).unwrap()["recovery"].clone()
    };
    let whole = told(b"", &saved);
    for (at, program) in ["docker", "crane", "skopeo", "jib"].into_iter().enumerate() {
        let out = place.path(program);
        imgconv(&["save2oci", &saved, &out, "--gzip-like", program]).ok();
        let raw = imgconv(&["inspect", "--raw", "manifest", &out]).ok().out;
        let manifest: Value = serde_json::from_slice(&raw).unwrap();
        for number in 0..2 {
            let made = &whole["layers"][number]["made"][at];
            assert_eq!(made["like"], program);
            assert_eq!(made["digest"], manifest["layers"][number]["digest"], "{program}");
            assert_eq!(made["size"], manifest["layers"][number]["size"], "{program}");
            assert!(whole["layers"][number]["writer"].is_null());
        }
        let layers = told(b"", &out)["layers"].as_array().unwrap().clone();
        assert!(layers.iter().all(|it| it["writer"]["like"] == program), "{layers:?}");
    }
    // The manifest of docker push; a pipe says the same; by default nothing is compressed.
    let out = place.path("pushed");
    imgconv(&["save2oci", &saved, &out, "--gzip-like", "docker", "--manifest", "docker"]).ok();
    assert_eq!(Value::from(manifests(&out)[0].as_str()), whole["pushed"]);
    assert_eq!(told(&fs::read(&saved).unwrap(), "-"), whole);
    let all = imgconv(&["explain", "--format", "json", &saved]).ok().out;
    assert!(serde_json::from_slice::<Value>(&all).unwrap()["recovery"].is_null());
    let page = imgconv(&["explain", "--topic", "recovery", &saved]).ok().out_text();
    assert!(page.contains("docker push  would send a manifest"), "{page}");
}

/// A gzip layer of a real image: its bytes, and who wrote it, as others found out.
struct RealLayer {
    stored: Vec<u8>,
    writer: Option<String>,
    /// Whether its header says nothing but what the writer always says.
    plain_header: bool,
}

/// All of them whose artefacts are here.
fn real_layers() -> Option<Vec<RealLayer>> {
    let root = shared("corpus")?;
    let list: Value = serde_json::from_slice(&fs::read(root.join("LAYERS.json")).ok()?).unwrap();
    let layers = list.as_array().unwrap().iter().filter_map(|it| {
        let at = it["at"].as_array().unwrap().iter();
        let mut found = at.filter_map(|at| member(&root, at.as_str().unwrap()));
        let stored = found.find(|bytes| json!(digest(bytes)) == it["digest"])?;
        let writer = it["writer"].as_str().map(str::to_owned);
        let plain_header = it["default_header"] == json!(true);
        Some(RealLayer { stored, writer, plain_header })
    });
    Some(layers.collect())
}

/// The bytes at `FILE!MEMBER`.
fn member(root: &Path, at: &str) -> Option<Vec<u8>> {
    let (file, member) = at.split_once('!').unwrap_or((at, ""));
    let bytes = fs::read(root.join(file)).ok()?;
    if member.is_empty() {
        return Some(bytes);
    }
    let mut archive = tar::Archive::new(&bytes[..]);
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        let path = entry.path().ok()?.into_owned();
        if path.strip_prefix("./").unwrap_or(&path) == Path::new(member) {
            let mut found = Vec::new();
            entry.read_to_end(&mut found).ok()?;
            return Some(found);
        }
    }
    None
}

/// One image of all these layers.
fn image_of(layers: &[RealLayer]) -> Image {
    let stored: Vec<Vec<u8>> = layers.iter().map(|it| it.stored.clone()).collect();
    Image::of(stored.iter().map(|it| unpack(it)).collect()).stored_as(stored).named(&["a.test/b:1"])
}

#[test]
fn the_writers_of_real_layers_are_the_ones_that_others_found() {
    let Some(layers) = real_layers() else { return };
    assert!(layers.len() > 100, "{}", layers.len());
    let image = image_of(&layers);
    let place = Place::new();
    let layout = place.path("layout");
    Layout::of(&[image]).write(layout.as_ref());
    let ran = imgconv(&["inspect", "--writers", "--format", "json", &layout]).ok();
    let facts: Value = serde_json::from_slice(&ran.out).unwrap();
    let found = facts["images"][0]["layers"].as_array().unwrap();
    for (layer, found) in layers.iter().zip(found) {
        let name = found["writer"]["name"].as_str().unwrap_or_default();
        let expected = match layer.writer.as_deref() {
            None => continue,
            Some(go) if go.starts_with("go-std") => format!("go-{}", &go[go.len() - 1..]),
            Some(pgzip) if pgzip.starts_with("pgzip") => "pgzip-".to_owned(),
            Some(zlib) => zlib.chars().take("zlib-6".len()).collect(),
        };
        assert!(name.starts_with(&expected), "{}: {name} is not {expected}", found["digest"]);
    }
}

#[test]
fn real_layers_come_back_from_their_manifest_alone() {
    let Some(layers) = real_layers() else { return };
    // The larger ones take minutes without optimisation; their writers are the same.
    let known = |it: &RealLayer| it.writer.is_some() && it.plain_header;
    let small = |it: &RealLayer| known(it) && it.stored.len() < 100_000;
    let small: Vec<RealLayer> = layers.into_iter().filter(small).collect();
    assert!(small.len() > 100, "{}", small.len());
    let image = image_of(&small);
    let place = Place::new();
    let known = place.path("known");
    Layout::of(std::slice::from_ref(&image)).write(known.as_ref());
    let uncompressed = Image { stored: image.layers.clone(), ..image };
    let saved = place.put("saved.tar", &archive(&[uncompressed], Repeat::Symlink));
    let out = place.path("out");
    imgconv(&["save2oci", &saved, &out, "--recover", &known, "--strict"]).ok();
    assert_eq!(manifests(&out), manifests(&known));
}

#[test]
fn the_time_in_a_header_of_python_is_found_near_the_newest_file() {
    let Some(python) = find("python3") else { return };
    let place = Place::new();
    let raw = crate::build::image::layer("python");
    let newest = 1_700_000_000_u32;
    let mut raw = raw;
    // The time of the first member (POSIX ustar, mtime), and the sum of its header.
    raw[136..148].copy_from_slice(format!("{newest:011o} ").as_bytes());
    raw[148..156].fill(b' ');
    let sum: u32 = raw[..512].iter().map(|it| u32::from(*it)).sum();
    raw[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let file = place.put("layer.tar", &raw);
    for (after, found) in [(7, true), (90_000, true), (-7, false)] {
        let script = "import gzip, sys; data = open(sys.argv[1], 'rb').read(); \
            sys.stdout.buffer.write(gzip.compress(data, 6, mtime=int(sys.argv[2])))";
        let time = (i64::from(newest) + after).to_string();
        let stored = run(Command::new(&python).args(["-c", script, &file, &time]));
        let image = Image::of(vec![raw.clone()]).stored_as(vec![stored]).named(&["a.test/b:1"]);
        let known = place.path(&format!("known{after}"));
        Layout::of(std::slice::from_ref(&image)).write(known.as_ref());
        let uncompressed = Image { stored: image.layers.clone(), ..image };
        let saved = place.put("saved.tar", &archive(&[uncompressed], Repeat::Symlink));
        let out = place.path(&format!("out{after}"));
        imgconv(&["save2oci", &saved, &out, "--recover", &known]).ok();
        assert_eq!(manifests(&out) == manifests(&known), found, "{after} s");
    }
}

/// Compressed by programs of several kinds: the same layer by each.
fn by_several() -> Image {
    let layers: Vec<Vec<u8>> =
        (0..5).map(|it| crate::build::image::layer(&format!("layer {it}"))).collect();
    let stored = vec![
        Codec::Gzip.pack(&layers[0]),
        Codec::Zstd.pack(&layers[1]),
        // Two members, and zeros behind them.
        [gzip(&layers[2][..1000]), gzip(&layers[2][1000..]), vec![0; 8]].concat(),
        Codec::Xz.pack(&layers[3]),
        layers[4].clone(),
    ];
    Image::of(layers).stored_as(stored).named(&["a.test/b:1"])
}

#[test]
fn a_recovery_file_brings_everything_back_whoever_compressed_it() {
    let place = Place::new();
    let several = place.path("several");
    Layout::of(&[by_several()]).write(several.as_ref());
    let own = place.path("own");
    imgconv(&["convert", COMPRESSED, &own, "--to", "oci", "-c", "gzip", "-l", "3"]).ok();
    let zstd = place.path("zstd");
    imgconv(&["convert", COMPRESSED, &zstd, "--to", "oci", "-c", "zstd"]).ok();
    for (name, from) in
        [("several", several.as_str()), ("own", &own), ("zstd", &zstd), ("real", COMPRESSED)]
    {
        let (saved, file) =
            (place.path(&format!("{name}.tar")), place.path(&format!("{name}.rec")));
        let args = ["convert", from, &saved, "--to", "docker-archive", "-d", "classic"];
        imgconv(&[&args[..], &["--recovery-file", &file]].concat()).ok();
        let out = place.path(&format!("{name}-out"));
        imgconv(&["save2oci", &saved, &out, "--recover", &file, "--strict"]).ok();
        assert_eq!(manifests(&out), manifests(from), "{name}");
        imgconv(&["verify", &out]).ok();
        // It is a sparse archive, which says what it is.
        let shown = imgconv(&["inspect", &file]).ok().out_text();
        assert!(shown.contains("recovery file"), "{shown}");
        let size = fs::metadata(&file).unwrap().len();
        assert!(name == "several" || size < 20_000, "{name}: {size}");
        let copy = place.path(&format!("{name}-copy"));
        let args = ["convert", &file, &copy, "--to", "oci"];
        refused(&place, &args, 2, &["recovery file", "--recover"]);
    }
    let out = place.path("kept");
    let args = ["convert", COMPRESSED, &out, "--to", "oci", "--recovery-file", &place.path("x")];
    refused(&place, &args, 2, &["--recovery-file", "found none"]);
}

/// Bytes of layers that programs compress well, and not only by repeats.
fn lines(count: u64) -> Vec<u8> {
    let line =
        |at: u64| format!("{at} {:x}\n", at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 50));
    (0..count).flat_map(|at| line(at).into_bytes()).collect()
}

/// Writers that nobody knows here: what they chose takes a fiftieth of the room of their bytes.
#[test]
fn a_layer_of_an_unknown_writer_comes_back_from_corrections() {
    let tar = |count| crate::build::tar::Tar::new().file("lines", &lines(count)).end();
    let layers = vec![tar(90_000), tar(120_000), tar(60_000)];
    // zlib-rs has zlib's levels in another form, and ends blocks where it is flushed.
    let mut flushed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(7));
    for piece in layers[1].chunks(200_000) {
        flushed.write_all(piece).unwrap();
        flushed.flush().unwrap();
    }
    let members: Vec<u8> = layers[2].chunks(50_000).flat_map(gzip).collect();
    let stored = vec![gzip(&layers[0]), flushed.finish().unwrap(), members];
    let size: usize = stored.iter().map(Vec::len).sum();
    let place = Place::new();
    let known = place.path("known");
    Layout::of(&[Image::of(layers).stored_as(stored).named(&["a.test/b:1"])]).write(known.as_ref());
    let (saved, file, out) = (place.path("a.tar"), place.path("a.rec"), place.path("out"));
    let shown = imgconv(&["inspect", "--writers", &known]).ok().out_text();
    assert_eq!(shown.matches("an unknown writer").count(), 3, "{shown}");
    imgconv(&["oci2save", &known, &saved, "-d", "classic", "--recovery-file", &file]).ok();
    let records = fs::metadata(&file).unwrap().len();
    assert!(records < size as u64 / 50 + 20_000, "{records} of {size}");
    let args = ["save2oci", &saved, &out, "--recover", &file, "--strict", "--format", "json"];
    let told: Value = serde_json::from_slice(&imgconv(&args).ok().out).unwrap();
    assert_eq!(manifests(&out), manifests(&known));
    for layer in told["recovered"][0]["layers"].as_array().unwrap() {
        assert_eq!(layer["fate"], "recovered");
        assert_eq!(layer["what"], "by corrections in the recovery file");
    }
}

/// Changes every byte of the records, one at a time, and cuts the file: what comes back is right, or
/// does not come back.
#[test]
fn a_recovery_file_that_lies_never_puts_a_wrong_byte_under_a_right_name() {
    let place = Place::new();
    let several = place.path("several");
    Layout::of(&[by_several()]).write(several.as_ref());
    let (saved, file) = (place.path("saved.tar"), place.path("file.rec"));
    let args = ["convert", &several, &saved, "--to", "docker-archive", "-d", "classic"];
    imgconv(&[&args[..], &["--recovery-file", &file]].concat()).ok();
    let right = fs::read(&file).unwrap();
    let lie = place.path("lie.rec");
    let step = right.len() / 60;
    for (number, at) in (0..right.len()).step_by(step).enumerate() {
        let mut wrong = right.clone();
        if number % 4 == 3 {
            wrong.truncate(at);
        } else {
            wrong[at] ^= 1 << (number % 8);
        }
        fs::write(&lie, &wrong).unwrap();
        let out = place.path(&format!("out{number}"));
        let ran = imgconv(&["save2oci", &saved, &out, "--recover", &lie]);
        assert!(matches!(ran.code, Some(0..=2)), "{at}: {}", ran.err);
        assert!(!ran.err.contains("panicked"), "{at}: {}", ran.err);
        if ran.code == Some(0) {
            imgconv(&["verify", &out]).ok();
        } else {
            assert!(!Path::new(&out).exists(), "{at}");
        }
    }
}

#[test]
fn all_real_layers_come_back_with_a_recovery_file() {
    let Some(layers) = real_layers() else { return };
    assert!(layers.iter().any(|it| it.writer.is_none()) && layers.len() > 150, "{}", layers.len());
    let place = Place::new();
    let known = place.path("known");
    Layout::of(&[image_of(&layers)]).write(known.as_ref());
    let (saved, file) = (place.path("saved.tar"), place.path("file.rec"));
    imgconv(&["oci2save", &known, &saved, "-d", "classic", "--recovery-file", &file]).ok();
    let out = place.path("out");
    imgconv(&["save2oci", &saved, &out, "--recover", &file, "--strict"]).ok();
    assert_eq!(manifests(&out), manifests(&known));
    // A few hundred bytes for each layer, its part of config and manifest included; the two whose
    // writer nobody knows, one of them in members, are corrections.
    let size = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
    assert!(size < layers.len() * 1000 + 40_000, "{size}");
}

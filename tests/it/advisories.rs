//! A test for each advisory on this kind of program, named after it; SECURITY.md lists them.
//!
//! Each builds its case by code and looks at the kind and the place of the refusal.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::build::codec::Codec;
use crate::build::image::{Image, digest, hex};
use crate::build::inside::{converted, refusal_of, refused_as};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::others::{ggcr, odd};
use crate::build::run::{Place, imgconv, refused, tree};
use crate::build::scripted::{Reply, Scripted};
use crate::build::tar::{Header, Tar};
use crate::build::v1;

fn image() -> Image {
    Image::new(&["base", "top"]).named(&["demo/app:1"])
}

/// An archive with a `manifest.json` over what `members` adds.
fn archive(config: &str, layers: &[&str], members: impl Fn(&mut Tar)) -> Vec<u8> {
    let items = json!([{"Config": config, "RepoTags": null, "Layers": layers}]);
    let mut tar = Tar::new();
    members(&mut tar);
    tar.file("manifest.json", items.to_string().as_bytes()).end()
}

/// A OCI archive whose only manifest is this document, of this type.
fn manifest_of(document: &Value, media_type: &str) -> Vec<u8> {
    let mut layout = Layout::new();
    let image = image();
    layout.image(&image, MediaFamily::Oci);
    let entry = layout.document(media_type, document);
    layout.entry(entry);
    layout.tar("")
}

/// The manifest of the image, to be spoilt.
fn manifest() -> Value {
    let image = image();
    let mut layout = Layout::new();
    let config = layout.descriptor(MediaFamily::Oci.config(), &image.config);
    let layers: Vec<Value> =
        image.stored.iter().map(|it| layout.descriptor(MediaFamily::Oci.layer(it), it)).collect();
    json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": layers})
}

#[test]
fn cve_2014_6407_cve_2014_9356_links_lead_nowhere_but_into_the_archive() {
    let secret = Place::new();
    let host = secret.put("config.json", &image().config);
    for (name, to, code) in [
        ("config.json", "../../../../../../etc/hostname", "path-outside"),
        ("config.json", host.as_str(), "member-missing"),
        ("config.json", "/etc/hostname", "member-missing"),
    ] {
        let link = |tar: &mut Tar| {
            tar.symlink(name, to);
        };
        refused_as(&archive("config.json", &[], link), code, &["config.json"]);
    }
    let folder = |tar: &mut Tar| {
        tar.symlink("up", "..");
    };
    refused_as(&archive("up/config.json", &[], folder), "path-outside", &["up/config.json"]);
    refused_as(&archive("../config.json", &[], |_| ()), "path-outside", &["../config.json"]);
}

#[test]
fn cve_2026_50163_hard_links_lead_nowhere_but_into_the_archive() {
    let link = |tar: &mut Tar| {
        tar.hardlink("config.json", "../etc/hostname");
    };
    refused_as(&archive("config.json", &[], link), "path-outside", &["config.json"]);
    let own = |tar: &mut Tar| {
        tar.hardlink("config.json", "config.json");
    };
    refused_as(&archive("config.json", &[], own), "limit", &["link hops", "255"]);
}

#[test]
fn cve_2014_9357_cve_2019_14271_ghsa_x86f_5xw2_fm2r_no_program_is_run() {
    let place = Place::new();
    let programs = place.dir("programs");
    for name in ["xz", "unxz", "gzip", "gunzip", "unpigz", "pigz", "zstd", "bzip2", "tar", "sh"] {
        let script = format!("#!/bin/sh\ntouch {}\n", place.path("was-run"));
        let path = place.put(&format!("programs/{name}"), script.as_bytes());
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (at, codec) in Codec::ALL.into_iter().enumerate() {
        let source = place.put("source.tar", &ggcr(&[image().stored(&[codec])]));
        let out = place.path(&format!("out{at}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgconv"));
        let done = command.args(["save2oci", "-c", "gzip", &source, &out]);
        let done = done.env("PATH", &programs).current_dir(&programs).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    assert!(!Path::new(&place.path("was-run")).exists(), "a program was run");
}

#[test]
fn cve_2014_9358_ids_are_no_paths_and_name_their_folder() {
    let layer = image().layers[0].clone();
    let one = |parent: Option<&str>| v1::docker19("one", parent, layer.clone(), "x");
    let names = json!({"demo/old": {"1": v1::id("one")}});
    let mut other = one(None);
    other.json = other.json.replace(&v1::id("one"), &v1::id("two"));
    refused_as(&v1::archive(&[other], Some(&names)), "field", &[&v1::id("one"), &v1::id("two")]);
    for parent in ["../../etc", "/etc", "ABC"] {
        let mut climbing = one(Some("base"));
        climbing.json = climbing.json.replace(&v1::id("base"), parent);
        refused_as(&v1::archive(&[climbing], Some(&names)), "field", &["json", "parent"]);
    }
}

#[test]
fn cve_2014_8178_cve_2014_8179_a_blob_counts_when_it_was_hashed() {
    let place = Place::new();
    let source = place.put("source.tar", &ggcr(&[image()]));
    let layout = place.path("layout");
    Layout::of(&[Image::new(&["other"])]).write(Path::new(&layout));
    let name = format!("layout/blobs/sha256/{}", hex(&image().config));
    place.put(&name, b"another config");
    let args = ["save2oci", "--append", &source, &layout];
    refused(&place, &args, 1, &["content does not match its name", &image().id()]);
}

#[test]
fn moby_v1_parents_that_run_in_a_loop_or_without_end_are_refused() {
    let layer = image().layers[0].clone();
    let chain = |length: usize, last: Option<usize>| {
        let parent = |at: usize| match at {
            0 => last,
            at => Some(at - 1),
        };
        let one = |at| {
            let parent = parent(at).map(|it| it.to_string());
            v1::docker19(&at.to_string(), parent.as_deref(), layer.clone(), "x")
        };
        let all: Vec<_> = (0..length).map(one).collect();
        let top = v1::id(&(length - 1).to_string());
        v1::archive(&all, Some(&json!({"demo/old": {"1": top}})))
    };
    refused_as(&chain(3, Some(2)), "parent-chain", &[&v1::id("2")]);
    refused_as(&chain(1, Some(0)), "parent-chain", &[&v1::id("0")]);
    refused_as(&chain(1200, None), "limit", &["1024"]);
}

#[test]
fn cve_2017_14992_what_comes_out_of_a_layer_fills_neither_memory_nor_disk() {
    let zeros = vec![0; 600 << 20];
    let config = Image::of(vec![zeros.clone()]).config;
    let place = Place::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &zeros).unwrap();
    drop(zeros);
    let stored = packed.finish().unwrap();
    let members = |tar: &mut Tar| {
        tar.file("c.json", &config).file("l", &stored);
    };
    let source = place.put("source.tar", &archive("c.json", &["l"], members));
    let limit =
        format!("ulimit -v 500000; exec \"$0\" save2oci -j 1 {source} {}", place.path("out"));
    let done = Command::new("sh").args(["-c", &limit, env!("CARGO_BIN_EXE_imgconv")]).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let size: usize = tree(Path::new(&place.path("out"))).values().flatten().map(Vec::len).sum();
    assert!(size < 2 << 20, "{size} bytes on disk");
}

#[test]
fn cve_2018_15664_no_link_in_a_destination_is_followed() {
    let outside = Place::new();
    let targets = [("blobs", outside.dir("blobs")), ("blobs/sha256", outside.dir("sha256"))];
    let before = outside.tree();
    for (from, to) in targets {
        let place = Place::new();
        let source = place.put("source.tar", &ggcr(&[image()]));
        let layout = place.path("layout");
        Layout::of(&[Image::new(&["other"])]).write(Path::new(&layout));
        let inside = Path::new(&layout).join(from);
        let moved = Command::new("mv").arg(&inside).arg(place.path("moved")).status();
        assert!(moved.unwrap().success());
        symlink(to, &inside).unwrap();
        let args = ["save2oci", "--append", &source, &layout];
        let code = imgconv(&args).code;
        refused(&place, &args, code.unwrap(), &["symbolic link"]);
        assert_ne!(code, Some(0));
    }
    assert!(outside.tree() == before, "{:?}", outside.tree().keys());
}

#[test]
fn cve_2020_1702_cve_2023_25153_cpython_151498_a_size_in_a_header_is_a_claim() {
    // A size in base-256, of which next to nothing is there.
    let claims = |kind: u8, name: &[u8], size: u64| {
        let mut block = Header { name, kind, ..Header::default() }.block();
        block[124..136].fill(0);
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        Tar::new().raw(&block).raw(b"[]").end()
    };
    refused_as(&claims(b'0', b"manifest.json", 4 << 40), "truncated", &["manifest.json"]);
    refused_as(&claims(b'x', b"pax", 1 << 30), "limit", &["extended header", "1048576"]);
    refused_as(&claims(b'L', b"long", 1 << 62), "limit", &["extended header", "1048576"]);
    refused_as(&claims(b'0', b"manifest.json", u64::MAX), "tar-header", &["size"]);
    // Documents that are there and too large, as files with holes.
    let place = Place::new();
    Layout::of(&[image()]).write(Path::new(&place.path("layout")));
    let index = fs::File::create(place.path("layout/index.json")).unwrap();
    index.set_len(2 << 30).unwrap();
    let (code, text) = refusal_of(Path::new(&place.path("layout")));
    assert!(code == "limit" && text.contains("8388608"), "{text}");
}

#[test]
fn cve_2021_20291_a_layer_that_does_not_unpack_ends_the_run() {
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Xz, Codec::Bzip2] {
        let mut cut = codec.pack(&image().layers[1]);
        cut.truncate(cut.len() / 2);
        let bytes = odd(&image().config, [&image().layers[0], &cut]);
        refused_as(&bytes, "compression", &["top.tar", "damaged"]);
    }
    let noise: Vec<u8> = (0..5000_u32).map(|at| at.wrapping_mul(at).to_le_bytes()[1]).collect();
    let bytes = odd(&image().config, [&image().layers[0], &noise]);
    refused_as(&bytes, "diff-id-mismatch", &["top.tar", &digest(&noise)]);
}

#[test]
fn cve_2020_15157_urls_of_foreign_layers_are_not_fetched() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/layer", listener.local_addr().unwrap());
    let mut document = manifest();
    document["layers"][1]["mediaType"] =
        json!("application/vnd.oci.image.layer.nondistributable.v1.tar");
    document["layers"][1]["urls"] = json!([url]);
    document["layers"][1]["digest"] = json!(digest(b"elsewhere"));
    let place = Place::new();
    let source = place.put("source.tar", &manifest_of(&document, MediaFamily::Oci.manifest()));
    for args in [
        &["convert", "--to", "oci", &source, &place.path("out")][..],
        &["oci2save", &source, &place.path("out.tar")],
        &["verify", &source],
    ] {
        drop(imgconv(args));
    }
    assert!(listener.accept().is_err(), "somebody called");
}

#[test]
fn cve_2021_41190_ghsa_mc8v_mgrf_8f4m_ghsa_77vh_xpmg_72qh_a_document_is_one_thing() {
    let mut both = manifest();
    both["manifests"] = json!([]);
    refused_as(&manifest_of(&both, MediaFamily::Oci.manifest()), "ambiguous-document", &["index"]);
    let mut index = json!({"schemaVersion": 2, "manifests": []});
    index["layers"] = json!([]);
    refused_as(&manifest_of(&index, MediaFamily::Oci.index()), "ambiguous-document", &["layers"]);
    let mut cased = manifest();
    cased["Manifests"] = json!([]);
    refused_as(&manifest_of(&cased, MediaFamily::Oci.manifest()), "ambiguous-document", &["index"]);
    let mut typed = manifest();
    typed["mediaType"] = json!(MediaFamily::Oci.index());
    refused_as(
        &manifest_of(&typed, MediaFamily::Oci.manifest()),
        "media-type-mismatch",
        &["index"],
    );
    // By a descriptor that calls it something else its config and layers would be left behind.
    for other in ["application/x", MediaFamily::Oci.config()] {
        refused_as(&manifest_of(&manifest(), other), "media-type-mismatch", &[other]);
    }
    let mut old = manifest();
    old["fsLayers"] = json!([]);
    refused_as(
        &manifest_of(&old, MediaFamily::Oci.manifest()),
        "ambiguous-document",
        &["fsLayers"],
    );
    // One key twice, in two spellings.
    let twice = manifest().to_string().replacen("{\"config\":", "{\"Layers\":[],\"config\":", 1);
    let mut layout = Layout::new();
    let entry = layout.descriptor(MediaFamily::Oci.manifest(), twice.as_bytes());
    layout.entry(entry);
    refused_as(&layout.tar(""), "duplicate-key", &["ayers"]);
}

#[test]
fn cve_2024_3727_osv_scalibr_2408_a_digest_is_parsed_before_it_is_a_path() {
    let h = "a".repeat(64);
    for wrong in [
        "sha256:../../../etc/passwd".to_owned(),
        format!("sha256:../{h}"),
        format!("../sha256:{h}"),
        format!("sha256:{}", "A".repeat(64)),
        format!("sha256:{}", &h[1..]),
        format!("sha256:{h}0"),
        format!("md5:{}", &h[..32]),
        format!("sha256:{}\u{ff21}", &h[1..]),
        h.clone(),
        String::new(),
    ] {
        let mut document = manifest();
        document["layers"][0]["digest"] = json!(wrong);
        refused_as(
            &manifest_of(&document, MediaFamily::Oci.manifest()),
            "field",
            &["layers[0]", "digest"],
        );
        let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [wrong]}});
        let members = |tar: &mut Tar| {
            tar.file("c.json", config.to_string().as_bytes()).file("l", b"");
        };
        refused_as(&archive("c.json", &["l"], members), "field", &["c.json", "diff_ids"]);
    }
}

#[test]
fn cve_2025_62518_cve_2026_33055_rustsec_2026_0068_ghsa_3pv8_6f4r_ffg2_ghsa_vmf3_w455_68vh_a_size_in_a_pax_header_counts()
 {
    // A tar inside, whose first member is another manifest.json; the field says 0.
    let inner = Tar::new().file("manifest.json", b"[]").end();
    let whole = odd(&image().config, [&image().layers[0], &image().layers[1]]);
    let mut tar = Tar::new();
    let empty = Header { name: b"inner.tar", ..Header::default() };
    tar.pax(b'x', &[("size", &inner.len().to_string())]).member(&empty, b"").raw(&inner);
    tar.raw(&whole);
    let place = Place::new();
    let source = place.put("source.tar", &tar.unended());
    converted(source.as_ref()).unwrap();
    // It is of the next file alone, not of a header that stands between.
    let mut tar = Tar::new();
    let long = Header { name: b"././@LongLink", kind: b'L', ..Header::default() };
    tar.pax(b'x', &[("size", "1024")]).member(&long, b"inner.tar\0").member(&empty, b"");
    tar.raw(&[7; 1024]).raw(&whole);
    let source = place.put("source.tar", &tar.unended());
    converted(source.as_ref()).unwrap();
}

#[test]
fn cve_2026_32766_a_malformed_pax_header_is_an_error() {
    for text in [
        &b"99 path=a\n"[..],
        b"9 patha\n",
        b"x path=a\n",
        b"12 path=a\0b\n",
        b"10 path=a ",
        b"-3 a=b\n",
    ] {
        let mut tar = Tar::new();
        tar.member(&Header { name: b"pax", kind: b'x', ..Header::default() }, text);
        let bytes = tar.file("manifest.json", b"[]").end();
        refused_as(&bytes, "pax-header", &["pax header at byte 0"]);
    }
}

#[test]
fn pax_sparse_and_links_with_a_size_are_refused() {
    for records in [
        &[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.realsize", "1099511627776"),
        ][..],
        &[("GNU.sparse.map", "0,1")],
        &[("GNU.sparse.size", "1099511627776")],
    ] {
        let mut tar = Tar::new();
        let bytes = tar.pax(b'x', records).file("manifest.json", b"[]").end();
        refused_as(&bytes, "pax-header", &["sparse"]);
    }
    // The kinds and the readings are in `readings`.
    let mut tar = Tar::new();
    let link = Header { name: b"x", kind: b'2', link: b"y", ..Header::default() };
    refused_as(
        &tar.member(&link, &[1; 512]).end(),
        "tar-header",
        &["a size on a member without data"],
    );
}

#[test]
fn rustsec_2026_0067_rustsec_2026_0113_modes_are_never_those_of_the_archive() {
    let (image, mut tar) = (image(), Tar::new());
    let items = json!([{"Config": "c.json", "RepoTags": null, "Layers": ["l0", "l1"]}]).to_string();
    let files = [
        ("c.json", image.config.as_slice()),
        ("l0", &image.layers[0]),
        ("l1", &image.layers[1]),
        ("manifest.json", items.as_bytes()),
    ];
    for (name, data) in files {
        let name = name.as_bytes();
        tar.member(
            &Header { name, mode: 0o7777, mtime: 9, owner: b"daemon", ..Header::default() },
            data,
        );
    }
    let place = Place::new();
    let source = place.put("source.tar", &tar.end());
    for (umask, file, folder) in
        [("022", 0o644, 0o755), ("077", 0o600, 0o700), ("000", 0o644, 0o755)]
    {
        let out = place.path(&format!("out-{umask}"));
        let run = format!("umask {umask}; exec \"$0\" save2oci {source} {out}");
        let done = Command::new("sh").args(["-c", &run, env!("CARGO_BIN_EXE_imgconv")]).status();
        assert!(done.unwrap().success());
        let mode = |name: &str| {
            fs::metadata(Path::new(&out).join(name)).unwrap().permissions().mode() & 0o7777
        };
        assert_eq!((mode("index.json"), mode("oci-layout")), (file, file), "umask {umask}");
        assert_eq!((mode("blobs"), mode("blobs/sha256"), mode(".")), (folder, folder, folder));
        let blob = format!("blobs/sha256/{}", hex(&image.config));
        assert_eq!(mode(&blob), file);
    }
}

#[test]
fn umoci_0_5_1_sizes_are_never_negative_and_end_where_they_say() {
    for size in
        [json!(-1), json!(-9_223_372_036_854_775_808_i64), json!(1e3), json!("5"), json!(null)]
    {
        let mut document = manifest();
        document["layers"][0]["size"] = size;
        let (_, text) =
            crate::build::inside::refusal(&manifest_of(&document, MediaFamily::Oci.manifest()));
        assert!(text.contains("layers[0]"), "{text}");
    }
    for change in [-1_i64, 1] {
        let mut document = manifest();
        let size = document["layers"][0]["size"].as_i64().unwrap();
        document["layers"][0]["size"] = json!(size + change);
        let bytes = manifest_of(&document, MediaFamily::Oci.manifest());
        refused_as(&bytes, "size-mismatch", &[&(size + change).to_string(), &size.to_string()]);
    }
}

#[test]
fn rustsec_2024_0400_cve_2019_12900_cve_2022_37434_decoders_stand_any_changed_byte() {
    let plain = image().layers[1].clone();
    let mut found = 0;
    for codec in
        [Codec::Gzip, Codec::GzipMembers, Codec::Zstd, Codec::ZstdFrames, Codec::Xz, Codec::Bzip2]
    {
        let good = codec.pack(&plain);
        let place = Place::new();
        for at in (0..good.len()).step_by(good.len() / 60 + 1) {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            let path = place.put("source.tar", &odd(&image().config, [&image().layers[0], &bad]));
            match converted(path.as_ref()) {
                // Bytes of a header that nobody needs: the diff ID holds.
                Ok(_) => (),
                Err(error) => {
                    let code = error.kind.code();
                    assert!(
                        ["compression", "diff-id-mismatch", "limit"].contains(&code),
                        "{error}"
                    );
                    found += 1;
                }
            }
        }
    }
    assert!(found > 150, "{found}");
    let lock = include_str!("../../Cargo.lock");
    assert!(!lock.contains("\"ruzstd\"") && !lock.contains("\"libz-sys\""), "another decoder");
}

#[test]
fn cve_2026_12566_dotnet_sdk_54225_a_realm_leads_nowhere_inside() {
    // A registry of this machine may name a token server of this machine, and none beside it.
    let listener = Scripted::new(|_| Reply::new(200, r#"{"token":"x"}"#));
    for realm in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/token".to_owned(),
        "http://[fd00::1]/token".to_owned(),
        "http://0/token".to_owned(),
        "http://0x7f.1/token".to_owned(),
        format!("http://me:secret@localhost:{}/token", listener.port),
        "file:///etc/passwd".to_owned(),
    ] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        let registry = Scripted::new(move |_| {
            Reply::error(401, "UNAUTHORIZED", "log in").with("WWW-Authenticate", challenge.clone())
        });
        let place = Place::new();
        let name = format!("{}/a/b:1", registry.host());
        let ran = imgconv(&["pull", "--retries", "0", &name, &place.path("layout")]);
        assert_eq!(ran.code, Some(2), "{realm}: {}", ran.err);
        assert_eq!(registry.lines().len(), 1, "{realm}");
        assert!(place.tree().is_empty());
    }
    assert!(listener.lines().is_empty());
}

#[test]
fn cve_2003_1564_each_digest_is_visited_once() {
    let nested = |width: usize| {
        let mut layout = Layout::new();
        let mut below = layout.image(&image(), MediaFamily::Oci);
        for _ in 0..6 {
            below = layout.nest(MediaFamily::Oci, &vec![below; width]);
        }
        layout.entry(below);
        layout
    };
    let place = Place::new();
    let source = place.put("source.tar", &nested(40).tar(""));
    let out = converted(source.as_ref()).unwrap();
    assert!(out.len() < 100_000, "{} bytes", out.len());
    // Few enough that a reader that visits all 729 paths ends too, and is seen by how often it opens
    // a blob.
    let Some(strace) = crate::judges::find("strace") else { return };
    let folder = place.dir("layout");
    nested(3).write(folder.as_ref());
    let log = place.path("log");
    let done = std::process::Command::new(strace)
        .args(["-f", "-qq", "-e", "trace=open,openat,openat2", "-o", &log])
        .args([env!("CARGO_BIN_EXE_imgconv"), "convert", "--to", "oci", &folder])
        .arg(place.path("out"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let opened = fs::read_to_string(&log).unwrap();
    let blobs = fs::read_dir(place.path("layout/blobs/sha256")).unwrap();
    for blob in blobs {
        let name = blob.unwrap().file_name().into_string().unwrap();
        let times = opened.lines().filter(|line| line.contains(&name)).count();
        assert!((1..20).contains(&times), "{name} was opened {times} times");
    }
}

#[test]
fn docker2aci_201_names_of_images_are_no_paths() {
    let names = ["../../x:1", "/etc/x:1", "..:1", "a/../../b:1"];
    let place = Place::new();
    let source = place.put("source.tar", &ggcr(&[image().named(&names)]));
    imgconv(&["save2oci", &source, &place.path("out")]).ok();
    let written: Vec<String> = tree(Path::new(&place.path("out")))
        .into_keys()
        .map(|it| it.display().to_string())
        .collect();
    let fine = |it: &String| it == "oci-layout" || it == "index.json" || it.starts_with("blobs");
    assert!(written.iter().all(fine), "{written:?}");
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 2, "the source and the layout");
}

/// Names of advisories in a text: CVE, GHSA and RUSTSEC numbers, two numbers of CVE written short.
fn advisories(text: &str) -> std::collections::BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '/');
    let mut found = std::collections::BTreeSet::new();
    for name in text.split(word) {
        let (name, more) = name.split_once('/').unwrap_or((name, ""));
        let known = ["CVE-", "GHSA-", "RUSTSEC-"].iter().any(|it| name.starts_with(it));
        if known && name.bytes().any(|byte| byte.is_ascii_digit()) {
            found.insert(name.to_owned());
            if !more.is_empty() && more.bytes().all(|byte| byte.is_ascii_digit()) {
                found.insert(format!("{}-{more}", name.rsplit_once('-').unwrap().0));
            }
        }
    }
    found
}

#[test]
fn security_md_lists_every_advisory_with_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let own = include_str!("advisories.rs");
    let mut rows = 0;
    for line in text.lines().filter(|line| line.contains("| `advisories::")) {
        let name = line.split("`advisories::").nth(1).unwrap().split('`').next().unwrap();
        assert!(own.contains(&format!("fn {name}(")), "there is no test {name}");
        for advisory in advisories(line) {
            let short = advisory.to_lowercase().replace('-', "_");
            assert!(name.contains(&short), "{name} is not named after {advisory}");
        }
        rows += 1;
    }
    let tests = own.matches("\n#[test]\nfn ").count();
    assert_eq!(rows, tests - 1, "each test has its row");
    let Some(shared) = crate::attack::shared("docs") else { return };
    let page = fs::read_to_string(shared.join("security.md")).unwrap();
    let page = &page[..page.find("## 3. ").unwrap()];
    let missing: Vec<String> = advisories(page).difference(&advisories(&text)).cloned().collect();
    assert!(missing.is_empty(), "SECURITY.md lacks {missing:?}");
}

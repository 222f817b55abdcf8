//! Refusals as a user meets them: exit status, the line `error: WHERE: WHAT`, the hint, and nothing
//! left behind.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command};

use serde_json::json;

use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::image::{Image, digest, hex};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::others::{ggcr, odd};
use crate::build::run::{Place, imgconv, refused, started};
use crate::build::tar::Tar;

fn image() -> Image {
    Image::new(&["base", "top"]).named(&["demo/app:1"])
}

fn save() -> Vec<u8> {
    archive(&[image()], Repeat::Symlink)
}

#[test]
fn a_layer_that_differs_from_its_diff_id_is_named_with_both_digests() {
    let image = image();
    let mut layer = image.layers[1].clone();
    layer[600] ^= 1;
    let place = Place::new();
    let source = place.put("bad.tar", &odd(&image.config, [&image.layers[0], &layer]));
    let expected = format!("expected {}", digest(&image.layers[1]));
    let found = format!("found {}", digest(&layer));
    let ran = refused(
        &place,
        &["save2oci", &source, &place.path("out")],
        1,
        &["bad.tar!top.tar: ", "diff ID", &expected, &found, "\nhint: "],
    );
    assert_eq!(ran.err.lines().filter(|it| it.starts_with("error: ")).count(), 1, "{}", ran.err);
}

#[test]
fn a_damaged_compressed_layer_is_named() {
    let image = image();
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Bzip2, Codec::Xz] {
        let good = codec.pack(&image.layers[1]);
        let cut = good[..good.len() - 5].to_vec();
        let tail = [good.as_slice(), b"garbage"].concat();
        for stored in [cut, tail] {
            let place = Place::new();
            let source = place.put("bad.tar", &odd(&image.config, [&image.layers[0], &stored]));
            refused(&place, &["save2oci", &source, &place.path("out")], 1, &["bad.tar!top.tar: "]);
        }
    }
}

#[test]
fn a_blob_of_a_layout_that_differs_is_named_by_its_digest() {
    let image = image().stored(&[Codec::Gzip]);
    for (wrong, word) in [(&image.stored[1], "damaged"), (&image.config, "digest differs")] {
        let mut layout = Layout::of(std::slice::from_ref(&image));
        let mut bytes = wrong.clone();
        bytes[20] ^= 1;
        layout.put(&format!("blobs/sha256/{}", hex(wrong)), &bytes);
        let place = Place::new();
        let source = place.path("source");
        layout.write(Path::new(&source));
        let args = ["oci2save", &source, &place.path("out.tar")];
        refused(&place, &args, 1, &[word, &hex(wrong), "\nhint: "]);
    }
}

#[test]
fn wrong_counts_sizes_and_missing_parts_are_refused_with_both_sides() {
    let image = image();
    let fewer = Image::new(&["base"]);
    let place = Place::new();
    let source = place.put("count.tar", &odd(&fewer.config, [&image.layers[0], &image.layers[1]]));
    refused(&place, &["save2oci", &source, &place.path("out")], 1, &["expected 1", "found 2"]);

    let mut layout = Layout::of(std::slice::from_ref(&image));
    layout.remove_blob(&image.layers[1]);
    layout.write(Path::new(&place.path("missing")));
    let source = place.path("missing");
    let blob = hex(&image.layers[1]);
    refused(&place, &["oci2save", &source, &place.path("out.tar")], 1, &["missing", &blob]);

    let items = json!([{"Config": "gone.json", "RepoTags": null, "Layers": []}]);
    let archive = Tar::new().file("manifest.json", items.to_string().as_bytes()).end();
    let source = place.put("gone.tar", &archive);
    refused(&place, &["save2oci", &source, &place.path("out")], 1, &["gone.tar!gone.json: "]);
}

#[test]
fn what_is_no_image_is_refused_with_what_it_should_be() {
    let place = Place::new();
    for (name, bytes, code) in [
        ("text", b"not an image, only a text\n".repeat(50), 2),
        ("page", b"<!DOCTYPE html>\n<title>Sign in</title>".repeat(50), 2),
        ("empty", Vec::new(), 2),
        ("other.tar", Tar::new().file("etc/passwd", b"root").end(), 2),
        ("blocks.tar", vec![0; 10240], 2),
        ("none.tar", Tar::new().file("manifest.json", b"[]").end(), 1),
        ("null.tar", Tar::new().file("manifest.json", b"null\n").end(), 1),
    ] {
        let source = place.put(name, &bytes);
        let words = if code == 2 { "not a docker archive or an OCI layout" } else { "no image" };
        refused(&place, &["save2oci", &source, &place.path("out")], code, &[name, words]);
    }
    let folder = place.path("no-index");
    Layout::of(&[image()]).write(Path::new(&folder));
    std::fs::remove_file(Path::new(&folder).join("index.json")).unwrap();
    let words = ["no-index", "index.json"];
    refused(&place, &["oci2save", &folder, &place.path("out.tar")], 1, &words);
}

#[test]
fn a_destination_that_exists_is_left_alone_and_append_is_hinted_at() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    let layout = place.path("layout");
    imgconv(&["save2oci", &source, &layout]).ok();
    let file = place.put("mine", b"mine");
    for target in [&layout, &file] {
        refused(&place, &["save2oci", &source, target], 2, &["already exists", "\nhint: "]);
        refused(&place, &["oci2save", &layout, target], 2, &["already exists", "\nhint: "]);
    }
    let folder = place.dir("folder");
    place.put("folder/thesis.txt", b"mine");
    refused(&place, &["save2oci", &source, &folder], 2, &["directory is not empty", "\nhint: "]);
    refused(&place, &["save2oci", "--append", &source, &folder], 2, &["folder"]);
}

#[cfg(unix)]
#[test]
fn a_destination_that_is_a_dangling_symlink_exists() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    let link = place.path("link");
    std::os::unix::fs::symlink(place.path("nowhere"), &link).unwrap();
    refused(&place, &["save2oci", &source, &link], 2, &["link: "]);
}

#[test]
fn paths_that_cannot_be_used_are_exit_2() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    let gone = place.path("gone.tar");
    refused(&place, &["save2oci", &gone, &place.path("out")], 2, &["gone.tar: "]);
    refused(
        &place,
        &["save2oci", &source, &place.path("no/such/out")],
        2,
        &["no/such", "\nhint: "],
    );
    refused(&place, &["save2oci", &source, &place.path("source.tar/out")], 2, &["source.tar"]);
    if Path::new("/proc/self").exists() {
        refused(&place, &["save2oci", &source, "/proc/imgconv-layout"], 2, &["/proc"]);
    }
}

#[test]
fn wrong_usage_is_exit_2_and_names_the_word() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    let out = place.path("out");
    for (args, word) in [
        (vec!["save2oci", &source], "LAYOUT"),
        (vec!["frobnicate"], "frobnicate"),
        (vec!["save2oci", "--frobnicate", &source, &out], "--frobnicate"),
        (vec!["oci2save", "--dialect", "modern", &source, &out], "modern"),
        (vec!["save2oci", "--compression", "lzma", &source, &out], "lzma"),
        (vec!["convert", &source, &out, "--to", "zip"], "zip"),
        (vec!["save2oci", "--platform", "linux/", &source, &out], "linux/"),
        (vec!["save2oci", "--tag", "UPPER:1", &source, &out], "UPPER:1"),
    ] {
        refused(&place, &args, 2, &[word]);
    }
}

#[test]
fn an_image_that_is_not_there_is_answered_with_the_names_that_are() {
    let images = [image(), Image::new(&["other"]).named(&["demo/other:2"])];
    let place = Place::new();
    let source = place.put("source.tar", &archive(&images, Repeat::Symlink));
    for wanted in ["demo/none:1", "@7", &digest(b"none")] {
        let args = ["save2oci", "-i", wanted, &source, &place.path("out")];
        refused(&place, &args, 2, &[wanted, "demo/app:1", "demo/other:2"]);
    }
}

#[test]
fn one_new_name_for_several_images_is_refused_and_lists_them() {
    let images = [image(), Image::new(&["other"]).named(&["demo/other:2"])];
    let place = Place::new();
    let source = place.put("source.tar", &archive(&images, Repeat::Symlink));
    let args = ["save2oci", "-t", "demo/new:3", &source, &place.path("out")];
    refused(&place, &args, 2, &["--tag", "demo/app:1", "demo/other:2"]);
}

#[test]
fn a_platform_that_is_not_there_is_answered_with_those_that_are() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    let args = ["save2oci", "-p", "linux/s390x", &source, &place.path("out")];
    refused(&place, &args, 2, &["linux/s390x", "linux/amd64"]);
}

#[test]
fn strict_refuses_what_a_target_cannot_hold_and_names_it() {
    let place = Place::new();
    let mut layout = Layout::new();
    let image = image().stored(&[Codec::Zstd]);
    let config = layout.descriptor(MediaFamily::Oci.config(), &image.config);
    let layers: Vec<_> =
        image.stored.iter().map(|it| layout.descriptor(MediaFamily::Oci.layer(it), it)).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": layers, "annotations": {"a.b": "c"}});
    let entry = layout.document(MediaFamily::Oci.manifest(), &manifest);
    layout.named(&entry, "demo/app:1", None);
    let source = place.put("source.tar", &layout.tar(""));
    let target = place.path("out.tar");
    let args = ["oci2save", "--strict", "-d", "classic", &source, &target];
    refused(&place, &args, 1, &["annotation", "\nhint: "]);
    let ran = imgconv(&["oci2save", "-d", "classic", &source, &target]).ok();
    assert!(ran.err.contains("annotation"), "a loss is named before writing: {:?}", ran.err);
}

#[test]
fn names_out_of_an_archive_cannot_drive_the_terminal() {
    let items = json!([{"Config": "\u{1b}[31mred\u{202e}\n", "RepoTags": null, "Layers": []}]);
    let place = Place::new();
    let archive = Tar::new().file("manifest.json", items.to_string().as_bytes()).end();
    let source = place.put("source.tar", &archive);
    let ran = refused(&place, &["save2oci", &source, &place.path("out")], 1, &["red"]);
    assert!(!ran.err.contains(['\u{1b}', '\u{202e}']), "{:?}", ran.err);
}

#[test]
fn a_damaged_source_leaves_no_half_of_a_stream_that_looks_whole() {
    let image = image();
    let mut layer = image.layers[1].clone();
    layer[600] ^= 1;
    let place = Place::new();
    let source = place.put("bad.tar", &odd(&image.config, [&image.layers[0], &layer]));
    let ran = refused(&place, &["save2oci", &source, "-"], 1, &["diff ID"]);
    assert!(!ran.out.ends_with(&[0; 1024]), "it ends like a whole archive");
}

#[test]
fn a_closed_output_pipe_ends_every_verb_silently_as_it_ends_cat() {
    let place = Place::new();
    let temporary = Place::new();
    // More than a pipe holds, however it is compressed.
    let noise = |seed: u32| {
        let byte =
            |at: u32| (at ^ seed).wrapping_mul(2_654_435_761).rotate_left(at % 29).to_le_bytes()[2];
        (0..1 << 20).map(byte).collect::<Vec<_>>()
    };
    let big = Image::of(vec![noise(7), noise(9)]).named(&["demo/app:1"]);
    let source = place.put("source.tar", &ggcr(&[big]));
    let ended = |child: Child| {
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(141), &b""[..]));
        assert!(temporary.tree().is_empty(), "left in TMPDIR: {:?}", temporary.tree().keys());
    };
    for compression in ["none", "gzip"] {
        let args = ["save2oci", "-c", compression, &source, "-"];
        let mut child = started(&temporary.path(""), &args);
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 512]).unwrap();
        drop(stdout);
        ended(child);
    }
    for verb in [&["inspect", "--format", "json"][..], &["verify"], &["history"], &["explain"]] {
        let (theirs, ours) = std::io::pipe().unwrap();
        drop(theirs);
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgconv"));
        command.args(verb).arg(&source).env("TMPDIR", temporary.path(""));
        ended(command.stdout(ours).stderr(std::process::Stdio::piped()).spawn().unwrap());
    }
}

#[test]
fn a_level_that_would_do_nothing_or_is_out_of_range_is_refused() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    let out = place.path("out");
    for (options, words) in [
        (&["-l", "9"][..], ["level 9", "compression"]),
        (&["-l", "9", "-c", "none"], ["level 9", "compression"]),
        (&["-l", "13", "-c", "gzip"], ["1 to 12", "13"]),
        (&["-l", "0", "-c", "gzip"], ["1 to 12", "0"]),
        (&["-l", "10", "-c", "gzip", "--gzip-members", "one"], ["0 to 9", "10"]),
        (&["-l", "23", "-c", "zstd"], ["-7 to 22", "23"]),
        (&["-c", "zstd", "--gzip-members", "one"], ["gzip-members", "zstd"]),
    ] {
        refused(&place, &[&["save2oci", &source, &out], options].concat(), 2, &words);
    }
    let plain = ["convert", &source, &out, "--to", "docker-archive", "-d", "classic", "-c", "zstd"];
    refused(&place, &plain, 2, &["uncompressed", "zstd", "universal"]);
}

#[test]
fn an_output_inside_its_input_or_named_like_an_archive_is_refused() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    let layout = place.path("layout");
    imgconv(&["save2oci", &source, &layout]).ok();
    for inside in ["layout/x.tar", "layout/blobs/../y.tar", "layout/blobs/sha256/z"] {
        refused(&place, &["oci2save", &layout, &place.path(inside)], 2, &["inside the source"]);
    }
    refused(&place, &["convert", &layout, &place.path("layout/l"), "--to", "oci"], 2, &["inside"]);
    for name in ["x.tar.gz", "x.tgz", "x.tar.zst", "x.tar.xz", "x.TAR.BZ2"] {
        let path = place.path(name);
        refused(&place, &["save2oci", &source, &path], 2, &["a layout is a directory", "| gzip"]);
        let prefixed = format!("oci:{path}");
        refused(&place, &["convert", &source, &prefixed], 2, &["a layout is a directory"]);
    }
    // Beside it, and with a name that only begins like it.
    imgconv(&["oci2save", &layout, &place.path("layout.tar")]).ok();
}

#[test]
fn an_archive_is_not_written_to_a_terminal() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    let program = env!("CARGO_BIN_EXE_imgconv");
    // script(1) gives the command a terminal.
    let line = format!("{program} save2oci {source} -");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let output = script.stdin(std::process::Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("cannot write an archive to a terminal"), "{said}");
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stdout.contains(&0), "bytes of an archive");
}

#[test]
fn a_name_behind_a_docker_archive_is_a_reference_as_for_skopeo() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    for (name, tags) in [("nginx", json!(["nginx:latest"])), ("a.test/b:1", json!(["a.test/b:1"]))]
    {
        let out = place.path(&format!("{}.tar", name.replace(['/', ':'], "-")));
        let to = format!("docker-archive:{out}:{name}");
        let ran = imgconv(&["convert", &source, &to]).ok();
        let written = tags[0].as_str().unwrap();
        assert!(ran.lines()[0].starts_with(&format!("{written}\t")), "{:?}", ran.lines());
        let items = crate::build::check::archive(&std::fs::read(&out).unwrap());
        let items = crate::build::check::json(&items["manifest.json"]);
        assert_eq!(items[0]["RepoTags"], tags);
        let from = format!("docker-archive:{out}:{name}");
        imgconv(&["inspect", &from]).ok();
    }
    let to = format!("docker-archive:{}:UPPER", place.path("x.tar"));
    refused(&place, &["convert", &source, &to], 2, &["UPPER"]);
}

#[cfg(unix)]
#[test]
fn paths_are_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let folder = std::path::PathBuf::from(place.path(""));
    let at = |name: &[u8]| folder.join(OsStr::from_bytes(name));
    let (source, layout, tar) = (at(b"s\xff.tar"), at(b"l\xfe"), at(b"t\xfd.tar"));
    std::fs::write(&source, save()).unwrap();
    let prefixed = [b"oci:".as_slice(), layout.as_os_str().as_bytes()].concat();
    let prefixed = OsStr::from_bytes(&prefixed);
    let runs: [&[&OsStr]; 9] = [
        &["save2oci".as_ref(), source.as_ref(), layout.as_ref()],
        &["oci2save".as_ref(), prefixed, tar.as_ref()],
        &["inspect".as_ref(), prefixed],
        &["history".as_ref(), source.as_ref()],
        &["verify".as_ref(), source.as_ref(), layout.as_ref()],
        &["compare".as_ref(), source.as_ref(), tar.as_ref()],
        &["explain".as_ref(), source.as_ref()],
        &["roundtrip".as_ref(), source.as_ref()],
        &["manifest".as_ref(), "show".as_ref(), layout.as_ref()],
    ];
    for arguments in runs {
        let output = Command::new(env!("CARGO_BIN_EXE_imgconv")).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_while_a_pipe_is_read_leaves_nothing() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let (place, temporary) = (Place::new(), Place::new());
        let mut child = started(&temporary.path(""), &["save2oci", "-", &place.path("out")]);
        let mut pipe = child.stdin.take().unwrap();
        // More than a pipe holds, so that the command has read some of it when this returns.
        pipe.write_all(&save().repeat(80)[..1 << 20]).unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        drop(pipe);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{signal}: {err}");
        assert!(place.tree().is_empty(), "{signal}: {:?}", place.tree().keys());
        assert!(temporary.tree().is_empty(), "{signal}: {:?}", temporary.tree().keys());
    }
}

/// What is no regular file, and a file in the place of a folder, in a layout that is added to.
#[test]
fn what_stands_in_place_of_a_blob_in_the_destination_is_named() {
    use std::os::unix::fs::symlink;
    let stand = |path: &Path, kind: &str| match kind {
        "folder" => std::fs::create_dir(path).unwrap(),
        "file" => std::fs::write(path, "x").unwrap(),
        "link" => symlink("/dev/null", path).unwrap(),
        "dangling link" => symlink("nowhere", path).unwrap(),
        _ => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
    };
    let image = Image::new(&["base", "top"]).stored(&[Codec::Gzip]).named(&["demo/app:1"]);
    let layout = Layout::of(&[image]);
    let blobs: Vec<&str> = layout.files().into_keys().filter(|it| it.contains('/')).collect();
    assert_eq!(blobs.len(), 4);
    for path in blobs.into_iter().chain(["blobs", "blobs/sha256", "index.json", "oci-layout"]) {
        for kind in ["folder", "file", "link", "dangling link", "fifo"] {
            let is_folder = ["blobs", "blobs/sha256"].contains(&path);
            let document = ["index.json", "oci-layout"].contains(&path);
            if is_folder && kind == "folder" || document && kind == "file" {
                continue;
            }
            let place = Place::new();
            let (source, out) = (place.dir("source"), place.dir("out"));
            layout.write(Path::new(&source));
            layout.write(Path::new(&out));
            let instead = Path::new(&out).join(path);
            let _ = std::fs::remove_dir_all(&instead).or_else(|_| std::fs::remove_file(&instead));
            stand(&instead, kind);
            let args = ["convert", &source, &out, "--to", "oci", "--append", "-t", "demo/new:1"];
            let code = if is_folder && !kind.contains("link") { 2 } else { 1 };
            let ran = refused(&place, &args, code, &[&format!("error: {out}!{path}: ")]);
            assert_eq!(ran.err.contains("symbolic link"), kind.contains("link"), "{}", ran.err);
        }
    }
}

#[test]
fn a_destination_that_cannot_be_is_named_as_what_it_is() {
    let place = Place::new();
    let source = place.put("source.tar", &save());
    let layout = place.path("layout");
    imgconv(&["save2oci", &source, &layout]).ok();
    let folder = place.dir("folder");
    let inside = place.path("source.tar/out");
    let slash = place.path("out") + "/";
    let document = place.put("document.json", b"{}");
    let convert = ["manifest", "convert", &layout, &document, "--to", "schema2"];
    for (args, words) in [
        (&["save2oci", &source, &inside][..], &["parent is not a directory"][..]),
        (&["oci2save", &layout, &slash], &["expected a file name, found a directory"]),
        (&["oci2save", "--append", &layout, &folder], &["an archive to add to", "a directory"]),
        (&["oci2save", "--append", &layout, "/dev/null"], &["a character device"]),
        (&convert, &["already exists", "choose another name, or remove it"]),
    ] {
        let ran = refused(&place, args, 2, words);
        // No hint says what was just done.
        assert!(!ran.err.contains("with --append"), "{args:?}: {}", ran.err);
    }
}

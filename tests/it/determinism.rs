//! Same input, same bytes: twice, with one thread and with eight, from paths and through pipes.

use std::path::Path;

use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::run::{Place, imgconv, imgconv_with, tree};
use crate::build::trip::DIALECTS;

/// Layers that are long enough to be cut into blocks, shared, repeated and in every codec.
fn images() -> [Image; 3] {
    let noise = |seed: u32| {
        let mut state = seed;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24).to_le_bytes()[0] & 63
        };
        (0..2_000_000).map(|_| byte()).collect::<Vec<u8>>()
    };
    let (base, top) = (noise(1), noise(2));
    let small = Image::new(&["a", "b", "c", "d", "e", "f", "g"]);
    [
        Image::of(vec![base.clone(), top.clone(), base.clone()]).named(&["demo/one:1"]),
        Image::of(vec![base, top]).named(&["demo/two:2", "demo/two:3"]),
        small.named(&["demo/three:3"]).stored(&Codec::ALL),
    ]
}

#[test]
fn every_conversion_gives_the_same_bytes_with_any_number_of_threads() {
    let place = Place::new();
    let source = place.put("source.tar", &archive(&images(), Repeat::Symlink));
    let mut layouts = Vec::new();
    for (name, threads) in [("one", "1"), ("eight", "8"), ("again", "8")] {
        let target = place.path(name);
        let ran = imgconv(&["save2oci", "-j", threads, &source, &target]).ok();
        layouts.push((ran.out, tree(Path::new(&target))));
    }
    assert!(layouts[0] == layouts[1] && layouts[1] == layouts[2], "save2oci differs");

    for dialect in DIALECTS {
        let mut archives = Vec::new();
        for (run, threads) in ["1", "8", "8"].into_iter().enumerate() {
            let target = place.path(&format!("{dialect}{run}.tar"));
            let layout = place.path("one");
            let args = ["oci2save", "-d", dialect, "-j", threads, &layout, &target];
            let ran = imgconv(&args).ok();
            archives.push((ran.out, std::fs::read(&target).unwrap()));
        }
        assert!(archives[0] == archives[1] && archives[1] == archives[2], "{dialect} differs");
    }
}

#[test]
fn every_compression_gives_the_same_bytes_with_any_number_of_threads() {
    let place = Place::new();
    let source = place.put("source.tar", &archive(&images(), Repeat::Symlink));
    for options in [
        &["-c", "gzip"][..],
        &["-c", "gzip", "-l", "9"],
        &["-c", "gzip", "--gzip-members", "one"],
        &["-c", "zstd"],
        &["-c", "zstd", "-l", "1"],
        &["-c", "none"],
        &["--manifest", "docker"],
    ] {
        let mut layouts = Vec::new();
        for threads in ["1", "8"] {
            let target = place.path(&format!("{}{threads}", options.concat()));
            let args = [&["save2oci", "-j", threads], options, &[&source, &target]].concat();
            imgconv(&args).ok();
            layouts.push(tree(Path::new(&target)));
        }
        assert!(layouts[0] == layouts[1], "{options:?} differs");
    }
}

#[test]
fn a_pipe_gives_the_same_bytes_as_a_path() {
    let place = Place::new();
    let bytes = archive(&images(), Repeat::Symlink);
    let source = place.put("source.tar", &bytes);
    let target = place.path("layout.tar");
    imgconv(&["save2oci", &source, &target]).ok();
    let file = std::fs::read(&target).unwrap();
    assert!(file == imgconv(&["save2oci", &source, "-"]).ok().out, "path to pipe");
    assert!(file == imgconv_with(&bytes, &["save2oci", "-", "-"]).ok().out, "pipe to pipe");
    let piped = place.path("piped.tar");
    imgconv_with(&bytes, &["save2oci", "-", &piped]).ok();
    assert!(file == std::fs::read(&piped).unwrap(), "pipe to path");

    for dialect in DIALECTS {
        let saved = place.path(&format!("{dialect}.tar"));
        imgconv(&["oci2save", "-d", dialect, &target, &saved]).ok();
        let saved = std::fs::read(&saved).unwrap();
        let args = ["oci2save", "-d", dialect, "-", "-"];
        assert!(saved == imgconv_with(&file, &args).ok().out, "{dialect} through pipes");
    }
}

#[test]
fn a_layout_tar_has_the_files_of_the_layout_directory() {
    let place = Place::new();
    let source = place.put("source.tar", &archive(&images(), Repeat::Symlink));
    let (folder, tar) = (place.path("layout"), place.path("layout.tar"));
    imgconv(&["save2oci", &source, &folder]).ok();
    imgconv(&["save2oci", &source, &tar]).ok();
    let folder = crate::build::check::folder(Path::new(&folder));
    assert!(folder == crate::build::check::archive(&std::fs::read(&tar).unwrap()));
}

#[test]
fn surroundings_do_not_change_the_bytes() {
    let place = Place::new();
    let source = place.put("source.tar", &archive(&images()[2..], Repeat::Symlink));
    let mut outputs = Vec::new();
    for variables in [
        &[][..],
        &[("TZ", "Asia/Tokyo"), ("LC_ALL", "tr_TR.UTF-8"), ("HOME", "/nonexistent")],
        &[("SOURCE_DATE_EPOCH", "1"), ("TZ", "America/St_Johns")],
    ] {
        for verb in [&["save2oci", &source][..], &["convert", "--to", "docker-archive", &source]] {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_imgconv"))
                .args(verb)
                .arg("-")
                .envs(variables.iter().copied())
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            outputs.push((verb.len(), output.stdout));
        }
    }
    assert!(outputs.iter().all(|it| it == &outputs[0] || it == &outputs[1]));
}

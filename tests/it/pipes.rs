//! From a pipe: the bytes, notes, errors and exit statuses of a file, in one pass and without room
//! for the archive; whatever ends the pipe or the run, nothing is left.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::attack::shared;
use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::hybrid::{Defect, docker25};
use crate::build::image::Image;
use crate::build::layout::Layout;
use crate::build::others::{ggcr, podman};
use crate::build::run::{Place, imgconv, imgconv_with, started};
use crate::build::tar::{Header, Tar};
use crate::judges::{absent, find};

/// What is run both ways; a third word is where the result goes.
const VERBS: [&[&str]; 14] = [
    &["convert", "SOURCE", "OUT", "--to", "oci"],
    &["convert", "SOURCE", "OUT", "--to", "oci", "-c", "zstd"],
    &["convert", "SOURCE", "OUT", "--to", "oci", "-c", "none"],
    &["convert", "SOURCE", "OUT", "--to", "oci", "--strict", "-j", "1"],
    &["convert", "SOURCE", "OUT", "--to", "oci-archive"],
    &["convert", "SOURCE", "OUT", "--to", "docker-archive"],
    &["convert", "SOURCE", "OUT", "--to", "docker-archive", "-d", "classic"],
    &["convert", "SOURCE", "OUT", "--to", "oci", "-n", "--format", "json"],
    &["convert", "SOURCE", "OUT", "--to", "oci", "-i", "@0", "-t", "other:name"],
    &["verify", "SOURCE", "--strict"],
    &["inspect", "SOURCE", "--format", "json"],
    &["history", "SOURCE", "--format", "json"],
    &["explain", "SOURCE", "--format", "json"],
    &["manifest", "show", "SOURCE"],
];

/// A layer that is too large to be held in memory, as a tar of files that do not all compress.
fn large(seed: u32, size: usize) -> Vec<u8> {
    let mut state = seed;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24).to_le_bytes()[0]
    };
    let text: Vec<u8> = (0..size / 2).map(|_| noise() & 15).collect();
    let dense: Vec<u8> = (0..size / 2).map(|_| noise()).collect();
    Tar::new().file(&format!("text{seed}"), &text).file("dense", &dense).end()
}

/// Three images that share a large layer, and one small layer.
fn images() -> Vec<Image> {
    let (base, middle, top) = (large(1, 220_000), large(2, 150_000), large(3, 90_000));
    let small = crate::build::image::layer("small");
    vec![
        Image::of(vec![base.clone(), middle, small]).named(&["demo/one:1"]),
        Image::of(vec![base.clone(), top.clone()]).named(&["demo/two:2"]),
        Image::of(vec![top, base]).named(&[]),
    ]
}

/// Archives of every dialect, whole and damaged, with layers that are not held in memory.
fn archives() -> Vec<(String, Vec<u8>)> {
    let images = images();
    let stored = |codecs: &[Codec]| -> Vec<Image> {
        images.iter().map(|image| image.clone().stored(codecs)).collect()
    };
    let classic = archive(&images, Repeat::Symlink);
    let mixed = [Codec::Gzip, Codec::Bzip2, Codec::Xz, Codec::Zstd];
    let compressed = ggcr(&stored(&mixed));
    let mut found = vec![
        ("docker 1.10 to 24".to_owned(), classic.clone()),
        ("hard links".to_owned(), archive(&images, Repeat::Hardlink)),
        ("copies".to_owned(), archive(&images, Repeat::Copy)),
        ("docker 25".to_owned(), docker25(&images, Defect::None)),
        ("docker 25.0.0".to_owned(), docker25(&images, Defect::NullManifests)),
        ("podman".to_owned(), podman(&images)),
        ("an OCI archive".to_owned(), Layout::of(&stored(&[Codec::Gzip])).tar("")),
        ("its names begin with ./".to_owned(), Layout::of(&stored(&[Codec::Zstd])).tar("./")),
        ("plain layers in a layout".to_owned(), Layout::of(&images).tar("")),
        ("every codec".to_owned(), compressed.clone()),
        ("two archives".to_owned(), [classic.clone(), compressed.clone()].concat()),
        ("a layer twice".to_owned(), twice(&classic)),
        (
            "a stray file".to_owned(),
            Tar::new().file("stray", &large(9, 200_000)).raw(&classic).end(),
        ),
        ("a layer that is no tar".to_owned(), ggcr(&[Image::of(vec![vec![b'x'; 100_000]])])),
    ];
    for codec in mixed {
        found.push((format!("{codec:?} around it"), codec.pack(&classic)));
        found.push((format!("{codec:?} twice"), codec.pack(&codec.pack(&classic))));
        let mut behind = codec.pack(&classic);
        behind.extend(b"something else");
        found.push((format!("{codec:?} and something behind"), behind));
    }
    for (name, whole) in [("plain", &classic), ("compressed", &compressed)] {
        for part in 1..12 {
            let at = whole.len() * part / 12;
            found.push((format!("{name}, cut at {at}"), whole[..at].to_vec()));
            let mut flipped = whole.clone();
            flipped[at] ^= 0x20;
            found.push((format!("{name}, changed at {at}"), flipped));
        }
    }
    found
}

/// The same archive with all its members once more.
fn twice(archive: &[u8]) -> Vec<u8> {
    [&archive[..archive.len() - 1024], archive].concat()
}

/// Exit status, both outputs, and what was written.
type Seen = (Option<i32>, String, String, crate::build::run::Tree);

/// Standard input is a file, which is read in place, or a pipe with its bytes; both are `-`, so that
/// messages can be compared letter by letter.
#[derive(Clone, Copy)]
enum Way {
    File,
    Pipe,
}

fn seen(verb: &[&str], source: &Path, way: Way) -> Seen {
    let place = Place::new();
    let out = place.path("out");
    let word = |word: &&str| match *word {
        "SOURCE" => "-".to_owned(),
        "OUT" => out.clone(),
        word => word.to_owned(),
    };
    let stdin = match way {
        Way::File => fs::File::open(source).unwrap().into(),
        Way::Pipe => piped(source.to_str().unwrap()),
    };
    let done = Command::new(env!("CARGO_BIN_EXE_imgconv"))
        .args(verb.iter().map(word))
        .env("NO_COLOR", "1")
        .stdin(stdin)
        .output()
        .unwrap();
    let said = |text: &[u8]| String::from_utf8_lossy(text).replace(&out, "OUT");
    (done.status.code(), said(&done.stdout), said(&done.stderr), place.tree())
}

#[track_caller]
fn the_same_both_ways(name: &str, source: &Path, verbs: &[&[&str]]) {
    for verb in verbs {
        let (file, pipe) = (seen(verb, source, Way::File), seen(verb, source, Way::Pipe));
        assert_eq!(file.0, pipe.0, "{name}: {verb:?}: {}\n{}", file.2, pipe.2);
        assert_eq!(file.1, pipe.1, "{name}: {verb:?}");
        assert_eq!(file.2, pipe.2, "{name}: {verb:?}");
        assert!(file.3 == pipe.3, "{name}: {verb:?}: other bytes were written");
    }
}

#[test]
fn a_pipe_gives_what_a_file_gives_in_every_dialect_whole_or_damaged() {
    let place = Place::new();
    let mut archives = archives();
    for entry in
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/archives")).unwrap()
    {
        let path = entry.unwrap().path();
        if path.is_file() {
            archives.push((path.display().to_string(), fs::read(path).unwrap()));
        }
    }
    assert!(archives.len() > 60, "{}", archives.len());
    std::thread::scope(|scope| {
        for (half, archives) in archives.chunks(archives.len().div_ceil(2)).enumerate() {
            let place = &place;
            scope.spawn(move || {
                for (at, (name, bytes)) in archives.iter().enumerate() {
                    let source = place.put(&format!("source-{half}-{at}"), bytes);
                    let few = [VERBS[0], VERBS[6], VERBS[9], VERBS[11]];
                    let verbs = if name.contains(" at ") { &few[..] } else { &VERBS[..] };
                    the_same_both_ways(name, Path::new(&source), verbs);
                }
            });
        }
    });
}

/// What the outer compression lacks is not the fault of a layer.
#[test]
fn a_damaged_compressed_archive_is_told_as_such() {
    let packed = Codec::Gzip.pack(&archive(&images(), Repeat::Symlink));
    for part in 2..10 {
        let damaged = &packed[..packed.len() * part / 10];
        for verb in ["verify", "inspect", "history"] {
            let ran = imgconv_with(damaged, &[verb, "-"]);
            let said = ran.out_text() + &ran.err;
            assert_eq!(ran.code, Some(1), "{verb}: {said}");
            assert!(said.contains("gzip data is damaged"), "{verb}, {part}: {said}");
        }
    }
}

/// A whole archive in some codec is taken apart like a pipe also where it is a file, so that it is
/// held against the archive itself.
#[test]
fn a_compressed_archive_gives_what_the_archive_gives() {
    let place = Place::new();
    let classic = archive(&images(), Repeat::Symlink);
    let plain = PathBuf::from(place.put("plain.tar", &classic));
    for codec in [Codec::Gzip, Codec::Bzip2, Codec::Xz, Codec::Zstd] {
        let packed = PathBuf::from(place.put("packed", &codec.pack(&classic)));
        for verb in VERBS {
            let (plain, packed) = (seen(verb, &plain, Way::File), seen(verb, &packed, Way::File));
            assert_eq!(plain, packed, "{codec:?}: {verb:?}");
        }
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(there) = fs::symlink_metadata(&path) else { continue };
        if there.is_dir() {
            files(&path, found);
        } else if there.is_file()
            && there.len() < 8 << 20
            && !path.to_string_lossy().contains("/blobs/")
        {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn a_pipe_gives_what_a_file_gives_of_real_and_of_hostile_archives() {
    let (Some(corpus), Some(attack)) = (shared("corpus"), shared("attack")) else { return };
    if find("python3").is_none() {
        return;
    }
    let place = Place::new();
    let cases = place.path("cases");
    let made = Command::new("python3").arg("-B").arg(attack.join("gen.py")).arg(&cases).output();
    assert!(made.unwrap().status.success());
    let mut all = Vec::new();
    files(&corpus, &mut all);
    files(Path::new(&cases), &mut all);
    all.retain(|it| it.extension().is_none_or(|it| it != "json" && it != "md"));
    assert!(all.len() > 300, "{}", all.len());
    let verbs = [VERBS[0], VERBS[6], VERBS[9]];
    std::thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(2)) {
            scope.spawn(move || {
                part.iter()
                    .for_each(|it| the_same_both_ways(&it.display().to_string(), it, &verbs));
            });
        }
    });
}

/// The script runs with a file system of its own for the destination, and one for temporary files.
fn with_room(place: &Place, (out, temporary): (&str, &str), script: &str) -> Option<String> {
    find("unshare")?;
    let (small, tmp) = (place.path("small"), place.path("tmp"));
    for folder in [&small, &tmp] {
        let _ = fs::create_dir(folder);
    }
    let mount = |of: &str, on: &str| format!("mount -t tmpfs -o size={of} none {on}");
    let mounts = format!("{} && {}", mount(out, &small), mount(temporary, &tmp));
    let script = format!(
        "{mounts} || exit 99; cd {small}; export TMPDIR={tmp}; {script}; echo \"exit $?\"; ls -A . {tmp}"
    );
    let program = env!("CARGO_BIN_EXE_imgconv");
    let done = Command::new("unshare").args(["-m", "sh", "-c", &script, program]).output().unwrap();
    if done.status.code() == Some(99) {
        absent("no mounts here");
        return None;
    }
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    Some(String::from_utf8_lossy(&done.stdout).into_owned() + &err)
}

/// Room for the result and 16 MiB, below both folders; the archive alone would need more.
#[test]
fn a_pipe_needs_no_room_but_that_of_the_result() {
    let place = Place::new();
    let zeros = Tar::new().file("zeros", &vec![0; 60 << 20]).end();
    let source = place.put("source.tar", &ggcr(&[Image::of(vec![zeros]).named(&["demo/app:1"])]));
    for verb in
        ["save2oci - out", "save2oci -c zstd - out", "save2oci - out.tar", "convert - o --to dir"]
    {
        let script = format!("cat {source} | \"$0\" {verb} > /dev/null");
        let Some(said) = with_room(&place, ("8m", "8m"), &script) else { return };
        assert!(said.contains("exit 0"), "{verb}: {said}");
    }
    // What is kept as it is takes no more: 8 MiB of it in 12 MiB.
    let kept = Image::of(vec![large(7, 10 << 20)]).named(&["demo/kept:1"]);
    let kept = place.put("kept.tar", &Layout::of(&[kept.stored(&[Codec::Gzip])]).tar(""));
    let script = format!("cat {kept} | \"$0\" convert - out --to oci > /dev/null");
    let Some(said) = with_room(&place, ("12m", "64k"), &script) else { return };
    assert!(said.contains("exit 0"), "{said}");
    for verb in ["verify", "inspect", "history", "explain", "manifest show"] {
        let script = format!("cat {source} | \"$0\" {verb} - > /dev/null");
        let Some(said) = with_room(&place, ("64k", "64k"), &script) else { return };
        assert!(said.contains("exit 0"), "{verb}: {said}");
    }
}

/// Where the documents come first, only what is selected needs room.
#[test]
fn what_is_not_selected_takes_no_room_where_documents_come_first() {
    let place = Place::new();
    let image = |name: &str, seed| {
        let image = Image::of(vec![large(seed, 8 << 20)]).named(&[&format!("demo/{name}:1")]);
        image.stored(&[Codec::Gzip])
    };
    let layout = Layout::of(&[image("one", 1), image("two", 2), image("three", 3)]);
    let mut files: Vec<(&str, Vec<u8>)> = layout.files().into_iter().collect();
    files.sort_by_key(|(_, bytes)| bytes.len());
    let archive = |files: &[(&str, Vec<u8>)]| {
        let mut tar = Tar::new();
        for (name, bytes) in files {
            tar.file(name, bytes);
        }
        tar.end()
    };
    let first = place.put("first.tar", &archive(&files));
    files.reverse();
    let last = place.put("last.tar", &archive(&files));
    for (name, from, expected) in [("first", &first, "exit 0"), ("last", &last, "exit 2")] {
        let script =
            format!("cat {from} | \"$0\" convert - out --to oci -i demo/two:1 > /dev/null");
        let Some(said) = with_room(&place, ("10m", "64k"), &script) else { return };
        assert!(said.contains(expected), "{name}: {said}");
    }
}

/// The producer never ends: it is not waited for.
#[test]
fn no_room_for_the_result_ends_the_run_at_once() {
    let place = Place::new();
    let endless = Header { name: b"a/layer.tar", size: 6 << 30, ..Header::default() };
    let mut start = endless.block().to_vec();
    start.extend(Header { name: b"noise", size: 5 << 30, ..Header::default() }.block());
    let start = place.put("start", &start);
    for out in ["out", "out.tar", "-"] {
        let producer = format!("(cat {start}; exec cat /dev/urandom)");
        let script = format!("{producer} | \"$0\" save2oci - {out} > /dev/null");
        let begun = Instant::now();
        let Some(said) = with_room(&place, ("4m", "4m"), &script) else { return };
        assert!(
            said.contains("exit 2") && said.to_lowercase().contains("no space"),
            "{out}: {said}"
        );
        assert!(begun.elapsed() < Duration::from_secs(60), "{out}: {:?}", begun.elapsed());
        let listed: Vec<&str> = said.lines().skip_while(|it| !it.starts_with("exit")).collect();
        assert!(!said.contains(".imgconv") && !listed.contains(&"out"), "{out}: {said}");
    }
}

/// Feeds a part of an archive, and leaves the pipe open.
fn stalled(place: &Place, bytes: &[u8], out: &str) -> (Child, std::process::ChildStdin) {
    let mut child = started(&place.path(""), &["save2oci", "-", out]);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(bytes).unwrap();
    (child, pipe)
}

#[test]
fn a_pipe_that_ends_or_stalls_leaves_nothing_whatever_ends_the_run() {
    let whole = archive(&images(), Repeat::Symlink);
    for moment in 0..50 {
        let place = Place::new();
        let out = place.path("out");
        // More than a pipe holds, so that the run has begun to read.
        let least = 150_000;
        let part = &whole[..least + (whole.len() - least) * moment / 50];
        let (signal, status) = match moment % 3 {
            0 => (Some(Signal::INT), Some(130)),
            1 => (Some(Signal::KILL), None),
            _ => (None, Some(1)),
        };
        let (child, pipe) = stalled(&place, part, &out);
        let begun = Instant::now();
        match signal {
            Some(signal) => {
                kill_process(Pid::from_child(&child), signal).unwrap();
                let _open = &pipe;
            }
            None => drop(pipe),
        }
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), status, "{moment}: {said}");
        assert!(status != Some(1) || said.contains("truncated"), "{moment}: {said}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{moment}");
        assert!(place.tree().is_empty(), "{moment}: {:?}", place.tree().keys());
    }
}

/// Killed anywhere in the whole run, the next one removes what is left.
#[test]
fn what_a_killed_run_leaves_the_next_run_removes() {
    let place = Place::new();
    let source = place.put("source.tar", &archive(&images(), Repeat::Symlink));
    let folder = place.dir("folder");
    let out = format!("{folder}/out");
    for moment in 0..50_u64 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_imgconv"))
            .args(["save2oci", "-", &out])
            .stdin(piped(&source))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(3 * moment));
        let _ = child.kill();
        child.wait().unwrap();
        let _ = fs::remove_dir_all(&out);
    }
    let bytes = fs::read(&source).unwrap();
    imgconv_with(&bytes, &["save2oci", "-", &out]).ok();
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["out"]);
    imgconv(&["verify", "--strict", &out]).ok();
}

/// A pipe with the bytes of a file.
fn piped(path: &str) -> Stdio {
    let bytes = fs::read(path).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    // A run that ends early closes the pipe; its exit status is what counts.
    std::thread::spawn(move || writer.write_all(&bytes).is_ok());
    reader.into()
}

/// What is read twice is copied first, and -v says how much.
#[test]
fn what_needs_a_copy_of_the_pipe_says_its_size() {
    let bytes = ggcr(&[Image::new(&["one"]).named(&["demo/app:1"])]);
    let place = Place::new();
    let file = place.put("a.tar", &bytes);
    for verb in [&["roundtrip", "-v", "-"][..], &["compare", "-v", "-", &file]] {
        let ran = imgconv_with(&bytes, verb).ok();
        assert!(ran.err.contains("spooled -, "), "{verb:?}: {}", ran.err);
    }
}

//! What the writers of `imgconv-deflate` write is what the programs write, byte for byte.
//!
//! Some inputs in every run; IMGCONV_DEFLATE_INPUTS sets how many for a long one, and
//! IMGCONV_DEFLATE_LEVELS which levels of Go or zlib. An input has about
//! 250 KB on average, so that 40000 are 10 GB.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use imgconv_deflate::{
    DeflateWriter, GoRelease, KlauspostRelease, PgzipBlock, ZlibProgram, go, pgzip, zlib,
};
use serde_json::Value;

use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, imgconv};
use crate::judges::containers::Umoci;
use crate::judges::today::today;
use crate::judges::{find, run};

/// Reads a level, then again and again a length and bytes; answers with a length and raw deflate.
const GO: &str = r#"package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"os"
	"strconv"
)

func main() {
	level, _ := strconv.Atoi(os.Args[1])
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var size uint32
		if binary.Read(in, binary.LittleEndian, &size) != nil {
			out.Flush()
			return
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(in, data); err != nil {
			panic(err)
		}
		var deflated bytes.Buffer
		w, err := flate.NewWriter(&deflated, level)
		if err != nil {
			panic(err)
		}
		w.Write(data)
		w.Close()
		binary.Write(out, binary.LittleEndian, uint32(deflated.Len()))
		out.Write(deflated.Bytes())
	}
}
"#;

const PYTHON: &str = "
import struct, sys, zlib
level = int(sys.argv[1])
while (head := sys.stdin.buffer.read(4)):
    data = sys.stdin.buffer.read(struct.unpack('<I', head)[0])
    it = zlib.compressobj(level, zlib.DEFLATED, -15)
    out = it.compress(data) + it.flush()
    sys.stdout.buffer.write(struct.pack('<I', len(out)) + out)
sys.stdout.buffer.flush()
";

/// Numbers that are the same in each run.
struct Draw(u64);

impl Draw {
    fn byte(&mut self, end: usize) -> u8 {
        u8::try_from(self.below(end)).unwrap()
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// Sizes at which programs turn: pieces, windows and blocks.
const EDGES: [usize; 9] = [0, 1, 3, 4, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20];

/// What a long run is told by its environment.
fn set(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

/// The levels, the most used first.
fn levels(all: &str) -> Vec<String> {
    let levels = set("IMGCONV_DEFLATE_LEVELS").unwrap_or_else(|| all.to_owned());
    levels.split(' ').map(str::to_owned).collect()
}

fn count(some: usize) -> usize {
    set("IMGCONV_DEFLATE_INPUTS").map_or(some, |count| count.parse().unwrap())
}

/// One input: stretches of text, of a program, of zeros, of noise, and copies from any distance.
fn input(number: usize, program: &[u8]) -> Vec<u8> {
    let mut draw = Draw(number as u64 ^ 0x9e37_79b9);
    let edge = EDGES[draw.below(EDGES.len())];
    let size = match draw.below(4) {
        0 => (edge + 1).saturating_sub(draw.below(3)),
        1 => draw.below(2_000),
        2 => draw.below(200_000),
        _ => draw.below(1_500_000),
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(size + 70_000);
    let only = draw.below(12);
    while bytes.len() < size {
        let longest = [40, 3_000, 70_000][draw.below(3)];
        let length = 1 + draw.below(longest);
        match if only < 6 { only } else { draw.below(6) } {
            0 => bytes.extend((0..length).map(|_| draw.byte(256))),
            1 => bytes.extend((0..length).map(|_| draw.byte(12) * draw.byte(12))),
            2 => bytes.extend(std::iter::repeat_n(draw.byte(3), length)),
            3 => {
                let at = draw.below(program.len() - length);
                bytes.extend_from_slice(&program[at..at + length]);
            }
            4 => {
                let word = |draw: &mut Draw| format!("{:x} ", draw.below(900) * 7_919);
                (0..length / 5).for_each(|_| bytes.extend(word(&mut draw).bytes()));
            }
            _ if bytes.is_empty() => bytes.push(0),
            _ => {
                // Near the farthest distance as often as anywhere.
                let reach = bytes.len().min(40_000);
                let near = (32_768_usize + 2).saturating_sub(draw.below(5)).clamp(1, reach);
                let distance = if draw.below(2) == 0 { near } else { 1 + draw.below(reach) };
                for _ in 0..length.min(700) {
                    bytes.push(bytes[bytes.len() - distance]);
                }
            }
        }
    }
    bytes.truncate(size);
    bytes
}

fn program() -> Vec<u8> {
    let mut bytes = fs::read(env!("CARGO_BIN_EXE_imgconv")).unwrap();
    bytes.truncate(40 << 20);
    bytes
}

/// What a writer makes of an input that comes in pieces.
fn written(mut writer: Box<dyn DeflateWriter>, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    input.chunks(100_003).for_each(|piece| writer.write(piece, &mut out));
    writer.finish(&mut out);
    out
}

/// A program that answers each input.
fn answers(
    mut judge: Child,
    name: &str,
    inputs: usize,
    writer: impl Fn() -> Box<dyn DeflateWriter>,
) {
    let (mut to, mut from) = (judge.stdin.take().unwrap(), judge.stdout.take().unwrap());
    let program = program();
    let feed = |number: usize| input(number, &program);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..inputs {
                let input = feed(number);
                to.write_all(&u32::try_from(input.len()).unwrap().to_le_bytes()).unwrap();
                to.write_all(&input).unwrap();
            }
            drop(to);
        });
        let mut all = 0;
        for number in 0..inputs {
            let mut size = [0; 4];
            from.read_exact(&mut size).unwrap();
            let mut theirs = vec![0; u32::from_le_bytes(size) as usize];
            from.read_exact(&mut theirs).unwrap();
            let input = feed(number);
            all += input.len();
            let ours = written(writer(), &input);
            assert!(ours == theirs, "{name}: input {number} of {} bytes", input.len());
        }
        eprintln!("{name}: {inputs} inputs, {all} bytes");
    });
    assert!(judge.wait().unwrap().success());
}

fn piped(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn go_writes_the_same() {
    let Some(program) = find("go") else { return };
    let place = Place::new();
    let (source, judge) = (place.put("judge.go", GO.as_bytes()), place.path("judge"));
    let mut build = Command::new(&program);
    build.args(["build", "-o", &judge, &source]).env("GOCACHE", place.path("cache"));
    run(build.env("GO111MODULE", "off").env("GOFLAGS", "").env("GOTOOLCHAIN", "local"));
    let version = String::from_utf8(run(Command::new(program).arg("version"))).unwrap();
    let minor = version.split("go1.").nth(1).and_then(|it| it.split(['.', ' ']).next());
    let release = match minor.unwrap().parse::<u32>().unwrap() {
        7..=26 => GoRelease::To126,
        _ => GoRelease::From127,
    };
    for (at, level) in levels("6 1 9 -1 -2 0 2 3 4 5 7 8").iter().enumerate() {
        // Images have levels 6 and 1.
        let inputs = if at < 2 { count(80) } else { count(80) / 8 };
        let number = level.parse().unwrap();
        let writer = || go(release, number).unwrap();
        answers(piped(Command::new(&judge).arg(level)), &format!("Go {level}"), inputs, writer);
    }
}

#[test]
fn zlib_writes_the_same() {
    let Some(python) = find("python3") else { return };
    for (at, level) in levels("6 1 9 2 3 4 5 7 8").iter().enumerate() {
        let inputs = if at == 0 { count(60) } else { count(60) / 8 };
        let judge = piped(Command::new(&python).args(["-c", PYTHON, level]));
        let writer = || zlib(ZlibProgram::Zlib, level.parse().unwrap());
        answers(judge, &format!("zlib {level}"), inputs, writer);
    }
}

/// As answers of a program that takes one input for each run.
#[test]
fn gzip_and_busybox_write_the_same() {
    let program = program();
    for (name, arguments, level) in [
        ("gzip", &["gzip", "-n", "-6", "-c"][..], 6),
        ("gzip", &["gzip", "-n", "-1", "-c"], 1),
        ("gzip", &["gzip", "-n", "-9", "-c"], 9),
        ("busybox", &["busybox", "gzip", "-c"], 6),
    ] {
        if find(name).is_none() {
            return;
        }
        let place = Place::new();
        for number in 0..20 {
            let input = input(number, &program);
            let file = place.put("input", &input);
            let theirs = run(Command::new(arguments[0]).args(&arguments[1..]).arg(&file));
            // Its header has a name or not; behind it are the stream, and eight bytes.
            let ours = |kind| written(zlib(kind, level), &input);
            let theirs = &theirs[..theirs.len() - 8];
            let any = match name {
                "gzip" => vec![ZlibProgram::Gzip],
                _ => vec![
                    ZlibProgram::BusyBoxSmall,
                    ZlibProgram::BusyBoxMedium,
                    ZlibProgram::BusyBoxBig,
                ],
            };
            let same = any.into_iter().any(|kind| theirs.ends_with(&ours(kind)));
            assert!(same, "{arguments:?}: input {number} of {} bytes", input.len());
        }
    }
}

const RELEASES: [KlauspostRelease; 6] = [
    KlauspostRelease::V1_18_1,
    KlauspostRelease::V1_15_10,
    KlauspostRelease::V1_15_0,
    KlauspostRelease::V1_14_3,
    KlauspostRelease::V1_12_3,
    KlauspostRelease::V1_10_2,
];

/// skopeo compresses the layers of a docker archive, whatever they are.
fn skopeo_writes_the_same(skopeo: &mut Command, place: &Place) {
    let program = program();
    let inputs: BTreeSet<Vec<u8>> = (0..60).map(|number| input(number, &program)).collect();
    let inputs: Vec<Vec<u8>> = inputs.into_iter().collect();
    let image = Image::of(inputs.clone()).named(&["a.test/b:1"]);
    let saved = place.put("saved.tar", &archive(&[image], Repeat::Symlink));
    let out = place.path("layout");
    let from = format!("docker-archive:{saved}");
    run(skopeo.args(["copy", "--insecure-policy", &from, &format!("oci:{out}:1")]));
    let raw = imgconv(&["inspect", "--raw", "manifest", &out]).ok().out;
    let manifest: Value = serde_json::from_slice(&raw).unwrap();
    let blob = |layer: &Value| {
        let digest = layer["digest"].as_str().unwrap().replace(':', "/");
        fs::read(Path::new(&out).join("blobs").join(digest)).unwrap()
    };
    let theirs: Vec<Vec<u8>> = manifest["layers"].as_array().unwrap().iter().map(blob).collect();
    assert_eq!(theirs.len(), inputs.len());
    let same = |release: &KlauspostRelease| {
        theirs.iter().zip(&inputs).all(|(theirs, input)| {
            let ours = written(pgzip(PgzipBlock::Large, *release), input);
            theirs[10..theirs.len() - 8] == ours
        })
    };
    assert!(RELEASES.iter().any(same), "no release writes what {skopeo:?} wrote");
}

#[test]
fn pgzip_of_skopeo_writes_the_same() {
    let Some(skopeo) = find("skopeo") else { return };
    skopeo_writes_the_same(&mut Command::new(skopeo), &Place::new());
}

#[test]
fn pgzip_of_skopeo_today_writes_the_same() {
    let Some(today) = today() else { return };
    if today.has("skopeo") {
        skopeo_writes_the_same(&mut today.command("skopeo"), &Place::new());
    }
}

/// umoci's layers come back from their manifest, and with their writer's name.
#[test]
fn a_layer_of_umoci_comes_back() {
    let Some(umoci) = Umoci::find() else { return };
    let place = Place::new();
    let (folder, layout) = (place.path("files"), place.path("layout"));
    fs::create_dir(&folder).unwrap();
    fs::write(Path::new(&folder).join("program"), &program()[..3 << 20]).unwrap();
    umoci.insert(Path::new(&layout), "1", Path::new(&folder));
    let shown = imgconv(&["inspect", "--writers", &layout]).ok().out_text();
    assert!(shown.contains("compressed as umoci"), "{shown}");
    let (saved, out) = (place.path("saved.tar"), place.path("out"));
    imgconv(&["oci2save", &layout, &saved, "-d", "classic", "-t", "a.test/b:1"]).ok();
    imgconv(&["save2oci", &saved, &out, "--recover", &layout, "--strict"]).ok();
    imgconv(&["compare", &layout, &out]).ok();
}

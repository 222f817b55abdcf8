//! Parts on their own: hashing, coding and decoding, and the index of an archive.
//!
//! `cargo bench --bench micro [FILTER]`. Everything goes through the public interface; what is
//! coded are bytes of this program, which stand for programs in layers.
#![allow(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

use std::fs::{self, File};
use std::hint::black_box;
use std::path::PathBuf;
use std::thread::available_parallelism;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use imgconv::bytes::files::Input;
use imgconv::convert::{self, Destination, Format, LayerCompression, Target};
use imgconv::digest::{Algorithm, Hasher, Measured};
use imgconv::progress::Quiet;
use imgconv::source::{self, Options};
use imgconv::verify;

fn main() {
    divan::main();
}

/// So many bytes of a layer.
const LAYER: usize = 16 << 20;

fn program() -> Vec<u8> {
    let own = fs::read(std::env::current_exe().unwrap()).unwrap();
    own.iter().copied().cycle().take(LAYER).collect()
}

#[divan::bench(args = [Algorithm::Sha256, Algorithm::Sha512])]
fn hash(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let bytes = program();
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(black_box(&bytes));
        hasher.finish()
    });
}

/// A uncompressed tar of one member.
fn tar(path: &str, data: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path).unwrap();
    header.set_size(data.len() as u64);
    header.set_cksum();
    let padding = vec![0; data.len().next_multiple_of(512) - data.len()];
    [header.as_bytes().as_slice(), data, &padding].concat()
}

/// A docker archive of one image.
fn archive(layers: &[Vec<u8>]) -> Vec<u8> {
    let id = |bytes: &[u8]| Measured::of(bytes).digest();
    let ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", id(layer))).collect();
    let paths: Vec<String> = (0..layers.len()).map(|at| format!("\"{at}.tar\"")).collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    );
    let manifest =
        format!(r#"[{{"Config":"c.json","RepoTags":null,"Layers":[{}]}}]"#, paths.join(","));
    let mut all = tar("c.json", config.as_bytes());
    for (at, layer) in layers.iter().enumerate() {
        all.extend(tar(&format!("{at}.tar"), layer));
    }
    all.extend(tar("manifest.json", manifest.as_bytes()));
    all.extend([0; 1024]);
    all
}

/// A file that goes away with the folder.
struct Stored {
    path: PathBuf,
    folder: tempfile::TempDir,
}

impl Stored {
    fn new(layers: &[Vec<u8>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.tar");
        fs::write(&path, archive(layers)).unwrap();
        Self { path, folder }
    }

    fn options(&self) -> Options {
        Options::new(self.folder.path())
    }

    /// Converts to an OCI archive that goes nowhere.
    fn code(&self, compression: LayerCompression, destination: Destination) {
        let source = source::open(Input::Path(self.path.clone()), &self.options(), &Quiet).unwrap();
        let mut target = Target::new(destination, Format::OciArchive);
        target.compression = compression;
        let plan = convert::plan(source, target).unwrap();
        convert::run(&plan, &Quiet).unwrap();
    }
}

/// Reading, hashing and coding a layer of 16 MiB on all cores.
#[divan::bench(args = ["none", "gzip", "zstd"])]
fn code(bencher: Bencher<'_, '_>, codec: &str) {
    let stored = Stored::new(&[program()]);
    bencher.counter(BytesCount::new(LAYER)).bench(|| {
        let file = File::options().write(true).open("/dev/null").unwrap();
        let spool = stored.folder.path().to_owned();
        stored.code(wanted(codec), Destination::stream(file, spool));
    });
}

fn wanted(codec: &str) -> LayerCompression {
    match codec {
        "gzip" => LayerCompression::Gzip,
        "zstd" => LayerCompression::Zstd,
        _ => LayerCompression::None,
    }
}

/// Reading, decoding and hashing such a layer: everything that `verify` checks.
#[divan::bench(args = ["none", "gzip", "zstd"])]
fn check(bencher: Bencher<'_, '_>, codec: &str) {
    let stored = Stored::new(&[program()]);
    let layout = stored.folder.path().join("layout.tar");
    stored.code(wanted(codec), Destination::Path(layout.clone()));
    let threads = available_parallelism().unwrap().get();
    bencher.counter(BytesCount::new(LAYER)).bench(|| {
        verify::verify(Input::Path(layout.clone()), &stored.options(), threads, &Quiet).unwrap()
    });
}

/// Opening an archive of so many layers.
#[divan::bench(args = [100, 1000, 4000])]
fn index(bencher: Bencher<'_, '_>, layers: usize) {
    let all: Vec<Vec<u8>> = (0..layers).map(|at| tar(&at.to_string(), &[0; 512])).collect();
    let stored = Stored::new(&all);
    bencher.counter(ItemsCount::new(layers)).bench(|| {
        source::open(Input::Path(stored.path.clone()), &stored.options(), &Quiet)
            .unwrap()
            .nodes
            .len()
    });
}

//! What is opened: any bytes, watched; and files of a directory that is written to while it is read.

use std::fs;
use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::error::Class;
use crate::progress::{Activity, Event, Progress, Quiet, Watch};

fn archive(size: usize) -> Vec<u8> {
    let mut tar = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "a", &vec![7; size][..]).unwrap();
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast())
        .read_to_end(&mut encoded)
        .unwrap();
    encoded
}

fn opened(input: impl Into<Input>, progress: &dyn Progress) -> Result<Files> {
    Files::open(input.into(), Reception::spooled(tempfile::tempdir().unwrap().path()), progress)
}

#[test]
fn an_archive_comes_out_of_anything_that_can_be_read_and_each_byte_is_told() {
    let plain = archive(300_000);
    for bytes in [plain.clone(), gzip(&plain)] {
        let (read, steps) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        let watch = Watch(|event: Event<'_>| {
            match event {
                Event::Read(count) => drop(read.fetch_add(count, Ordering::Relaxed)),
                Event::Started { activity, at, size } => {
                    steps.lock().unwrap().push((activity, at.to_string(), size));
                }
                _ => (),
            }
            ControlFlow::Continue(())
        });
        // Neither a file nor a pipe of the system.
        let files = opened(Input::stream(Cursor::new(bytes.clone())), &watch).unwrap();
        assert_eq!(files.find("a").unwrap().unwrap().size, 300_000);
        assert_eq!(read.load(Ordering::Relaxed), bytes.len() as u64);
        assert_eq!(*steps.lock().unwrap(), [(Activity::Spool, "-".to_owned(), None)]);
    }
}

/// On the first event, on the last one, and on each between.
#[test]
fn opening_can_be_stopped_at_any_event() {
    let bytes = gzip(&archive(600_000));
    for last in 0.. {
        let count = AtomicU64::new(0);
        let watch = Watch(|_: Event<'_>| match count.fetch_add(1, Ordering::Relaxed) < last {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        });
        match opened(Input::stream(Cursor::new(bytes.clone())), &watch) {
            Err(error) => assert!(matches!(error.kind, ErrorKind::Interrupted), "{last}: {error}"),
            Ok(_) => {
                assert!(last > 2 && count.load(Ordering::Relaxed) == last, "{last}");
                return;
            }
        }
    }
}

#[test]
fn what_is_not_a_tar_is_named_and_a_damaged_one_stays_one() {
    let utf16: Vec<u8> = "PK\u{3}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let of = |text: &str| format!("{text:<2000}").into_bytes();
    let folder = tempfile::tempdir().unwrap();
    for (bytes, why) in [
        (of("  <!DOCTYPE html><title>Sign in</title>"), "web page"),
        (of("<HTML>"), "web page"),
        (of("[{}]"), "JSON document"),
        (of("hello"), "not a tar"),
        (b"short".to_vec(), "not a tar"),
        ([b"PK\x03\x04".to_vec(), vec![1; 3000]].concat(), "zip"),
        ([&b"\xff\xfe"[..], &utf16, &[1; 3000]].concat(), "PowerShell"),
        (gzip(&of("hello")), "not a tar"),
        (Vec::new(), "empty"),
        (gzip(b""), "empty"),
    ] {
        let path = folder.path().join("file");
        fs::write(&path, &bytes).unwrap();
        for input in [Input::from(&*path), Input::stream(Cursor::new(bytes.clone()))] {
            let error = opened(input, &Quiet).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("not a docker archive or an OCI layout"), "{text}");
            assert!(text.contains(why), "{why}: {text}");
            assert_eq!(error.kind.class(), Class::CouldNot);
        }
    }
    let good = archive(2000);
    for (at, code) in [(0, "tar-header"), (150, "tar-header"), (600, "")] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        let found = opened(Input::stream(Cursor::new(bad)), &Quiet).map_err(|it| it.kind.code());
        assert_eq!(found.err().unwrap_or_default(), code, "byte {at}");
    }
    for cut in [600, 1000] {
        let error = opened(Input::stream(Cursor::new(good[..cut].to_vec())), &Quiet).unwrap_err();
        assert_eq!(error.kind.code(), "truncated", "{error}");
    }
}

#[test]
fn a_document_is_told_wherever_it_comes_from() {
    let raw = b" {\"schemaVersion\": 2}".to_vec();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest");
    fs::write(&path, &raw).unwrap();
    for input in [
        Input::from(&*path),
        Input::from(File::open(&path).unwrap()),
        Input::stream(Cursor::new(raw.clone())),
    ] {
        match open(input, Reception::spooled(Path::new("/nowhere")), &Quiet).unwrap() {
            Opened::Document(_, found) => assert_eq!(found, raw),
            other => panic!("{other:?}"),
        }
    }
}

/// `--append` puts a new `index.json` in the place of the old one at any moment.
#[test]
fn a_file_that_was_replaced_since_it_was_found_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.json");
    for (old, new) in [("short", "much longer"), ("much longer", "short")] {
        fs::write(&path, old).unwrap();
        let found = file_of(path.clone(), Location::of(&path)).unwrap().unwrap();
        // As a writer does it: another file gets the name.
        fs::remove_file(&path).unwrap();
        fs::write(&path, new).unwrap();
        assert_eq!(found.read(100, "the size").unwrap(), new.as_bytes());
        let refused = found.read(1, "the size").unwrap_err();
        assert!(matches!(refused.kind, ErrorKind::Limit { .. }), "{refused}");
    }
}

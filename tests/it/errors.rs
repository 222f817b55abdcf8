//! One message of each kind of error, with its exit status and hint: `tests/golden/errors.txt` is what to read
//! aloud.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use imgconv::digest::{DiffId, Digest};
use imgconv::error::{Class, ErrorKind};

#[expect(clippy::too_many_lines, reason = "a list")]
fn one_of_each() -> Vec<ErrorKind> {
    use ErrorKind as K;
    let digest = |text: &str| Digest::of(text.as_bytes());
    let (expected, found) = (digest("good"), digest("bad"));
    let diff_id = |text: &str| digest(text).to_string().parse::<DiffId>().unwrap();
    let text = str::to_owned;
    let io = |kind: io::ErrorKind| io::Error::from(kind);
    vec![
        K::Digest { expected, found },
        K::Size { expected: 1024, found: 1000 },
        K::DiffId { layer: 2, expected: diff_id("good"), found: diff_id("bad") },
        K::DiffIdOfCompressed { layer: 2, expected: diff_id("good"), found: diff_id("bad") },
        K::Unsupported { what: "lz4 data" },
        K::LayerCount { diff_ids: 3, layers: 2 },
        K::Data { expected: text("512 bytes"), found: text("500 bytes") },
        K::MissingBlob { expected },
        K::IndexAlone { children: 4 },
        K::Incomplete { found: text("for linux/arm64; complete platforms: linux/amd64") },
        K::limit("the number of layers", 100_000, 100_001),
        K::Truncated { inside: text("blobs/sha256/ab12") },
        K::TarHeader { offset: 512, what: "the checksum is wrong", found: text("0o17") },
        K::Pax { offset: 512, what: "a record is not closed" },
        K::Twice,
        K::LayerElsewhere { urls: text("https://example.com/layer") },
        K::MissingMember { by: text("manifest.json") },
        K::ClimbsOut { path: text("../etc/passwd") },
        K::LinkLoop { path: text("a/layer.tar") },
        K::NotAFile { found: "a FIFO" },
        K::CompressedTwice { outer: "gzip", inner: "gzip" },
        K::Compression { codec: "gzip", what: text("the checksum is wrong") },
        K::NoCodec { codec: "zstd" },
        K::Json { what: "expected a comma", at: 17 },
        K::DuplicateKey { key: text("Layers") },
        K::field("layers[0].size", "a number", "\"ten\""),
        K::AmbiguousDocument { first: "an image config", second: "a manifest" },
        K::MediaType { expected: text("application/x"), found: text("application/y") },
        K::LayoutVersion { found: text("2.0.0") },
        K::Parents { what: "expected a V1 layer ID", found: text("base") },
        K::Unrecognised { why: "it is a web page" },
        K::NoImage { found: text("an empty index") },
        K::WrongKind { expected: "docker archive", found: "layout" },
        K::Disagree { manifest: text("app:1"), index: text("app:2") },
        K::Changed,
        K::NoSuchImage { wanted: text("app:3"), found: text("@0 (app:1), @1 (app:2)") },
        K::AmbiguousName { name: text("1.0"), first: expected, second: found },
        K::NoSuchPlatform { wanted: text("linux/s390x"), found: text("linux/amd64, linux/arm64") },
        K::Strict { losses: text("the index digest is not kept") },
        K::WrongBlob { expected, found },
        K::Exists,
        K::NotALayout,
        K::DestinationChanged,
        K::Locked { link: text(".imgconv-lock.app.tar") },
        K::FileExists,
        K::NoParent,
        K::ParentNotADirectory,
        K::Symlink { expected: "a layout or an archive" },
        K::CannotHold { why: "two images have one name" },
        K::Damaged { problem: text("layout!blobs/sha256/ab12: digest differs") },
        K::CannotConvert { to: "schema 2 manifest", why: "a layer is compressed with zstd" },
        K::Missing { to: "schema 1 manifest", missing: text("pass the config with --config FILE") },
        K::Several { found: text("@0 (app:1), @1 (app:2)") },
        K::Usage { what: "expected 1 to 256 threads", found: text("300") },
        K::Open(io(io::ErrorKind::NotFound)),
        K::Read(io(io::ErrorKind::PermissionDenied)),
        K::Write(io(io::ErrorKind::StorageFull)),
        K::Spool(io(io::ErrorKind::StorageFull)),
        K::NoSpace { needed: 4096, free: 512 },
        K::Interrupted,
    ]
}

#[test]
fn one_message_of_each_kind_of_error_is_in_the_file() {
    let mut table = String::new();
    let all = one_of_each();
    for kind in &all {
        let status = if kind.class() == Class::Refused { 1 } else { 2 };
        writeln!(table, "{} (exit status {status})", kind.code()).unwrap();
        writeln!(table, "  error: app.tar: {}", kind.text()).unwrap();
        if let Some(hint) = kind.hint() {
            writeln!(table, "  hint: {hint}").unwrap();
        }
    }
    crate::build::golden::is("tests/golden/errors.txt", &table);
    // Each code of the source is there.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/error/kind.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let codes =
        source.split("pub fn code(&self)").nth(1).unwrap().split("\n    }\n").next().unwrap();
    for code in codes.split("=> \"").skip(1).map(|it| it.split('"').next().unwrap()) {
        assert!(table.contains(&format!("{code} (exit")), "{code} has no message in the file");
    }
}

/// Sentences are those of people who write English every day.
#[test]
fn messages_are_plain_english() {
    for kind in one_of_each() {
        let text = format!("{} {}", kind.text(), kind.hint().unwrap_or_default());
        for wrong in [" is no ", " are no ", "there twice", "meanwhile", " is said", "stands "] {
            assert!(!text.contains(wrong), "{text:?} has {wrong:?}");
        }
        assert!(!kind.text().ends_with('.'), "{text}");
    }
}

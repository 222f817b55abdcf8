//! One message of each kind of error, with its exit status and hint: `tests/golden/errors.txt` is what to read
//! aloud.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use imgconv::digest::{DiffId, Digest};
use imgconv::error::{Class, ErrorKind, Verdict};

use ErrorKind as K;

fn of(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn diff_id(text: &str) -> DiffId {
    of(text).to_string().parse().unwrap()
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// Bytes that contradict what is said of them, or are missing.
fn damaged() -> Vec<ErrorKind> {
    let (expected, found) = (of("good"), of("bad"));
    vec![
        K::Digest { expected, found },
        K::Size { expected: 1024, found: 1000 },
        K::DiffId { layer: 2, expected: diff_id("good"), found: diff_id("bad") },
        K::LayerCount { diff_ids: 3, layers: 2 },
        K::Data { expected: text("512 bytes"), found: text("500 bytes") },
        K::MissingBlob { expected },
        K::Truncated { inside: text("blobs/sha256/ab12") },
        K::TarHeader { offset: 512, what: "the checksum is wrong", found: text("0o17") },
        K::Pax { offset: 512, what: "a record is not closed" },
        K::MissingMember { by: text("manifest.json") },
        K::LinkLoop { path: text("a/layer.tar") },
        K::Compression { codec: "gzip", what: text("the checksum is wrong") },
        K::Json { what: "expected a comma", at: 17 },
        K::field("layers[0].size", "a number", "\"ten\""),
        K::field("layers[0].digest", "a digest", "sha256:AB12"),
        K::MediaType { expected: text("application/x"), found: text("application/y") },
        K::Parents { what: "expected a V1 layer ID", found: text("base") },
        K::Disagree { manifest: text("app:1"), index: text("app:2") },
        K::WrongBlob { expected, found },
        K::Damaged { problem: text("layout!blobs/sha256/ab12: digest differs") },
    ]
}

/// Bytes that may be right, and that imgconv does not read, choose or store.
fn unsupported() -> Vec<ErrorKind> {
    vec![
        K::DiffIdOfCompressed { layer: 2, expected: diff_id("good"), found: diff_id("bad") },
        K::Unsupported { what: "lz4 data" },
        K::CompressedTwice { outer: "gzip", inner: "gzip" },
        K::RegistryRefuses { what: "manifest", expected: 201, status: 415, said: String::new() },
        K::RegistryRefuses { what: "blob", expected: 201, status: 413, said: text("too large") },
        K::NoCodec { codec: "zstd" },
        K::Twice,
        K::TarHeader { offset: 0, what: "two sizes, and readers disagree", found: text("a") },
        K::Pax { offset: 0, what: "a sparse member, which some readers expand" },
        K::ClimbsOut { path: text("../etc/passwd") },
        K::NotAFile { found: "a FIFO" },
        K::DuplicateKey { key: text("Layers") },
        K::AmbiguousDocument { first: "an image config", second: "a manifest" },
        K::LayoutVersion { found: text("2.0.0") },
        K::field("schemaVersion", "2", "3"),
        K::field("manifests[0].digest", "a digest", "blake3:ab12"),
        K::field("the document", "a manifest, index or config", "a descriptor"),
        K::field("the document", "a manifest, index or config", "error message of a registry"),
        K::Unrecognised { why: "it is a web page" },
        K::Unrecognised { why: "it is an error message of a registry" },
        K::Unrecognised { why: "it is a zip file" },
        K::Unrecognised { why: "it is not a tar, and not the beginning of one" },
        K::Unrecognised { why: "the file is empty" },
        K::NoImage { found: text("an empty index") },
        K::CannotHold { why: "a non-distributable layer is missing" },
        K::CannotHold { why: "its layers are encrypted" },
        K::CannotConvert { to: "schema 2 manifest", why: "a layer is compressed with zstd" },
    ]
}

/// A command that asks for what is not there or not possible.
fn usage() -> Vec<ErrorKind> {
    let (first, second) = (of("good"), of("bad"));
    vec![
        K::LayerElsewhere { urls: text("https://example.com/layer") },
        K::IndexAlone { children: 4 },
        K::Incomplete { found: text("for linux/arm64; complete platforms: linux/amd64") },
        K::OtherImage { expected: text("sha256:aa"), found: text("sha256:bb") },
        K::WrongKind { expected: "docker archive", found: "layout" },
        K::NoSuchImage { wanted: text("app:3"), found: text("@0 (app:1), @1 (app:2)") },
        K::AmbiguousName { name: text("1.0"), first, second },
        K::NoSuchPlatform { wanted: text("linux/s390x"), found: text("linux/amd64, linux/arm64") },
        K::Strict { losses: text("the index digest is not kept") },
        K::Missing { to: "schema 1 manifest", missing: text("pass the config with --config FILE") },
        K::Several { found: text("@0 (app:1), @1 (app:2)") },
        K::Usage { what: "expected 1 to 256 threads", found: text("300") },
    ]
}

/// The machine, the destination, another program.
fn environment() -> Vec<ErrorKind> {
    let io = |kind: io::ErrorKind| io::Error::from(kind);
    vec![
        K::Changed,
        K::Denied { action: "pull", status: 401, login: "without credentials" },
        K::NotInRegistry { what: "tag", said: text("MANIFEST_UNKNOWN: manifest unknown") },
        K::NotInRegistry { what: "repository", said: String::new() },
        K::RegistryAnswer { what: "expected success", found: text("503 UNAVAILABLE") },
        K::Network { host: text("ghcr.io"), what: text("no such host") },
        K::Tls { host: text("registry.lan"), what: text("invalid peer certificate") },
        K::UnsafeUrl { what: "the token server has no TLS", url: text("http://token.lan") },
        K::Url { expected: "http:// or https://", found: text("ftp://registry.example/v2/") },
        K::CredentialsFile { why: text("not valid JSON: expected a comma at byte 17") },
        K::CredentialHelper { why: text("exit status 1: the keychain is locked") },
        K::Exists,
        K::NotALayout,
        K::DestinationChanged,
        K::Locked { link: text(".imgconv-lock.app.tar") },
        K::FileExists,
        K::NoParent,
        K::ParentNotADirectory,
        K::Symlink { expected: "a layout or an archive" },
        K::Open(io(io::ErrorKind::NotFound)),
        K::Read(io(io::ErrorKind::PermissionDenied)),
        K::Write(io(io::ErrorKind::StorageFull)),
        K::Write(io(io::ErrorKind::ReadOnlyFilesystem)),
        K::Spool(io(io::ErrorKind::StorageFull)),
        K::Spool(io(io::ErrorKind::ReadOnlyFilesystem)),
        K::NoSpace { needed: 4096, free: 512 },
        K::Interrupted,
    ]
}

/// Every refusal of the program with what it says about the bytes.
fn one_of_each() -> Vec<(Verdict, ErrorKind)> {
    let limit = vec![K::limit("the number of layers", 100_000, 100_001)];
    [
        (Verdict::Damaged, damaged()),
        (Verdict::Unsupported, unsupported()),
        (Verdict::Limit, limit),
        (Verdict::Usage, usage()),
        (Verdict::Environment, environment()),
    ]
    .into_iter()
    .flat_map(|(verdict, kinds)| kinds.into_iter().map(move |kind| (verdict, kind)))
    .collect()
}

/// Damaged, unsupported and over a limit are kept apart, and each says what to do.
#[test]
fn every_refusal_is_of_one_kind_and_those_about_bytes_have_a_hint() {
    for (verdict, kind) in one_of_each() {
        assert_eq!(kind.verdict(), verdict, "{kind}");
        let text = format!("{kind} {}", kind.hint().unwrap_or_default());
        if verdict <= Verdict::Limit {
            assert!(kind.hint().is_some(), "{kind} has no hint");
        }
        assert!(imgconv::explain::code(kind.code()).is_some(), "{}", kind.code());
        // What is only unknown is not called damaged; nobody downloads it again for nothing.
        if verdict != Verdict::Damaged {
            assert!(!text.contains("download"), "{text}");
            assert!(!text.contains("damaged") || text.contains("not damaged"), "{text}");
        }
    }
    // Each variant has a row.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/error/kind.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let body = source.split("pub enum ErrorKind {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let word = |text: &str| text.split(|it: char| !it.is_alphanumeric()).next().unwrap().to_owned();
    let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(|it: char| it.is_ascii_uppercase()));
    let variants: BTreeSet<String> = variants.map(word).collect();
    let rows = one_of_each().into_iter().map(|(_, kind)| word(&format!("{kind:?}")));
    assert_eq!(rows.collect::<BTreeSet<_>>(), variants);
}

#[test]
fn one_message_of_each_kind_of_error_is_in_the_file() {
    let mut table = String::new();
    let all = one_of_each();
    for (verdict, kind) in &all {
        let status = if kind.class() == Class::Refused { 1 } else { 2 };
        writeln!(table, "{} ({verdict}, exit status {status})", kind.code()).unwrap();
        writeln!(table, "  error: app.tar: {} [{}]", kind.text(), kind.code()).unwrap();
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
        assert!(
            table.contains(&format!("\n{code} (")) || table.starts_with(code),
            "{code} has no message in the file"
        );
    }
}

/// Sentences are those of people who write English every day.
#[test]
fn messages_are_plain_english() {
    for (_, kind) in one_of_each() {
        let text = format!("{} {}", kind.text(), kind.hint().unwrap_or_default());
        for wrong in [" is no ", " are no ", "there twice", "meanwhile", " is said", "stands "] {
            assert!(!text.contains(wrong), "{text:?} has {wrong:?}");
        }
        assert!(!kind.text().ends_with('.'), "{text}");
    }
}

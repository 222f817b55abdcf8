//! Texts that a reviewer reads as a whole, kept beside the tests that make them.

use std::path::Path;

/// Compares with the file of that name, seen from the root of the repository; `.ci/bless` writes it.
#[track_caller]
pub(crate) fn is(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("IMGCONV_BLESS").is_some() {
        return std::fs::write(&path, text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let first = there.lines().zip(text.lines()).find(|(there, now)| there != now);
    assert!(there == text, "{name} is not current, run .ci/bless: {first:?}");
}

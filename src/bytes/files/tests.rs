//! Files of a directory that is written to while it is read.

use super::*;

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

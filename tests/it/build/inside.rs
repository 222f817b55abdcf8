//! The library called from inside the test: faster than a process, and errors keep their kind.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use imgconv::bytes::files::Input;
use imgconv::convert::{self, Destination, Format, Target};
use imgconv::error::Error;
use imgconv::progress::Quiet;
use imgconv::source::{self, Options, Source};

/// Where a source that is compressed as a whole is kept meanwhile.
fn spool() -> PathBuf {
    "/tmp".into()
}

pub(crate) fn options() -> Options {
    Options::new(spool())
}

/// A target that is a pipe, here a file without a name.
pub(crate) fn target(out: &std::fs::File, form: Format) -> Target {
    let destination = Destination::stream(out.try_clone().unwrap(), spool());
    let mut target = Target::new(destination, form);
    target.threads = 1;
    target
}

/// The OCI archive that an open source becomes.
pub(crate) fn written(source: Source) -> Result<Vec<u8>, Error> {
    let mut out = tempfile::tempfile().unwrap();
    let plan = convert::plan(source, target(&out, Format::OciArchive))?;
    convert::run(&plan, &Quiet)?;
    out.seek(SeekFrom::Start(0)).unwrap();
    let mut written = Vec::new();
    out.read_to_end(&mut written).unwrap();
    Ok(written)
}

/// The OCI archive that a source becomes.
pub(crate) fn converted(path: &Path) -> Result<Vec<u8>, Error> {
    written(source::open(Input::Path(path.to_owned()), &options(), &Quiet)?)
}

/// The code and the words of the refusal of these bytes, which must name a place.
#[track_caller]
pub(crate) fn refusal(bytes: &[u8]) -> (&'static str, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.tar");
    std::fs::write(&path, bytes).unwrap();
    refusal_of(&path)
}

/// The same for what is on disk.
#[track_caller]
pub(crate) fn refusal_of(path: &Path) -> (&'static str, String) {
    let error = converted(path).expect_err("it is converted");
    let text = error.to_string();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(text.contains(name), "no place: {text}");
    (error.kind.code(), text)
}

/// Refuses with this code and these words.
#[track_caller]
pub(crate) fn refused_as(bytes: &[u8], code: &str, words: &[&str]) {
    let (found, text) = refusal(bytes);
    assert_eq!(found, code, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

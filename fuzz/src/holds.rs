//! What must hold for any source: nothing that verify passes is refused by a conversion, and what
//! a conversion gives is whole, the same every time, and of the images that were read.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use imgconv::convert::{self, Destination, Dialect, Format, Target};
use imgconv::error::{Error, ErrorKind};
use imgconv::bytes::files::Input;
use imgconv::image::Node;
use imgconv::progress::Quiet;
use imgconv::source::{self, Options};
use imgconv::error::Severity;
use imgconv::verify::verify;

/// Image ID and diff IDs.
pub(crate) type Picture = (String, Vec<String>);

fn options() -> Options {
    Options::new(spool())
}

fn spool() -> PathBuf {
    "/dev/shm".into()
}

/// A file in memory.
fn file(bytes: &[u8]) -> File {
    let memory = rustix::fs::memfd_create("source", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = File::from(memory.expect("memory"));
    file.write_all(bytes).expect("memory");
    file.seek(SeekFrom::Start(0)).expect("memory");
    file
}

/// The problems that verify finds.
fn problems(bytes: &[u8]) -> Vec<String> {
    match verify(Input::File(file(bytes)), &options(), 1, &Quiet) {
        Ok(verification) => {
            let wrong = verification.findings.into_iter();
            let wrong = wrong.filter(|it| it.severity == Severity::Problem);
            wrong.map(|it| format!("{}: {}", it.at, it.text)).collect()
        }
        Err(error) => {
            checked(&error);
            vec![error.to_string()]
        }
    }
}

/// The images that are read, or the first thing that is wrong.
pub(crate) fn pictures(bytes: &[u8]) -> Result<Vec<Picture>, Error> {
    let mut source = source::open(Input::File(file(bytes)), &options(), &Quiet)?;
    if !source.problems.is_empty() {
        return Err(source.problems.swap_remove(0));
    }
    let mut found: Vec<Picture> = source.nodes.iter().filter_map(picture).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

fn picture(node: &Node) -> Option<Picture> {
    let Node::Image(image) = node else { return None };
    let ids = image.config.view().diff_ids.iter().map(ToString::to_string).collect();
    Some((image.id().to_string(), ids))
}

/// What a conversion gives.
pub(crate) fn converted(bytes: &[u8], form: Format) -> Result<Vec<u8>, Error> {
    let source = source::open(Input::File(file(bytes)), &options(), &Quiet)?;
    let out = file(b"");
    let file = out.try_clone().expect("memory");
    let destination = Destination::stream(file, spool());
    let mut target = Target::new(destination, form);
    target.threads = 1;
    let plan = convert::plan(source, target)?;
    convert::run(&plan, &Quiet)?;
    let mut written = Vec::new();
    let mut out = out;
    out.seek(SeekFrom::Start(0)).expect("memory");
    out.read_to_end(&mut written).expect("memory");
    Ok(written)
}

/// An error says where and what, on one line that a terminal can show.
fn checked(error: &Error) {
    let line = error.to_string();
    assert!(!line.is_empty() && !line.chars().any(char::is_control), "{line:?}");
    assert!(!matches!(error.kind, ErrorKind::Write(_) | ErrorKind::Spool(_)), "{line}");
}

/// One document, which verify looks at and no conversion takes.
fn is_document(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(512)];
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[')) && !head.contains(&0)
}

/// A refusal that speaks of the destination, not of the source.
fn of_the_target(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::CannotHold { .. }
            | ErrorKind::NoSuchPlatform { .. }
            | ErrorKind::AmbiguousName { .. }
    )
}

/// Whatever the bytes are. Returns the images that came out.
///
/// `IMGCONV_KEEP` names a file that the source is kept in, to be looked at.
pub(crate) fn holds(bytes: &[u8]) -> Option<Vec<Picture>> {
    if let Some(path) = std::env::var_os("IMGCONV_KEEP") {
        std::fs::write(path, bytes).expect("a place to keep the source");
    }
    let problems = problems(bytes);
    let layout = match converted(bytes, Format::OciArchive) {
        Ok(layout) => layout,
        Err(error) => {
            checked(&error);
            let found = !problems.is_empty() || is_document(bytes) || of_the_target(&error);
            assert!(found, "only a conversion finds: {error}");
            return None;
        }
    };
    let read = pictures(bytes).expect("it was converted");
    let out = pictures(&layout).expect("what was written is read");
    assert_eq!(read, out, "the images of the source and those that were written");
    // What a conversion takes although verify would not is written as it was.
    let clean = problems.is_empty();
    let left = if clean { self::problems(&layout) } else { Vec::new() };
    assert_eq!(left, [""; 0], "problems of what was written");
    let again = converted(&layout, Format::OciArchive).expect("what was written is converted");
    assert!(layout == again, "a layout that is copied is another one");
    match converted(bytes, Format::DockerArchive(Dialect::Universal)) {
        Ok(saved) => {
            let left = if clean { self::problems(&saved) } else { Vec::new() };
            assert_eq!(left, [""; 0], "problems of the docker archive");
            let saved = pictures(&saved).expect("what was written is read");
            assert!(saved.iter().all(|it| read.contains(it)), "{saved:?} out of {read:?}");
        }
        Err(error) => checked(&error),
    }
    Some(out)
}

/// Any bytes as a source.
pub fn any_source(bytes: &[u8]) {
    holds(bytes);
}

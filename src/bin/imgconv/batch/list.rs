//! The list of a batch: which sources, and where their images go.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use imgconv::error::Shown;

use crate::failure::Failure;

/// One item of the list, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchItem {
    pub(crate) source: OsString,
    pub(crate) destination: Option<OsString>,
}

/// How the items of a list end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListEnds {
    /// With a newline; a tab is before the destination.
    Lines,
    /// With NUL. A name may have any other byte, so there are no destinations: a list of whatever
    /// files there are must not say where to write.
    Nul,
}

/// A list that was read.
#[derive(Debug)]
pub(crate) struct BatchList {
    pub(crate) items: Vec<BatchItem>,
    /// The number of items that were left out because they stand there twice.
    pub(crate) repeated: usize,
}

/// Reads a list from a file, or from standard input for `-`.
pub(crate) fn read(path: &OsStr, ends: ListEnds) -> Result<BatchList, Failure> {
    let name = path.to_string_lossy();
    let name = Shown(&name);
    let bytes = if path == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes.map_err(|error| {
        let hint = "pass a file with one source per line, or - for a pipe".to_owned();
        Failure::usage(format!("{name}: cannot read the list: {error}"), hint)
    })?;
    let list = parse(&bytes, ends).map_err(|wrong| {
        let WrongLine { number, text, hint } = wrong;
        Failure::usage(format!("{name}, line {number}: {text}"), hint)
    })?;
    if list.items.is_empty() {
        let hint = "pass a list with one source per line".to_owned();
        return Err(Failure::usage(format!("{name}: the list is empty"), hint));
    }
    Ok(list)
}

/// What is wrong in a list.
#[derive(Debug)]
struct WrongLine {
    number: usize,
    text: String,
    hint: String,
}

fn parse(bytes: &[u8], ends: ListEnds) -> Result<BatchList, WrongLine> {
    let end = if ends == ListEnds::Lines { b'\n' } else { 0 };
    let mut list = BatchList { items: Vec::new(), repeated: 0 };
    let mut known = BTreeSet::new();
    let mut written: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (number, line) in bytes.split(|byte| *byte == end).enumerate() {
        let number = number + 1;
        let is_comment = ends == ListEnds::Lines && line.starts_with(b"#");
        if line.is_empty() || is_comment {
            continue;
        }
        let wrong = |text: &str, hint: &str| WrongLine {
            number,
            text: text.to_owned(),
            hint: hint.to_owned(),
        };
        let item = item(line, ends).map_err(|(text, hint)| wrong(text, hint))?;
        if !known.insert((item.source.clone(), item.destination.clone())) {
            list.repeated += 1;
            continue;
        }
        let place = item.destination.as_deref().map(place);
        if let Some(first) = place.and_then(|place| written.insert(place, number)) {
            let text = format!("the destination is that of line {first} too");
            let hint = "give each source its own destination, or pass --into LAYOUT".to_owned();
            return Err(WrongLine { number, text, hint });
        }
        list.items.push(item);
    }
    Ok(list)
}

/// One line; an error has a hint.
fn item(line: &[u8], ends: ListEnds) -> Result<BatchItem, (&'static str, &'static str)> {
    let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    if ends == ListEnds::Nul {
        return Ok(BatchItem { source: owned(line), destination: None });
    }
    if line.contains(&0) {
        return Err(("a NUL in a line", "pass -0 for a list whose items end with NUL"));
    }
    if line.ends_with(b"\r") {
        let text = "ends with CR LF, expected LF alone";
        return Err((text, "convert the list with sed 's/\\r$//', or pass -0"));
    }
    let mut parts = line.split(|byte| *byte == b'\t');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(source), destination, None)
            if !source.is_empty() && destination != Some(b"".as_slice()) =>
        {
            Ok(BatchItem { source: owned(source), destination: destination.map(owned) })
        }
        _ => {
            Err(("expected SOURCE, or SOURCE, a tab and DESTINATION", "a name with a tab needs -0"))
        }
    }
}

/// A path without detours, to find those that are the same; links are not followed.
fn place(path: &OsStr) -> PathBuf {
    let mut bytes = path.as_bytes();
    for prefix in [&b"docker-archive:"[..], b"oci-archive:", b"oci:", b"ocidir://", b"dir:"] {
        if let Some(rest) = bytes.strip_prefix(prefix) {
            // A name of an image may follow; it makes no other place.
            bytes = rest.split(|byte| *byte == b':').next().unwrap_or_default();
            break;
        }
    }
    let mut found = std::env::current_dir().unwrap_or_default();
    for part in Path::new(OsStr::from_bytes(bytes)).components() {
        match part {
            Component::CurDir => (),
            Component::ParentDir => drop(found.pop()),
            part => found.push(part),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &[u8], ends: ListEnds) -> Vec<(String, Option<String>)> {
        let text_of = |it: &OsString| it.to_string_lossy().into_owned();
        let items = parse(text, ends).unwrap().items;
        items.iter().map(|it| (text_of(&it.source), it.destination.as_ref().map(text_of))).collect()
    }

    #[test]
    fn lines_have_a_source_and_perhaps_a_destination() {
        let one = |source: &str, to: Option<&str>| (source.to_owned(), to.map(str::to_owned));
        let list = b"# all\na.tar\n\nb b.tar\tout/b\n #c\na.tar\nlast";
        let expected = [
            one("a.tar", None),
            one("b b.tar", Some("out/b")),
            one(" #c", None),
            one("last", None),
        ];
        assert_eq!(items(list, ListEnds::Lines), expected);
        assert_eq!(parse(list, ListEnds::Lines).unwrap().repeated, 1);
        let nul = b"#a\tb\nc\0d\r\0";
        assert_eq!(items(nul, ListEnds::Nul), [one("#a\tb\nc", None), one("d\r", None)]);
    }

    #[test]
    fn what_a_line_must_not_have_is_named_with_its_number() {
        for (list, number, word) in [
            (&b"a\nb\r\n"[..], 2, "CR LF"),
            (b"a\tx\nb\t./x\n", 2, "line 1"),
            (b"a\tx\nb\toci:y/../x:tag\n", 2, "line 1"),
            (b"\n\ta\n", 2, "DESTINATION"),
            (b"a\tb\tc\n", 1, "DESTINATION"),
            (b"a\t\n", 1, "DESTINATION"),
            (b"a\0b\0", 1, "NUL"),
        ] {
            let wrong = parse(list, ListEnds::Lines).unwrap_err();
            assert_eq!(wrong.number, number, "{wrong:?}");
            assert!(wrong.text.contains(word), "{wrong:?}");
        }
    }
}

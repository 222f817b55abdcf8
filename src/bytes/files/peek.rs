//! A source that is one JSON document, not an archive: told by its first bytes.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use super::{HEAD, Input, fill};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::limits;

/// The document where the input is one; else the input, whole as it was.
pub(crate) fn peek(input: Input) -> Result<Peeked> {
    match input {
        Input::Path(path) if path.is_file() => {
            let at = Location::of(&path);
            let mut file = File::open(&path).map_err(ErrorKind::Open).at(&at)?;
            let mut head = Vec::new();
            fill(&mut file, &mut head, HEAD).at(&at)?;
            if is_json(&head) {
                return rest(at, head, file);
            }
            Ok(Peeked::Other(Input::Path(path)))
        }
        Input::Stream(mut file) => {
            let mut head = Vec::new();
            let at = Location::named("-");
            // A file is read by place, so that it can be read again.
            if file.metadata().is_ok_and(|it| it.is_file()) {
                let mut place = [0; HEAD];
                let count = file.read_at(&mut place, 0).map_err(ErrorKind::Read).at(&at)?;
                return match is_json(place.get(..count).unwrap_or_default()) {
                    true => rest(at, head, file),
                    false => Ok(Peeked::Other(Input::Stream(file))),
                };
            }
            fill(&mut file, &mut head, HEAD).at(&at)?;
            if is_json(&head) {
                return rest(at, head, file);
            }
            Ok(Peeked::Other(Input::Begun { head, rest: file }))
        }
        other => Ok(Peeked::Other(other)),
    }
}

/// What an input is.
pub(crate) enum Peeked {
    /// One document, and where.
    Document(Location, Vec<u8>),
    /// Anything else.
    Other(Input),
}

/// A tar header has zero bytes, text has none.
fn is_json(head: &[u8]) -> bool {
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[')) && !head.contains(&0)
}

fn rest(at: Location, mut raw: Vec<u8>, mut file: File) -> Result<Peeked> {
    let most = limits::CONFIG.saturating_add(1).saturating_sub(raw.len() as u64);
    file.by_ref().take(most).read_to_end(&mut raw).map_err(ErrorKind::Read).at(&at)?;
    if raw.len() as u64 > limits::CONFIG {
        let what = "the size of a document, in bytes,";
        return Err(Error::new(&at, ErrorKind::limit(what, limits::CONFIG, "more")));
    }
    Ok(Peeked::Document(at, raw))
}

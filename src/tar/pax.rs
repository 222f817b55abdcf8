//! Records of PAX extended headers (POSIX `pax`, "pax Extended Header").
//!
//! Records are split by their lengths, never at newlines; the last of equal keys counts. A
//! malformed record is an error, because a program that skips it sees a different archive.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use crate::error::ErrorKind;

/// The members that a header applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The next member.
    Next,
    /// All following members: some readers use names and sizes there, Go does not.
    Global,
    /// The next member for some readers, no member for Go.
    Solaris,
}

/// The keys that change how a member is read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) linkpath: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

/// Parses the data of one extended header.
pub(super) fn records(data: &[u8], offset: u64, scope: Scope) -> Result<Records, ErrorKind> {
    let bad = |what| ErrorKind::Pax { offset, what };
    let mut found = Records::default();
    let mut rest = data;
    // Some writers pad with NUL inside the data.
    while rest.iter().any(|byte| *byte != 0) {
        let (key, value);
        (key, value, rest) = record(rest).map_err(bad)?;
        if key.starts_with(b"GNU.sparse.") {
            return Err(bad("a sparse member, which some readers expand and others do not"));
        }
        match (key, scope) {
            (b"path" | b"linkpath" | b"size", Scope::Global) => {
                return Err(bad(
                    "a path, linkpath or size in a global header, which some readers obey and \
                     others ignore",
                ));
            }
            (b"path" | b"linkpath" | b"size", Scope::Solaris) => {
                return Err(bad(
                    "a path, linkpath or size in a header of type X, which some readers obey and \
                     others ignore",
                ));
            }
            (b"path", Scope::Next) => found.path = Some(name(value).map_err(bad)?),
            (b"linkpath", Scope::Next) => found.linkpath = Some(name(value).map_err(bad)?),
            (b"size", Scope::Next) => found.size = Some(size(value).map_err(bad)?),
            _ => (),
        }
    }
    Ok(found)
}

/// Key, value and the rest.
type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// The first record, `LENGTH KEY=VALUE\n`.
fn record(data: &[u8]) -> Result<Record<'_>, &'static str> {
    let blank = data.iter().position(|byte| *byte == b' ').ok_or("a record without a length")?;
    let (digits, _) = data.split_at_checked(blank).ok_or("a record without a length")?;
    let length = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<usize>().ok())
        .ok_or("the length of a record is not a number")?;
    let (record, rest) =
        data.split_at_checked(length).ok_or("a record is longer than its header")?;
    let text =
        record.get(blank.saturating_add(1)..).ok_or("the length of a record is too small")?;
    let text = text.strip_suffix(b"\n").ok_or("a record does not end with a newline")?;
    let equals = text.iter().position(|byte| *byte == b'=').ok_or("a record without '='")?;
    let (key, value) = text.split_at_checked(equals).ok_or("a record without '='")?;
    Ok((key, value.get(1..).unwrap_or_default(), rest))
}

fn name(value: &[u8]) -> Result<Vec<u8>, &'static str> {
    if value.contains(&0) {
        return Err("a NUL inside a path, where some readers stop and others continue");
    }
    if value.is_empty() {
        return Err(
            "an empty path, which some readers use and others replace with the path in the header",
        );
    }
    Ok(value.to_vec())
}

fn size(value: &[u8]) -> Result<u64, &'static str> {
    std::str::from_utf8(value)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<i64>().ok())
        .map(i64::cast_unsigned)
        .ok_or("the size is not a number from 0 to 2^63-1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_by_their_length() {
        // The first value has a newline and an equals sign inside, and the last of equal keys counts.
        let data = b"17 comment=a\nb=c\n10 path=a\n10 path=b\n16 size=1234567\n";
        let found = records(data, 0, Scope::Next).unwrap();
        let expected = Records { path: Some("b".into()), linkpath: None, size: Some(1_234_567) };
        assert_eq!(found, expected);
    }

    #[test]
    fn malformed_records_are_errors() {
        for data in [
            &b"99 path=a\n"[..],
            b"9 patha\n",
            b"0 path=a\n",
            b"x path=a\n",
            b"+10 path=a\n",
            b"10 path=a\0",
            b"12 path=a\0b\n",
            b"12 size=-12\n",
            b"28 size=18446744073709552128\n",
            b"24 GNU.sparse.major=1.0\n",
        ] {
            assert!(records(data, 0, Scope::Next).is_err(), "{}", data.escape_ascii());
        }
    }
}

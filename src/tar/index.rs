//! Reads the headers of an archive once and records the position of each member's data.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::{BLOCK, PassingMember, clean, pax};
use crate::error::ErrorKind;
use crate::limits;

/// The content of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TarBody {
    /// A regular file: the offset and the size of its data.
    File { offset: u64, size: u64 },
    /// A symbolic link, relative to the folder of the member.
    Symlink(String),
    /// A hard link to another member, from the root of the archive.
    Hardlink(String),
    /// A directory.
    Directory,
    /// Another type, whose data is not used.
    Other(&'static str),
}

/// One member.
#[derive(Debug, Clone)]
pub(crate) struct TarMember {
    /// The cleaned name; `None` if it escapes the archive or is not UTF-8. No document can refer to
    /// such a member.
    pub(crate) path: Option<String>,
    pub(crate) body: TarBody,
}

/// Bytes that can be read at any offset.
pub(crate) trait Tape {
    /// Fills `buffer` from `offset`; short only at the end.
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ErrorKind>;
    /// Whether the bytes reach to `end`.
    fn reaches(&mut self, end: u64) -> Result<bool, ErrorKind>;
    /// The data of a regular member begins; a tape that is read once may give it away.
    fn pass(&mut self, _: &PassingMember<'_>) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// All members, in the order of the archive and by name.
#[derive(Debug)]
pub(crate) struct TarIndex {
    pub(crate) members: Vec<TarMember>,
    /// Where the end marker ends.
    pub(crate) end: u64,
    by_path: Vec<u32>,
}

impl TarIndex {
    /// Reads every header up to the end marker or the end of the tape.
    pub(crate) fn read(tape: &mut dyn Tape) -> Result<Self, ErrorKind> {
        let mut members = Vec::new();
        let end = walk(tape, &mut |member| {
            if members.len() == limits::MEMBERS {
                let limit = limits::MEMBERS as u64;
                return Err(ErrorKind::limit("the number of members", limit, "more"));
            }
            members.push(member);
            Ok(())
        })?;
        let mut by_path: Vec<u32> = (0..).take(members.len()).collect();
        let path = |at: &u32| members.get(*at as usize).and_then(|member| member.path.as_deref());
        by_path.sort_by_key(|at| (path(at), *at));
        Ok(Self { members, end, by_path })
    }

    /// The members with a cleaned name, in the order of the archive.
    pub(crate) fn named(&self, path: &str) -> impl Iterator<Item = (u32, &TarMember)> {
        let of = |at: u32| self.members.get(at as usize).and_then(|member| member.path.as_deref());
        let start = self.by_path.partition_point(|at| of(*at) < Some(path));
        self.by_path
            .get(start..)
            .unwrap_or_default()
            .iter()
            .filter_map(|at| Some((*at, self.members.get(*at as usize)?)))
            .take_while(move |(_, member)| member.path.as_deref() == Some(path))
    }
}

/// Visits every member in order, up to the end marker or the end of the tape; never goes back.
pub(super) fn walk(
    tape: &mut dyn Tape,
    show: &mut dyn FnMut(TarMember) -> Result<(), ErrorKind>,
) -> Result<u64, ErrorKind> {
    let mut walk = TarWalk { tape, at: 0, pending: Pending::default(), window: Window::default() };
    while let Some(member) = walk.next()? {
        show(member)?;
    }
    Ok(walk.at)
}

/// The extended headers for the next member.
#[derive(Debug, Default)]
struct Pending {
    headers: usize,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: pax::Records,
}

struct TarWalk<'a> {
    tape: &'a mut dyn Tape,
    at: u64,
    pending: Pending,
    window: Window,
}

impl TarWalk<'_> {
    fn next(&mut self) -> Result<Option<TarMember>, ErrorKind> {
        loop {
            let start = self.at;
            let Some(header) = self.header()? else { return Ok(None) };
            let flag = header.as_bytes()[156];
            let claimed = size(&header, start)?;
            match flag {
                b'x' => {
                    let text = self.extended(start, claimed)?;
                    self.pending.pax = pax::records(&text, start, pax::Scope::Next)?;
                }
                // Solaris: for Python and bsdtar the same as `x`, for Go a separate member.
                b'X' => {
                    drop(pax::records(&self.extended(start, claimed)?, start, pax::Scope::Solaris)?)
                }
                b'g' => {
                    drop(pax::records(&self.extended(start, claimed)?, start, pax::Scope::Global)?)
                }
                b'L' => {
                    self.pending.long_name = Some(long(&self.extended(start, claimed)?, start)?)
                }
                b'K' => {
                    self.pending.long_link = Some(long(&self.extended(start, claimed)?, start)?)
                }
                _ => return self.member(&header, flag, claimed, start).map(Some),
            }
        }
    }

    /// The next header block; `None` at the end marker or at a clean end.
    fn header(&mut self) -> Result<Option<::tar::Header>, ErrorKind> {
        let start = self.at;
        let Some(block) = self.block()? else { return self.end() };
        if block.iter().all(|byte| *byte == 0) {
            return match self.block()? {
                Some(second) if second.iter().any(|byte| *byte != 0) => Err(ErrorKind::TarHeader {
                    offset: start,
                    what: "expected two zero blocks at the end, as some readers stop at one and others do not",
                    found: "one and then a header".to_owned(),
                }),
                _ => self.end(),
            };
        }
        let mut header = ::tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        checksum(&header, start)?;
        Ok(Some(header))
    }

    fn end(&self) -> Result<Option<::tar::Header>, ErrorKind> {
        match self.pending.headers {
            0 => Ok(None),
            _ => Err(ErrorKind::Truncated { inside: "an extended header".to_owned() }),
        }
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ErrorKind> {
        let block = self.window.block(self.tape, self.at)?;
        if block.is_some() {
            self.at = self.at.saturating_add(BLOCK as u64);
        }
        Ok(block)
    }

    /// The data of an extended header, within its limits.
    fn extended(&mut self, start: u64, size: u64) -> Result<Vec<u8>, ErrorKind> {
        self.pending.headers = self.pending.headers.saturating_add(1);
        if self.pending.headers > limits::EXTENDED_HEADERS {
            let limit = limits::EXTENDED_HEADERS as u64;
            return Err(ErrorKind::limit("extended headers before one member", limit, "more"));
        }
        if size > limits::EXTENDED_HEADER {
            let limit = limits::EXTENDED_HEADER;
            return Err(ErrorKind::limit(
                "an extended header (pax or long name), in bytes,",
                limit,
                size,
            ));
        }
        let mut data = vec![0; usize::try_from(size).unwrap_or_default()];
        let read = self.tape.read_at(&mut data, self.at)?;
        self.skip(size)?;
        if read < data.len() || !self.tape.reaches(self.at)? {
            return Err(ErrorKind::Truncated { inside: format!("the extended header at {start}") });
        }
        Ok(data)
    }

    fn skip(&mut self, size: u64) -> Result<(), ErrorKind> {
        let padded =
            size.checked_next_multiple_of(BLOCK as u64).and_then(|size| self.at.checked_add(size));
        self.at = padded.filter(|end| i64::try_from(*end).is_ok()).ok_or_else(|| {
            ErrorKind::TarHeader {
                offset: self.at,
                what: "a size above 2^63-1",
                found: size.to_string(),
            }
        })?;
        Ok(())
    }

    fn member(
        &mut self,
        header: &::tar::Header,
        flag: u8,
        claimed: u64,
        start: u64,
    ) -> Result<TarMember, ErrorKind> {
        let pending = std::mem::take(&mut self.pending);
        let name = match one(pending.long_name, pending.pax.path, start)? {
            Some(name) => name,
            None => {
                // A sparse member has its map there.
                if flag != b'S' {
                    prefix(header, start)?;
                }
                header.path_bytes().into_owned()
            }
        };
        let (name, named) = text(name);
        let target = one(pending.long_link, pending.pax.linkpath, start)?
            .unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
        let (target, aimed) = text(target);
        let size = one_size(pending.pax.size, claimed, start)?;
        if name.len() > limits::PATH || target.len() > limits::PATH {
            let found = name.len().max(target.len());
            return Err(ErrorKind::limit("a member's name, in bytes,", limits::PATH as u64, found));
        }
        let offset = self.at;
        let bad = |what| ErrorKind::TarHeader { offset: start, what, found: name.clone() };
        let mut data = size;
        let body = match flag {
            0 if name.ends_with('/') => TarBody::Directory,
            0 | b'0' | b'7' => TarBody::File { offset, size },
            b'1' | b'2' if !aimed => TarBody::Other("a link whose target is not UTF-8"),
            b'1' => TarBody::Hardlink(target),
            b'2' => TarBody::Symlink(target),
            b'3' => TarBody::Other("a character device"),
            b'4' => TarBody::Other("a block device"),
            b'5' => TarBody::Directory,
            b'6' => TarBody::Other("a FIFO"),
            b'S' => {
                return Err(bad("a sparse member, which some readers expand and others do not"));
            }
            _ => {
                data = 0;
                self.skip(size)?;
                TarBody::Other("a member of unknown type")
            }
        };
        let path = clean(&name).ok().filter(|_| named);
        if matches!(body, TarBody::File { .. }) {
            self.skip(size)?;
            self.tape.pass(&PassingMember { path: path.as_deref(), header, offset, size })?;
        } else if data != 0 {
            return Err(bad(
                "a size on a member without data, which some readers skip and others read",
            ));
        }
        if !self.tape.reaches(self.at)? {
            return Err(ErrorKind::Truncated { inside: crate::error::Shown(&name).to_string() });
        }
        Ok(TarMember { path, body })
    }
}

/// The name from GNU and pax headers; two different names are ambiguous.
fn one(
    gnu: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
    start: u64,
) -> Result<Option<Vec<u8>>, ErrorKind> {
    match (gnu, pax) {
        (Some(gnu), Some(pax)) if gnu != pax => Err(ErrorKind::Pax {
            offset: start,
            what: "its path and its GNU long name differ, and readers disagree on which one counts",
        }),
        (gnu, pax) => Ok(gnu.or(pax)),
    }
}

/// The size in the pax header, which applies if the field cannot hold it: then the field is 0 or
/// its maximum. Any other value is ambiguous.
fn one_size(pax: Option<u64>, field: u64, start: u64) -> Result<u64, ErrorKind> {
    match pax {
        Some(pax) if ![pax, 0, 0o777_7777_7777].contains(&field) => Err(ErrorKind::TarHeader {
            offset: start,
            what: "two sizes, and readers disagree on which one counts",
            found: format!("{field} in the header and {pax} in the pax header"),
        }),
        pax => Ok(pax.unwrap_or(field)),
    }
}

/// Refuses a prefix that only some readers use: Python always, Go by six bytes of the magic,
/// libarchive by all eight. GNU stores times in its place, and star at its end.
fn prefix(header: &::tar::Header, start: u64) -> Result<(), ErrorKind> {
    let bytes = header.as_bytes();
    let (field, star) = (bytes.get(345..500).unwrap_or_default(), bytes.ends_with(b"tar\0"));
    let (times, rest) = field.split_at_checked(24).unwrap_or_default();
    let number = |byte: &u8| matches!(byte, b'0'..=b'7' | b' ' | 0);
    let split = match (header.as_ustar(), header.as_gnu()) {
        (Some(_), _) => star && field.get(..131).is_some_and(|it| !it.contains(&0)),
        (_, Some(_)) => !times.iter().all(number) || rest.iter().any(|byte| *byte != 0),
        _ => field.iter().any(|byte| *byte != 0),
    };
    match split {
        true => Err(ErrorKind::TarHeader {
            offset: start,
            what: "a prefix that some readers add to the name and others ignore",
            found: lossy(field.split(|byte| *byte == 0).next().unwrap_or_default()),
        }),
        false => Ok(()),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The name as text, and whether it is exact.
fn text(bytes: Vec<u8>) -> (String, bool) {
    match String::from_utf8(bytes) {
        Ok(name) => (name, true),
        Err(error) => (lossy(error.as_bytes()), false),
    }
}

/// A GNU long name: up to the NULs at its end.
fn long(data: &[u8], start: u64) -> Result<Vec<u8>, ErrorKind> {
    let mut parts = data.split(|byte| *byte == 0);
    let name = parts.next().unwrap_or_default();
    if name.len() > limits::PATH {
        let limit = limits::PATH as u64;
        return Err(ErrorKind::limit("a long member name, in bytes,", limit, name.len()));
    }
    if parts.any(|part| !part.is_empty()) {
        return Err(ErrorKind::TarHeader {
            offset: start,
            what: "a long name that continues after a NUL, where some readers stop",
            found: lossy(name),
        });
    }
    Ok(name.to_vec())
}

/// The size field: octal digits padded with blanks or NUL, or base-256. At a NUL before the digits,
/// Python stops and Go continues.
fn size(header: &::tar::Header, offset: u64) -> Result<u64, ErrorKind> {
    let field = &header.as_old().size;
    let bad = |what| ErrorKind::TarHeader {
        offset,
        what,
        found: String::from_utf8_lossy(field).trim_matches(['\0', ' ']).to_owned(),
    };
    if field[0] & 0x80 != 0 {
        if field[0] & 0x40 != 0 {
            return Err(bad("a negative size"));
        }
        let mut value = u128::from(field[0] & 0x3f);
        for byte in &field[1..] {
            value = (value << 8) | u128::from(*byte);
        }
        return i64::try_from(value)
            .map(i64::cast_unsigned)
            .map_err(|_| bad("a size above 2^63-1"));
    }
    let text = String::from_utf8_lossy(field);
    let digits = text.trim_start_matches(' ').trim_end_matches([' ', '\0']);
    if digits.is_empty() {
        return Ok(0);
    }
    if !digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
        return Err(bad("a size that is not an octal number"));
    }
    u64::from_str_radix(digits, 8).map_err(|_| bad("a size that is not an octal number"))
}

/// Whether these bytes are a tar header, possibly damaged: the checksum or the magic is right.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.first_chunk::<BLOCK>() else { return false };
    let mut header = ::tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(block);
    header.as_ustar().is_some() || header.as_gnu().is_some() || checksum(&header, 0).is_ok()
}

/// Checks the checksum, of unsigned bytes (POSIX) or of signed bytes (some old writers).
fn checksum(header: &::tar::Header, offset: u64) -> Result<(), ErrorKind> {
    let bytes = header.as_bytes();
    let summed = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (at, byte) in bytes.iter().enumerate() {
        let byte = summed(at, *byte);
        unsigned = unsigned.saturating_add(i64::from(byte));
        signed = signed.saturating_add(i64::from(byte.cast_signed()));
    }
    match header.cksum().map(i64::from) {
        Ok(said) if said == unsigned || said == signed => Ok(()),
        said => Err(ErrorKind::TarHeader {
            offset,
            what: "the header checksum is wrong, or this is not a tar",
            found: said.map_or_else(|_| "not a number".to_owned(), |said| said.to_string()),
        }),
    }
}

/// Reads many blocks at once, so that archives with many small members need few system calls.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    const SIZE: usize = 16 << 10;

    /// The block at an offset; `None` at the end of the tape.
    fn block(&mut self, tape: &mut dyn Tape, at: u64) -> Result<Option<[u8; BLOCK]>, ErrorKind> {
        if let Some(block) = self.cached(at) {
            return Ok(Some(block));
        }
        self.bytes.resize(Self::SIZE, 0);
        let read = tape.read_at(&mut self.bytes, at)?;
        self.bytes.truncate(read);
        self.start = at;
        match (read, self.cached(at)) {
            (0, _) => Ok(None),
            (_, None) => Err(ErrorKind::Truncated { inside: "a header".to_owned() }),
            (_, block) => Ok(block),
        }
    }

    fn cached(&self, at: u64) -> Option<[u8; BLOCK]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same empty member again and again, up to an end.
    struct Many {
        header: Vec<u8>,
        end: u64,
    }

    impl Tape for Many {
        fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ErrorKind> {
            let count = usize::try_from(self.end.saturating_sub(offset)).unwrap();
            let count = count.min(buffer.len());
            for block in buffer[..count].chunks_mut(BLOCK) {
                block.copy_from_slice(&self.header);
            }
            Ok(count)
        }

        fn reaches(&mut self, end: u64) -> Result<bool, ErrorKind> {
            Ok(end <= self.end)
        }
    }

    #[test]
    fn as_many_members_as_the_limit_says_and_no_more() {
        let mut header = ::tar::Header::new_ustar();
        header.set_path("x").unwrap();
        header.set_size(0);
        header.set_cksum();
        let header = header.as_bytes().to_vec();
        let of = |count: usize| {
            let mut tape = Many { header: header.clone(), end: (count * BLOCK) as u64 };
            TarIndex::read(&mut tape)
        };
        assert_eq!(of(limits::MEMBERS).unwrap().members.len(), limits::MEMBERS);
        let error = of(limits::MEMBERS + 1).unwrap_err().to_string();
        assert!(error.contains("number of members") && error.contains("1000000"), "{error}");
    }
}

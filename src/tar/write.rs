//! Writes headers like Go's `archive/tar`: USTAR, with PAX records only for values that USTAR
//! cannot hold.
//!
//! A name of more than 100 bytes (`blobs/sha512/…` has 141), a size or a time above 33 bits goes
//! into a record; no value is ever cut. The USTAR prefix is not used, because some readers ignore
//! it.

use super::BLOCK;

/// The two zero blocks that end an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// A member's header, as data.
#[derive(Debug, Clone)]
pub(crate) struct TarHeader<'a> {
    pub(crate) path: &'a str,
    pub(crate) kind: ::tar::EntryType,
    /// Of a link.
    pub(crate) target: &'a str,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
}

/// The first number that does not fit eleven octal digits.
const LARGE: u64 = 1 << 33;
/// Size of the fields for a name and a link target.
const NAME: usize = 100;

impl TarHeader<'_> {
    /// The header blocks.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut blocks = Vec::new();
        let records = self.records();
        if !records.is_empty() {
            let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", self.path));
            let path = format!("{folder}/PaxHeaders.0/{name}");
            let path = path.trim_matches('/');
            let kind = ::tar::EntryType::XHeader;
            let size = records.len() as u64;
            blocks.extend(TarHeader { path, kind, target: "", size, mode: 0, mtime: 0 }.block());
            blocks.extend(records.as_bytes());
            blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
        }
        blocks.extend(self.block());
        blocks
    }

    /// A record for each value that does not fit its field, sorted by key.
    fn records(&self) -> String {
        let name = |text: &str| text.len() > NAME || !text.is_ascii();
        let number = |value: u64| value >= LARGE;
        [
            (name(self.target), "linkpath", self.target),
            (number(self.mtime), "mtime", &self.mtime.to_string()),
            (name(self.path), "path", self.path),
            (number(self.size), "size", &self.size.to_string()),
        ]
        .into_iter()
        .filter(|(is_needed, ..)| *is_needed)
        .map(|(_, key, value)| pax_record(key, value))
        .collect()
    }

    /// One block. A value that is also in a record is cut or zero here, as in Go.
    fn block(&self) -> [u8; BLOCK] {
        let mut header = ::tar::Header::new_ustar();
        let bytes = header.as_mut_bytes();
        bytes.fill(0);
        let number = |value: u64| format!("{:011o}", if value >= LARGE { 0 } else { value });
        put(bytes, 0, NAME, self.path);
        put(bytes, 100, 8, &format!("{:07o}", self.mode & 0o777_7777));
        put(bytes, 108, 8, "0000000");
        put(bytes, 116, 8, "0000000");
        put(bytes, 124, 12, &number(self.size));
        put(bytes, 136, 12, &number(self.mtime));
        put(bytes, 156, 1, char::from(self.kind.as_byte()).encode_utf8(&mut [0; 4]));
        put(bytes, 157, NAME, self.target);
        put(bytes, 257, 8, "ustar\x0000");
        put(bytes, 329, 8, "0000000");
        put(bytes, 337, 8, "0000000");
        put(bytes, 148, 8, "        ");
        let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
        put(bytes, 148, 8, &format!("{sum:06o}\0 "));
        *bytes
    }
}

/// Writes as much ASCII as fits into a field and drops other characters. A cut name does not end
/// with a slash, because some readers would read the file as a directory.
fn put(block: &mut [u8; BLOCK], at: usize, width: usize, text: &str) {
    let held: String = text.chars().filter(char::is_ascii).take(width).collect();
    let is_cut = held.len() < text.len();
    let held = if is_cut { held.trim_end_matches('/') } else { &held };
    for (to, from) in block.iter_mut().skip(at).take(width).zip(held.bytes()) {
        *to = from;
    }
}

/// `LENGTH KEY=VALUE\n`, the length includes its own digits.
fn pax_record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    if length.to_string().len() + rest != length {
        length += 1;
    }
    format!("{length} {key}={value}\n")
}

/// Zero bytes after data of this size.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::tar::{Tape, TarBody, TarIndex};

    fn file(path: &str) -> TarHeader<'_> {
        let kind = ::tar::EntryType::Regular;
        TarHeader { path, kind, target: "", size: 0, mode: 0o644, mtime: 0 }
    }

    struct MemoryTape(Vec<u8>);

    impl Tape for MemoryTape {
        fn read_at(
            &mut self,
            buffer: &mut [u8],
            offset: u64,
        ) -> Result<usize, crate::error::ErrorKind> {
            let mut rest = self.0.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
            Ok(rest.read(buffer).unwrap())
        }

        fn reaches(&mut self, end: u64) -> Result<bool, crate::error::ErrorKind> {
            Ok(end <= self.0.len() as u64)
        }
    }

    #[test]
    fn numbers_past_33_bits_go_into_pax_records() {
        for (size, mtime, blocks) in
            [(LARGE - 1, LARGE - 1, 1), (LARGE, 0, 3), (0, LARGE, 3), (u64::MAX >> 1, LARGE * 9, 3)]
        {
            let header = TarHeader { size, mtime, ..file("blobs/a") }.header();
            assert_eq!(header.len(), blocks * BLOCK, "{size} {mtime}");
            let mut archive = ::tar::Archive::new(&header[..]);
            let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
            assert_eq!(entry.size(), size);
            assert_eq!(entry.path().unwrap().to_str(), Some("blobs/a"));
            let said = entry.pax_extensions().unwrap().and_then(|mut records| {
                let time = records.find_map(|it| it.ok().filter(|it| it.key() == Ok("mtime")))?;
                time.value().ok()?.parse().ok()
            });
            assert_eq!(said.unwrap_or(entry.header().mtime().unwrap()), mtime);
        }
    }

    #[test]
    fn no_name_is_cut_and_names_of_up_to_100_bytes_need_no_record() {
        for length in 1..=300 {
            let name = "a".repeat(length);
            let path = format!("{name}/x");
            let link = TarHeader { kind: ::tar::EntryType::Symlink, target: &name, ..file(&path) };
            let header = link.header();
            assert_eq!(header.len() == BLOCK, path.len() <= NAME, "{length}");
            let index = TarIndex::read(&mut MemoryTape([&header[..], &END[..]].concat())).unwrap();
            let [member] = &index.members[..] else { panic!("{length}") };
            assert_eq!(member.path.as_deref(), Some(&path[..]));
            assert_eq!(member.body, TarBody::Symlink(name.clone()));
            let mut archive = ::tar::Archive::new(&header[..]);
            let entry = archive.entries().unwrap().next().unwrap().unwrap();
            assert_eq!(entry.path_bytes(), path.as_bytes());
            assert_eq!(entry.link_name_bytes().unwrap(), name.as_bytes());
        }
    }

    #[test]
    fn pax_records_count_their_own_digits() {
        for length in 90..110 {
            let record = pax_record("k", &"v".repeat(length));
            assert!(record.starts_with(&format!("{} k=", record.len())), "{record}");
        }
    }
}

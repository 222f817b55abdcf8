//! Headers as Go's `archive/tar` writes them: USTAR, PAX records only where a size needs one.

use super::BLOCK;

/// The two zero blocks that end an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// A member's header, as data.
#[derive(Debug, Clone)]
pub(crate) struct Entry<'a> {
    pub(crate) path: &'a str,
    pub(crate) kind: ::tar::EntryType,
    /// Of a link.
    pub(crate) target: &'a str,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
}

/// Sizes from here on do not fit eleven octal digits.
const LARGE: u64 = 1 << 33;

impl Entry<'_> {
    /// The header blocks.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut blocks = Vec::new();
        if self.size >= LARGE {
            let record = pax_record("size", &self.size.to_string());
            let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let name = self.path.rsplit('/').next().unwrap_or_default();
            let path =
                format!("{folder}{}PaxHeaders.0/{name}", if folder.is_empty() { "" } else { "/" });
            let kind = ::tar::EntryType::XHeader;
            let size = record.len() as u64;
            let extended = Entry { path: &path, kind, target: "", size, mode: 0, mtime: 0 };
            blocks.extend(extended.block());
            blocks.extend(record.as_bytes());
            blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
        }
        blocks.extend(self.block());
        blocks
    }

    fn block(&self) -> [u8; BLOCK] {
        let mut header = ::tar::Header::new_ustar();
        let bytes = header.as_mut_bytes();
        bytes.fill(0);
        // Every name that is written here is ASCII and shorter than 100 bytes: digests, legacy
        // IDs and fixed words. `put` cuts what does not fit, and a test holds that none is cut.
        put(bytes, 0, 100, self.path);
        put(bytes, 100, 8, &format!("{:07o}", self.mode));
        put(bytes, 108, 8, "0000000");
        put(bytes, 116, 8, "0000000");
        let size = if self.size >= LARGE { 0 } else { self.size };
        put(bytes, 124, 12, &format!("{size:011o}"));
        put(bytes, 136, 12, &format!("{:011o}", self.mtime));
        put(bytes, 156, 1, char::from(self.kind.as_byte()).encode_utf8(&mut [0; 4]));
        put(bytes, 157, 100, self.target);
        put(bytes, 257, 8, "ustar\x0000");
        put(bytes, 329, 8, "0000000");
        put(bytes, 337, 8, "0000000");
        put(bytes, 148, 8, "        ");
        let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
        put(bytes, 148, 8, &format!("{sum:06o}\0 "));
        *bytes
    }
}

fn put(block: &mut [u8; BLOCK], at: usize, width: usize, text: &str) {
    for (to, from) in block.iter_mut().skip(at).take(width).zip(text.bytes()) {
        *to = from;
    }
}

/// `LENGTH KEY=VALUE\n`, the length counting its own digits.
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
    use super::*;

    #[test]
    fn sizes_of_8_gib_and_more_go_into_a_pax_record() {
        for (size, blocks) in [(LARGE - 1, 1), (LARGE, 3)] {
            let kind = ::tar::EntryType::Regular;
            let header =
                Entry { path: "blobs/a", kind, target: "", size, mode: 0o644, mtime: 0 }.header();
            assert_eq!(header.len(), blocks * BLOCK, "{size}");
            let mut archive = ::tar::Archive::new(&header[..]);
            let entry = archive.entries().unwrap().next().unwrap().unwrap();
            assert_eq!(entry.size(), size);
            assert_eq!(entry.path().unwrap().to_str(), Some("blobs/a"));
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

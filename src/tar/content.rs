//! How much an uncompressed layer holds: the sum of the sizes in its headers, as docker counts it.

use std::io::{self, Read};

/// Reads a tar to its end: bytes of file content, and bytes in all.
///
/// moby `pkg/archive/diff.go` `UnpackLayer` adds up the sizes of all headers; that is what
/// `docker history` shows. `podman history` shows the size of the tar.
pub(crate) fn content(reader: &mut dyn Read) -> io::Result<(u64, u64)> {
    let mut counted = Counted { reader, count: 0 };
    let mut content = 0_u64;
    let mut archive = ::tar::Archive::new(&mut counted);
    for entry in archive.entries()? {
        content = content.saturating_add(entry?.size());
    }
    io::copy(&mut counted, &mut io::sink())?;
    Ok((content, counted.count))
}

struct Counted<'a> {
    reader: &'a mut dyn Read,
    count: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count = self.count.saturating_add(count as u64);
        Ok(count)
    }
}

//! The content size of an uncompressed layer: the sum of the sizes in its headers, as docker counts
//! it.

use std::io::Read;

use super::index::{TarBody, walk};
use super::{Forward, Tape as _};
use crate::error::ErrorKind;

/// Reads a tar to its end; returns the bytes of file content and of the whole tar. `None` if it is
/// not a tar, or if programs read its members differently.
///
/// moby `pkg/archive/diff.go` `UnpackLayer` adds up the sizes of all headers; that is what
/// `docker history` shows. `podman history` shows the size of the tar.
///
/// # Errors
/// Errors of the reader.
pub(crate) fn content(reader: &mut (dyn Read + Send)) -> Result<Option<(u64, u64)>, ErrorKind> {
    let mut tape = Forward::new(reader, None);
    let mut content = 0_u64;
    let walked = walk(&mut tape, &mut |member| {
        if let TarBody::File { size, .. } = member.body {
            content = content.saturating_add(size);
        }
        Ok(())
    });
    match walked {
        Err(kind) if tape.has_failed => return Err(kind),
        Err(_) => return Ok(None),
        Ok(_) => (),
    }
    tape.reaches(u64::MAX)?;
    Ok(Some((content, tape.end())))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::BLOCK;
    use super::*;

    /// Returns one byte at a time, like a slow pipe.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    fn layer() -> Vec<u8> {
        let mut tar = ::tar::Builder::new(Vec::new());
        for (name, size) in [("a", 0), ("b/c", 1), ("d", 40_000), (&"long/".repeat(40), 513)] {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(size);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("{name}x"), io::repeat(7).take(size)).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn sizes_are_those_of_the_headers_however_the_bytes_come() {
        let mut layer = layer();
        layer.extend([0; 5 * BLOCK]);
        let expected = Some((40_514, layer.len() as u64));
        assert_eq!(content(&mut &layer[..]).unwrap(), expected);
        assert_eq!(content(&mut Slow(&layer)).unwrap(), expected);
    }

    #[test]
    fn what_is_cut_or_not_a_tar_has_no_size_and_a_failing_reader_is_an_error() {
        let layer = layer();
        for cut in [100, 700, 30_000] {
            assert_eq!(content(&mut &layer[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(content(&mut &[1; 4 * BLOCK][..]).unwrap(), None);
        struct FailingDisk;
        impl Read for FailingDisk {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk"))
            }
        }
        let error = content(&mut (&layer[..3000]).chain(FailingDisk)).unwrap_err();
        assert!(matches!(error, ErrorKind::Read(_)), "{error}");
    }
}

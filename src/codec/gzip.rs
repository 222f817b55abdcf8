//! gzip (RFC 1952): members one after the other, each with its checksums.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::{CodecInput, CodecRow, CodecStream};

/// Number of bytes to look at from the end; an empty member has about 20, with an extra field about
/// 50.
const END: u64 = 4096;

pub(super) static ROW: CodecRow =
    CodecRow { name: "gzip", is: |head| head.starts_with(&[0x1f, 0x8b]), decode: Some(open) };

pub(super) fn open<'a>(input: CodecInput<'a>) -> io::Result<Box<dyn CodecStream<'a> + 'a>> {
    Ok(Box::new(GzipMember(GzDecoder::new(input))))
}

/// Whether zeros follow the last member of a gzip stream, of which `part` reads any range; up to
/// three of them look like part of the size in its trailer.
///
/// An empty member also ends in zeros, those of its trailer (RFC 1952, 2.3.1); eStargz and BGZF
/// files end in such a member.
pub(crate) fn is_padded(stored: u64, part: &dyn Fn(u64, usize) -> Option<Vec<u8>>) -> bool {
    let size = stored.min(END);
    let end = usize::try_from(size).ok().and_then(|size| part(stored.saturating_sub(END), size));
    let Some(end) = end.filter(|end| end.ends_with(&[0; 4])) else { return false };
    !(0..end.len()).any(|at| end.get(at..).is_some_and(is_member_of_nothing))
}

/// Whether these bytes are exactly one empty member.
fn is_member_of_nothing(bytes: &[u8]) -> bool {
    if !(ROW.is)(bytes) {
        return false;
    }
    let mut member = GzDecoder::new(bytes);
    let nothing = matches!(member.read(&mut [0]), Ok(0));
    nothing && member.into_inner().is_empty()
}

struct GzipMember<'a>(GzDecoder<CodecInput<'a>>);

impl Read for GzipMember<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<'a> CodecStream<'a> for GzipMember<'a> {
    fn rest(self: Box<Self>) -> CodecInput<'a> {
        self.0.into_inner()
    }
}

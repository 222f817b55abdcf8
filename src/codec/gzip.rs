//! gzip (RFC 1952): members one after the other, each with its check sums.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::{CodecInput, CodecRow, CodecStream};

pub(super) static ROW: CodecRow =
    CodecRow { name: "gzip", is: |head| head.starts_with(&[0x1f, 0x8b]), decode: Some(open) };

pub(super) fn open<'a>(input: CodecInput<'a>) -> io::Result<Box<dyn CodecStream<'a> + 'a>> {
    Ok(Box::new(GzipMember(GzDecoder::new(input))))
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

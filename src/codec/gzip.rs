//! gzip (RFC 1952): members one after the other, each with its check sums.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::{Input, Row, Stream};

pub(super) static ROW: Row =
    Row { name: "gzip", is: |head| head.starts_with(&[0x1f, 0x8b]), decode: Some(open) };

pub(super) fn open<'a>(input: Input<'a>) -> io::Result<Box<dyn Stream<'a> + 'a>> {
    Ok(Box::new(Member(GzDecoder::new(input))))
}

struct Member<'a>(GzDecoder<Input<'a>>);

impl Read for Member<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<'a> Stream<'a> for Member<'a> {
    fn rest(self: Box<Self>) -> Input<'a> {
        self.0.into_inner()
    }
}

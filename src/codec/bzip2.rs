//! bzip2 streams, each with its check sum. Read only: no registry takes bzip2 layers.

use std::io::{self, Read};

use ::bzip2::bufread::BzDecoder;

use super::{Input, Row, Stream};

pub(super) static ROW: Row = Row {
    name: "bzip2",
    is: |head| matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', ..]),
    decode: Some(|input| Ok(Box::new(One(BzDecoder::new(input))))),
};

struct One<'a>(BzDecoder<Input<'a>>);

impl Read for One<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<'a> Stream<'a> for One<'a> {
    fn rest(self: Box<Self>) -> Input<'a> {
        self.0.into_inner()
    }
}

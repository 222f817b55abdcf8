//! xz streams with index and footer. Read only: no registry takes xz layers.

use std::io::{self, Read};

use lzma_rust2::XzReader;

use super::{Input, Row, Stream};
use crate::limits;

pub(super) static ROW: Row = Row {
    name: "xz",
    is: |head| head.starts_with(b"\xfd7zXZ\0"),
    decode: Some(|input| {
        let kib = u32::try_from(limits::DECODER_MEMORY >> 10).unwrap_or(u32::MAX);
        Ok(Box::new(One(XzReader::new_mem_limit(input, false, kib))))
    }),
};

struct One<'a>(XzReader<Input<'a>>);

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

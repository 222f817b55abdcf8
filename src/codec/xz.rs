//! xz streams with index and footer. Read only: registries do not accept xz layers.

use std::io::{self, Read};

use lzma_rust2::XzReader;

use super::{CodecInput, CodecRow, CodecStream};
use crate::limits;

pub(super) static ROW: CodecRow = CodecRow {
    name: "xz",
    is: |head| head.starts_with(b"\xfd7zXZ\0"),
    decode: Some(|input| {
        let kib = u32::try_from(limits::DECODER_MEMORY >> 10).unwrap_or(u32::MAX);
        Ok(Box::new(XzStream(XzReader::new_mem_limit(input, false, kib))))
    }),
};

struct XzStream<'a>(XzReader<CodecInput<'a>>);

impl Read for XzStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<'a> CodecStream<'a> for XzStream<'a> {
    fn rest(self: Box<Self>) -> CodecInput<'a> {
        self.0.into_inner()
    }
}

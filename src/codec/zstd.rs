//! Zstandard frames (RFC 8878), skippable ones among them.

use std::io::{self, Read};

use ::zstd::stream::read::Decoder;

use super::{Input, Row, Stream};
use crate::limits;

pub(super) static ROW: Row = Row {
    name: "zstd",
    is: |head| matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]),
    decode: Some(|input| {
        let mut decoder = Decoder::with_buffer(input)?;
        decoder.window_log_max(limits::DECODER_MEMORY.ilog2())?;
        Ok(Box::new(Frame(decoder.single_frame())))
    }),
};

struct Frame<'a>(Decoder<'static, Input<'a>>);

impl Read for Frame<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<'a> Stream<'a> for Frame<'a> {
    fn rest(self: Box<Self>) -> Input<'a> {
        self.0.finish()
    }
}

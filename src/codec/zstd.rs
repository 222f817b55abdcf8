//! Zstandard frames (RFC 8878), including skippable ones.

use std::io::{self, Read};

use ::zstd::stream::read::Decoder;

use super::{CodecInput, CodecRow, CodecStream};
use crate::limits;

pub(super) static ROW: CodecRow = CodecRow {
    name: "zstd",
    is: |head| matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]),
    decode: Some(|input| {
        let mut decoder = Decoder::with_buffer(input)?;
        decoder.window_log_max(limits::DECODER_MEMORY.ilog2())?;
        Ok(Box::new(ZstdFrame(decoder.single_frame())))
    }),
};

struct ZstdFrame<'a>(Decoder<'static, CodecInput<'a>>);

impl Read for ZstdFrame<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<'a> CodecStream<'a> for ZstdFrame<'a> {
    fn rest(self: Box<Self>) -> CodecInput<'a> {
        self.0.finish()
    }
}

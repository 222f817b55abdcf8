//! Zstandard frames (RFC 8878), including skippable ones.

use std::io::{self, BufRead as _, Read};

use ::zstd::stream::read::Decoder;

use super::{CodecInput, CodecRow, CodecStream};
use crate::error::ErrorKind;
use crate::limits;

pub(super) static ROW: CodecRow = CodecRow {
    name: "zstd",
    is: |head| matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]),
    decode: Some(|mut input| {
        readable(input.fill_buf()?)?;
        let mut decoder = Decoder::with_buffer(input)?;
        decoder.window_log_max(limits::DECODER_MEMORY.ilog2())?;
        Ok(Box::new(ZstdFrame(decoder.single_frame())))
    }),
};

/// Refuses a frame that needs a dictionary, or a window over the limit (RFC 8878, 3.1.1.1): neither
/// is damage.
fn readable(head: &[u8]) -> Result<(), ErrorKind> {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, rest @ ..] = head else { return Ok(()) };
    let single = descriptor & 0x20 != 0;
    let dictionary = [0_usize, 1, 2, 4];
    let dictionary = dictionary.get(usize::from(descriptor & 3)).copied().unwrap_or_default();
    let after_window = rest.get(usize::from(!single)..).unwrap_or_default();
    let id = after_window.get(..dictionary).unwrap_or_default();
    if id.iter().any(|byte| *byte != 0) {
        return Err(ErrorKind::Unsupported { what: "zstd data that needs a dictionary" });
    }
    let Some(window) = rest.first().filter(|_| !single) else { return Ok(()) };
    let base = 1_u64 << (10 + u32::from(window >> 3));
    let window = base.saturating_add((base / 8).saturating_mul(u64::from(window & 7)));
    if window > limits::DECODER_MEMORY {
        let what = "the window of the zstd data, in bytes,";
        return Err(ErrorKind::limit(what, limits::DECODER_MEMORY, window));
    }
    Ok(())
}

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

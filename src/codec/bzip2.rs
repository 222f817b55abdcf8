//! bzip2 streams, each with its checksum. Read only: registries do not accept bzip2 layers.

use std::io::{self, Read};

use ::bzip2::bufread::BzDecoder;

use super::{CodecInput, CodecRow, CodecStream};

pub(super) static ROW: CodecRow = CodecRow {
    name: "bzip2",
    // A block or the end follows: the name of a tar's first file may begin with the letters alone.
    is: |head| {
        let follows = head.get(4..).unwrap_or_default();
        let block = follows.starts_with(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59]);
        let end = follows.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]);
        matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', ..]) && (block || end)
    },
    decode: Some(|input| Ok(Box::new(Bzip2Stream(BzDecoder::new(input))))),
};

struct Bzip2Stream<'a>(BzDecoder<CodecInput<'a>>);

impl Read for Bzip2Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<'a> CodecStream<'a> for Bzip2Stream<'a> {
    fn rest(self: Box<Self>) -> CodecInput<'a> {
        self.0.into_inner()
    }
}

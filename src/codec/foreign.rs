//! Compressions and containers that no image has and some layers are in all the same, by their
//! first bytes.

/// What these bytes are, in words.
pub(crate) fn foreign(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        [0x04, 0x22, 0x4d, 0x18, ..] | [0x02, 0x21, 0x4c, 0x18, ..] => "lz4 data",
        [0x1f, 0x9d, ..] => "data of compress (.Z)",
        [b'L', b'Z', b'I', b'P', ..] => "lzip data",
        [0x89, b'L', b'Z', b'O', ..] => "lzop data",
        [0xff, 0x06, 0, 0, b's', b'N', b'a', b'P', ..] => "snappy data",
        [0x37, 0xa4, 0x30, 0xec, ..] => "a zstd dictionary",
        [b'P', b'K', 3 | 5, 4 | 6, ..] => "a zip file",
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => "a 7z file",
        [b'R', b'a', b'r', b'!', 0x1a, 0x07, ..] => "a rar file",
        [b'h', b's', b'q', b's', ..] | [b's', b'q', b's', b'h', ..] => "a squashfs file system",
        // Properties of the encoder, a dictionary of a power of two, a size that is unknown or small.
        [0x5d, 0, 0, _, _, 0xff | 0, ..] => "lzma data",
        _ => return None,
    })
}

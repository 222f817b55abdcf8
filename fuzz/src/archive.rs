//! A tar as a list of blocks that can be changed and put together again, right or wrong.

/// One member: its header block and its data.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) header: [u8; 512],
    pub(crate) data: Vec<u8>,
}

/// Cuts an archive that a builder made.
pub(crate) fn cut(bytes: &[u8]) -> Vec<Member> {
    let mut members = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 512).and_then(|it| <[u8; 512]>::try_from(it).ok()) {
        if header == [0; 512] {
            break;
        }
        let size = size(&header);
        let data = bytes[at + 512..at + 512 + size].to_vec();
        at += 512 + size.next_multiple_of(512);
        members.push(Member { header, data });
    }
    members
}

fn size(header: &[u8; 512]) -> usize {
    let text = std::str::from_utf8(&header[124..135]).expect("digits");
    usize::from_str_radix(text.trim_matches(['\0', ' ']), 8).expect("octal digits")
}

/// The name of a member, as far as the first NUL.
pub(crate) fn name(member: &Member) -> String {
    let field = member.header[..100].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(field).into_owned()
}

impl Member {
    /// A regular file or another kind, its size that of the data.
    pub(crate) fn new(kind: u8, name: &str, data: Vec<u8>) -> Self {
        let mut header = [0; 512];
        let name = &name.as_bytes()[..name.len().min(100)];
        header[..name.len()].copy_from_slice(name);
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[136..148].copy_from_slice(b"00000000000\0");
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        let mut member = Self { header, data };
        member.resize();
        member
    }

    /// Has the header say how much data there is.
    pub(crate) fn resize(&mut self) {
        let size = format!("{:011o}\0", self.data.len());
        self.header[124..136].copy_from_slice(size.as_bytes());
        sum(&mut self.header);
    }
}

/// Puts members together, each with the padding its data needs, and two zero blocks.
pub(crate) fn join(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        bytes.extend_from_slice(&member.header);
        bytes.extend_from_slice(&member.data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Writes the check sum that a header should have.
pub(crate) fn sum(header: &mut [u8]) {
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Rights the check sum of every block that could be a header, so that a change inside one is not
/// stopped at the door.
pub fn mend(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512) {
        let digits = block[148..154].iter().all(|it| (b'0'..=b'7').contains(it) || *it == b' ');
        if digits && block[0] != 0 && (block[257..262] == *b"ustar" || block[257..262] == [0; 5]) {
            sum(block);
        }
    }
}

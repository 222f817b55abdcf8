//! Writes tar archives header by header, right or odd.
//!
//! POSIX ustar and pax 4.2, and the GNU long-name extension. Every field that a test wants odd is a
//! field of `Header`; nothing is checked, so that wrong archives can be written as well.

/// One 512-byte header; `Header::default()` is a regular file of mode 0644.
#[derive(Clone)]
pub(crate) struct Header<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) prefix: &'a [u8],
    pub(crate) kind: u8,
    pub(crate) link: &'a [u8],
    pub(crate) size: usize,
    pub(crate) mode: u32,
    pub(crate) mtime: u64,
    pub(crate) magic: &'a [u8; 8],
    pub(crate) owner: &'a [u8],
}

/// Magic and version of POSIX and of GNU tar.
pub(crate) const USTAR: &[u8; 8] = b"ustar\x0000";
pub(crate) const GNU: &[u8; 8] = b"ustar  \0";

impl Default for Header<'_> {
    fn default() -> Self {
        Header {
            name: b"",
            prefix: b"",
            kind: b'0',
            link: b"",
            size: 0,
            mode: 0o644,
            mtime: 0,
            magic: USTAR,
            owner: b"",
        }
    }
}

impl Header<'_> {
    /// The block, with its check sum.
    pub(crate) fn block(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, self.name);
        put(100, format!("{:07o}\0", self.mode).as_bytes());
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", self.size).as_bytes());
        put(136, format!("{:011o}\0", self.mtime).as_bytes());
        put(148, b"        ");
        put(156, &[self.kind]);
        put(157, self.link);
        put(257, self.magic);
        put(265, self.owner);
        put(297, self.owner);
        put(329, b"0000000\0");
        put(337, b"0000000\0");
        put(345, self.prefix);
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

/// An archive that grows member by member.
#[derive(Clone, Default)]
pub(crate) struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A header as it is given, its size set to that of `data`.
    pub(crate) fn member(&mut self, header: &Header<'_>, data: &[u8]) -> &mut Self {
        let header = Header { size: data.len(), ..header.clone() };
        self.raw(&header.block()).raw(data);
        let pad = self.bytes.len().next_multiple_of(512) - self.bytes.len();
        self.raw(&vec![0; pad])
    }

    /// A regular file; a name of more than 100 bytes becomes a GNU long name.
    pub(crate) fn file(&mut self, name: &str, data: &[u8]) -> &mut Self {
        let name = self.long(b'L', name);
        self.member(&Header { name: name.as_bytes(), ..Header::default() }, data)
    }

    pub(crate) fn files(&mut self, members: &[(String, Vec<u8>)]) -> &mut Self {
        for (name, data) in members {
            self.file(name, data);
        }
        self
    }

    pub(crate) fn dir(&mut self, name: &str) -> &mut Self {
        self.member(
            &Header { name: name.as_bytes(), kind: b'5', mode: 0o755, ..Header::default() },
            b"",
        )
    }

    pub(crate) fn symlink(&mut self, name: &str, to: &str) -> &mut Self {
        self.link(b'2', name, to)
    }

    pub(crate) fn hardlink(&mut self, name: &str, to: &str) -> &mut Self {
        self.link(b'1', name, to)
    }

    fn link(&mut self, kind: u8, name: &str, to: &str) -> &mut Self {
        let to = self.long(b'K', to);
        let name = self.long(b'L', name);
        let header =
            Header { name: name.as_bytes(), kind, link: to.as_bytes(), ..Header::default() };
        self.member(&header, b"")
    }

    /// Writes a GNU long name or target where it is needed, and returns what the header holds.
    fn long<'a>(&mut self, kind: u8, name: &'a str) -> &'a str {
        if name.len() <= 100 {
            return name;
        }
        let text = [name.as_bytes(), b"\0"].concat();
        self.member(
            &Header { name: b"././@LongLink", kind, magic: GNU, ..Header::default() },
            &text,
        );
        &name[..100]
    }

    /// An extended header: `x` for the next member, `g` for all that follow.
    pub(crate) fn pax(&mut self, kind: u8, records: &[(&str, &str)]) -> &mut Self {
        let text: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        self.member(&Header { name: b"PaxHeaders/x", kind, ..Header::default() }, &text)
    }

    /// The archive with its two zero blocks.
    pub(crate) fn end(&self) -> Vec<u8> {
        [self.bytes.as_slice(), &[0; 1024]].concat()
    }

    /// The archive filled up to whole records of 10240 bytes, as GNU tar and Python write it.
    pub(crate) fn end_padded(&self) -> Vec<u8> {
        let mut bytes = self.end();
        bytes.resize(bytes.len().next_multiple_of(10240), 0);
        bytes
    }

    /// The archive without end blocks.
    pub(crate) fn unended(&self) -> Vec<u8> {
        self.bytes.clone()
    }
}

/// A pax record: its length counts its own digits.
pub(crate) fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    format!("{length}{rest}").into_bytes()
}

//! Reads deflate as its blocks and tokens, with every choice that the format leaves open, and writes
//! them again (RFC 1951).

use std::io;

use crate::deflate_bits::{
    DISTANCE_EXTRA, DISTANCE_FIRST, DeflateBits, END_OF_BLOCK, FIXED_DISTANCES, FIXED_LITERALS,
    LENGTH_EXTRA, LENGTH_FIRST, LENGTH_SYMBOL, LENGTHS_ORDER, distance_symbol,
};
use crate::huffman::PrefixCode;

/// Symbols of the code of literals and lengths; the last two stand for nothing.
pub(super) const LITERALS: usize = 288;
/// Symbols of the code of distances; the last two stand for nothing.
pub(super) const DISTANCES: usize = 32;
/// Symbols of the code of widths.
pub(super) const WIDTHS: usize = 19;
/// How far back a match may lie.
pub(super) const REACH: usize = 1 << 15;
/// A block that has more tokens, or more bytes, comes in pieces.
pub(super) const MOST_TOKENS: usize = 1 << 18;
const MOST_BYTES: usize = 1 << 22;

/// A literal, or a match.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Token {
    /// How far back the match lies; 0 for a literal.
    pub(super) distance: u16,
    /// The length of the match, or the literal.
    pub(super) length: u16,
}

/// How the widths of the codes are written: a symbol from 0 to 18, and how many widths it states.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct WidthRun {
    pub(super) symbol: u8,
    pub(super) count: u8,
}

/// The codes of a dynamic block, and how they are written.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct CodeHeader {
    /// How many widths of literals and of distances are stated.
    pub(super) literals: usize,
    pub(super) distances: usize,
    /// All of them.
    pub(super) widths: Vec<u8>,
    pub(super) runs: Vec<WidthRun>,
    /// The widths of the code of widths, by symbol, and how many are stated.
    pub(super) of_widths: [u8; WIDTHS],
    pub(super) stated: usize,
}

/// What kind of block it is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) enum BlockKind {
    /// As it is, after some bits that fill a byte.
    Stored {
        filler: u8,
        length: u16,
    },
    #[default]
    Fixed,
    Dynamic(Box<CodeHeader>),
}

impl BlockKind {
    /// The number that stands for it.
    pub(super) fn number(&self) -> usize {
        match self {
            Self::Stored { .. } => 0,
            Self::Fixed => 1,
            Self::Dynamic(_) => 2,
        }
    }
}

/// One block, or a piece of a large one.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Block {
    pub(super) last: bool,
    pub(super) kind: BlockKind,
    pub(super) tokens: Vec<Token>,
    /// Whether the block begins here, and whether it ends here.
    pub(super) begins: bool,
    pub(super) ends: bool,
}

/// An error of the format.
pub(super) fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

const TOO_MANY: &str = "more codes than there is room for";

/// Reads bits, lowest first.
pub(super) struct BitSource<R> {
    from: R,
    held: u64,
    count: u32,
}

impl<R: io::BufRead> BitSource<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, held: 0, count: 0 }
    }

    /// Holds at least `count` bits, at most 32, or as many as there are.
    fn fill(&mut self, count: u32) -> io::Result<()> {
        while self.count < count {
            let bytes = self.from.fill_buf()?;
            let Some(&byte) = bytes.first() else { break };
            self.from.consume(1);
            self.held |= u64::from(byte) << self.count;
            self.count += 8;
        }
        Ok(())
    }

    fn take(&mut self, count: u32) -> io::Result<usize> {
        self.fill(count)?;
        if self.count < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let value = self.held & ((1 << count) - 1);
        self.held >>= count;
        self.count -= count;
        Ok(usize::try_from(value).unwrap_or_default())
    }

    /// The bits up to a whole byte.
    pub(super) fn align(&mut self) -> io::Result<u8> {
        self.take(self.count & 7).map(|bits| u8::try_from(bits).unwrap_or_default())
    }

    /// The next whole byte; `None` at the end.
    pub(super) fn byte(&mut self) -> io::Result<Option<u8>> {
        self.fill(8)?;
        if self.count == 0 {
            return Ok(None);
        }
        self.take(8).map(|byte| u8::try_from(byte).ok())
    }

    fn symbol(&mut self, table: &CodeTable) -> io::Result<usize> {
        self.fill(table.width)?;
        let at = usize::try_from(self.held & ((1 << table.width) - 1)).unwrap_or_default();
        let (symbol, width) = table.symbols.get(at).copied().unwrap_or_default();
        if width == 0 {
            return Err(wrong("a code that stands for nothing"));
        }
        self.take(width.into())?;
        Ok(symbol.into())
    }
}

/// Symbols by the bits that come next.
struct CodeTable {
    width: u32,
    /// A symbol, and the width of its code.
    symbols: Vec<(u16, u8)>,
}

impl CodeTable {
    fn new<const N: usize>(code: &PrefixCode<N>) -> Self {
        let widest = code.widths.iter().copied().max().unwrap_or_default();
        let mut symbols = vec![(0, 0); 1 << widest];
        for (symbol, (&bits, &width)) in (0..).zip(code.bits.iter().zip(&code.widths)) {
            if width > 0 {
                let ends = symbols.iter_mut().skip(bits.into()).step_by(1 << width);
                ends.for_each(|it| *it = (symbol, width));
            }
        }
        Self { width: widest.into(), symbols }
    }
}

/// The code of these widths; `None` if there is no room for all of them.
pub(super) fn code<const N: usize>(widths: &[u8]) -> Option<PrefixCode<N>> {
    let used = widths.iter().filter(|width| **width > 0);
    let space: u32 = used.map(|width| 1 << (15 - width)).sum();
    if space > 1 << 15 {
        return None;
    }
    let mut all = [0; N];
    all.iter_mut().zip(widths).for_each(|(to, from)| *to = *from);
    Some(PrefixCode::of_widths(all))
}

/// The codes of a block.
pub(super) struct BlockCodes {
    literals: PrefixCode<LITERALS>,
    distances: PrefixCode<DISTANCES>,
}

impl BlockCodes {
    fn fixed() -> Self {
        Self {
            literals: PrefixCode::of_widths(FIXED_LITERALS.map(|code| code.len)),
            distances: PrefixCode::of_widths(FIXED_DISTANCES.map(|code| code.len)),
        }
    }

    fn of(header: &CodeHeader) -> Option<Self> {
        let (literals, distances) = header.widths.split_at_checked(header.literals)?;
        Some(Self { literals: code(literals)?, distances: code(distances)? })
    }
}

/// Reads one block, or a piece of it, and appends its bytes to `plain`, which has what lies before
/// it. `open` is the piece before, if its block goes on.
pub(super) fn read_block<R: io::BufRead>(
    bits: &mut BitSource<R>,
    (plain, floor): (&mut Vec<u8>, usize),
    open: Option<Block>,
) -> io::Result<Block> {
    let begins = open.is_none();
    let (last, kind) = match open {
        Some(block) => (block.last, block.kind),
        None => (bits.take(1)? == 1, read_kind(bits, plain)?),
    };
    let codes = match &kind {
        BlockKind::Stored { .. } => {
            return Ok(Block { last, kind, tokens: Vec::new(), begins, ends: true });
        }
        BlockKind::Fixed => BlockCodes::fixed(),
        BlockKind::Dynamic(header) => BlockCodes::of(header).ok_or_else(|| wrong(TOO_MANY))?,
    };
    let (tokens, ends) = read_tokens(bits, &codes, (plain, floor))?;
    Ok(Block { last, kind, tokens, begins, ends })
}

fn read_kind<R: io::BufRead>(
    bits: &mut BitSource<R>,
    plain: &mut Vec<u8>,
) -> io::Result<BlockKind> {
    match bits.take(2)? {
        0 => read_stored(bits, plain),
        1 => Ok(BlockKind::Fixed),
        2 => Ok(BlockKind::Dynamic(Box::new(read_header(bits)?))),
        _ => Err(wrong("a block of no known kind")),
    }
}

fn read_stored<R: io::BufRead>(
    bits: &mut BitSource<R>,
    plain: &mut Vec<u8>,
) -> io::Result<BlockKind> {
    let filler = bits.align()?;
    let (length, check) = (bits.take(16)?, bits.take(16)?);
    if length != check ^ 0xffff {
        return Err(wrong("a length that its check does not match"));
    }
    // Up to here whole bytes were taken, and at most four are held.
    for _ in 0..length {
        plain.extend(Some(bits.byte()?.ok_or(io::ErrorKind::UnexpectedEof)?));
    }
    Ok(BlockKind::Stored { filler, length: u16::try_from(length).unwrap_or_default() })
}

fn read_header<R: io::BufRead>(bits: &mut BitSource<R>) -> io::Result<CodeHeader> {
    let (literals, distances) = (bits.take(5)? + 257, bits.take(5)? + 1);
    if literals > 286 {
        return Err(wrong("more literals than there are"));
    }
    let stated = bits.take(4)? + 4;
    let mut of_widths = [0; WIDTHS];
    for &symbol in &LENGTHS_ORDER[..stated] {
        of_widths[symbol] = u8::try_from(bits.take(3)?).unwrap_or_default();
    }
    let code: PrefixCode<WIDTHS> = code(&of_widths).ok_or_else(|| wrong(TOO_MANY))?;
    let table = CodeTable::new(&code);
    let all = literals + distances;
    let (mut widths, mut runs) = (Vec::with_capacity(all), Vec::new());
    while widths.len() < all {
        let symbol = bits.symbol(&table)?;
        let (width, count) = match symbol {
            16 => (
                *widths.last().ok_or(wrong("a repeated width before the first"))?,
                bits.take(2)? + 3,
            ),
            17 => (0, bits.take(3)? + 3),
            18 => (0, bits.take(7)? + 11),
            _ => (u8::try_from(symbol).unwrap_or_default(), 1),
        };
        let byte = |value: usize| u8::try_from(value).unwrap_or_default();
        runs.push(WidthRun { symbol: byte(symbol), count: byte(count) });
        widths.extend(std::iter::repeat_n(width, count));
    }
    if widths.len() > all {
        return Err(wrong("more widths than were announced"));
    }
    Ok(CodeHeader { literals, distances, widths, runs, of_widths, stated })
}

fn read_tokens<R: io::BufRead>(
    bits: &mut BitSource<R>,
    codes: &BlockCodes,
    (plain, floor): (&mut Vec<u8>, usize),
) -> io::Result<(Vec<Token>, bool)> {
    let literals = CodeTable::new(&codes.literals);
    let distances = CodeTable::new(&codes.distances);
    let (mut tokens, most) = (Vec::new(), plain.len() + MOST_BYTES);
    while tokens.len() < MOST_TOKENS && plain.len() < most {
        let symbol = bits.symbol(&literals)?;
        if symbol == END_OF_BLOCK {
            return Ok((tokens, true));
        }
        if let Ok(byte) = u8::try_from(symbol) {
            tokens.push(Token { distance: 0, length: symbol as u16 });
            plain.push(byte);
            continue;
        }
        let at = symbol - END_OF_BLOCK - 1;
        let extra = bits.take(LENGTH_EXTRA[at].into())?;
        let length = usize::from(LENGTH_FIRST[at]) + 3 + extra;
        // 258 has a symbol of its own.
        if at > 28 || at < 28 && length == 258 {
            return Err(wrong("a length in an unusual form"));
        }
        let at = bits.symbol(&distances)?;
        if at > 29 {
            return Err(wrong("a distance that stands for nothing"));
        }
        let extra = bits.take(DISTANCE_EXTRA[at].into())?;
        let distance = usize::from(DISTANCE_FIRST[at]) + 1 + extra;
        if distance > plain.len() - floor {
            return Err(wrong("a match before the first byte"));
        }
        tokens.push(Token { distance: distance as u16, length: length as u16 });
        copy(plain, distance, length);
    }
    Ok((tokens, false))
}

/// Appends `length` bytes from `distance` back, which may overlap with them.
fn copy(plain: &mut Vec<u8>, distance: usize, length: usize) {
    let mut from = plain.len() - distance;
    let mut left = length;
    while left > 0 {
        let step = left.min(plain.len() - from);
        plain.extend_from_within(from..from + step);
        from += step;
        left -= step;
    }
}

/// Writes a block, whose stored bytes come from `stored`.
pub(super) fn write_block(block: &Block, stored: &[u8], bits: &mut DeflateBits, out: &mut Vec<u8>) {
    if block.begins {
        let kind = block.kind.number() as u64;
        bits.put(kind << 1 | u64::from(block.last), 3, out);
    }
    match &block.kind {
        BlockKind::Stored { filler, .. } => {
            let free = (8 - bits.pending()) & 7;
            bits.put(u64::from(*filler) & ((1 << free) - 1), free, out);
            bits.align(out);
            let length = u16::try_from(stored.len()).unwrap_or_default();
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(stored);
        }
        BlockKind::Fixed => {
            write_tokens(block, &BlockCodes::fixed(), bits, out);
        }
        BlockKind::Dynamic(header) => {
            if block.begins {
                write_header(header, bits, out);
            }
            if let Some(codes) = BlockCodes::of(header) {
                write_tokens(block, &codes, bits, out);
            }
        }
    }
}

fn write_header(header: &CodeHeader, bits: &mut DeflateBits, out: &mut Vec<u8>) {
    bits.put(header.literals as u64 - 257, 5, out);
    bits.put(header.distances as u64 - 1, 5, out);
    bits.put(header.stated as u64 - 4, 4, out);
    for &symbol in &LENGTHS_ORDER[..header.stated] {
        bits.put(header.of_widths[symbol].into(), 3, out);
    }
    let Some(code) = code::<WIDTHS>(&header.of_widths) else { return };
    for run in &header.runs {
        let symbol = usize::from(run.symbol);
        bits.put(code.bits[symbol].into(), code.widths[symbol].into(), out);
        let (least, width) = match symbol {
            16 => (3, 2),
            17 => (3, 3),
            18 => (11, 7),
            _ => continue,
        };
        bits.put(u64::from(run.count - least), width, out);
    }
}

fn write_tokens(
    block: &Block,
    BlockCodes { literals, distances }: &BlockCodes,
    bits: &mut DeflateBits,
    out: &mut Vec<u8>,
) {
    for token in &block.tokens {
        if token.distance == 0 {
            let at = usize::from(token.length);
            bits.put(literals.bits[at].into(), literals.widths[at].into(), out);
            continue;
        }
        let length = token.length - 3;
        let symbol = usize::from(LENGTH_SYMBOL[usize::from(length)]);
        let at = END_OF_BLOCK + 1 + symbol;
        bits.put(literals.bits[at].into(), literals.widths[at].into(), out);
        let extra = length - u16::from(LENGTH_FIRST[symbol]);
        bits.put(extra.into(), LENGTH_EXTRA[symbol].into(), out);
        let less_one = token.distance - 1;
        let at = usize::from(distance_symbol(less_one.into()));
        bits.put(distances.bits[at].into(), distances.widths[at].into(), out);
        bits.put((less_one - DISTANCE_FIRST[at]).into(), DISTANCE_EXTRA[at].into(), out);
    }
    if block.ends {
        bits.put(literals.bits[END_OF_BLOCK].into(), literals.widths[END_OF_BLOCK].into(), out);
    }
}

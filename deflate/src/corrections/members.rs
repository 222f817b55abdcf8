//! Takes a gzip file of any number of members apart, and puts it together again (RFC 1952).

use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Write};

use super::history::{AHEAD, History};
use super::model::{Model, PlainSource, Provided};
use super::odds::{BitCoder, BitMeter, BitReader, BitWriter, NumberOdds, Odds, SymbolOdds};
use super::rules::Rules;
use super::stream::{BitSource, Block, REACH, read_block, write_block, wrong};
use crate::deflate_bits::DeflateBits;

/// The longest header of a member, and the most that may follow the last one.
const LONGEST_HEADER: usize = 1 << 16;
const MOST_TRAILING: usize = 1 << 20;
/// Tokens from which the rules are found out.
const SAMPLE: usize = 60_000;
/// Parts that are held at once; more are blocks without bytes.
const MOST_PARTS: usize = 1 << 12;

/// The parts of a gzip file, in their order.
enum Part {
    Header(Vec<u8>),
    /// A block, and how many bytes it stands for.
    Block(Block, usize),
    /// What is stated of the bytes of a member, if that is not so.
    Trailer(Option<[u8; 8]>),
    /// What follows the last member.
    Rest(Vec<u8>),
}

/// Writes to `to` what the gzip file has beyond its uncompressed bytes.
///
/// # Errors
/// It cannot be read, it is not gzip, or it has what no program writes: a length of 258 in two
/// parts, bits behind the last block, or more than 1 MiB behind the last member.
pub fn take_apart(gzip: impl BufRead, to: &mut impl Write) -> io::Result<()> {
    let mut parts = Parts::new(gzip);
    let (mut queue, mut sample) = (VecDeque::new(), Vec::new());
    let mut tokens = 0;
    while tokens < SAMPLE && queue.len() < MOST_PARTS {
        let Some(part) = parts.next(&mut sample)? else { break };
        if let Part::Block(block, _) = &part {
            tokens += block.tokens.len();
        }
        queue.push_back(part);
    }
    let rules = Rules::cheapest(|rules| cost(rules, &queue, &sample));
    let mut writer = BitWriter::new();
    Rules::code(&mut writer, rules);
    let mut coder = FileCoder::new(rules);
    coder.model.history().bytes = sample;
    loop {
        while !is_enough(&queue) {
            if queue.len() > MOST_PARTS {
                return Err(wrong("too many blocks without bytes"));
            }
            match parts.next(&mut coder.model.history().bytes)? {
                Some(part) => queue.push_back(part),
                None => break,
            }
        }
        let Some(part) = queue.pop_front() else { break };
        let remaining = remaining(&part, &queue);
        coder.code(&mut writer, Some((&part, remaining)), &mut Provided)?;
        to.write_all(&std::mem::take(&mut writer.out))?;
    }
    coder.code(&mut writer, None, &mut Provided)?;
    writer.finish();
    to.write_all(&writer.out)
}

/// Whether all is there that the model looks at while the first part is coded.
fn is_enough(queue: &VecDeque<Part>) -> bool {
    let mut ahead = 0;
    for part in queue.iter().skip(1) {
        match part {
            Part::Block(_, length) => ahead += length,
            Part::Trailer(_) => return true,
            _ => (),
        }
        if ahead >= AHEAD {
            return true;
        }
    }
    // Headers and trailers look at nothing.
    !matches!(queue.front(), None | Some(Part::Block(..)))
}

/// The bytes from the start of a block to the end of its member, if that is near.
fn remaining(part: &Part, behind: &VecDeque<Part>) -> Option<u64> {
    let Part::Block(_, own) = part else { return None };
    let mut ahead = 0;
    for part in behind {
        match part {
            Part::Block(_, length) => ahead += length,
            _ => break,
        }
        if ahead >= AHEAD {
            return None;
        }
    }
    Some((own + ahead) as u64)
}

/// What a sample would cost.
fn cost(rules: Rules, sample: &VecDeque<Part>, plain: &[u8]) -> f64 {
    let (mut coder, mut meter) = (FileCoder::new(rules), BitMeter::default());
    coder.model.history().bytes = plain.to_vec();
    let mut left = plain.len();
    for part in sample {
        let mut remaining = None;
        if let Part::Block(_, length) = part {
            left -= length;
            // Of the end of the sample it is not known whether it is that of the member.
            remaining = (left < AHEAD).then_some((left + length) as u64);
        }
        if coder.code(&mut meter, Some((part, remaining)), &mut Provided).is_err() {
            break;
        }
    }
    meter.bits
}

/// Reads the parts of a gzip file.
struct Parts<R> {
    bits: BitSource<R>,
    state: PartsState,
    /// The piece before, if its block goes on.
    open: Option<Block>,
    /// The last bytes of the member, and where it begins in them.
    plain: Vec<u8>,
    floor: usize,
    crc: crc32fast::Hasher,
    length: u32,
}

enum PartsState {
    /// The header of the first member, or of another.
    First,
    Header,
    Blocks,
    Trailer,
    End,
}

impl<R: BufRead> Parts<R> {
    fn new(gzip: R) -> Self {
        Self {
            bits: BitSource::new(gzip),
            state: PartsState::First,
            open: None,
            plain: Vec::new(),
            floor: 0,
            crc: crc32fast::Hasher::new(),
            length: 0,
        }
    }

    /// The next part; the bytes that it stands for are appended to `plain`.
    fn next(&mut self, plain: &mut Vec<u8>) -> io::Result<Option<Part>> {
        match self.state {
            PartsState::First | PartsState::Header => self.header().map(Some),
            PartsState::Blocks => {
                let drop = self.plain.len().saturating_sub(REACH);
                self.plain.drain(..drop);
                self.floor = self.floor.saturating_sub(drop);
                let start = self.plain.len();
                let plain_and_floor = (&mut self.plain, self.floor);
                let block = read_block(&mut self.bits, plain_and_floor, self.open.take())?;
                let new = &self.plain[start..];
                self.crc.update(new);
                self.length = self.length.wrapping_add(new.len() as u32);
                plain.extend_from_slice(new);
                if !block.ends {
                    self.open = Some(Block { tokens: Vec::new(), ..block.clone() });
                } else if block.last {
                    self.state = PartsState::Trailer;
                }
                Ok(Some(Part::Block(block, new.len())))
            }
            PartsState::Trailer => self.trailer().map(Some),
            PartsState::End => Ok(None),
        }
    }

    /// A header, or what is no header.
    fn header(&mut self) -> io::Result<Part> {
        let mut header = Vec::new();
        if read_header(&mut self.bits, &mut header)?.is_some() {
            self.state = PartsState::Blocks;
            self.floor = self.plain.len();
            return Ok(Part::Header(header));
        }
        if let PartsState::First = self.state {
            return Err(wrong("not gzip"));
        }
        while let Some(byte) = self.bits.byte()? {
            header.push(byte);
            if header.len() > MOST_TRAILING {
                return Err(wrong("too many bytes behind the last member"));
            }
        }
        self.state = PartsState::End;
        Ok(Part::Rest(header))
    }

    fn trailer(&mut self) -> io::Result<Part> {
        // The bits that fill the last byte are coded with the trailer.
        let filler = self.bits.align()?;
        let mut stated = [0; 8];
        for byte in &mut stated {
            *byte = self.bits.byte()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        if filler != 0 {
            return Err(wrong("a last byte with unusual bits"));
        }
        let crc = std::mem::take(&mut self.crc).finalize();
        let length = std::mem::take(&mut self.length);
        self.state = PartsState::Header;
        Ok(Part::Trailer((stated != trailer(crc, length)).then_some(stated)))
    }
}

/// What a member states of its bytes.
fn trailer(crc: u32, length: u32) -> [u8; 8] {
    (u64::from(length) << 32 | u64::from(crc)).to_le_bytes()
}

/// Reads a header into `bytes`; `None` if it is none, with the bytes that were read.
fn read_header<R: BufRead>(bits: &mut BitSource<R>, bytes: &mut Vec<u8>) -> io::Result<Option<()>> {
    let mut next = |bytes: &mut Vec<u8>| -> io::Result<Option<u8>> {
        let byte = bits.byte()?;
        bytes.extend(byte);
        Ok(byte.filter(|_| bytes.len() <= LONGEST_HEADER))
    };
    for expected in [0x1f, 0x8b, 8] {
        if next(bytes)? != Some(expected) {
            return Ok(None);
        }
    }
    let Some(flags) = next(bytes)? else { return Ok(None) };
    let mut fixed = 6;
    if flags & 4 != 0 {
        for _ in 0..6 {
            next(bytes)?;
        }
        let (Some(low), Some(high)) = (next(bytes)?, next(bytes)?) else { return Ok(None) };
        fixed = usize::from(u16::from_le_bytes([low, high]));
    }
    for _ in 0..fixed {
        if next(bytes)?.is_none() {
            return Ok(None);
        }
    }
    // A name and a comment each end in a zero.
    for _ in [8, 16].iter().filter(|flag| flags & **flag != 0) {
        loop {
            match next(bytes)? {
                Some(0) => break,
                Some(_) => (),
                None => return Ok(None),
            }
        }
    }
    if flags & 2 != 0 && (next(bytes)?.is_none() || next(bytes)?.is_none()) {
        return Ok(None);
    }
    Ok(Some(()))
}

/// Codes the parts of a gzip file.
struct FileCoder {
    model: Model,
    kinds: SymbolOdds<2>,
    same_header: Odds,
    header: Vec<u8>,
    lengths: NumberOdds,
    bytes: SymbolOdds<8>,
    is_right: Odds,
    next: NextPart,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NextPart {
    Block,
    Other,
    Nothing,
}

impl FileCoder {
    fn new(rules: Rules) -> Self {
        Self {
            model: Model::new(rules),
            kinds: SymbolOdds::new(),
            same_header: Odds::EVEN,
            header: Vec::new(),
            lengths: NumberOdds::new(),
            bytes: SymbolOdds::new(),
            is_right: Odds::EVEN,
            next: NextPart::Other,
        }
    }

    /// Codes the next part; `None` is the end.
    fn code(
        &mut self,
        coder: &mut impl BitCoder,
        told: Option<(&Part, Option<u64>)>,
        source: &mut impl PlainSource,
    ) -> io::Result<Option<Part>> {
        match self.next {
            NextPart::Block => return self.code_block(coder, told, source).map(Some),
            NextPart::Nothing => return Ok(None),
            NextPart::Other => (),
        }
        let part = told.map(|(part, _)| part);
        let kind = match part {
            None | Some(Part::Block(..)) => 0,
            Some(Part::Header(_)) => 1,
            Some(Part::Trailer(_)) => 2,
            Some(Part::Rest(_)) => 3,
        };
        match self.kinds.code(coder, kind) {
            1 => {
                let told = if let Some(Part::Header(told)) = part { told } else { &Vec::new() };
                if !coder.bit(&mut self.same_header, *told == self.header) {
                    self.header = self.code_bytes(coder, told)?;
                }
                self.model.begin_member();
                self.next = NextPart::Block;
                Ok(Some(Part::Header(self.header.clone())))
            }
            2 => {
                let told = if let Some(Part::Trailer(told)) = part { *told } else { None };
                if coder.bit(&mut self.is_right, told.is_none()) {
                    return Ok(Some(Part::Trailer(None)));
                }
                let told = u64::from_le_bytes(told.unwrap_or_default());
                Ok(Some(Part::Trailer(Some(coder.bits(64, told).to_le_bytes()))))
            }
            3 => {
                let told = if let Some(Part::Rest(told)) = part { told } else { &Vec::new() };
                self.next = NextPart::Nothing;
                Ok(Some(Part::Rest(self.code_bytes(coder, told)?)))
            }
            _ => Ok(None),
        }
    }

    fn code_block(
        &mut self,
        coder: &mut impl BitCoder,
        told: Option<(&Part, Option<u64>)>,
        source: &mut impl PlainSource,
    ) -> io::Result<Part> {
        let (none, start) = (Block::default(), self.model.history().position());
        let told = match told {
            Some((Part::Block(block, _), remaining)) => (block, remaining),
            _ => (&none, None),
        };
        let block = self.model.code(coder, told, source)?;
        if block.last && block.ends {
            self.next = NextPart::Other;
        }
        let length = usize::try_from(self.model.history().position() - start);
        Ok(Part::Block(block, length.unwrap_or_default()))
    }

    fn code_bytes(&mut self, coder: &mut impl BitCoder, told: &[u8]) -> io::Result<Vec<u8>> {
        let length = self.lengths.code(coder, told.len() as u64);
        if length > MOST_TRAILING as u64 {
            return Err(wrong("more bytes than are kept"));
        }
        let mut bytes = Vec::new();
        for at in 0..usize::try_from(length).unwrap_or_default() {
            let told = told.get(at).copied().unwrap_or_default();
            bytes.extend(u8::try_from(self.bytes.code(coder, told.into())));
        }
        Ok(bytes)
    }
}

/// Uncompressed bytes out of a reader.
struct FromReader<R>(R);

impl<R: Read> PlainSource for FromReader<R> {
    fn provide(&mut self, history: &mut History) -> io::Result<()> {
        let held = history.bytes.len() - history.at;
        if held < AHEAD {
            (&mut self.0).take(1 << 16).read_to_end(&mut history.bytes)?;
        }
        Ok(())
    }
}

/// Writes to `to` the gzip file of which these are the uncompressed bytes and the corrections.
///
/// # Errors
/// Something cannot be read or written, or the corrections are not those of these bytes. What they
/// give is not more than they say, which need not be what was taken apart: that is the caller's to
/// check.
pub fn put_together(
    plain: impl Read,
    corrections: impl BufRead,
    to: &mut impl Write,
) -> io::Result<()> {
    let mut reader = BitReader::new(corrections);
    let rules = Rules::code(&mut reader, Rules::USUAL);
    let (mut coder, mut source) = (FileCoder::new(rules), FromReader(plain));
    let (mut bits, mut out) = (DeflateBits::default(), Vec::new());
    let (mut crc, mut length) = (crc32fast::Hasher::new(), 0_u32);
    while let Some(part) = coder.code(&mut reader, None, &mut source)? {
        match part {
            Part::Header(bytes) | Part::Rest(bytes) => out.extend(bytes),
            Part::Block(block, size) => {
                let history = coder.model.history();
                let plain = &history.bytes[history.at - size..history.at];
                crc.update(plain);
                length = length.wrapping_add(size as u32);
                write_block(&block, plain, &mut bits, &mut out);
                if block.last && block.ends {
                    bits.align(&mut out);
                }
            }
            Part::Trailer(stated) => {
                let crc = std::mem::take(&mut crc).finalize();
                out.extend(stated.unwrap_or(trailer(crc, std::mem::take(&mut length))));
            }
        }
        to.write_all(&std::mem::take(&mut out))?;
    }
    reader.failed.take().map_or(Ok(()), Err)
}

//! Codes the header of a dynamic block by what one of two families of programs would write for its
//! tokens.

use super::odds::{BitCoder, Odds, SymbolOdds};
use super::stream::{CodeHeader, DISTANCES, LITERALS, Token, WIDTHS, WidthRun, code};
use crate::deflate_bits::{BitCode, END_OF_BLOCK, LENGTH_SYMBOL, LENGTHS_ORDER, distance_symbol};
use crate::huffman::PrefixCode;
use crate::klauspost_header::KlauspostHeader;
use crate::zlib_block::{add_runs, heap_lengths};

/// How a program makes its codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CodeFamily {
    Zlib,
    Go,
}

impl CodeFamily {
    /// The widths of both codes for these tokens, and how many are stated.
    fn widths(self, tokens: &[Token]) -> CodeHeader {
        let (mut literals, mut distances) = ([0; 286], [0; 30]);
        literals[END_OF_BLOCK] = 1;
        for token in tokens {
            let length = usize::from(token.length);
            if token.distance == 0 {
                literals[length & 255] += 1;
                continue;
            }
            let symbol = usize::from(LENGTH_SYMBOL[(length - 3) & 255]);
            literals[END_OF_BLOCK + 1 + symbol] += 1;
            distances[usize::from(distance_symbol(u32::from(token.distance) - 1)).min(29)] += 1;
        }
        let (mut widths, of_distances) = match self {
            Self::Zlib => (heap_lengths(&literals, 15), heap_lengths(&distances, 15)),
            Self::Go => {
                if distances == [0; 30] {
                    distances[0] = 1;
                }
                let used =
                    |counts: &[u32]| counts.iter().rposition(|it| *it > 0).map_or(1, |at| at + 1);
                let (some, others) = (used(&literals), used(&distances));
                let (first, second) =
                    (PrefixCode::build(&literals, 15), PrefixCode::build(&distances, 15));
                (first.widths[..some].to_vec(), second.widths[..others].to_vec())
            }
        };
        let literals = widths.len();
        widths.extend_from_slice(&of_distances);
        CodeHeader { literals, distances: of_distances.len(), widths, ..CodeHeader::default() }
    }

    /// How these widths are written.
    fn runs(self, literals: &[u8], distances: &[u8]) -> Vec<WidthRun> {
        let runs = match self {
            Self::Zlib => {
                let mut runs = Vec::new();
                add_runs(&mut runs, literals.iter().copied());
                add_runs(&mut runs, distances.iter().copied());
                runs
            }
            Self::Go => {
                let codes = |widths: &[u8]| -> Vec<BitCode> {
                    widths.iter().map(|&len| BitCode { bits: 0, len }).collect()
                };
                let mut header = KlauspostHeader::default();
                header.prepare(&codes(literals), &codes(distances));
                header.runs
            }
        };
        let run = |(symbol, extra, _): (u8, u8, u8)| {
            let count = extra
                + match symbol {
                    16 | 17 => 3,
                    18 => 11,
                    _ => 1,
                };
            WidthRun { symbol, count }
        };
        runs.into_iter().map(run).collect()
    }

    /// The widths of the code of widths.
    fn of_widths(self, runs: &[WidthRun]) -> [u8; WIDTHS] {
        let mut counts = [0; WIDTHS];
        for run in runs {
            counts[usize::from(run.symbol)] += 1;
        }
        match self {
            Self::Zlib => {
                let mut widths = [0; WIDTHS];
                let found = heap_lengths(&counts, 7);
                widths.iter_mut().zip(found).for_each(|(to, from)| *to = from);
                widths
            }
            Self::Go => PrefixCode::build(&counts, 7).widths,
        }
    }
}

/// The odds of all that makes a header.
#[derive(Clone)]
pub(super) struct HeaderOdds {
    same: [Odds; 4],
    literals: SymbolOdds<5>,
    distances: SymbolOdds<5>,
    /// By the expected width, and whether that of the symbol before was as expected.
    widths: Vec<SymbolOdds<4>>,
    repeated: Vec<Odds>,
    before: [Odds; 2],
    counts: SymbolOdds<8>,
    of_widths: Vec<SymbolOdds<3>>,
    stated: SymbolOdds<4>,
}

impl HeaderOdds {
    pub(super) fn new() -> Self {
        Self {
            same: [Odds::EVEN; 4],
            literals: SymbolOdds::new(),
            distances: SymbolOdds::new(),
            widths: vec![SymbolOdds::new(); 32],
            repeated: vec![Odds::EVEN; 64],
            before: [Odds::EVEN; 2],
            counts: SymbolOdds::new(),
            of_widths: vec![SymbolOdds::new(); 8],
            stated: SymbolOdds::new(),
        }
    }

    /// Codes the header of a block with these tokens. `None` if what a reader finds is none.
    pub(super) fn code(
        &mut self,
        coder: &mut impl BitCoder,
        (family, tokens): (CodeFamily, &[Token]),
        told: &CodeHeader,
    ) -> Option<CodeHeader> {
        let mut header = family.widths(tokens);
        let same =
            |a: &CodeHeader, b: &CodeHeader| a.literals == b.literals && a.widths == b.widths;
        if !coder.bit(&mut self.same[0], same(&header, told)) {
            header = self.code_widths(coder, &header, told)?;
        }
        let (literals, distances) = header.widths.split_at(header.literals);
        code::<LITERALS>(literals)?;
        code::<DISTANCES>(distances)?;
        header.runs = family.runs(literals, distances);
        if !coder.bit(&mut self.same[1], header.runs == told.runs) {
            header.runs = self.code_runs(coder, &header.widths, &told.runs)?;
        }
        header.of_widths = family.of_widths(&header.runs);
        if !coder.bit(&mut self.same[2], header.of_widths == told.of_widths) {
            for (width, told) in header.of_widths.iter_mut().zip(told.of_widths) {
                let odds = self.of_widths.get_mut(usize::from(*width))?;
                *width = u8::try_from(odds.code(coder, told.into())).ok()?;
            }
        }
        code::<WIDTHS>(&header.of_widths)?;
        let last = LENGTHS_ORDER.iter().rposition(|symbol| header.of_widths[*symbol] > 0);
        header.stated = last.map_or(0, |last| last + 1).max(4);
        if !coder.bit(&mut self.same[3], header.stated == told.stated) {
            header.stated = self.stated.code(coder, told.stated.wrapping_sub(4) & 15) + 4;
        }
        Some(header)
    }

    fn code_widths(
        &mut self,
        coder: &mut impl BitCoder,
        expected: &CodeHeader,
        told: &CodeHeader,
    ) -> Option<CodeHeader> {
        let literals = self.literals.code(coder, told.literals.saturating_sub(257) & 31) + 257;
        let distances = self.distances.code(coder, told.distances.saturating_sub(1) & 31) + 1;
        if literals > 286 {
            return None;
        }
        let (first, second) = expected.widths.split_at(expected.literals);
        let ends = |widths: &[u8], count: usize| {
            let widths = widths.iter().copied().chain(std::iter::repeat(0));
            widths.take(count).collect::<Vec<_>>()
        };
        let expected = [ends(first, literals), ends(second, distances)].concat();
        let (mut widths, mut as_expected) = (Vec::with_capacity(expected.len()), 1);
        for (at, &width) in expected.iter().enumerate() {
            let odds = &mut self.widths[usize::from(width) * 2 + as_expected];
            let told = told.widths.get(at).copied().unwrap_or_default();
            let found = u8::try_from(odds.code(coder, told.into())).ok()?;
            as_expected = usize::from(found == width);
            widths.push(found);
        }
        Some(CodeHeader { literals, distances, widths, ..CodeHeader::default() })
    }

    fn code_runs(
        &mut self,
        coder: &mut impl BitCoder,
        widths: &[u8],
        told: &[WidthRun],
    ) -> Option<Vec<WidthRun>> {
        let (mut runs, mut at) = (Vec::new(), 0);
        while at < widths.len() {
            let told = told.get(runs.len()).copied().unwrap_or_default();
            let width = widths[at];
            let same = widths[at..].iter().take_while(|it| **it == width).count();
            let before = at > 0 && widths[at - 1] == width;
            let context = same.min(15) * 4 + usize::from(width == 0) * 2 + usize::from(before);
            let run = if coder.bit(&mut self.repeated[context], told.count > 1) {
                let zero = usize::from(width == 0);
                let repeat = before && coder.bit(&mut self.before[zero], told.symbol == 16);
                let count = self.counts.code(coder, told.count.into());
                let symbol = match count {
                    3..=6 if repeat => 16,
                    3..=10 if width == 0 => 17,
                    11..=138 if width == 0 => 18,
                    _ => return None,
                };
                WidthRun { symbol, count: u8::try_from(count).ok().filter(|_| count <= same)? }
            } else {
                WidthRun { symbol: width, count: 1 }
            };
            at += usize::from(run.count);
            runs.push(run);
        }
        Some(runs)
    }
}

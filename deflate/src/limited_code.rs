//! Huffman codes of limited length, as Go's `compress/flate` and its descendants assign them:
//! the best code there is, found by merging packages, where a package goes before a symbol of the
//! same weight.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "there are at most 286 symbols, and the work space is made for them"
)]

use super::deflate_bits::BitCode;

const MOST_SYMBOLS: usize = 286;
const LONGEST: usize = 15;

/// The number of symbols among the first items of one level's list, by the number of items.
type SymbolsAmong = [u16; 2 * MOST_SYMBOLS + 1];

/// Makes codes of at most `longest` bits; owns the work space.
pub(crate) struct LimitedCode {
    symbols: Vec<(u16, u16)>,
    among: Box<[SymbolsAmong; LONGEST + 1]>,
    weights: [Vec<u32>; 2],
}

impl Default for LimitedCode {
    fn default() -> Self {
        Self {
            symbols: Vec::with_capacity(MOST_SYMBOLS),
            among: Box::new([[0; 2 * MOST_SYMBOLS + 1]; LONGEST + 1]),
            weights: [Vec::new(), Vec::new()],
        }
    }
}

impl LimitedCode {
    /// Fills `codes` for the symbols that `counts` holds; symbols that do not occur get no code.
    pub(crate) fn assign(&mut self, counts: &[u16], longest: usize, codes: &mut [BitCode]) {
        self.symbols.clear();
        for (symbol, (&count, code)) in counts.iter().zip(codes.iter_mut()).enumerate() {
            *code = BitCode::default();
            if count != 0 {
                self.symbols.push((count, symbol as u16));
            }
        }
        if self.symbols.len() <= 2 {
            for (number, &(_, symbol)) in self.symbols.iter().enumerate() {
                codes[usize::from(symbol)] = BitCode::from_number(number as u16, 1);
            }
            return;
        }
        self.symbols.sort_unstable();
        let deepest = longest.min(self.symbols.len() - 1);
        self.merge(deepest);
        self.number(deepest, codes);
    }

    /// Merges symbols and pairs of the level before into each level's list, by weight.
    fn merge(&mut self, deepest: usize) {
        let items = 2 * self.symbols.len() - 2;
        let [before, list] = &mut self.weights;
        before.clear();
        for level in 1..=deepest {
            list.clear();
            let among = &mut self.among[level];
            let mut symbols = self.symbols.iter().map(|&(count, _)| u32::from(count));
            let mut pairs = before.chunks_exact(2).map(|pair| pair[0] + pair[1]);
            let (mut symbol, mut pair) = (symbols.next(), pairs.next());
            let mut taken = 0;
            among[0] = 0;
            for slot in &mut among[1..=items] {
                let weight = match (symbol, pair) {
                    (Some(single), Some(both)) if single < both => single,
                    (_, Some(both)) => {
                        list.push(both);
                        pair = pairs.next();
                        *slot = taken;
                        continue;
                    }
                    (Some(single), None) => single,
                    (None, None) => break,
                };
                list.push(weight);
                symbol = symbols.next();
                taken += 1;
                *slot = taken;
            }
            std::mem::swap(before, list);
        }
    }

    /// Gives the rarest symbols the longest codes; among codes of a length the symbols ascend.
    fn number(&mut self, deepest: usize, codes: &mut [BitCode]) {
        let mut items = 2 * self.symbols.len() - 2;
        let mut used = [0; LONGEST + 2];
        for level in (1..=deepest).rev() {
            let symbols = usize::from(self.among[level][items]);
            used[level] = symbols;
            items = 2 * (items - symbols);
        }
        let mut code = 0u16;
        let mut end = self.symbols.len();
        for bits in 1..=deepest {
            // The list of the topmost level holds every symbol; each level below, those that are
            // one bit longer.
            let level = deepest + 1 - bits;
            let count = used[level] - used[level - 1];
            code <<= 1;
            let group = &mut self.symbols[end - count..end];
            group.sort_unstable_by_key(|&(_, symbol)| symbol);
            for &(_, symbol) in group.iter() {
                codes[usize::from(symbol)] = BitCode::from_number(code, bits as u8);
                code += 1;
            }
            end -= count;
        }
    }
}

//! Prefix codes of limited width (RFC 1951, 3.2.2), with the choice that Go makes among equally
//! good ones.

use super::deflate_bits::{BitCode, LITERAL_SYMBOLS as LITERALS};

/// Items of a row: all leaves, and pairs of items of the row below.
const ROW: usize = 2 * LITERALS;
/// The widest code word of deflate.
pub(crate) const WIDEST: usize = 15;

/// A prefix code: the bits of each symbol, first bit lowest, and how many they are.
#[derive(Clone)]
pub(crate) struct PrefixCode<const N: usize> {
    pub(crate) bits: [u16; N],
    pub(crate) widths: [u8; N],
}

impl<const N: usize> PrefixCode<N> {
    pub(crate) const EMPTY: Self = Self { bits: [0; N], widths: [0; N] };

    /// The code of these widths.
    pub(crate) fn of_widths(widths: [u8; N]) -> Self {
        let mut code = Self { bits: [0; N], widths };
        code.number();
        code
    }

    /// The best code for `counts` with at most `limit` bits for a symbol.
    pub(crate) fn build(counts: &[u32; N], limit: usize) -> Self {
        let mut code = Self::EMPTY;
        // Sorted by count and then by symbol.
        let mut order = [0_u32; LITERALS];
        let mut used = 0;
        for (symbol, &count) in (0..).zip(counts) {
            if count > 0 {
                order[used] = count << 9 | symbol;
                used += 1;
            }
        }
        let order = &mut order[..used];
        if used <= 2 {
            for (bits, key) in (0..).zip(&*order) {
                let symbol = (key & 511) as usize;
                code.bits[symbol] = bits;
                code.widths[symbol] = 1;
            }
            return code;
        }
        order.sort_unstable();
        let mut weights = [u32::MAX; LITERALS + 1];
        for (weight, key) in weights.iter_mut().zip(&*order) {
            *weight = key >> 9;
        }
        let deeper = depths(&weights, used, limit);
        // The rarest symbols are the deepest.
        let mut width = limit;
        for (rank, key) in order.iter().enumerate() {
            while width > 1 && deeper[width] <= rank {
                width -= 1;
            }
            code.widths[(key & 511) as usize] = u8::try_from(width).unwrap_or_default();
        }
        code.number();
        code
    }

    /// Numbers the symbols of each width in their order.
    fn number(&mut self) {
        let mut next = [0_u16; WIDEST + 2];
        for &width in &self.widths {
            next[usize::from(width) + 1] += 1;
        }
        next[1] = 0;
        let mut first = 0;
        for slot in &mut next[1..] {
            first = (first + *slot) << 1;
            *slot = first;
        }
        for (bits, &width) in self.bits.iter_mut().zip(&self.widths) {
            if width > 0 {
                let slot = &mut next[usize::from(width)];
                *bits = slot.reverse_bits() >> (16 - width);
                *slot = slot.wrapping_add(1);
            }
        }
    }

    /// Bits that symbols in these counts take.
    pub(crate) fn cost(&self, counts: &[u32; N]) -> usize {
        counts
            .iter()
            .zip(&self.widths)
            .map(|(&count, &width)| count as usize * usize::from(width))
            .sum()
    }
}

/// Fills `codes` for the symbols that `counts` holds, with at most `limit` bits for each; symbols that
/// do not occur get no code.
pub(crate) fn assign(counts: &[u16], limit: usize, codes: &mut [BitCode]) {
    let mut all = [0; LITERALS];
    for (slot, count) in all.iter_mut().zip(counts) {
        *slot = u32::from(*count);
    }
    let PrefixCode { bits, widths } = PrefixCode::build(&all, limit);
    for (code, (&bits, &len)) in codes.iter_mut().take(counts.len()).zip(bits.iter().zip(&widths)) {
        *code = BitCode { bits, len };
    }
}

/// Which items of a row are leaves, in order.
type RowLeaves = [bool; ROW];

/// How many leaves lie at depth `i` or deeper.
fn depths(weights: &[u32; LITERALS + 1], used: usize, limit: usize) -> [usize; WIDEST + 1] {
    let mut row = [0; ROW];
    let mut leaves = [false; ROW];
    unlimited(weights, used, &mut row, &mut leaves);
    count(used, limit, |_| &leaves).unwrap_or_else(|| limited(weights, used, limit))
}

/// Counts from the root down; `None` if the leaves do not end within `limit`.
fn count<'l>(
    used: usize,
    limit: usize,
    row: impl Fn(usize) -> &'l RowLeaves,
) -> Option<[usize; WIDEST + 1]> {
    let mut deeper = [0; WIDEST + 1];
    let mut items = 2 * used - 2;
    for (depth, slot) in deeper.iter_mut().enumerate().take(limit + 1).skip(1) {
        let found = row(depth).iter().take(items).filter(|leaf| **leaf).count();
        *slot = found;
        items = 2 * (items - found);
    }
    (items == 0).then_some(deeper)
}

/// Huffman's own algorithm: items in the order in which he joins them; among equals a pair is
/// first.
/// Where the limit does not matter, its result is that of [`limited`], and it costs a fraction.
fn unlimited(
    weights: &[u32; LITERALS + 1],
    used: usize,
    row: &mut [u32; ROW],
    leaves: &mut RowLeaves,
) {
    let (mut leaf, mut pair) = (0, 0);
    for at in 0..2 * used - 2 {
        let joined = if 2 * pair + 1 < at { row[2 * pair] + row[2 * pair + 1] } else { u32::MAX };
        let lighter = weights[leaf] < joined;
        row[at] = if lighter { weights[leaf] } else { joined };
        leaves[at] = lighter;
        leaf += usize::from(lighter);
        pair += usize::from(!lighter);
    }
}

/// The package-merge algorithm: each row has all leaves, and the pairs of the row below.
fn limited(weights: &[u32; LITERALS + 1], used: usize, limit: usize) -> [usize; WIDEST + 1] {
    let mut leaves = [[false; ROW]; WIDEST];
    let mut row = [0; ROW];
    let mut length = 0;
    for level in &mut leaves[..limit] {
        let below = row;
        let pairs = length / 2;
        length = (used + pairs).min(2 * used - 2);
        let (mut leaf, mut pair) = (0, 0);
        for at in 0..length {
            let joined =
                if pair < pairs { below[2 * pair] + below[2 * pair + 1] } else { u32::MAX };
            let lighter = weights[leaf] < joined;
            row[at] = if lighter { weights[leaf] } else { joined };
            level[at] = lighter;
            leaf += usize::from(lighter);
            pair += usize::from(!lighter);
        }
    }
    count(used, limit, |depth| &leaves[limit - depth]).unwrap_or([0; WIDEST + 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_binds_keeps_the_code_complete() {
        let mut counts = [0; 19];
        let (mut a, mut b) = (1, 1);
        for count in &mut counts {
            *count = a;
            (a, b) = (b, a + b);
        }
        let code = PrefixCode::build(&counts, 7);
        let space: u32 = code.widths.iter().map(|width| 1 << (7 - width)).sum();
        assert_eq!(space, 128);
    }
}

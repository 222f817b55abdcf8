//! How zlib and its relatives (gzip, pigz, BusyBox) write a block: Huffman trees off a heap that
//! prefers flat trees, then the shortest of stored, fixed and dynamic.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "symbols are bounded by their alphabets, and counts by the block"
)]

use super::deflate_bits::{
    BitCode, DISTANCE_EXTRA, DISTANCE_FIRST, DISTANCE_SYMBOLS, DeflateBits, END_OF_BLOCK,
    FIXED_DISTANCES, FIXED_LITERALS, LENGTH_EXTRA, LENGTH_FIRST, LENGTH_SYMBOL, LENGTHS_ORDER,
    LITERAL_SYMBOLS, Last, bits_of_codes, bits_of_widths, distance_symbol,
};

const MOST_NODES: usize = 2 * LITERAL_SYMBOLS;
const LONGEST_CODE: usize = 15;

/// The codes of one alphabet.
struct HeapCode<const N: usize> {
    codes: [BitCode; N],
    /// The last symbol that has a code.
    last: usize,
}

impl<const N: usize> HeapCode<N> {
    fn new() -> Self {
        Self { codes: [BitCode::default(); N], last: 0 }
    }
}

/// Work space to make the codes.
struct HeapCodes {
    heap: [u16; MOST_NODES + 1],
    len: usize,
    /// By node: how often it occurs, and below it in eight bits how deep its tree is.
    weights: [u32; MOST_NODES],
    parents: [u16; MOST_NODES],
    /// The nodes in the order in which they left the heap.
    order: Vec<u16>,
    lengths: [u8; MOST_NODES],
}

impl HeapCodes {
    fn new() -> Self {
        Self {
            heap: [0; MOST_NODES + 1],
            len: 0,
            weights: [0; MOST_NODES],
            parents: [0; MOST_NODES],
            order: Vec::with_capacity(MOST_NODES),
            lengths: [0; MOST_NODES],
        }
    }

    /// Makes codes of at most `longest` bits for the symbols that occur, and for others until there
    /// are two.
    fn assign<const N: usize, C: Copy + Into<u32>>(
        &mut self,
        counts: &[C],
        longest: usize,
        code: &mut HeapCode<N>,
    ) {
        self.len = 0;
        let mut last = None;
        for (symbol, &count) in counts.iter().enumerate() {
            let count = count.into();
            if count != 0 {
                self.push_leaf(symbol, count);
                last = Some(symbol);
            }
        }
        while self.len < 2 {
            let symbol = match last {
                None => 0,
                Some(symbol @ 0..2) => symbol + 1,
                Some(_) => 0,
            };
            last = last.max(Some(symbol));
            self.push_leaf(symbol, 1);
        }
        self.build(counts.len());
        let mut by_length = self.measure(counts.len(), longest);
        code.codes.fill(BitCode::default());
        code.last = last.unwrap_or(0);
        let mut next = [0u16; LONGEST_CODE + 2];
        by_length[0] = 0;
        for bits in 1..=LONGEST_CODE {
            next[bits] = (next[bits - 1] + by_length[bits - 1]) << 1;
        }
        for &node in &self.order {
            if usize::from(node) < counts.len() {
                code.codes[usize::from(node)].len = self.lengths[usize::from(node)];
            }
        }
        for code in &mut code.codes[..=code.last] {
            if code.len != 0 {
                *code = BitCode::from_number(next[usize::from(code.len)], code.len);
                next[usize::from(code.len)] += 1;
            }
        }
    }

    fn push_leaf(&mut self, symbol: usize, count: u32) {
        self.len += 1;
        self.heap[self.len] = symbol as u16;
        self.weights[symbol] = count << 8;
    }

    fn weight(&self, slot: usize) -> u32 {
        self.weights[usize::from(self.heap[slot])]
    }

    /// Lets the node at `slot` sink below lighter ones.
    fn sink(&mut self, mut slot: usize) {
        let node = self.heap[slot];
        let weight = self.weights[usize::from(node)];
        while 2 * slot <= self.len {
            let mut child = 2 * slot;
            if child < self.len && self.weight(child + 1) <= self.weight(child) {
                child += 1;
            }
            if weight <= self.weight(child) {
                break;
            }
            self.heap[slot] = self.heap[child];
            slot = child;
        }
        self.heap[slot] = node;
    }

    /// Joins the two lightest nodes until one is left.
    fn build(&mut self, symbols: usize) {
        for slot in (1..=self.len / 2).rev() {
            self.sink(slot);
        }
        self.order.clear();
        let mut joined = symbols;
        while self.len >= 2 {
            let lightest = self.heap[1];
            self.heap[1] = self.heap[self.len];
            self.len -= 1;
            self.sink(1);
            let other = self.heap[1];
            self.order.extend([lightest, other]);
            let (first, second) =
                (self.weights[usize::from(lightest)], self.weights[usize::from(other)]);
            let depth = (first & 255).max(second & 255) + 1;
            self.weights[joined] = ((first >> 8) + (second >> 8)) << 8 | depth;
            self.parents[usize::from(lightest)] = joined as u16;
            self.parents[usize::from(other)] = joined as u16;
            self.heap[1] = joined as u16;
            joined += 1;
            self.sink(1);
        }
        self.order.push(self.heap[1]);
    }

    /// Finds the code lengths and cuts those that are too long; says how many symbols have each
    /// length.
    fn measure(&mut self, symbols: usize, longest: usize) -> [u16; LONGEST_CODE + 1] {
        let mut by_length = [0u16; LONGEST_CODE + 1];
        let mut too_long = 0i32;
        let mut nodes = self.order.iter().rev();
        if let Some(&root) = nodes.next() {
            self.lengths[usize::from(root)] = 0;
        }
        for &node in nodes {
            let node = usize::from(node);
            let mut bits = usize::from(self.lengths[usize::from(self.parents[node])]) + 1;
            if bits > longest {
                bits = longest;
                too_long += 1;
            }
            self.lengths[node] = bits as u8;
            if node < symbols {
                by_length[bits] += 1;
            }
        }
        if too_long == 0 {
            return by_length;
        }
        while too_long > 0 {
            let mut bits = longest - 1;
            while by_length[bits] == 0 {
                bits -= 1;
            }
            by_length[bits] -= 1;
            by_length[bits + 1] += 2;
            by_length[longest] -= 1;
            too_long -= 2;
        }
        // The lightest symbols get the longest codes.
        let mut leaves =
            self.order.iter().map(|&node| usize::from(node)).filter(|&node| node < symbols);
        for bits in (1..=longest).rev() {
            for leaf in leaves.by_ref().take(usize::from(by_length[bits])) {
                self.lengths[leaf] = bits as u8;
            }
        }
        by_length
    }
}

/// What a block holds: literals, and matches as distance and length minus 3.
pub(crate) struct ZlibBlock {
    bits: DeflateBits,
    symbols: Vec<u32>,
    matches: u32,
    literal_counts: [u16; LITERAL_SYMBOLS],
    distance_counts: [u16; DISTANCE_SYMBOLS],
    length_counts: [u16; 19],
    maker: HeapCodes,
    literals: HeapCode<288>,
    distances: HeapCode<32>,
    lengths: HeapCode<19>,
    /// A symbol of the code of lengths, with the value and the width of its extra bits.
    runs: Vec<(u8, u8, u8)>,
}

impl ZlibBlock {
    /// An empty block at the start of a stream.
    pub(crate) fn new(most_symbols: usize) -> Self {
        let mut block = Self {
            bits: DeflateBits::default(),
            symbols: Vec::with_capacity(most_symbols),
            matches: 0,
            literal_counts: [0; LITERAL_SYMBOLS],
            distance_counts: [0; DISTANCE_SYMBOLS],
            length_counts: [0; 19],
            maker: HeapCodes::new(),
            literals: HeapCode::new(),
            distances: HeapCode::new(),
            lengths: HeapCode::new(),
            runs: Vec::with_capacity(320),
        };
        block.clear();
        block
    }

    fn clear(&mut self) {
        self.symbols.clear();
        self.matches = 0;
        self.literal_counts.fill(0);
        self.distance_counts.fill(0);
        self.literal_counts[END_OF_BLOCK] = 1;
    }

    /// Adds a literal.
    #[inline(always)]
    pub(crate) fn add_literal(&mut self, byte: u8) {
        self.symbols.push(u32::from(byte));
        self.literal_counts[usize::from(byte)] += 1;
    }

    /// Adds a match: 3 to 258 bytes from 1 to 32768 before.
    #[inline(always)]
    pub(crate) fn add_match(&mut self, length: usize, distance: usize) {
        let length = (length - 3) as u8;
        self.symbols.push((distance as u32) << 8 | u32::from(length));
        self.matches += 1;
        self.literal_counts[END_OF_BLOCK + 1 + usize::from(LENGTH_SYMBOL[usize::from(length)])] +=
            1;
        self.distance_counts
            [usize::from(distance_symbol(distance as u32 - 1)) % DISTANCE_SYMBOLS] += 1;
    }

    /// How many literals and matches there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether a gzip that looks every 4096 symbols finds that the block compresses well enough to
    /// end it.
    pub(crate) fn good_enough(&self, input: usize) -> bool {
        let mut bits = self.symbols.len() as u64 * 8;
        for (&count, &extra) in self.distance_counts.iter().zip(&DISTANCE_EXTRA) {
            bits += u64::from(count) * (5 + u64::from(extra));
        }
        (self.matches as usize) < self.symbols.len() / 2 && bits >> 3 < input as u64 / 2
    }

    /// Writes the block and starts a new one. `bytes` is the input, unless it is gone.
    pub(crate) fn write(
        &mut self,
        bytes: Option<&[u8]>,
        len: usize,
        last: Last,
        out: &mut Vec<u8>,
    ) {
        self.maker.assign(&self.literal_counts, LONGEST_CODE, &mut self.literals);
        self.maker.assign(&self.distance_counts, LONGEST_CODE, &mut self.distances);
        self.collect_lengths();
        self.maker.assign(&self.length_counts, 7, &mut self.lengths);
        let stated = LENGTHS_ORDER.iter().rposition(|&symbol| self.lengths.codes[symbol].len != 0);
        let stated = stated.map_or(0, |last| last + 1).max(4);
        let header: u64 = self
            .runs
            .iter()
            .map(|&(symbol, _, width)| {
                u64::from(self.lengths.codes[usize::from(symbol)].len + width)
            })
            .sum();
        let dynamic = self.size(&self.literals.codes, &self.distances.codes)
            + header
            + 3 * stated as u64
            + 14;
        let dynamic = (dynamic + 3 + 7) >> 3;
        let fixed = (self.size(&FIXED_LITERALS, &FIXED_DISTANCES) + 3 + 7) >> 3;
        match bytes {
            Some(bytes) if len as u64 + 4 <= dynamic.min(fixed) => {
                self.bits.put_stored(bytes, last, out)
            }
            _ if fixed <= dynamic => {
                self.bits.put(last.bit() | 0b010, 3, out);
                self.write_symbols(&FIXED_LITERALS, &FIXED_DISTANCES, out);
            }
            _ => {
                self.bits.put(last.bit() | 0b100, 3, out);
                self.write_header(stated, out);
                let (literals, distances) = (self.literals.codes, self.distances.codes);
                self.write_symbols(&literals, &distances, out);
            }
        }
        self.clear();
        if last == Last::Yes {
            self.bits.align(out);
        }
    }

    /// The size of the symbols in bits.
    fn size(&self, literals: &[BitCode], distances: &[BitCode]) -> u64 {
        bits_of_codes(&self.literal_counts, literals)
            + bits_of_codes(&self.distance_counts, distances)
            + bits_of_widths(&self.literal_counts[END_OF_BLOCK + 1..], &LENGTH_EXTRA)
            + bits_of_widths(&self.distance_counts, &DISTANCE_EXTRA)
    }

    /// Collects the runs of the code lengths, each table by itself.
    fn collect_lengths(&mut self) {
        self.runs.clear();
        self.length_counts.fill(0);
        for codes in [
            &self.literals.codes[..=self.literals.last],
            &self.distances.codes[..=self.distances.last],
        ] {
            add_runs(&mut self.runs, codes.iter().map(|code| code.len));
        }
        for &(symbol, _, _) in &self.runs {
            self.length_counts[usize::from(symbol)] += 1;
        }
    }

    fn write_header(&mut self, stated: usize, out: &mut Vec<u8>) {
        self.bits.put((self.literals.last - END_OF_BLOCK) as u64, 5, out);
        self.bits.put(self.distances.last as u64, 5, out);
        self.bits.put(stated as u64 - 4, 4, out);
        for &symbol in &LENGTHS_ORDER[..stated] {
            self.bits.put(u64::from(self.lengths.codes[symbol].len), 3, out);
        }
        for &(symbol, extra, width) in &self.runs {
            self.bits.put_code(self.lengths.codes[usize::from(symbol)], out);
            self.bits.put(u64::from(extra), u32::from(width), out);
        }
    }

    fn write_symbols(
        &mut self,
        literals: &[BitCode; 288],
        distances: &[BitCode; 32],
        out: &mut Vec<u8>,
    ) {
        out.reserve(self.symbols.len());
        let bits = &mut self.bits;
        for &symbol in &self.symbols {
            let distance = symbol >> 8;
            let length = symbol as u8;
            if distance == 0 {
                bits.put_code(literals[usize::from(length)], out);
                continue;
            }
            let symbol = usize::from(LENGTH_SYMBOL[usize::from(length)] & 31);
            let code = literals[END_OF_BLOCK + 1 + symbol.min(30)];
            let extra = u64::from(length - LENGTH_FIRST[symbol]) << code.len | u64::from(code.bits);
            bits.put(extra, u32::from(code.len + LENGTH_EXTRA[symbol]), out);

            let symbol = usize::from(distance_symbol(distance - 1) & 31);
            let code = distances[symbol];
            let rest = distance as u16 - 1 - DISTANCE_FIRST[symbol];
            let extra = u64::from(rest) << code.len | u64::from(code.bits);
            bits.put(extra, u32::from(code.len + DISTANCE_EXTRA[symbol]), out);
        }
        bits.put_code(literals[END_OF_BLOCK], out);
    }

    /// Goes on to a whole byte as pigz does: with empty blocks of fixed codes, or with an empty
    /// stored one where those cannot get there.
    pub(crate) fn fill_byte(&mut self, out: &mut Vec<u8>) {
        if self.bits.pending() & 1 == 1 {
            return self.bits.put_stored(&[], Last::No, out);
        }
        while self.bits.pending() != 0 {
            self.bits.put(0b010, 3 + 7, out);
        }
        self.bits.align(out);
    }
}

/// The code lengths of symbols that occur this often, of at most `longest` bits, up to the last one.
pub(crate) fn heap_lengths(counts: &[u32], longest: usize) -> Vec<u8> {
    let mut code = HeapCode::<288>::new();
    HeapCodes::new().assign(counts, longest, &mut code);
    code.codes[..=code.last].iter().map(|code| code.len).collect()
}

/// Adds the runs of the code lengths of one table.
pub(crate) fn add_runs(runs: &mut Vec<(u8, u8, u8)>, lengths: impl Iterator<Item = u8>) {
    let mut lengths = lengths.peekable();
    let mut before = None;
    while let Some(length) = lengths.next() {
        let most = match length {
            0 => 138,
            _ if before == Some(length) => 6,
            _ => 7,
        };
        let mut count = 1;
        while count < most && lengths.next_if_eq(&length).is_some() {
            count += 1;
        }
        add_run(runs, length, count, before);
        before = Some(length);
    }
}

/// Adds the run of one length. The length itself is not repeated where `before` is the same.
fn add_run(runs: &mut Vec<(u8, u8, u8)>, length: u8, count: usize, before: Option<u8>) {
    let (single, repeated) = match length {
        0 if count < 3 => (count, None),
        0 if count <= 10 => (0, Some((17, count - 3, 3))),
        0 => (0, Some((18, count - 11, 7))),
        _ if before == Some(length) && count >= 3 => (0, Some((16, count - 3, 2))),
        _ if before != Some(length) && count >= 4 => (1, Some((16, count - 4, 2))),
        _ => (count, None),
    };
    runs.extend(std::iter::repeat_n((length, 0, 0), single));
    runs.extend(repeated.map(|(symbol, extra, width)| (symbol, extra as u8, width)));
}

//! Codes one bit after the other by how probable it is, with odds that learn.

/// How probable it is that a bit is set, from what was seen.
#[derive(Clone, Copy)]
pub(super) struct Odds {
    /// In parts of 65536.
    set: u16,
    seen: u8,
}

impl Odds {
    pub(super) const EVEN: Self = Self { set: 1 << 15, seen: 0 };
    /// How long the odds remember.
    const MEMORY: u8 = 250;

    /// At least 1 and at most 65535 of 65536.
    fn parts(self) -> u64 {
        u64::from(self.set.clamp(16, u16::MAX - 16))
    }

    fn learn(&mut self, bit: bool) {
        let target = if bit { i32::from(u16::MAX) } else { 0 };
        let step = (target - i32::from(self.set)) * 2 / (2 * i32::from(self.seen) + 3);
        self.set = u16::try_from(i32::from(self.set) + step).unwrap_or(self.set);
        self.seen = (self.seen + 1).min(Self::MEMORY);
    }
}

/// Writes bits, finds them again, or says what they cost.
pub(super) trait BitCoder {
    /// A writer and a meter are told the bit; a reader finds it, whatever it is told.
    fn bit(&mut self, odds: &mut Odds, told: bool) -> bool;

    /// The `count` low bits of a number about which nothing is known, highest first.
    fn bits(&mut self, count: u32, told: u64) -> u64 {
        (0..count).rev().fold(0, |value, at| {
            value << 1 | u64::from(self.bit(&mut Odds::EVEN.clone(), told >> at & 1 == 1))
        })
    }
}

/// The numbers that the bits so far leave over.
struct BitRange {
    low: u64,
    high: u64,
}

impl BitRange {
    const ALL: Self = Self { low: 0, high: u64::MAX };

    /// The last number of the lower part, which stands for a bit that is set.
    fn split(&self, odds: Odds) -> u64 {
        self.low + ((self.high - self.low) >> 16) * odds.parts()
    }

    /// Leaves the part of a bit over.
    fn narrow(&mut self, split: u64, bit: bool) {
        if bit {
            self.high = split;
        } else {
            self.low = split + 1;
        }
    }

    /// Takes the first byte, if all numbers have the same.
    fn byte(&mut self) -> Option<u8> {
        let byte = self.high >> 56;
        if self.low >> 56 != byte {
            return None;
        }
        self.low <<= 8;
        self.high = self.high << 8 | 255;
        u8::try_from(byte).ok()
    }
}

/// Writes bits.
pub(super) struct BitWriter {
    range: BitRange,
    pub(super) out: Vec<u8>,
}

impl BitWriter {
    pub(super) fn new() -> Self {
        Self { range: BitRange::ALL, out: Vec::new() }
    }

    /// Ends the code. A reader takes the bytes that are missing for zeros.
    pub(super) fn finish(&mut self) {
        self.out.extend(u8::try_from((self.range.low >> 56) + 1));
    }
}

impl BitCoder for BitWriter {
    fn bit(&mut self, odds: &mut Odds, told: bool) -> bool {
        let split = self.range.split(*odds);
        odds.learn(told);
        self.range.narrow(split, told);
        while let Some(byte) = self.range.byte() {
            self.out.push(byte);
        }
        told
    }
}

/// Finds bits again. After the end of its bytes it reads zeros.
pub(super) struct BitReader<R> {
    range: BitRange,
    value: u64,
    from: R,
    pub(super) failed: Option<std::io::Error>,
}

impl<R: std::io::BufRead> BitReader<R> {
    pub(super) fn new(from: R) -> Self {
        let mut reader = Self { range: BitRange::ALL, value: 0, from, failed: None };
        for _ in 0..8 {
            reader.value = reader.value << 8 | reader.byte();
        }
        reader
    }

    fn byte(&mut self) -> u64 {
        let byte = match self.from.fill_buf() {
            Ok(bytes) => bytes.first().copied(),
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        };
        self.from.consume(usize::from(byte.is_some()));
        byte.map_or(0, u64::from)
    }
}

impl<R: std::io::BufRead> BitCoder for BitReader<R> {
    fn bit(&mut self, odds: &mut Odds, _: bool) -> bool {
        let split = self.range.split(*odds);
        let bit = self.value <= split;
        odds.learn(bit);
        self.range.narrow(split, bit);
        while self.range.byte().is_some() {
            self.value = self.value << 8 | self.byte();
        }
        bit
    }
}

/// Counts what bits would cost.
#[derive(Default)]
pub(super) struct BitMeter {
    pub(super) bits: f64,
}

impl BitCoder for BitMeter {
    fn bit(&mut self, odds: &mut Odds, told: bool) -> bool {
        let set = odds.parts() as f64 / 65536.0;
        self.bits -= if told { set } else { 1.0 - set }.log2();
        odds.learn(told);
        told
    }
}

/// A symbol of up to `2^BITS` values.
#[derive(Clone)]
pub(super) struct SymbolOdds<const BITS: u32>(Box<[Odds]>);

impl<const BITS: u32> SymbolOdds<BITS> {
    pub(super) fn new() -> Self {
        Self(vec![Odds::EVEN; 1 << BITS].into())
    }

    pub(super) fn code(&mut self, coder: &mut impl BitCoder, told: usize) -> usize {
        let mut node = 1;
        for at in (0..BITS).rev() {
            let Some(odds) = self.0.get_mut(node) else { break };
            node = node << 1 | usize::from(coder.bit(odds, told >> at & 1 == 1));
        }
        node - (1 << BITS)
    }
}

/// A number of any size: how many bits it has, then those below the first.
#[derive(Clone)]
pub(super) struct NumberOdds {
    widths: SymbolOdds<6>,
    second: [Odds; 64],
}

impl NumberOdds {
    pub(super) fn new() -> Self {
        Self { widths: SymbolOdds::new(), second: [Odds::EVEN; 64] }
    }

    /// At most 2^63 - 2.
    pub(super) fn code(&mut self, coder: &mut impl BitCoder, told: u64) -> u64 {
        let told = told.saturating_add(1);
        let width = self.widths.code(coder, told.ilog2() as usize);
        let mut value = 1;
        for at in (0..width).rev() {
            let bit = told >> at & 1 == 1;
            let first = at + 1 == width;
            let mut even = Odds::EVEN;
            let odds = if first { &mut self.second[width & 63] } else { &mut even };
            value = value << 1 | u64::from(coder.bit(odds, bit));
        }
        value - 1
    }
}

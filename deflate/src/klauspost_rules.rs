//! The releases of `klauspost/compress` as far as their flate writes different bytes at its default
//! level.

/// Releases that write the same bytes. The name is the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KlauspostRelease {
    /// v1.4.1 to v1.8.6, on processors with SSE 4.2.
    V1_4_1,
    /// v1.9.0 to v1.9.7.
    V1_9_0,
    /// v1.9.8 and v1.10.0.
    V1_9_8,
    /// v1.10.1.
    V1_10_1,
    /// v1.10.2 to v1.11.12.
    V1_10_2,
    /// v1.11.13 to v1.12.1.
    V1_11_13,
    /// v1.12.2.
    V1_12_2,
    /// v1.12.3 to v1.13.6.
    V1_12_3,
    /// v1.14.0 and v1.14.1.
    V1_14_0,
    /// v1.14.2.
    V1_14_2,
    /// v1.14.3 and v1.14.4.
    V1_14_3,
    /// v1.15.0 to v1.15.9.
    V1_15_0,
    /// v1.15.10 to v1.18.0.
    V1_15_10,
    /// v1.18.1 and later, seen to v1.19.1.
    V1_18_1,
}

/// Whether the end of a match is looked up to find a longer one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MatchEnd {
    Ignored,
    /// The first bytes of the longer one, this many, need not equal.
    Tried(i32),
}

/// How a match longer than 258 bytes is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LongMatch {
    /// Into pieces of 258 bytes while at least a shortest match is left.
    Full,
    /// Into pieces of 255 bytes.
    Short,
}

/// What becomes of the end of the block before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dictionary {
    Used,
    /// The compressor takes itself for one that stores, and drops it.
    Dropped,
}

/// Which symbols get a code in a block that is not flushed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodedSymbols {
    /// Those that occur; the header ends with the last one.
    Used,
    /// Those that occur; the header states all.
    UsedOfAll,
    /// All, so that the block after can always use the codes; stored unless a sixteenth is saved.
    All,
}

/// When fixed codes are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FixedTried {
    Never,
    Always,
    /// With less than 250 tokens.
    Few,
}

/// How the size of a block with an optimal code is estimated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum EstimateRule {
    /// Each symbol's share rounded up, with widths looked up by count instead of by symbol.
    Rounded,
    /// As Shannon says.
    Plain,
    /// No code shorter than one bit or longer than fifteen; the end of the block is no symbol.
    Clamped,
    /// The same with the end of the block counted.
    ClampedWithEnd,
}

/// How a block of literals is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LiteralRule {
    /// By an estimate, each symbol's share rounded up.
    EstimateRounded,
    /// By an estimate; symbols that do not occur are counted as if they did.
    EstimateFilled,
    /// By an estimate with a 32nd added.
    Estimate,
    /// By its code.
    Code,
    /// By its code, unless its bytes look random.
    CodeUnlessRandom,
}

/// How the empty block at the end is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmptyEnd {
    Stored,
    Fixed,
}

/// What differs between releases.
#[derive(Clone, Copy)]
pub(crate) struct KlauspostRules {
    /// The size of the matcher's tables as a power of two.
    pub(crate) table_bits: u32,
    pub(crate) match_end: MatchEnd,
    pub(crate) long_match: LongMatch,
    pub(crate) dictionary: Dictionary,
    pub(crate) coded: CodedSymbols,
    pub(crate) fixed: FixedTried,
    pub(crate) estimate: EstimateRule,
    pub(crate) literals: LiteralRule,
    /// A new table must save one part in two to this power.
    pub(crate) penalty: u32,
    pub(crate) end: EmptyEnd,
}

impl KlauspostRelease {
    /// What this release does.
    pub(crate) fn rules(self) -> KlauspostRules {
        // Each release is the one after it, but for what it does not have yet.
        let mut rules = KlauspostRules {
            table_bits: 15,
            match_end: MatchEnd::Tried(2),
            long_match: LongMatch::Full,
            dictionary: Dictionary::Used,
            coded: CodedSymbols::Used,
            fixed: FixedTried::Few,
            estimate: EstimateRule::ClampedWithEnd,
            literals: LiteralRule::CodeUnlessRandom,
            penalty: 7,
            end: EmptyEnd::Fixed,
        };
        let before = |release: Self| (self as u8) < release as u8;
        if before(Self::V1_18_1) {
            rules.coded = CodedSymbols::UsedOfAll;
        }
        if before(Self::V1_15_10) {
            rules.match_end = MatchEnd::Tried(0);
        }
        if before(Self::V1_15_0) {
            rules.long_match = LongMatch::Short;
        }
        if before(Self::V1_14_3) {
            rules.fixed = FixedTried::Always;
            rules.literals = LiteralRule::Code;
        }
        if before(Self::V1_14_2) {
            rules.estimate = EstimateRule::Clamped;
        }
        if before(Self::V1_14_0) {
            rules.coded = CodedSymbols::All;
            rules.fixed = FixedTried::Never;
            rules.penalty = 8;
        }
        if before(Self::V1_12_3) {
            rules.estimate = EstimateRule::Plain;
            rules.literals = LiteralRule::Estimate;
        }
        if before(Self::V1_12_2) {
            rules.match_end = MatchEnd::Ignored;
        }
        if before(Self::V1_11_13) {
            rules.literals = LiteralRule::EstimateFilled;
            rules.penalty = 6;
        }
        if before(Self::V1_10_2) {
            rules.table_bits = 16;
            rules.end = EmptyEnd::Stored;
        }
        if before(Self::V1_10_1) && self != Self::V1_4_1 {
            rules.dictionary = Dictionary::Dropped;
        }
        if before(Self::V1_9_8) {
            rules.estimate = EstimateRule::Rounded;
            rules.literals = LiteralRule::EstimateRounded;
        }
        rules
    }
}

//! How many bits tokens would take with the best codes, as Go 1.27 estimates it.

use super::super::emit::SymbolCounts;
use super::super::tokens::{END, FIRST_LENGTH};

/// Bits of the tokens, of which there are `total`, and of the end of the block.
/// Every step rounds to 32 bits as it does in Go on amd64.
#[expect(clippy::cast_precision_loss, reason = "Go rounds too")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive sum")]
pub(super) fn estimated_bits(counts: &SymbolCounts, total: usize) -> usize {
    let mut bits = 0.0_f32;
    let lengths = &counts.literals[FIRST_LENGTH..];
    let matches: u32 = lengths.iter().sum();
    if total > 0 {
        let share = 1.0 / total as f32;
        add(&mut bits, &counts.literals[..END], share);
        bits += 15.0;
        add(&mut bits, lengths, share);
    }
    if matches > 0 {
        add(&mut bits, &counts.distances, 1.0 / matches as f32);
    }
    bits as usize + counts.extra()
}

#[expect(clippy::cast_precision_loss, reason = "Go rounds too")]
fn add(bits: &mut f32, counts: &[u32], share: f32) {
    for &count in counts.iter().filter(|count| **count > 0) {
        let count = count as f32;
        *bits += (-logarithm(count * share)).clamp(1.0, 15.0) * count;
    }
}

/// About the logarithm to the base 2: the exponent, and a parabola for the rest.
#[expect(clippy::cast_precision_loss, reason = "an exponent has eight bits")]
#[expect(clippy::cast_possible_wrap, reason = "an exponent has eight bits")]
fn logarithm(value: f32) -> f32 {
    let bits = value.to_bits();
    let exponent = (bits >> 23 & 255) as i32 - 128;
    let rest = f32::from_bits(bits & 0x807f_ffff | 127 << 23);
    exponent as f32 + ((-0.344_848_43 * rest + 2.024_665_8) * rest - 0.674_877_6)
}

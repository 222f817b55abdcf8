//! Go's `math.Log2`, digit for digit: releases of klauspost's flate before v1.9.8 round its results
//! up.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::excessive_precision,
    reason = "floating point, with Go's constants"
)]

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E};

/// The logarithm of two in two parts, the first one without low digits.
const LN_2: [f64; 2] = [6.931_471_803_691_238_164_90e-1, 1.908_214_929_270_587_700_02e-10];
/// The coefficients of the polynomial, the odd and the even ones.
const ODD: [f64; 4] = [
    6.666_666_666_666_735_130e-1,
    2.857_142_874_366_239_149e-1,
    1.818_357_216_161_805_012e-1,
    1.479_819_860_511_658_591e-1,
];
const EVEN: [f64; 3] =
    [3.999_999_999_940_941_908e-1, 2.222_219_843_214_978_396e-1, 1.531_383_769_920_937_332e-1];

/// The logarithm to base two of a positive normal number.
pub(super) fn go_log2(value: f64) -> f64 {
    let raw = value.to_bits();
    let exponent = f64::from((raw >> 52 & 0x7ff) as u16) - 1022.0;
    // From a half up to one.
    let fraction = f64::from_bits(raw & 0x000f_ffff_ffff_ffff | 0x3fe0_0000_0000_0000);
    if raw & 0x000f_ffff_ffff_ffff == 0 {
        return exponent - 1.0;
    }
    log(fraction) * LOG2_E + exponent
}

/// The natural logarithm of a number from a half up to one.
fn log(fraction: f64) -> f64 {
    let (k, fraction) =
        if fraction < FRAC_1_SQRT_2 { (-1.0, fraction * 2.0) } else { (0.0, fraction) };
    let f = fraction - 1.0;
    let s = f / (2.0 + f);
    let square = s * s;
    let fourth = square * square;
    let odd = square * (ODD[0] + fourth * (ODD[1] + fourth * (ODD[2] + fourth * ODD[3])));
    let even = fourth * (EVEN[0] + fourth * (EVEN[1] + fourth * EVEN[2]));
    let half = 0.5 * f * f;
    k * LN_2[0] - ((half - (s * (half + (odd + even)) + k * LN_2[1])) - f)
}

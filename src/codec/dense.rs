//! Finds bytes that do not compress, such as archives and pictures inside a layer, without
//! compressing them.

/// Number of samples of a block,
const SAMPLES: usize = 16;
/// and the number of bytes in each.
const SAMPLE: usize = 2 << 10;

/// The sum of the squares of how often each value comes: n^2/256 + n in the mean for n values of
/// noise; an eleventh more is 7.9 bits for each.
const MOST: u64 = ((SAMPLES * SAMPLE) as u64).pow(2) / 256 * 12 / 11;

/// Samples of a block where all values are about as frequent as in noise; `None` if Huffman codes
/// alone would compress it, or if a check is not worth the time.
///
/// Counts are compared as integers, so that every machine gets the same result.
pub(super) fn noisy(block: &[u8]) -> Option<Vec<u8>> {
    let apart = block.len() / SAMPLES;
    if apart < SAMPLE {
        return None;
    }
    let parts = block.chunks_exact(apart).take(SAMPLES);
    let samples = parts.filter_map(|part| part.get(..SAMPLE)).collect::<Vec<_>>().concat();
    let mut counts = [0_u64; 256];
    for value in &samples {
        if let Some(count) = counts.get_mut(usize::from(*value)) {
            *count = count.saturating_add(1);
        }
    }
    let squares: u64 = counts.iter().map(|count| count.saturating_mul(*count)).sum();
    (squares <= MOST).then_some(samples)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Random bytes.
    pub(in super::super) fn noise(seed: u64, size: usize) -> Vec<u8> {
        let mut state = seed;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(size)
        .collect()
    }

    #[test]
    fn noise_of_any_seed_is_told_from_what_has_an_order() {
        for seed in 1..200 {
            assert!(noisy(&noise(seed, 1 << 20)).is_some(), "{seed}");
        }
        let hex: Vec<u8> = noise(1, 1 << 19).iter().flat_map(|it| [it >> 4, it & 15]).collect();
        let mut rare = noise(2, 1 << 20);
        rare.iter_mut().step_by(8).for_each(|it| *it = 0);
        for (name, block) in [("zeros", vec![0; 1 << 20]), ("digits", hex), ("an eighth", rare)] {
            assert!(noisy(&block).is_none(), "{name}");
        }
    }

    #[test]
    fn small_blocks_are_not_asked() {
        let size = SAMPLES * SAMPLE;
        assert!(noisy(&noise(1, size)).is_some());
        for size in [0, 1, SAMPLE, size - 1] {
            assert!(noisy(&noise(1, size)).is_none(), "{size}");
        }
    }
}

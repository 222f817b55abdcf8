//! Tests against what Go 1.26.5 and 1.27.3 wrote.

use super::{GoRelease, encoder};

/// The random numbers of the inputs; the Go program that made the tables draws the same.
struct Draw(u32);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % end
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// Random bytes, skewed bytes, and copies from anywhere in the window.
fn mixed(length: usize, seed: u32) -> Vec<u8> {
    let mut draw = Draw(seed);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match draw.below(4) {
            0 => {
                for _ in 0..draw.below(200) {
                    bytes.push(draw.byte());
                }
            }
            1 => {
                for _ in 0..draw.below(400) {
                    let product = draw.below(16) * draw.below(16);
                    bytes.push(u8::try_from(product).unwrap());
                }
            }
            _ if bytes.is_empty() => {}
            _ => {
                let distance = 1 + draw.below(bytes.len().min(32768));
                for _ in 0..4 + draw.below(300) {
                    bytes.push(bytes[bytes.len() - distance]);
                }
            }
        }
    }
    bytes.truncate(length);
    bytes
}

fn random(length: usize, seed: u32) -> Vec<u8> {
    let mut draw = Draw(seed);
    (0..length).map(|_| draw.byte()).collect()
}

fn inputs() -> [Vec<u8>; 7] {
    [
        Vec::new(),
        vec![1],
        mixed(20, 1),
        mixed(100, 2),
        mixed(800_000, 3),
        random(70_000, 4),
        vec![0; 200_000],
    ]
}

fn deflated(release: GoRelease, level: i32, input: &[u8], cut: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = encoder(release, level).unwrap();
    for bytes in input.chunks(cut) {
        writer.write(bytes, &mut out);
    }
    writer.finish(&mut out);
    out
}

/// Length and FNV-1a of what all inputs become.
fn summary(release: GoRelease, level: i32) -> (i32, usize, u64) {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut length = 0;
    for input in inputs() {
        let out = deflated(release, level, &input, 30_011);
        length += out.len();
        for byte in out {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    (level, length, hash)
}

#[test]
fn go_1_26_writes_the_same() {
    let go = [
        (-2, 818246, 0x315e_44d8_64af_9aa7),
        (-1, 229300, 0x0b34_ce9b_a703_7d9f),
        (0, 1070266, 0x8c67_f909_1ea2_cf2d),
        (1, 300318, 0x0ab8_172b_34b8_5e26),
        (2, 287778, 0x0550_8864_0c61_8306),
        (3, 287678, 0x5f0c_6b40_15d3_b236),
        (4, 237715, 0xc7d0_0f8c_4fdd_70c7),
        (5, 234834, 0x602a_b915_ce45_56b3),
        (6, 229300, 0x0b34_ce9b_a703_7d9f),
        (7, 229282, 0x9e00_7e92_9cd9_975b),
        (8, 228380, 0x8596_67b0_6876_ac9a),
        (9, 228371, 0x8ea8_cd28_1761_828c),
    ];
    assert_eq!(go.map(|(level, ..)| summary(GoRelease::To126, level)), go);
}

#[test]
fn go_1_27_writes_the_same() {
    let go = [
        (-2, 818584, 0x2154_5ac4_edcb_11bb),
        (-1, 232305, 0xd079_30a3_64ab_740d),
        (0, 1070245, 0x8b30_bd55_e949_c0d3),
        (1, 272180, 0xe9fc_4bda_8350_c222),
        (2, 240234, 0xd96b_9803_4f71_e9fd),
        (3, 239520, 0x3dab_e91c_f78c_c031),
        (4, 240443, 0xabd1_8c98_2c4a_6d63),
        (5, 234734, 0x4f54_5d8d_da93_7ba0),
        (6, 232305, 0xd079_30a3_64ab_740d),
        (7, 234341, 0x7d04_738c_523d_6876),
        (8, 232257, 0x4acf_f3bd_f94e_4856),
        (9, 228214, 0x6923_44c5_ba56_ce5b),
    ];
    assert_eq!(go.map(|(level, ..)| summary(GoRelease::From127, level)), go);
}

#[test]
fn cuts_have_no_effect() {
    let input = mixed(150_000, 5);
    for release in [GoRelease::To126, GoRelease::From127] {
        for level in -2..=9 {
            let whole = deflated(release, level, &input, input.len());
            assert_eq!(deflated(release, level, &input, 1), whole, "{release:?}, level {level}");
        }
    }
}

#[test]
fn other_levels_are_refused() {
    for release in [GoRelease::To126, GoRelease::From127] {
        assert!(encoder(release, -3).is_none() && encoder(release, 10).is_none());
    }
}

//! Numbers that look random, from a seed.

/// A number whose every bit depends on every bit of `seed`.
pub const fn draw(seed: u64) -> u64 {
    let value = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// `chance` as a number below `bound`.
pub fn below(chance: u64, bound: u64) -> u64 {
    u64::try_from((u128::from(chance) * u128::from(bound)) >> 64).unwrap_or(0)
}

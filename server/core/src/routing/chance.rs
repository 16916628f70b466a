//! Chance and hashing in integers, from a seed.
//!
//! Invariant: the same seed gives the same numbers on every machine. Pure.
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (SplitMix64).

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Binary digits of [`log2_inverse`] after the point.
const FRACTION_BITS: u32 = 24;

/// A sequence of random-looking numbers.
pub(super) struct Chance(u64);

impl Chance {
    /// The sequence of `seed`.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let scaled = u128::from(mix(self.0)) * u128::from(bound);
        u64::try_from(scaled >> 64).unwrap_or(0)
    }
}

/// A number whose every bit depends on every bit of `value`.
pub(super) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// log₂(2⁶⁴ ÷ `hash`), in units of 2⁻²⁴; a hash of 0 counts as 1.
pub(super) const fn log2_inverse(hash: u64) -> u64 {
    let hash = if hash == 0 { 1 } else { hash };
    let zeros = hash.leading_zeros();
    // The mantissa, from 1 to 2, with 63 digits after the point; squaring it moves the logarithm's digits out one by one.
    let mut mantissa = (hash << zeros) as u128;
    let mut fraction = 0;
    let mut digit = 0;
    while digit < FRACTION_BITS {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            fraction |= 1;
        }
        digit += 1;
    }
    ((zeros as u64 + 1) << FRACTION_BITS) - fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_of_powers_of_two_are_whole() {
        for bits in 0..64 {
            assert_eq!(log2_inverse(1 << bits), (64 - bits) << FRACTION_BITS);
        }
        // log2(4/3) = 0.4150374992788…
        assert_eq!(log2_inverse(3 << 62), 6_963_174);
    }

    #[test]
    fn draws_stay_below_the_bound_and_reach_all_of_it() {
        let mut chance = Chance::new(7);
        let mut seen = [0_u32; 5];
        for _ in 0..5_000 {
            seen[usize::try_from(chance.below(5)).unwrap_or(usize::MAX)] += 1;
        }
        assert!(seen.iter().all(|count| (900..1_100).contains(count)), "{seen:?}");
        assert_eq!(chance.below(0), 0);
    }
}

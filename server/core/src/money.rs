//! Money: nano-USD in integers, and its decimal text.
//!
//! Invariant: no float, no silent overflow; text to amount and back loses nothing. Pure.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// Nano-USD in one US dollar.
pub const NANO_PER_USD: i64 = 1_000_000_000;
/// Pico-USD in one nano-USD.
pub const PICO_PER_NANO: i128 = 1_000;
const DECIMALS: usize = 9;

/// An amount in nano-USD (10⁻⁹ USD). In JSON: a decimal string in USD, such as `"12.50"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nano(pub i64);

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not digits with at most one decimal point.
    #[error("not an amount: write digits, for example 12.50")]
    NotANumber,
    /// More than nine digits after the point.
    #[error("at most nine decimals")]
    TooPrecise,
    /// Outside of what the ledger can hold.
    #[error("too large")]
    TooLarge,
}

impl Nano {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// The amount written in `text`: USD with at most nine decimals, such as `12.5`, `-0.000001`.
    ///
    /// # Errors
    /// [`ParseError`] where the text is no such number or does not fit.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
            return Err(ParseError::NotANumber);
        }
        if fraction.len() > DECIMALS {
            return Err(ParseError::TooPrecise);
        }
        let whole: i128 = whole.parse().map_err(|_| ParseError::TooLarge)?;
        let fraction: i128 = format!("{fraction:0<9}").parse().map_err(|_| ParseError::NotANumber)?;
        let nano = whole
            .checked_mul(i128::from(NANO_PER_USD))
            .and_then(|nano| nano.checked_add(fraction))
            .ok_or(ParseError::TooLarge)?;
        let nano = if negative { -nano } else { nano };
        i64::try_from(nano).map(Self).map_err(|_| ParseError::TooLarge)
    }

    /// The text with at least two and at most nine decimals: `12.50`, `0.0708717`, `-1.00`.
    #[must_use]
    pub fn render(self) -> String {
        let full = self.render_fixed(DECIMALS);
        let kept = full.trim_end_matches('0').len();
        let point = full.len() - DECIMALS;
        full[..kept.max(point + 2)].to_owned()
    }

    /// The text with exactly `decimals` (0 to 9) decimals, further digits cut off (towards zero).
    #[must_use]
    pub fn render_fixed(self, decimals: usize) -> String {
        let absolute = self.0.unsigned_abs();
        let unit = NANO_PER_USD.unsigned_abs();
        let fraction = format!("{:09}", absolute % unit);
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = absolute / unit;
        match decimals.min(DECIMALS) {
            0 => format!("{sign}{whole}"),
            count => format!("{sign}{whole}.{}", &fraction[..count]),
        }
    }

    /// The sum, or `None` on overflow.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` on overflow.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `pico` pico-USD rounded up to a whole nano-USD, the one rounding of a charge; `None` on overflow.
    #[must_use]
    pub fn from_pico_rounded_up(pico: i128) -> Option<Self> {
        let floor = pico.div_euclid(PICO_PER_NANO);
        let up = floor.checked_add(i128::from(pico.rem_euclid(PICO_PER_NANO) != 0))?;
        i64::try_from(up).ok().map(Self)
    }
}

impl fmt::Display for Nano {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render())
    }
}

impl Serialize for Nano {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.render())
    }
}

impl<'de> Deserialize<'de> for Nano {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_people_write() {
        for (text, nano) in [
            ("12.50", 12_500_000_000),
            ("0", 0),
            ("-0.000000001", -1),
            ("9223372036.854775807", i64::MAX),
        ] {
            assert_eq!(Nano::parse(text), Ok(Nano(nano)), "{text}");
        }
        for text in ["", ".", "1.", ".5", "1e3", "NaN", "--1", "1,5", "+1", "$1", "1 2", "٣"] {
            assert_eq!(Nano::parse(text), Err(ParseError::NotANumber), "{text}");
        }
        assert_eq!(Nano::parse("1.0000000001"), Err(ParseError::TooPrecise));
        assert_eq!(Nano::parse("9223372036.854775808"), Err(ParseError::TooLarge));
        assert_eq!(Nano::parse(&"9".repeat(60)), Err(ParseError::TooLarge));
    }

    #[test]
    fn a_fraction_of_a_nano_rounds_up() {
        assert_eq!(Nano::from_pico_rounded_up(1), Some(Nano(1)));
        assert_eq!(Nano::from_pico_rounded_up(1_000), Some(Nano(1)));
        assert_eq!(Nano::from_pico_rounded_up(0), Some(Nano(0)));
        assert_eq!(Nano::from_pico_rounded_up(i128::MAX), None);
    }

    proptest! {
        #[test]
        fn text_and_back(nano in any::<i64>()) {
            prop_assert_eq!(Nano::parse(&Nano(nano).render()), Ok(Nano(nano)));
        }
    }
}

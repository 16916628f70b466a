//! Markup: what a customer is charged above what the provider takes, or below it.
//!
//! Invariant: whole basis points; applied to the sum in pico-USD before the only rounding; never below nothing. Pure.

use crate::money::{Nano, PICO_PER_NANO};

/// Basis points that are the whole price.
const WHOLE: i64 = 10_000;
/// Digits of a percentage behind its point.
const DECIMALS: usize = 2;
/// Decimals that a price has more with a markup: a basis point is the fourth.
pub(super) const MORE_DECIMALS: usize = 4;

/// What is added to a price, in basis points of it: 1,500 is 15 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Markup(i64);

/// Why something is no markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a markup is a percentage from -100 to 10000 with at most two decimals")]
pub struct MarkupError;

impl Markup {
    /// The price as it is.
    pub const NONE: Self = Self(0);
    /// Everything is given away.
    pub const LEAST: Self = Self(-WHOLE);
    /// A hundred times the price on top.
    pub const MOST: Self = Self(100 * WHOLE);

    /// `basis_points` on top.
    ///
    /// # Errors
    /// [`MarkupError`] beyond [`Markup::LEAST`] and [`Markup::MOST`].
    pub fn new(basis_points: i64) -> Result<Self, MarkupError> {
        let markup = Self(basis_points);
        if (Self::LEAST..=Self::MOST).contains(&markup) {
            Ok(markup)
        } else {
            Err(MarkupError)
        }
    }

    /// A percentage such as `15`, `-2.5` or `12.25`.
    ///
    /// # Errors
    /// [`MarkupError`].
    pub fn parse(percent: &str) -> Result<Self, MarkupError> {
        let (digits, is_negative) = match percent.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (percent.strip_prefix('+').unwrap_or(percent), false),
        };
        let (whole, below) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = (1..=6).contains(&whole.len())
            && (1..=DECIMALS).contains(&below.len())
            && whole.bytes().chain(below.bytes()).all(|digit| digit.is_ascii_digit());
        if !is_number {
            return Err(MarkupError);
        }
        let points: i64 = format!("{whole}{below:0<DECIMALS$}").parse().map_err(|_| MarkupError)?;
        Self::new(if is_negative { -points } else { points })
    }

    /// As people read it: `15`, `-2.5`, `12.25`; of a percentage.
    #[must_use]
    pub fn percent(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let points = self.0.unsigned_abs();
        let full = format!("{sign}{}.{:02}", points / 100, points % 100);
        full.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// In basis points.
    #[must_use]
    pub const fn basis_points(self) -> i64 {
        self.0
    }

    /// What a price is multiplied by, in basis points: 10,000 without any markup.
    pub(super) const fn factor(self) -> i64 {
        WHOLE + self.0
    }

    /// `pico` with it, rounded up to a whole nano-USD.
    pub(super) fn nano(self, pico: u128) -> Option<Nano> {
        let scaled = pico.checked_mul(u128::try_from(self.factor()).ok()?)?;
        let nano = scaled.div_ceil(u128::try_from(PICO_PER_NANO * i128::from(WHOLE)).ok()?);
        i64::try_from(nano).ok().map(Nano)
    }

    /// The most pico-USD that come to no more than `budget` with it; `None` where the budget is below nothing.
    pub(super) fn pico_within(self, budget: Nano) -> Option<u128> {
        let scaled = u128::try_from(i128::from(budget.0) * PICO_PER_NANO * i128::from(WHOLE)).ok()?;
        let factor = u128::try_from(self.factor()).ok()?;
        Some(scaled.checked_div(factor).unwrap_or(u128::MAX))
    }

    /// What is left of a `charge` without it, rounded up: what a charge of which only the amount is known cost about. Nothing
    /// where everything is given away.
    #[must_use]
    pub fn taken_off(self, charge: Nano) -> Nano {
        let scaled = i128::from(charge.0.max(0)) * i128::from(WHOLE);
        let factor = i128::from(self.factor());
        if factor <= 0 {
            return Nano::ZERO;
        }
        Nano(i64::try_from((scaled + factor - 1) / factor).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_percentage_is_read_and_written_exactly() {
        for (text, points, written) in [
            ("15", 1_500, "15"),
            ("12.5", 1_250, "12.5"),
            ("0.01", 1, "0.01"),
            ("-2.50", -250, "-2.5"),
            ("+100", 10_000, "100"),
            ("-100", -10_000, "-100"),
            ("0", 0, "0"),
            ("10000", 1_000_000, "10000"),
        ] {
            let markup = Markup::parse(text).unwrap();
            assert_eq!((markup.basis_points(), markup.percent()), (points, written.to_owned()));
        }
        for wrong in [
            "", "-", "1.", ".5", "12.345", "-100.01", "10000.01", "9999999", "1e2", "1 0", "15%", "--1",
        ] {
            assert_eq!(Markup::parse(wrong), Err(MarkupError), "{wrong}");
        }
    }

    #[test]
    fn it_is_rounded_once_and_up() {
        let fifteen = Markup::new(1_500).unwrap();
        assert_eq!(fifteen.nano(1_000_000), Some(Nano(1_150)));
        assert_eq!(fifteen.nano(1), Some(Nano(1)));
        assert_eq!(fifteen.nano(0), Some(Nano(0)));
        // 999 pico would be a nano of its own before the markup, and is the same one with it.
        assert_eq!(
            (Markup::NONE.nano(999), fifteen.nano(869)),
            (Some(Nano(1)), Some(Nano(1)))
        );
        assert_eq!(fifteen.nano(870), Some(Nano(2)), "870 x 1.15 is more than a nano");
        assert_eq!(Markup::LEAST.nano(u128::from(u64::MAX)), Some(Nano::ZERO));
        assert_eq!(Markup::MOST.nano(u128::MAX), None);
        assert_eq!(fifteen.taken_off(Nano(1_150)), Nano(1_000));
        assert_eq!(Markup::LEAST.taken_off(Nano(5)), Nano::ZERO);
    }
}

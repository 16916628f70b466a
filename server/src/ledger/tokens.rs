//! The tokens of a hold, as its row tells them: a column for each kind that many requests have, and a text for the others.
//!
//! Invariant: [`usage_of`] reads what [`Tokens`] wrote. Pure.

use entity::hold;
use gateway_core::usage::{Kind, Usage};

/// The most tokens or milliseconds a row tells, so that no sum over rows overflows.
pub(super) const MAX_COUNT: i64 = 1_000_000_000_000;

/// Token counts as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    /// None of them above [`MAX_COUNT`].
    pub usage: Usage,
    /// The rarer kinds; nothing where all are zero.
    pub details: Option<String>,
}

impl Tokens {
    /// Those of `kind`.
    pub const fn count(&self, kind: Kind) -> i64 {
        self.usage.count(kind).cast_signed()
    }

    /// Those that were reasoning.
    pub const fn reasoning(&self) -> i64 {
        self.usage.reasoning.cast_signed()
    }
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let usage = usage.at_most(MAX_COUNT.unsigned_abs());
        Self {
            details: usage.details(),
            usage,
        }
    }
}

/// The tokens that `hold` tells; `None` where a count is below zero or its details are none.
#[must_use]
pub fn usage_of(hold: &hold::Model) -> Option<Usage> {
    let usage = Usage {
        input: u64::try_from(hold.input).ok()?,
        cache_read: u64::try_from(hold.cache_read).ok()?,
        cache_write: u64::try_from(hold.cache_write).ok()?,
        output: u64::try_from(hold.output).ok()?,
        reasoning: u64::try_from(hold.reasoning).ok()?,
        ..Usage::default()
    };
    usage.with_details(hold.details.as_deref())
}

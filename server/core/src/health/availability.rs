//! Whether an account can be asked, as routing sees it.
//!
//! Invariant: of two states that hold at once, the more binding one counts. Pure.

use crate::retry::Reason;

/// Whether an account can be asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Yes.
    Ready,
    /// Its pause is over: one request may try it.
    ProbeDue,
    /// Not before a moment.
    Cooling {
        /// Unix milliseconds.
        until_ms: i64,
        /// Whether the upstream said so; otherwise we guess.
        stated: bool,
    },
    /// As many requests as make sense are trying it: one after a failure, and no faster than it takes after it was at a limit.
    Probing {
        /// When another may, at the latest: Unix milliseconds.
        until_ms: i64,
    },
    /// Not until somebody acts, but a probe will find out.
    Parked {
        /// Why.
        reason: Reason,
        /// When it is probed next: Unix milliseconds.
        next_probe_ms: i64,
    },
    /// It does not have the model; others it may.
    Missing {
        /// When it is asked for it again: Unix milliseconds.
        until_ms: i64,
    },
}

impl Availability {
    /// What holds where both `self` (say, of the account) and `other` (of the account for one model) do: the more binding of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.rank() >= other.rank() { self } else { other }
    }

    /// How binding it is, then for how long.
    const fn rank(self) -> (u8, i64) {
        match self {
            Self::Ready => (0, 0),
            Self::ProbeDue => (1, 0),
            Self::Cooling {
                until_ms,
                stated: false,
            } => (2, until_ms),
            Self::Parked { next_probe_ms, .. } => (3, next_probe_ms),
            Self::Probing { until_ms } => (4, until_ms),
            Self::Cooling { until_ms, stated: true } => (5, until_ms),
            Self::Missing { until_ms } => (6, until_ms),
        }
    }
}

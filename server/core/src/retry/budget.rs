//! A budget for attempts beyond a request's first, so that an outage is not amplified.
//!
//! Invariant: over many requests no more attempts beyond the first are paid for than a fifth of the requests, but for what was
//! saved up. It refuses only what asks an account again or too soon: an account that is ready is asked whatever is left. Pure: it is a
//! number, which whoever shares it keeps in an atomic.

/// Of how many requests one pays for an attempt beyond its first.
const REQUESTS: u32 = 5;
/// How many attempts can be saved up.
const SAVED_MAX: u32 = 100;

/// What is left for attempts beyond the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In parts of an attempt, of which each request brings one.
    parts: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self::of_parts(u32::MAX)
    }
}

impl Budget {
    /// One with as many parts of an attempt, at most as many as can be saved.
    #[must_use]
    pub const fn of_parts(parts: u32) -> Self {
        let most = SAVED_MAX * REQUESTS;
        Self {
            parts: if parts < most { parts } else { most },
        }
    }

    /// Its parts.
    #[must_use]
    pub const fn parts(self) -> u32 {
        self.parts
    }

    /// What it is after a request has come.
    #[must_use]
    pub const fn earned(self) -> Self {
        Self::of_parts(self.parts.saturating_add(1))
    }

    /// What it is after an attempt beyond a request's first.
    #[must_use]
    pub const fn spent(self) -> Self {
        Self::of_parts(self.parts.saturating_sub(REQUESTS))
    }

    /// Whether it pays for one more.
    #[must_use]
    pub const fn has_left(self) -> bool {
        self.parts >= REQUESTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_makes_a_fifth_more_attempts_once_the_savings_are_gone() {
        let mut budget = Budget::default();
        let mut repeated = 0;
        for _ in 0..10_000 {
            budget = budget.earned();
            while budget.has_left() {
                budget = budget.spent();
                repeated += 1;
            }
        }
        let most = 10_000 / REQUESTS + SAVED_MAX;
        assert!((most - 1..=most).contains(&repeated), "{repeated}");
    }

    #[test]
    fn quiet_times_save_up_no_more_than_there_is_room_for() {
        let mut budget = Budget::default();
        for _ in 0..100_000 {
            budget = budget.earned();
        }
        assert_eq!(budget, Budget::default());
        let budget = (0..SAVED_MAX).fold(budget, |budget, _| budget.spent());
        assert!(!budget.has_left());
    }
}

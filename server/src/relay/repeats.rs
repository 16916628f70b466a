//! Repeats: what this process may still ask again or too soon, so that an outage is not amplified.
//!
//! Invariant: a request's first attempt is never refused, nor one at an account that is ready; no lock on the way of a request. In
//! memory.

use super::Journey;
use gateway_core::retry::Budget;
use std::sync::atomic::{AtomicU32, Ordering};

/// The budget of a process, in parts of an attempt.
pub(super) struct Repeats(AtomicU32);

impl Default for Repeats {
    fn default() -> Self {
        Self(AtomicU32::new(Budget::default().parts()))
    }
}

impl Repeats {
    fn left(&self) -> Budget {
        Budget::of_parts(self.0.load(Ordering::Relaxed))
    }

    /// A request has come. In calm nothing is written: the budget is full.
    pub fn earn(&self) {
        self.change(Budget::earned);
    }

    fn change(&self, change: fn(Budget) -> Budget) {
        let next = |parts| {
            let changed = change(Budget::of_parts(parts)).parts();
            (changed != parts).then_some(changed)
        };
        // Nothing to change is no failure.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

impl Journey {
    /// Whether there is a repeat left for this request, or for any other.
    pub(super) fn may_ask_again(&self) -> bool {
        self.relay.0.repeats.left().has_left()
    }

    /// An attempt begins; the first of a request costs nothing.
    pub(super) fn count_attempt(&self) {
        if self.trail.count() > 0 {
            self.count_repeat();
        }
    }

    /// An attempt begins beside or after another one.
    pub(super) fn count_repeat(&self) {
        self.relay.0.repeats.change(Budget::spent);
    }

    /// Whether it leaves accounts alone that failed, until the pause is over that we guess.
    pub(super) fn is_patient(&self) -> bool {
        self.has_come_back || (self.trail.count() > 0 && !self.may_ask_again())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_paid_for_and_requests_bring_it_back() {
        let repeats = Repeats::default();
        let mut count = 0;
        while repeats.left().has_left() {
            repeats.change(Budget::spent);
            count += 1;
        }
        assert_eq!(count, 100);
        (0..4).for_each(|_| repeats.earn());
        assert!(!repeats.left().has_left());
        repeats.earn();
        assert!(repeats.left().has_left());
    }
}

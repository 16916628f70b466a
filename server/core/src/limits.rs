//! Limits: a count over any 60 seconds, and which models a key may name.
//!
//! Invariant: no 60 seconds ever hold more than the limit, as long as `now_ms` does not run backwards; a clock that does is held
//! at its latest reading. Pure.

mod share;

pub use share::{AHEAD_MS, Answer, Share, Verdict};

use serde::{Deserialize, Serialize};

/// Length of the window a rate limit is measured over, in milliseconds.
pub const WINDOW_MS: i64 = 60_000;
/// Length of a slot, in milliseconds.
pub const SLOT_MS: i64 = 10_000;
/// How many slots cover any 60 seconds.
pub const SLOTS: usize = 7;

/// What has been taken in the last minute, in seven slots of ten seconds: together they cover any 60 seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlidingWindow {
    taken: [u64; SLOTS],
    newest: i64,
}

/// A refusal: how long until what was asked for fits, if nothing else is taken meanwhile. In milliseconds, at most 70,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAfterMs(pub i64);

impl SlidingWindow {
    /// Takes `n` if the window then holds at most `limit`.
    ///
    /// # Errors
    /// [`RetryAfterMs`] where it does not fit now. What is larger than the whole limit never fits: check for that first.
    pub fn try_take(&mut self, n: u64, limit: u64, now_ms: i64) -> Result<(), RetryAfterMs> {
        self.advance(now_ms);
        if self.sum().checked_add(n).is_some_and(|after| after <= limit) {
            let slot = &mut self.taken[index(self.newest)];
            *slot = slot.saturating_add(n);
            return Ok(());
        }
        Err(self.wait_for(n, limit, now_ms))
    }

    /// Settles what was taken at `admitted_ms`: `held` becomes `actual`, in the slot of the admission. Forgotten slots stay
    /// forgotten.
    pub fn adjust(&mut self, admitted_ms: i64, held: u64, actual: u64, now_ms: i64) {
        self.advance(now_ms);
        let slot = admitted_ms.div_euclid(SLOT_MS);
        if slot <= self.newest && self.newest - slot < SLOTS as i64 {
            let taken = &mut self.taken[index(slot)];
            *taken = taken.saturating_sub(held).saturating_add(actual);
        }
    }

    /// What can still be taken now under `limit`.
    #[must_use]
    pub fn remaining(&self, limit: u64, now_ms: i64) -> u64 {
        let mut current = self.clone();
        current.advance(now_ms);
        limit.saturating_sub(current.sum())
    }

    /// The same as a part of `limit`, from 0 to 1000.
    #[must_use]
    pub fn share(&self, limit: u64, now_ms: i64) -> u16 {
        let left = u128::from(self.remaining(limit, now_ms));
        u16::try_from(left * 1_000 / u128::from(limit.max(1))).unwrap_or(1_000)
    }

    /// When more can be taken than can be now; `None` where that is all of `limit`.
    #[must_use]
    pub fn more_at_ms(&self, limit: u64, now_ms: i64) -> Option<i64> {
        let more = self.remaining(limit, now_ms).checked_add(1);
        let more = more.filter(|more| *more <= limit)?;
        let wait = self.clone().try_take(more, limit, now_ms).err()?;
        Some(now_ms.saturating_add(wait.0))
    }

    /// Milliseconds until the window is empty, if nothing else is taken.
    #[must_use]
    pub fn reset_ms(&self, now_ms: i64) -> i64 {
        let mut current = self.clone();
        current.advance(now_ms);
        let slots = (0..SLOTS as i64).map(|age| current.newest - age);
        let last = slots.into_iter().find(|slot| current.taken[index(*slot)] > 0);
        last.map_or(0, |slot| frees_at_ms(slot) - current.clock_ms(now_ms))
    }

    fn advance(&mut self, now_ms: i64) {
        let slot = now_ms.div_euclid(SLOT_MS);
        let passed = slot.saturating_sub(self.newest);
        for step in 1..=passed.min(SLOTS as i64) {
            self.taken[index(slot - passed.min(SLOTS as i64) + step)] = 0;
        }
        self.newest = self.newest.max(slot);
    }

    fn sum(&self) -> u64 {
        self.taken.iter().fold(0, |sum, taken| sum.saturating_add(*taken))
    }

    fn clock_ms(&self, now_ms: i64) -> i64 {
        now_ms.max(self.newest.saturating_mul(SLOT_MS))
    }

    fn wait_for(&self, n: u64, limit: u64, now_ms: i64) -> RetryAfterMs {
        let mut left = self.sum();
        for age in (0..SLOTS as i64).rev() {
            let slot = self.newest - age;
            left = left.saturating_sub(self.taken[index(slot)]);
            if self.taken[index(slot)] > 0 && left.saturating_add(n) <= limit {
                return RetryAfterMs(frees_at_ms(slot) - self.clock_ms(now_ms));
            }
        }
        RetryAfterMs(WINDOW_MS)
    }
}

fn index(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(SLOTS as i64)).unwrap_or(0)
}

const fn frees_at_ms(slot: i64) -> i64 {
    (slot + SLOTS as i64).saturating_mul(SLOT_MS)
}

/// Whether the name `model` fits `pattern`, in which `*` stands for any run of characters and all else for itself, case included.
/// Takes time in proportion to the two lengths.
#[must_use]
pub fn matches(pattern: &str, model: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else {
        return pattern == model;
    };
    let Some(mut left) = model.strip_prefix(prefix) else {
        return false;
    };
    let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(suffix)
}

#[cfg(test)]
mod tests;

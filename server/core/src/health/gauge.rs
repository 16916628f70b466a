//! What is left of an account's limits, between two answers that say so.
//!
//! Invariant: between 0 and the limit; what was sent a moment ago counts as taken, for the last answer may not know of it; what was
//! taken comes back evenly until the limit is said to be whole. Pure.
//! Wire facts: the limits of OpenAI, Anthropic and Groq are token buckets, and a reset is when one is full.

use super::FULL_HEADROOM;
use crate::retry::Window;
use serde::{Deserialize, Serialize};

/// Length of a slot that counts what was sent, in milliseconds: an answer's head comes within two.
const SLOT_MS: i64 = 1_000;
/// How soon a limit is whole again where nobody says, in milliseconds.
const WHOLE_AGAIN_MS: i64 = 60_000;
/// For how long what an answer said keeps an account out, in milliseconds: it may have been about a limit of a day.
const BINDS_MS: i64 = 60_000;
/// Of how many parts of a limit on tokens one must be left.
const PARTS: u64 = 100;

/// A limit as it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    limit: u64,
    left: u64,
    at_ms: i64,
    whole_ms: i64,
}

/// One limit of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gauge {
    seen: Option<Seen>,
    /// What was sent in the slot before the last, and in the last.
    sent: [u64; 2],
    slot: i64,
}

impl Gauge {
    /// An answer that came at `now_ms` said `window`.
    pub(super) fn see(&mut self, window: &Window, now_ms: i64) {
        let Some(left) = window.remaining else { return };
        let limit = window.limit.unwrap_or(left).max(1);
        let whole_ms = window.reset_at_ms.unwrap_or(now_ms.saturating_add(WHOLE_AGAIN_MS));
        self.seen = Some(Seen {
            limit,
            left: left.min(limit),
            at_ms: now_ms,
            whole_ms: whole_ms.max(now_ms),
        });
    }

    /// `amount` was sent at `now_ms`.
    pub(super) const fn take(&mut self, amount: u64, now_ms: i64) {
        let slot = now_ms.div_euclid(SLOT_MS);
        self.sent = match slot.saturating_sub(self.slot) {
            ..=0 => self.sent,
            1 => [self.sent[1], 0],
            _ => [0, 0],
        };
        self.slot = if slot > self.slot { slot } else { self.slot };
        self.sent[1] = self.sent[1].saturating_add(amount);
    }

    /// `amount`, which counts as sent at `begun_ms`, was not.
    pub(super) const fn give_back(&mut self, amount: u64, begun_ms: i64) {
        let slots_ago = self.slot.saturating_sub(begun_ms.div_euclid(SLOT_MS));
        let sent = match slots_ago {
            ..=0 => &mut self.sent[1],
            1 => &mut self.sent[0],
            _ => return,
        };
        *sent = sent.saturating_sub(amount);
    }

    /// What is left of it, from 0 to [`FULL_HEADROOM`]; full where nothing is known.
    pub(super) fn share(&self, now_ms: i64) -> u16 {
        let Some(seen) = self.seen else {
            return FULL_HEADROOM;
        };
        let left = u128::from(seen.left_at(now_ms).saturating_sub(self.sent_lately(now_ms)));
        u16::try_from(left * u128::from(FULL_HEADROOM) / u128::from(seen.limit)).unwrap_or(FULL_HEADROOM)
    }

    /// Until when a limit on requests is used up, if it is.
    pub(super) fn no_request_until_ms(&self, now_ms: i64) -> Option<i64> {
        let seen = self.seen?;
        let left = seen.left_at(now_ms);
        let is_sent = left > 0 && left <= self.sent_lately(now_ms);
        let told_ms = is_sent.then(|| (now_ms.div_euclid(SLOT_MS) + 1) * SLOT_MS);
        seen.less_until_ms(1, now_ms).or(told_ms)
    }

    /// Until when a limit on tokens is as good as used up, if it is. What was sent does not count: it may take far less.
    pub(super) fn few_tokens_until_ms(&self, now_ms: i64) -> Option<i64> {
        let seen = self.seen?;
        seen.less_until_ms(seen.limit.div_ceil(PARTS), now_ms)
    }

    fn sent_lately(&self, now_ms: i64) -> u64 {
        match now_ms.div_euclid(SLOT_MS).saturating_sub(self.slot) {
            ..=0 => self.sent[0].saturating_add(self.sent[1]),
            1 => self.sent[1],
            _ => 0,
        }
    }
}

impl Seen {
    /// What is left at `now_ms`, not counting what was sent since.
    fn left_at(&self, now_ms: i64) -> u64 {
        if now_ms >= self.whole_ms {
            return self.limit;
        }
        let missing = u128::from(self.limit - self.left);
        let passed = u128::from(now_ms.saturating_sub(self.at_ms).max(0).unsigned_abs());
        let whole = u128::from((self.whole_ms - self.at_ms).max(1).unsigned_abs());
        let back = u64::try_from(missing * passed / whole).unwrap_or(u64::MAX);
        self.left.saturating_add(back).min(self.limit)
    }

    /// Until when less than `least` are left, if so and nothing else is sent.
    fn less_until_ms(&self, least: u64, now_ms: i64) -> Option<i64> {
        if self.left_at(now_ms) >= least {
            return None;
        }
        let missing = u128::from((self.limit - self.left).max(1));
        let wanted = u128::from(least.min(self.limit).saturating_sub(self.left));
        let whole = u128::from((self.whole_ms - self.at_ms).max(1).unsigned_abs());
        let wait_ms = i64::try_from((wanted * whole).div_ceil(missing)).unwrap_or(i64::MAX);
        let until_ms = self.at_ms.saturating_add(wait_ms.min(BINDS_MS));
        Some(until_ms).filter(|until_ms| *until_ms > now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(limit: u64, left: u64, whole_ms: i64) -> Gauge {
        let mut gauge = Gauge::default();
        let window = Window {
            limit: Some(limit),
            remaining: Some(left),
            reset_at_ms: Some(whole_ms),
        };
        gauge.see(&window, 0);
        gauge
    }

    #[test]
    fn what_was_taken_comes_back_evenly() {
        let gauge = seen(100, 40, 60_000);
        let shares = [0, 15_000, 30_000, 59_000, 60_000, 99_000].map(|now_ms| gauge.share(now_ms));
        assert_eq!(shares, [400, 550, 700, 990, 1_000, 1_000]);
    }

    #[test]
    fn what_was_sent_a_moment_ago_counts_as_taken() {
        let mut gauge = seen(10, 3, 600_000);
        for now_ms in [100, 900, 1_100] {
            assert_eq!(gauge.no_request_until_ms(now_ms), None);
            gauge.take(1, now_ms);
        }
        assert_eq!((gauge.share(1_200), gauge.no_request_until_ms(1_200)), (0, Some(2_000)));
        assert_eq!((gauge.share(2_000), gauge.share(3_000)), (200, 300));
    }

    #[test]
    fn a_limit_that_is_used_up_says_when_it_is_worth_asking_again() {
        let gauge = seen(60, 0, 60_000);
        assert_eq!(gauge.no_request_until_ms(500), Some(1_000));
        assert_eq!(gauge.no_request_until_ms(1_000), None);
        assert_eq!(seen(60_000, 0, 60_000).few_tokens_until_ms(0), Some(600));
        assert_eq!(seen(60_000, 600, 60_000).few_tokens_until_ms(0), None);
        let of_a_day = seen(100, 0, 86_400_000);
        assert_eq!(of_a_day.no_request_until_ms(59_999), Some(60_000));
        assert_eq!(of_a_day.no_request_until_ms(60_000), None, "it is asked once a minute");
        assert_eq!(Gauge::default().no_request_until_ms(0), None);
        let mut unsaid = Gauge::default();
        let remaining = Some(0);
        unsaid.see(
            &Window {
                remaining,
                ..Window::default()
            },
            0,
        );
        assert_eq!(
            unsaid.no_request_until_ms(0),
            Some(60_000),
            "where nobody says, a minute"
        );
    }
}

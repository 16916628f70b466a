//! How fast an account that has refused for its limits is asked afterwards.
//!
//! Invariant: unbounded until it refuses; then below what it answered, and faster again as time passes without a refusal. Pure.
//! Source: Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance"; here the rise is by the
//! second, not by the answer, so that nothing has to be known of requests whose end nobody reports.

use serde::{Deserialize, Serialize};

/// Length of a slot that counts requests and answers, in milliseconds.
const SLOT_MS: i64 = 2_000;
/// The slowest, in thousandths of a request a second.
const SLOWEST: u64 = 1_000;
/// After how long without a refusal the pace has doubled, in milliseconds.
const DOUBLES_MS: u64 = 8_000;
/// One request, in thousandths.
const ONE: u64 = 1_000;

/// The pace of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace {
    /// In thousandths of a request a second, from `since_ms` on; 0 where it is not bounded.
    base: u64,
    since_ms: i64,
    /// What could be sent at `at_ms`, in thousandths of a request.
    saved: u64,
    at_ms: i64,
    begun: Lately,
    answered: Lately,
}

/// A count over the last slot and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lately {
    counts: [u64; 2],
    slot: i64,
}

impl Lately {
    const fn at(self, now_ms: i64) -> Self {
        let slot = now_ms.div_euclid(SLOT_MS);
        let counts = match slot.saturating_sub(self.slot) {
            ..=0 => return self,
            1 => [self.counts[1], 0],
            _ => [0, 0],
        };
        Self { counts, slot }
    }

    const fn add(&mut self, now_ms: i64) {
        *self = self.at(now_ms);
        self.counts[1] = self.counts[1].saturating_add(1);
    }

    /// Takes back what was added at `added_ms`.
    const fn take_back(&mut self, added_ms: i64) {
        let count = match self.slot.saturating_sub(added_ms.div_euclid(SLOT_MS)) {
            ..=0 => &mut self.counts[1],
            1 => &mut self.counts[0],
            _ => return,
        };
        *count = count.saturating_sub(1);
    }

    /// In thousandths a second.
    fn a_second(self, now_ms: i64) -> u64 {
        let counts = self.at(now_ms).counts;
        let covered_ms = SLOT_MS + now_ms.rem_euclid(SLOT_MS);
        counts[0].saturating_add(counts[1]).saturating_mul(1_000_000) / covered_ms.unsigned_abs()
    }
}

impl Pace {
    /// A request was sent at `now_ms`.
    pub(super) fn begin(&mut self, now_ms: i64) {
        self.begun.add(now_ms);
        if self.base > 0 {
            self.saved = self.saved_at(now_ms).saturating_sub(ONE);
            self.at_ms = now_ms.max(self.at_ms);
        }
    }

    /// The request that began at `begun_ms` was not sent after all.
    pub(super) fn forget(&mut self, begun_ms: i64, now_ms: i64) {
        self.begun.take_back(begun_ms);
        // A refusal since then has begun a new account of what may be sent.
        if self.base > 0 && begun_ms >= self.since_ms {
            self.saved = self.saved_at(now_ms).saturating_add(ONE);
            self.at_ms = now_ms.max(self.at_ms);
        }
    }

    /// An answer began at `now_ms`.
    pub(super) const fn answer(&mut self, now_ms: i64) {
        self.answered.add(now_ms);
    }

    /// It refused at `now_ms`, and is asked again from `resumes_ms` on.
    pub(super) fn refuse(&mut self, now_ms: i64, resumes_ms: i64) {
        let answered = self.answered.a_second(now_ms);
        let begun = self.begun.a_second(now_ms) / 2;
        let base = match (self.base, answered) {
            (0, 0) => begun,
            (0, answered) => answered,
            (_, 0) => self.rate(now_ms) / 2,
            (_, answered) => answered.min(self.rate(now_ms)),
        };
        self.base = (base * 9 / 10).max(SLOWEST);
        self.since_ms = resumes_ms.max(now_ms);
        self.saved = ONE;
        self.at_ms = self.since_ms;
    }

    /// How long until one more may be sent, in milliseconds; `None` where it may be now.
    pub(super) fn wait_ms(&self, now_ms: i64) -> Option<i64> {
        if self.base == 0 {
            return None;
        }
        let missing = ONE.saturating_sub(self.saved_at(now_ms));
        let wait_ms = (missing * 1_000).div_ceil(self.rate(now_ms));
        i64::try_from(wait_ms).ok().filter(|wait_ms| *wait_ms > 0)
    }

    fn rate(&self, now_ms: i64) -> u64 {
        let passed_ms = now_ms.saturating_sub(self.since_ms).max(0).unsigned_abs();
        let rise = (self.base.saturating_add(ONE)).saturating_mul(passed_ms) / DOUBLES_MS;
        self.base.saturating_add(rise)
    }

    fn saved_at(&self, now_ms: i64) -> u64 {
        let passed_ms = now_ms.saturating_sub(self.at_ms).max(0).unsigned_abs();
        let rate = self.rate(now_ms);
        let saved = self.saved.saturating_add(rate.saturating_mul(passed_ms) / 1_000);
        saved.min((rate / 2).max(ONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a crowd are sent within the second from `now_ms` on.
    fn sent(pace: &mut Pace, now_ms: i64) -> usize {
        let moments = (now_ms..now_ms + 1_000).step_by(10);
        let is_sent = |now_ms: &i64| {
            let is_sent = pace.wait_ms(*now_ms).is_none();
            if is_sent {
                pace.begin(*now_ms);
            }
            is_sent
        };
        moments.filter(is_sent).count()
    }

    #[test]
    fn an_account_that_refused_is_asked_more_slowly_than_it_answered_and_then_faster_again() {
        let mut pace = Pace::default();
        assert_eq!(sent(&mut pace, 0), 100, "unbounded at first");
        for now_ms in (0..4_000).step_by(50) {
            pace.answer(now_ms);
        }
        pace.refuse(3_999, 5_000);
        assert_eq!(pace.wait_ms(5_000), None, "the first at once");
        let counts = [5_000, 15_000, 25_000, 45_000].map(|now_ms| sent(&mut pace, now_ms));
        assert!((15..=21).contains(&counts[0]), "{counts:?}");
        assert!(counts.is_sorted() && counts[2] >= 30 && counts[3] >= 45, "{counts:?}");
    }

    #[test]
    fn what_was_not_sent_after_all_may_be_sent_at_once() {
        let mut pace = Pace::default();
        pace.refuse(0, 0);
        pace.begin(10);
        assert!(pace.wait_ms(20).is_some());
        pace.forget(10, 20);
        assert_eq!(pace.wait_ms(20), None);
    }

    #[test]
    fn one_that_answers_nothing_is_asked_ever_more_slowly_but_never_not_at_all() {
        let mut pace = Pace::default();
        sent(&mut pace, 0);
        for _ in 0..20 {
            pace.refuse(1_000, 1_000);
        }
        assert!((1..=2).contains(&sent(&mut pace, 1_000)));
        assert!(pace.wait_ms(2_000).is_none_or(|wait_ms| wait_ms <= 1_000));
    }
}

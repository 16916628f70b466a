//! The time of day, new ids, and the pauses between tries of a delivery.
//!
//! Invariant: no two ids made by this process are equal, and each is larger than the one before.
//! Reads the system clock and the system's randomness.

use gateway_core::id;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static LAST_ID: AtomicI64 = AtomicI64::new(0);
/// A millisecond starts in the lower half of its sequence, so that its later ids fit above.
const START_MASK: u32 = (1 << (id::SEQUENCE_BITS - 1)) - 1;

/// The first pause after a delivery failed, doubled with each further failure up to the longest, in milliseconds.
const PAUSE_MS: i64 = 15_000;
const PAUSE_MAX_MS: i64 = 3_600_000;

/// The time now, in Unix milliseconds.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The pause after a delivery failed `failures` times and once more, in milliseconds.
#[must_use]
pub fn delivery_pause_ms(failures: i32) -> i64 {
    (PAUSE_MS << failures.clamp(0, 20)).min(PAUSE_MAX_MS)
}

/// A new id of the time now. The first of a millisecond is random in its low bits, so that ids of several
/// processes hardly ever meet.
#[must_use]
pub fn new_id() -> i64 {
    let now = now_ms();
    let next = |last: i64| match id::made_at_ms(last) < now {
        true => id::at(now, getrandom::u32().unwrap_or(0) & START_MASK),
        false => last + 1,
    };
    let mut last = LAST_ID.load(Ordering::Relaxed);
    loop {
        let made = next(last);
        match LAST_ID.compare_exchange_weak(last, made, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return made,
            Err(seen) => last = seen,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn pauses_double_up_to_an_hour() {
        assert_eq!(
            [0, 1, 2, 7, 8, 400].map(delivery_pause_ms),
            [15_000, 30_000, 60_000, 1_920_000, 3_600_000, 3_600_000]
        );
    }

    #[test]
    fn ids_of_many_threads_are_all_different() {
        let threads: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(|| (0..2_000).map(|_| new_id()).collect::<Vec<_>>()))
            .collect();
        let made: Vec<i64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let different: HashSet<i64> = made.iter().copied().collect();
        assert_eq!(different.len(), made.len());
    }

    #[test]
    fn later_ids_are_larger() {
        let ids: Vec<i64> = (0..5_000).map(|_| new_id()).collect();
        assert!(ids.is_sorted());
    }
}

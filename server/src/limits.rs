//! Limits at run time: requests and tokens a minute of keys and teams, and requests at once of keys.
//!
//! Invariant: all or nothing: a refused request takes from no window; what was taken is settled in the window of its admission.
//! In memory; the windows themselves are `gateway_core::limits`.

use gateway_core::limits::SlidingWindow;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

/// How long a key at its requests at once is told to wait, in milliseconds: a request ends at no known moment.
const IN_FLIGHT_RETRY_MS: i64 = 1_000;
/// The longest wait that is told, in milliseconds.
const RETRY_MAX_MS: i64 = 60_000;
/// With more keys and teams than this, those without anything in their windows are forgotten.
const KEPT: usize = 4_096;

/// What a minute may hold; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerMinute {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens.
    pub tokens: Option<u64>,
}

/// Who asks, with the limits as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The key.
    pub key_id: i64,
    /// Its team.
    pub team_id: i64,
    /// The key's limits.
    pub key: PerMinute,
    /// How many requests of the key may be under way.
    pub max_in_flight: Option<u64>,
    /// The team's limits.
    pub team: PerMinute,
}

/// The limit that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Requests a minute of the key.
    KeyRpm,
    /// Tokens a minute of the key.
    KeyTpm,
    /// Requests at once of the key.
    KeyInFlight,
    /// Requests a minute of the team.
    TeamRpm,
    /// Tokens a minute of the team.
    TeamTpm,
}

/// A request that does not fit now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {which:?} of {limit} is reached")]
pub struct LimitRefusal {
    /// The limit that refused.
    pub which: Which,
    /// How much it is.
    pub limit: u64,
    /// How long until the request fits, at most 60,000 milliseconds.
    pub retry_after_ms: i64,
    /// Whether the request is larger than the whole window, so that it never fits.
    pub needs_more_than_window: bool,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The limit.
    pub limit: u64,
    /// What a request may still take.
    pub remaining: u64,
    /// Milliseconds until the window is empty.
    pub reset_ms: i64,
}

/// What is left of the limits a request passes: of key and team, the tighter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Requests a minute.
    pub requests: Option<Left>,
    /// Tokens a minute.
    pub tokens: Option<Left>,
}

#[derive(Clone, Debug, Default)]
struct Meter {
    requests: SlidingWindow,
    tokens: SlidingWindow,
    in_flight: u64,
}

#[derive(Debug, Default)]
struct Meters {
    keys: HashMap<i64, Meter>,
    teams: HashMap<i64, Meter>,
}

/// The limits of one process; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    meters: Arc<Mutex<Meters>>,
}

/// A request's place within the limits; its slot among the requests at once is given back when it is dropped.
#[must_use]
#[derive(Debug)]
pub struct RatePermit {
    meters: Arc<Mutex<Meters>>,
    key_id: i64,
    team_id: i64,
    tokens: u64,
    admitted_ms: i64,
}

impl Limits {
    /// Takes one request and `tokens`, the most it can use, at `now_ms` (Unix milliseconds).
    ///
    /// # Errors
    /// [`LimitRefusal`] naming the first limit that it does not fit; then nothing was taken.
    pub fn admit(&self, caller: &Limited, tokens: u64, now_ms: i64) -> Result<RatePermit, LimitRefusal> {
        let mut meters = self.meters.lock();
        let mut key = meters.keys.get(&caller.key_id).cloned().unwrap_or_default();
        let mut team = meters.teams.get(&caller.team_id).cloned().unwrap_or_default();
        if let Some(limit) = caller.max_in_flight.filter(|limit| key.in_flight >= *limit) {
            return Err(LimitRefusal {
                which: Which::KeyInFlight,
                limit,
                retry_after_ms: IN_FLIGHT_RETRY_MS,
                needs_more_than_window: limit == 0,
            });
        }
        let takes = [
            (Which::KeyRpm, &mut key.requests, 1, caller.key.requests),
            (Which::TeamRpm, &mut team.requests, 1, caller.team.requests),
            (Which::KeyTpm, &mut key.tokens, tokens, caller.key.tokens),
            (Which::TeamTpm, &mut team.tokens, tokens, caller.team.tokens),
        ];
        for (which, window, amount, limit) in takes {
            take(which, window, amount, limit, now_ms)?;
        }
        key.in_flight += 1;
        meters.forget_idle(now_ms);
        meters.keys.insert(caller.key_id, key);
        meters.teams.insert(caller.team_id, team);
        Ok(RatePermit {
            meters: Arc::clone(&self.meters),
            key_id: caller.key_id,
            team_id: caller.team_id,
            tokens,
            admitted_ms: now_ms,
        })
    }

    /// What is left for `caller` at `now_ms`, without taking anything.
    #[must_use]
    pub fn peek(&self, caller: &Limited, now_ms: i64) -> Standing {
        let meters = self.meters.lock();
        let none = Meter::default();
        let key = meters.keys.get(&caller.key_id).unwrap_or(&none);
        let team = meters.teams.get(&caller.team_id).unwrap_or(&none);
        let tighter = |windows: [(&SlidingWindow, Option<u64>); 2]| {
            let left = windows.into_iter().filter_map(|(window, limit)| {
                limit.map(|limit| Left {
                    limit,
                    remaining: window.remaining(limit, now_ms),
                    reset_ms: window.reset_ms(now_ms),
                })
            });
            left.min_by_key(|left| (left.remaining, left.limit))
        };
        Standing {
            requests: tighter([
                (&key.requests, caller.key.requests),
                (&team.requests, caller.team.requests),
            ]),
            tokens: tighter([(&key.tokens, caller.key.tokens), (&team.tokens, caller.team.tokens)]),
        }
    }

    /// How many requests of key `key_id` are under way.
    #[must_use]
    pub fn in_flight(&self, key_id: i64) -> u64 {
        self.meters.lock().keys.get(&key_id).map_or(0, |meter| meter.in_flight)
    }
}

impl RatePermit {
    /// Replaces the tokens taken at admission by `actual`, in the window of the admission. Without this call they stay taken.
    pub fn settle(&mut self, actual: u64, now_ms: i64) {
        let meters = &mut *self.meters.lock();
        let windows = [meters.keys.get_mut(&self.key_id), meters.teams.get_mut(&self.team_id)];
        for meter in windows.into_iter().flatten() {
            meter.tokens.adjust(self.admitted_ms, self.tokens, actual, now_ms);
        }
        self.tokens = actual;
    }

    /// Undoes the admission: what was taken is free again, the request itself too.
    pub fn give_back(mut self, now_ms: i64) {
        self.settle(0, now_ms);
        let meters = &mut *self.meters.lock();
        let windows = [meters.keys.get_mut(&self.key_id), meters.teams.get_mut(&self.team_id)];
        for meter in windows.into_iter().flatten() {
            meter.requests.adjust(self.admitted_ms, 1, 0, now_ms);
        }
    }
}

impl Drop for RatePermit {
    fn drop(&mut self) {
        if let Some(meter) = self.meters.lock().keys.get_mut(&self.key_id) {
            meter.in_flight = meter.in_flight.saturating_sub(1);
        }
    }
}

impl Meters {
    fn forget_idle(&mut self, now_ms: i64) {
        let is_used = |meter: &Meter| {
            meter.in_flight > 0 || meter.requests.reset_ms(now_ms) > 0 || meter.tokens.reset_ms(now_ms) > 0
        };
        for meters in [&mut self.keys, &mut self.teams] {
            if meters.len() >= KEPT && meters.len().is_power_of_two() {
                meters.retain(|_, meter| is_used(meter));
            }
        }
    }
}

fn take(
    which: Which,
    window: &mut SlidingWindow,
    amount: u64,
    limit: Option<u64>,
    now_ms: i64,
) -> Result<(), LimitRefusal> {
    let most = limit.unwrap_or(u64::MAX);
    match window.try_take(amount, most, now_ms) {
        Ok(()) => Ok(()),
        // No limit, and more than can be counted: nothing to refuse.
        Err(_) if limit.is_none() => Ok(()),
        Err(wait) => Err(LimitRefusal {
            which,
            limit: most,
            retry_after_ms: wait.0.clamp(1, RETRY_MAX_MS),
            needs_more_than_window: amount > most,
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    #[test]
    fn what_is_given_back_is_free_again() {
        let limits = Limits::default();
        let mut one = caller();
        one.key = PerMinute {
            requests: Some(1),
            tokens: Some(10),
        };
        limits.admit(&one, 10, NOW).unwrap().give_back(NOW);
        assert!(limits.admit(&one, 10, NOW).is_ok());
    }

    fn caller() -> Limited {
        Limited {
            key_id: 1,
            team_id: 2,
            key: PerMinute::default(),
            max_in_flight: None,
            team: PerMinute::default(),
        }
    }

    fn per_minute(requests: u64, tokens: u64) -> PerMinute {
        PerMinute {
            requests: Some(requests),
            tokens: Some(tokens),
        }
    }

    #[test]
    fn a_refused_request_takes_nothing_from_any_window() {
        let limits = Limits::default();
        let caller = Limited {
            key: per_minute(10, 1_000),
            team: per_minute(10, 500),
            ..caller()
        };
        let refusal = limits.admit(&caller, 501, NOW).unwrap_err();
        assert_eq!((refusal.which, refusal.limit), (Which::TeamTpm, 500));
        assert!(refusal.needs_more_than_window);
        let standing = limits.peek(&caller, NOW);
        assert_eq!(standing.requests.unwrap().remaining, 10);
        assert_eq!(standing.tokens.unwrap().remaining, 500);
        assert_eq!(limits.in_flight(1), 0);
        let _permit = limits.admit(&caller, 500, NOW).unwrap();
        let refusal = limits.admit(&caller, 1, NOW).unwrap_err();
        assert!(!refusal.needs_more_than_window && refusal.retry_after_ms <= 60_000);
        assert_eq!(limits.peek(&caller, NOW).requests.unwrap().remaining, 9);
    }

    #[test]
    fn a_key_at_its_requests_a_minute_is_told_when_it_fits() {
        let limits = Limits::default();
        let caller = Limited {
            key: per_minute(2, 1_000),
            ..caller()
        };
        drop((
            limits.admit(&caller, 0, NOW).unwrap(),
            limits.admit(&caller, 0, NOW).unwrap(),
        ));
        let refusal = limits.admit(&caller, 0, NOW).unwrap_err();
        assert_eq!(refusal.which, Which::KeyRpm);
        assert!(limits.admit(&caller, 0, NOW + 70_000).is_ok());
    }

    #[test]
    fn settling_gives_unused_tokens_back_in_the_window_of_admission() {
        let limits = Limits::default();
        let caller = Limited {
            key: per_minute(10, 1_000),
            ..caller()
        };
        let mut permit = limits.admit(&caller, 900, NOW).unwrap();
        assert!(limits.admit(&caller, 200, NOW).is_err());
        permit.settle(100, NOW + 20_000);
        assert_eq!(limits.peek(&caller, NOW + 20_000).tokens.unwrap().remaining, 900);
        drop(permit);
        assert_eq!(limits.peek(&caller, NOW + 70_000).tokens.unwrap().remaining, 1_000);
    }

    #[test]
    fn the_slot_of_a_dropped_permit_is_free_again() {
        let limits = Limits::default();
        let caller = Limited {
            max_in_flight: Some(1),
            ..caller()
        };
        let permit = limits.admit(&caller, 0, NOW).unwrap();
        assert_eq!(limits.admit(&caller, 0, NOW).unwrap_err().which, Which::KeyInFlight);
        drop(permit);
        assert!(limits.admit(&caller, 0, NOW).is_ok());
    }

    #[test]
    fn keys_of_one_team_share_its_limit() {
        let limits = Limits::default();
        let one = Limited {
            team: per_minute(1, 1_000),
            ..caller()
        };
        let other = Limited { key_id: 9, ..one };
        let _permit = limits.admit(&one, 0, NOW).unwrap();
        assert_eq!(limits.admit(&other, 0, NOW).unwrap_err().which, Which::TeamRpm);
    }

    #[test]
    fn idle_keys_are_forgotten_and_busy_ones_are_not() {
        let limits = Limits::default();
        let busy = limits.admit(&caller(), 5, NOW).unwrap();
        for key_id in 10..10 + KEPT as i64 {
            drop(limits.admit(&Limited { key_id, ..caller() }, 5, NOW).unwrap());
        }
        let later = NOW + 100_000;
        drop(limits.admit(&Limited { key_id: 5, ..caller() }, 5, later).unwrap());
        while !limits.meters.lock().keys.len().is_power_of_two() {
            let key_id = -(limits.meters.lock().keys.len() as i64);
            drop(limits.admit(&Limited { key_id, ..caller() }, 5, later).unwrap());
        }
        drop(limits.admit(&Limited { key_id: 6, ..caller() }, 5, later).unwrap());
        assert_eq!(limits.in_flight(1), 1);
        assert!(limits.meters.lock().keys.len() < 2 * KEPT);
        drop(busy);
    }
}

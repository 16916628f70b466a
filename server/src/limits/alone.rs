//! Limits of a process that is alone on its database: windows in memory, which are `gateway_core::limits::SlidingWindow`.
//!
//! Invariant: all or nothing; what was taken is settled in the window of its admission. No I/O, no waiting.

use super::{KEPT, Left, LimitRefusal, Limited, Standing, Which, full};
use gateway_core::limits::SlidingWindow;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

#[derive(Clone, Debug, Default)]
struct Meter {
    requests: SlidingWindow,
    tokens: SlidingWindow,
    in_flight: u64,
}

#[derive(Debug, Default)]
struct Meters {
    keys: HashMap<i64, Meter>,
    /// By team and user.
    members: HashMap<(i64, i64), Meter>,
    teams: HashMap<i64, Meter>,
}

/// The limits of one process; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Alone {
    meters: Arc<Mutex<Meters>>,
}

/// A request's place; see [`super::RatePermit`].
#[derive(Debug)]
pub(super) struct Place {
    meters: Arc<Mutex<Meters>>,
    key_id: i64,
    member: Option<(i64, i64)>,
    team_id: i64,
    tokens: u64,
    admitted_ms: i64,
}

impl Alone {
    /// Takes one request and `tokens` at `now_ms`, or nothing.
    pub fn admit(&self, caller: &Limited, tokens: u64, now_ms: i64) -> Result<Place, LimitRefusal> {
        let mut meters = self.meters.lock();
        let mut key = meters.keys.get(&caller.key_id).cloned().unwrap_or_default();
        let mut team = meters.teams.get(&caller.team_id).cloned().unwrap_or_default();
        let member_key = caller.member_key();
        let known = member_key.and_then(|member| meters.members.get(&member));
        let mut member = known.cloned().unwrap_or_default();
        let most = caller.member.unwrap_or_default().per_minute;
        super::check_in_flight(caller, key.in_flight, member.in_flight)?;
        let takes = [
            (Which::KeyRpm, &mut key.requests, 1, caller.key.requests),
            (Which::MemberRpm, &mut member.requests, 1, most.requests),
            (Which::TeamRpm, &mut team.requests, 1, caller.team.requests),
            (Which::KeyTpm, &mut key.tokens, tokens, caller.key.tokens),
            (Which::MemberTpm, &mut member.tokens, tokens, most.tokens),
            (Which::TeamTpm, &mut team.tokens, tokens, caller.team.tokens),
        ];
        for (which, window, amount, limit) in takes {
            take(which, window, amount, limit, now_ms)?;
        }
        key.in_flight += 1;
        meters.forget_idle(now_ms);
        meters.keys.insert(caller.key_id, key);
        meters.teams.insert(caller.team_id, team);
        if let Some(member_key) = member_key {
            member.in_flight += 1;
            meters.members.insert(member_key, member);
        }
        Ok(Place {
            meters: Arc::clone(&self.meters),
            key_id: caller.key_id,
            member: member_key,
            team_id: caller.team_id,
            tokens,
            admitted_ms: now_ms,
        })
    }

    /// What is left for `caller` at `now_ms`.
    pub fn peek(&self, caller: &Limited, now_ms: i64) -> Standing {
        let meters = self.meters.lock();
        let none = Meter::default();
        let key = meters.keys.get(&caller.key_id).unwrap_or(&none);
        let team = meters.teams.get(&caller.team_id).unwrap_or(&none);
        let member = caller.member_key().and_then(|member| meters.members.get(&member));
        let (member, most) = (member.unwrap_or(&none), caller.member.unwrap_or_default().per_minute);
        let tighter = |windows: [(&SlidingWindow, Option<u64>); 3]| {
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
                (&member.requests, most.requests),
                (&team.requests, caller.team.requests),
            ]),
            tokens: tighter([
                (&key.tokens, caller.key.tokens),
                (&member.tokens, most.tokens),
                (&team.tokens, caller.team.tokens),
            ]),
        }
    }

    /// How many requests of key `key_id` are under way.
    pub fn in_flight(&self, key_id: i64) -> u64 {
        self.meters.lock().keys.get(&key_id).map_or(0, |meter| meter.in_flight)
    }

    /// How many requests of a member, by team and user, are under way.
    pub fn in_flight_of_member(&self, member: (i64, i64)) -> u64 {
        self.meters
            .lock()
            .members
            .get(&member)
            .map_or(0, |meter| meter.in_flight)
    }
}

impl Place {
    /// Replaces the tokens taken at admission by `actual`, in the window of the admission.
    pub fn settle(&mut self, actual: u64, now_ms: i64) {
        for meter in self.meters.lock().of(self) {
            meter.tokens.adjust(self.admitted_ms, self.tokens, actual, now_ms);
        }
        self.tokens = actual;
    }

    /// Undoes the admission: what was taken is free again, the request itself too.
    pub fn give_back(mut self, now_ms: i64) {
        self.settle(0, now_ms);
        for meter in self.meters.lock().of(&self) {
            meter.requests.adjust(self.admitted_ms, 1, 0, now_ms);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let meters = &mut *self.meters.lock();
        let member = self.member.and_then(|member| meters.members.get_mut(&member));
        for meter in [meters.keys.get_mut(&self.key_id), member].into_iter().flatten() {
            meter.in_flight = meter.in_flight.saturating_sub(1);
        }
    }
}

impl Meters {
    /// Those that `place` counts in.
    fn of(&mut self, place: &Place) -> impl Iterator<Item = &mut Meter> {
        let member = place.member.and_then(|member| self.members.get_mut(&member));
        let others = [self.keys.get_mut(&place.key_id), self.teams.get_mut(&place.team_id)];
        others.into_iter().chain([member]).flatten()
    }

    fn forget_idle(&mut self, now_ms: i64) {
        let is_used = |meter: &Meter| {
            meter.in_flight > 0 || meter.requests.reset_ms(now_ms) > 0 || meter.tokens.reset_ms(now_ms) > 0
        };
        let is_due = |count: usize| count >= KEPT && count.is_power_of_two();
        for meters in [&mut self.keys, &mut self.teams] {
            if is_due(meters.len()) {
                meters.retain(|_, meter| is_used(meter));
            }
        }
        if is_due(self.members.len()) {
            self.members.retain(|_, meter| is_used(meter));
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
        Err(wait) => Err(full(which, amount, most, wait.0)),
    }
}

#[cfg(test)]
mod tests;

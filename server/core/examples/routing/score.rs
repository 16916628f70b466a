//! Score: what clients saw, what it cost in attempts, and how fairly it was shared out.
//!
//! Invariant: shares are in thousandths; of requests that found no answer the wait counts as the whole deadline.

use super::world::TEAMS;

/// What is counted while it runs.
#[derive(Default)]
pub(super) struct Tally {
    pub attempts: u64,
    /// Errors that clients saw.
    pub refusals: u64,
    pub possible_in_a_minute: u64,
    lost: u64,
    waits: Vec<i64>,
    /// By team, while more was asked than fits.
    asked: [u64; TEAMS],
    answered: [u64; TEAMS],
    answered_then: u64,
    requests: u64,
}

/// The figures of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// Requests.
    pub requests: u64,
    /// Errors that clients saw; one that comes again may see several.
    pub refusals: u64,
    /// Requests that found no answer until their deadline.
    pub lost: u64,
    /// Attempts that brought no answer, for a thousand that did.
    pub wasted: u64,
    /// Of what the accounts that were up could have answered while more was asked than fits, how much was: thousandths.
    pub capacity: u64,
    /// Jain's index of what each team got then, against what would be fair: thousandths.
    pub fairness: u64,
    /// Until the attempt that brought the answer, in milliseconds, of requests that came while there was room for all: of half of
    /// them at most.
    pub p50_ms: i64,
    /// Of 99 in a hundred at most.
    pub p99_ms: i64,
}

impl Tally {
    pub fn asked(&mut self, team: usize, is_overloaded: bool) {
        self.requests += 1;
        self.asked[team] += u64::from(is_overloaded);
    }

    /// An account answers; whether more was asked than fits when the request came, and now.
    pub fn answered(&mut self, team: usize, wait_ms: i64, [came, now]: [bool; 2]) {
        if !came {
            self.waits.push(wait_ms);
        }
        self.answered[team] += u64::from(came);
        self.answered_then += u64::from(now);
    }

    /// None does, until the deadline.
    pub fn lost(&mut self, deadline_ms: i64, came_in_overload: bool) {
        self.lost += 1;
        if !came_in_overload {
            self.waits.push(deadline_ms);
        }
    }

    pub fn score(mut self) -> Score {
        self.waits.sort_unstable();
        let part = |percent: usize| self.waits.get(self.waits.len() * percent / 100).copied();
        let answered = self.requests - self.lost;
        Score {
            requests: self.requests,
            refusals: self.refusals,
            lost: self.lost,
            wasted: (self.attempts - answered) * 1_000 / answered.max(1),
            capacity: self.answered_then * 60_000 / self.possible_in_a_minute.max(1),
            fairness: jain(&self.answered, &fair_shares(&self.asked, self.answered.iter().sum())),
            p50_ms: part(50).unwrap_or_default(),
            p99_ms: part(99).unwrap_or_default(),
        }
    }
}

/// What each would get of `total` if nobody got more than asked for, and nobody more than another who still wants some.
fn fair_shares(asked: &[u64; TEAMS], total: u64) -> [u64; TEAMS] {
    let mut shares = [0; TEAMS];
    let mut left = total;
    let mut by_size: Vec<usize> = (0..TEAMS).collect();
    by_size.sort_unstable_by_key(|team| asked[*team]);
    for (served, team) in by_size.into_iter().enumerate() {
        let among = (TEAMS - served) as u64;
        shares[team] = asked[team].min(left / among);
        left -= shares[team];
    }
    shares
}

/// Jain's index of `got` ÷ `fair`, in thousandths: all alike are 1000, and one alone of n is 1000 ÷ n.
fn jain(got: &[u64; TEAMS], fair: &[u64; TEAMS]) -> u64 {
    let ratios = got.iter().zip(fair).filter(|(_, fair)| **fair > 0);
    let ratios: Vec<u64> = ratios.map(|(got, fair)| got * 10_000 / fair).collect();
    let sum: u64 = ratios.iter().sum();
    let squares: u64 = ratios.iter().map(|ratio| ratio * ratio).sum();
    sum * sum * 1_000 / (squares * ratios.len() as u64).max(1)
}

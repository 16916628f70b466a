//! The order among accounts that can be asked.
//!
//! Invariant: a lower priority number always goes first; all accounts given stay, each once. Pure; in place, without allocating.
//! Source: Mitzenmacher, "The power of two choices in randomized load balancing".

use super::chance::{self, Chance};
use super::{Candidate, Policy, RouteRequest};
use std::cmp::Reverse;

/// How many places of a plan are drawn one by one; the rest follow by load alone.
const DRAWN: usize = 8;
/// The latency assumed of an account that has not answered yet, in milliseconds.
pub const UNKNOWN_LATENCY_MS: u32 = 500;
/// Of how many plans for the fastest account one is drawn like a balanced one, so that what is known of the others stays true.
const EXPLORED: u64 = 16;
/// By what factor an account may be slower than the fastest and still be a conversation's own.
const SLOWER_MAX: u64 = 2;
/// Below this headroom an account is no conversation's own: it is about to refuse.
pub(super) const SCARCE: u16 = 20;

/// Puts `ready` in order: by priority; within one, the conversation's own account, then what the
/// policy draws, then the rest by load.
pub(super) fn put_in_order(ready: &mut [&Candidate<'_>], request: &RouteRequest<'_>) {
    ready.sort_unstable_by_key(|candidate| (candidate.priority, candidate.account_id));
    let mut chance = Chance::new(request.seed);
    let mut conversation = request.conversation;
    for group in ready.chunk_by_mut(|one, other| one.priority == other.priority) {
        let mut place = 0;
        // Only the first group has the conversation's own.
        if std::mem::take(&mut conversation) != 0 {
            group.swap(0, home_of(group, request));
            place = 1;
        }
        let is_fastest = request.policy == Policy::Fastest && chance.below(EXPLORED) != 0;
        while !is_fastest && place < group.len().min(DRAWN) {
            let better = better_of_two(&group[place..], &mut chance);
            group.swap(place, place + better);
            place += 1;
        }
        let rest = &mut group[place..];
        if is_fastest {
            rest.sort_unstable_by_key(|candidate| (delay(candidate), candidate.account_id));
        } else {
            rest.sort_unstable_by_key(|candidate| (load(candidate), candidate.account_id));
        }
    }
}

/// The index of the account the conversation belongs to, by weighted rendezvous hashing: when an account leaves, only its own
/// conversations move. Where time counts it is none of the slow ones.
fn home_of(candidates: &[&Candidate<'_>], request: &RouteRequest<'_>) -> usize {
    let slowest_ms = match request.policy {
        Policy::Fastest => {
            let fastest_ms = candidates.iter().map(|candidate| latency(candidate)).min();
            fastest_ms.unwrap_or(u64::MAX).saturating_mul(SLOWER_MAX)
        }
        Policy::Balanced | Policy::Cheapest => u64::MAX,
    };
    let distance = |candidate: &Candidate<'_>| {
        let hash = chance::mix(request.conversation ^ chance::mix(candidate.account_id.cast_unsigned()));
        // ln(1/h) / weight, smallest wins; scaled so that the division keeps its digits.
        (u128::from(chance::log2_inverse(hash)) << 32) / u128::from(candidate.weight.max(1))
    };
    let is_no_home = |candidate: &Candidate<'_>| candidate.headroom < SCARCE || latency(candidate) > slowest_ms;
    let places = candidates.iter().enumerate();
    let nearest =
        places.min_by_key(|(_, candidate)| (is_no_home(candidate), distance(candidate), candidate.account_id));
    nearest.map_or(0, |(index, _)| index)
}

/// The index of the less loaded of two accounts drawn by weight.
fn better_of_two(candidates: &[&Candidate<'_>], chance: &mut Chance) -> usize {
    let first = draw(candidates, None, chance);
    if candidates.len() == 1 {
        return first;
    }
    let second = draw(candidates, Some(first), chance);
    let by_load = |index: usize| (load(candidates[index]), Reverse(candidates[index].weight));
    if by_load(second) < by_load(first) {
        second
    } else {
        first
    }
}

/// An index drawn by weight, other than `not`.
fn draw(candidates: &[&Candidate<'_>], not: Option<usize>, chance: &mut Chance) -> usize {
    let weight = |index: usize| {
        if Some(index) == not {
            0
        } else {
            u64::from(candidates[index].weight.max(1))
        }
    };
    let total = (0..candidates.len()).map(weight).sum();
    let mut ticket = chance.below(total);
    for index in 0..candidates.len() {
        if ticket < weight(index) {
            return index;
        }
        ticket -= weight(index);
    }
    0
}

/// How reluctant to ask an account: its delay ÷ weight.
fn load(candidate: &Candidate<'_>) -> u128 {
    delay(candidate) / u128::from(candidate.weight.max(1))
}

/// How long an answer is likely to take: requests under way × latency ÷ headroom.
fn delay(candidate: &Candidate<'_>) -> u128 {
    let queue = u128::from(candidate.in_flight) + 1;
    let headroom = u128::from(candidate.headroom) + 10;
    queue * u128::from(latency(candidate) + 1) * 1_000_000 / headroom
}

fn latency(candidate: &Candidate<'_>) -> u64 {
    u64::from(candidate.latency_ms.unwrap_or(UNKNOWN_LATENCY_MS))
}

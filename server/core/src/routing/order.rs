//! The order among accounts that can be asked.
//!
//! Invariant: a lower priority number always goes first; all accounts given stay, each once. Pure; in place, without allocating.
//! Source: Mitzenmacher, "The power of two choices in randomized load balancing".

use super::chance::{self, Chance};
use super::{Candidate, RouteRequest};
use std::cmp::Reverse;

/// How many places of a plan are drawn one by one; the rest follow by load alone.
const DRAWN: usize = 8;
/// The latency assumed of an account that has not answered yet, in milliseconds.
const UNKNOWN_LATENCY_MS: u32 = 500;
/// Below this headroom an account is no conversation's own: it is about to refuse.
pub(super) const SCARCE: u16 = 20;

/// Puts `ready` in order: by priority; within one, the conversation's own account, then draws of the better of two, then the rest
/// by load.
pub(super) fn put_in_order(ready: &mut [&Candidate<'_>], request: &RouteRequest<'_>) {
    ready.sort_unstable_by_key(|candidate| (candidate.priority, candidate.account_id));
    let mut chance = Chance::new(request.seed);
    let mut conversation = request.conversation;
    for group in ready.chunk_by_mut(|one, other| one.priority == other.priority) {
        let mut place = 0;
        // Only the first group has the conversation's own.
        if std::mem::take(&mut conversation) != 0 {
            group.swap(0, home_of(group, request.conversation));
            place = 1;
        }
        while place < group.len().min(DRAWN) {
            let better = better_of_two(&group[place..], &mut chance);
            group.swap(place, place + better);
            place += 1;
        }
        group[place..].sort_unstable_by_key(|candidate| (load(candidate), candidate.account_id));
    }
}

/// The index of the account the conversation belongs to, by weighted rendezvous hashing: when an account leaves, only its own
/// conversations move.
fn home_of(candidates: &[&Candidate<'_>], conversation: u64) -> usize {
    let distance = |candidate: &Candidate<'_>| {
        let hash = chance::mix(conversation ^ chance::mix(candidate.account_id.cast_unsigned()));
        // ln(1/h) / weight, smallest wins; scaled so that the division keeps its digits.
        (u128::from(chance::log2_inverse(hash)) << 32) / u128::from(candidate.weight.max(1))
    };
    let is_scarce = |candidate: &Candidate<'_>| candidate.headroom < SCARCE;
    let places = candidates.iter().enumerate();
    let nearest = places.min_by_key(|(_, candidate)| (is_scarce(candidate), distance(candidate), candidate.account_id));
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

/// How reluctant to ask an account: requests under way × latency ÷ headroom ÷ weight.
fn load(candidate: &Candidate<'_>) -> u128 {
    let latency = u128::from(candidate.latency_ms.unwrap_or(UNKNOWN_LATENCY_MS)) + 1;
    let queue = u128::from(candidate.in_flight) + 1;
    let headroom = u128::from(candidate.headroom) + 10;
    queue * latency * 1_000_000 / headroom / u128::from(candidate.weight.max(1))
}

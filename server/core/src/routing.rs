//! Routing: which accounts to ask for a request, and in which order.
//!
//! Invariant: only accounts that serve the model, of its maker, in the wanted region are named, each once; an account whose pause was stated is
//! never named before it ends; the same inputs give the same plan. Pure: chance comes from `seed`.

mod chance;

use crate::health::Availability;
use chance::Chance;
use std::cmp::Reverse;

/// How many places of a plan are drawn one by one; the rest follow by load alone.
const DRAWN: usize = 8;
/// The latency assumed of an account that has not answered yet, in milliseconds.
const UNKNOWN_LATENCY_MS: u32 = 500;
/// Below this headroom an account is no conversation's own: it is about to refuse.
const SCARCE: u16 = 20;
/// How far away the next chance is when only a probe under way can tell, in milliseconds.
const PROBE_WAIT_MS: i64 = 250;

/// An account that serves the model, as far as its maker does not matter, as it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its id.
    pub account_id: i64,
    /// Lower goes first; the next number is asked only when no account of this one can be.
    pub priority: i32,
    /// Its share among accounts of the same priority; 0 counts as 1.
    pub weight: u32,
    /// Where it processes data, if that is known.
    pub region: Option<&'a str>,
    /// The only maker whose models it serves.
    pub only_made_by: Option<&'a str>,
    /// Requests under way on it.
    pub in_flight: u32,
    /// The most it may have under way.
    pub max_in_flight: Option<u32>,
    /// Moving average to the first content, in milliseconds.
    pub latency_ms: Option<u32>,
    /// What is left of its own limits, from 0 to 1000.
    pub headroom: u16,
    /// Its health and that of its deployment of the model, taken together.
    pub availability: Availability,
    /// Requests left this minute under the operator's limit.
    pub requests_left: Option<u64>,
    /// Tokens left this minute under the operator's limit.
    pub tokens_left: Option<u64>,
    /// When those limits have room again, where they have none: Unix milliseconds.
    pub limits_free_ms: Option<i64>,
}

/// What there is to route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteRequest<'a> {
    /// Accounts that have been tried for this request.
    pub tried: &'a [i64],
    /// A hash of the conversation, which stays on one account while that is healthy; 0 for none.
    pub conversation: u64,
    /// Who makes the model, as presets and the catalogue name it; empty where nobody knows.
    pub maker: &'a str,
    /// The only region it may be processed in.
    pub region: Option<&'a str>,
    /// The most tokens it can take.
    pub tokens: u64,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Chance.
    pub seed: u64,
}

/// Why a plan names no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyEmpty {
    /// No account serves the model.
    NoneServesModel,
    /// None of those that do is in the wanted region.
    NoneInRegion,
    /// Every one of those said that it does not have the model.
    NoneHasModel,
    /// Every account has been tried for this request.
    AllTried,
    /// Every account left is at a limit, in a stated pause, or being probed.
    AllBusy,
}

/// The accounts to ask, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Account ids.
    pub ordered: Vec<i64>,
    /// When the first account that cannot be asked now, tried or not, can be: Unix milliseconds. `None` where one is full, which
    /// ends at no known moment, or where no moment is known at all.
    pub next_free_ms: Option<i64>,
    /// Why there are none; `None` where there are some.
    pub why_empty: Option<WhyEmpty>,
}

/// The plan for `request` among `candidates`, the accounts that serve its model.
#[must_use]
pub fn plan(candidates: &[Candidate<'_>], request: &RouteRequest<'_>) -> Plan {
    let serves = |candidate: &&Candidate<'_>| serves_made_by(candidate.only_made_by, request.maker);
    let serving: Vec<_> = candidates.iter().filter(serves).collect();
    let is_served = !serving.is_empty();
    let in_region = |candidate: &&Candidate<'_>| is_in_region(candidate.region, request.region);
    let in_region: Vec<_> = serving.into_iter().filter(in_region).collect();
    let is_anywhere = !in_region.is_empty();
    let has_model = |candidate: &&Candidate<'_>| !matches!(candidate.availability, Availability::Missing { .. });
    let allowed: Vec<_> = in_region.into_iter().filter(has_model).collect();
    let next_free_ms = allowed.iter().filter_map(|candidate| free_ms(candidate, request)).min();
    let next_free_ms = next_free_ms.filter(|at_ms| *at_ms > request.now_ms);
    let empty = |why| Plan {
        ordered: Vec::new(),
        next_free_ms,
        why_empty: Some(why),
    };
    if !is_served {
        return empty(WhyEmpty::NoneServesModel);
    }
    if !is_anywhere {
        return empty(WhyEmpty::NoneInRegion);
    }
    if allowed.is_empty() {
        return empty(WhyEmpty::NoneHasModel);
    }
    let untried = |candidate: &&Candidate<'_>| !request.tried.contains(&candidate.account_id);
    let untried: Vec<_> = allowed.into_iter().filter(untried).collect();
    if untried.is_empty() {
        return empty(WhyEmpty::AllTried);
    }
    let roomy = || untried.iter().copied().filter(|candidate| has_room(candidate, request));
    let ready: Vec<_> = roomy().filter(|candidate| is_open(candidate.availability)).collect();
    let ordered = if ready.is_empty() {
        let guessed = roomy().filter_map(|candidate| Some((guessed_until_ms(candidate.availability)?, candidate)));
        let oldest = guessed.min_by_key(|(until_ms, candidate)| (*until_ms, candidate.priority, candidate.account_id));
        oldest.map(|(_, candidate)| candidate.account_id).into_iter().collect()
    } else {
        by_priority(ready, request)
    };
    if ordered.is_empty() {
        return empty(WhyEmpty::AllBusy);
    }
    Plan {
        ordered,
        next_free_ms,
        why_empty: None,
    }
}

/// Whether an account that serves what `only` makes, or anything where that is none, serves a model of `maker`, which is empty where
/// nobody knows.
#[must_use]
pub fn serves_made_by(only: Option<&str>, maker: &str) -> bool {
    maker.is_empty() || only.is_none_or(|only| only == maker)
}

/// Whether an account that processes in `own`, where that is known, may be asked what only `wanted` may process, or anything where that
/// is none. Case does not matter.
#[must_use]
pub fn is_in_region(own: Option<&str>, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| own.is_some_and(|own| own.eq_ignore_ascii_case(wanted)))
}

fn is_open(availability: Availability) -> bool {
    matches!(availability, Availability::Ready | Availability::ProbeDue)
}

/// Until when our own guess, which does not bind, would keep the account out.
const fn guessed_until_ms(availability: Availability) -> Option<i64> {
    match availability {
        Availability::Cooling {
            until_ms,
            stated: false,
        } => Some(until_ms),
        Availability::Parked { next_probe_ms, .. } => Some(next_probe_ms),
        _ => None,
    }
}

fn has_permit(candidate: &Candidate<'_>) -> bool {
    candidate.max_in_flight.is_none_or(|most| candidate.in_flight < most)
}

fn within_limits(candidate: &Candidate<'_>, request: &RouteRequest<'_>) -> bool {
    candidate.requests_left.is_none_or(|left| left > 0)
        && candidate.tokens_left.is_none_or(|left| left >= request.tokens)
}

fn has_room(candidate: &Candidate<'_>, request: &RouteRequest<'_>) -> bool {
    has_permit(candidate) && within_limits(candidate, request)
}

/// The first moment at which the account may be free, if it cannot be asked now and ever will; a permit may come back any moment.
fn free_ms(candidate: &Candidate<'_>, request: &RouteRequest<'_>) -> Option<i64> {
    let paused_ms = match candidate.availability {
        Availability::Ready | Availability::ProbeDue => None,
        Availability::Cooling { until_ms, .. } | Availability::Missing { until_ms } => Some(until_ms),
        Availability::Parked { next_probe_ms, .. } => Some(next_probe_ms),
        Availability::Probing { until_ms } => Some(until_ms.min(request.now_ms.saturating_add(PROBE_WAIT_MS))),
    };
    let limited = !within_limits(candidate, request);
    if limited && candidate.limits_free_ms.is_none() {
        return None;
    }
    let limited_ms = candidate.limits_free_ms.filter(|_| limited);
    let full_ms = (!has_permit(candidate)).then_some(request.now_ms);
    paused_ms.max(limited_ms).max(full_ms)
}

/// `ready` by priority; within one, the conversation's own account, then draws of the better of two, then the rest by load.
fn by_priority(mut ready: Vec<&Candidate<'_>>, request: &RouteRequest<'_>) -> Vec<i64> {
    let mut chance = Chance::new(request.seed);
    let mut ordered = Vec::with_capacity(ready.len());
    ready.sort_by_key(|candidate| (candidate.priority, candidate.account_id));
    for group in ready.chunk_by(|one, other| one.priority == other.priority) {
        let mut left = group.to_vec();
        let mut places = DRAWN.min(left.len());
        if request.conversation != 0 && ordered.is_empty() {
            let own = home_of(&left, request.conversation);
            ordered.push(left.swap_remove(own).account_id);
            places -= 1;
        }
        for _ in 0..places {
            let better = better_of_two(&left, &mut chance);
            ordered.push(left.swap_remove(better).account_id);
        }
        left.sort_by_key(|candidate| (load(candidate), candidate.account_id));
        ordered.extend(left.iter().map(|candidate| candidate.account_id));
    }
    ordered
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
    let by_load = |index: &usize| (load(candidates[*index]), Reverse(candidates[*index].weight));
    if by_load(&second) < by_load(&first) {
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

#[cfg(test)]
mod tests;

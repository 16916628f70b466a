//! Routing: which accounts to ask for a request, and in which order.
//!
//! Invariant: only accounts that serve the model, of its maker, in the wanted region are named, each once; an account whose pause was stated is
//! never named before it ends; the same inputs give the same plan. Pure: chance comes from `seed`.

mod chance;
mod order;

pub use order::UNKNOWN_LATENCY_MS;

use crate::health::Availability;
use serde::{Deserialize, Serialize};

/// How far away the next chance is when only a probe under way can tell, in milliseconds.
const PROBE_WAIT_MS: i64 = 250;

/// By what is chosen among models, and among accounts of one priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Models as they are listed; accounts by requests under way, latency, what is left of limits, and weight.
    #[default]
    Balanced,
    /// The model whose price is lowest first; its accounts as in [`Policy::Balanced`].
    Cheapest,
    /// Who is likely to answer soonest first, whatever its weight.
    Fastest,
}

impl Policy {
    /// All of them, the usual one first.
    pub const ALL: [Self; 3] = [Self::Balanced, Self::Cheapest, Self::Fastest];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Cheapest => "cheapest",
            Self::Fastest => "fastest",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == name)
    }
}

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
    /// By what accounts of one priority are chosen.
    pub policy: Policy,
    /// Whether no account is asked before the end of a pause that we only guess, even where none else can be.
    pub is_patient: bool,
    /// The most tokens it can take.
    pub tokens: u64,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Chance.
    pub seed: u64,
}

/// Why a plan names no account; the later, the closer it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyEmpty {
    /// No account serves the model.
    NoneServesModel,
    /// None of those that do is in the wanted region.
    NoneInRegion,
    /// Every one of those said that it does not have the model.
    NoneHasModel,
    /// Every account has been tried for this request.
    AllTried,
    /// Every account left has failed, and whoever is patient does not ask it before the pause is over that we guess.
    AllFailing,
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

/// The plan for `request` among `candidates`, the accounts that serve its model. Runs for every request: it allocates twice.
#[must_use]
pub fn plan(candidates: &[Candidate<'_>], request: &RouteRequest<'_>) -> Plan {
    let mut ready = Vec::with_capacity(candidates.len());
    let mut why = WhyEmpty::NoneServesModel;
    let mut next_free_ms: Option<i64> = None;
    // The one whose pause, which we only guess, ends first.
    let mut oldest: Option<(i64, i32, i64)> = None;
    for candidate in candidates {
        let lacks = lacks(candidate, request);
        let is_failing = request.is_patient && guessed_until_ms(candidate.availability).is_some();
        let unless_asked = if is_failing {
            WhyEmpty::AllFailing
        } else {
            WhyEmpty::AllBusy
        };
        why = why.max(lacks.unwrap_or(unless_asked));
        if lacks.is_some_and(|lacks| lacks <= WhyEmpty::NoneHasModel) {
            continue;
        }
        if let Some(free_ms) = free_ms(candidate, request) {
            next_free_ms = Some(next_free_ms.map_or(free_ms, |earliest| earliest.min(free_ms)));
        }
        if lacks.is_some() || !has_room(candidate, request) {
            continue;
        }
        if is_open(candidate.availability) {
            ready.push(candidate);
        } else if let Some(until_ms) = guessed_until_ms(candidate.availability).filter(|_| !request.is_patient) {
            let guess = (until_ms, candidate.priority, candidate.account_id);
            oldest = Some(oldest.map_or(guess, |known| known.min(guess)));
        }
    }
    let ordered: Vec<i64> = if ready.is_empty() {
        oldest.map(|(_, _, account_id)| account_id).into_iter().collect()
    } else {
        order::put_in_order(&mut ready, request);
        ready.iter().map(|candidate| candidate.account_id).collect()
    };
    Plan {
        why_empty: ordered.is_empty().then_some(why),
        next_free_ms: next_free_ms.filter(|at_ms| *at_ms > request.now_ms),
        ordered,
    }
}

/// What rules the account out for the request, however it does otherwise.
fn lacks(candidate: &Candidate<'_>, request: &RouteRequest<'_>) -> Option<WhyEmpty> {
    if !serves_made_by(candidate.only_made_by, request.maker) {
        Some(WhyEmpty::NoneServesModel)
    } else if !is_in_region(candidate.region, request.region) {
        Some(WhyEmpty::NoneInRegion)
    } else if matches!(candidate.availability, Availability::Missing { .. }) {
        Some(WhyEmpty::NoneHasModel)
    } else {
        request
            .tried
            .contains(&candidate.account_id)
            .then_some(WhyEmpty::AllTried)
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

#[cfg(test)]
mod tests;

//! What holds for any accounts and any request.
//!
//! Invariant: chance comes from the cases alone. Pure.

use super::*;
use crate::health::{Event, Health};
use crate::retry::Fault;
use proptest::prelude::*;

fn availabilities() -> impl Strategy<Value = Availability> {
    let until = |longest_ms: i64| (1..longest_ms).prop_map(|wait_ms| NOW + wait_ms);
    prop_oneof![
        4 => Just(Availability::Ready),
        1 => Just(Availability::ProbeDue),
        2 => (1..90_000_i64, any::<bool>()).prop_map(|(wait_ms, stated)| cooling(wait_ms, stated)),
        1 => (1..90_000_i64).prop_map(parked),
        1 => until(60_000).prop_map(|until_ms| Availability::Probing { until_ms }),
        1 => until(90_000).prop_map(|until_ms| Availability::Missing { until_ms }),
    ]
}

fn candidates() -> impl Strategy<Value = Vec<Candidate<'static>>> {
    let place = (
        proptest::sample::select(vec![None, Some("eu"), Some("us")]),
        proptest::sample::select(vec![None, Some("openai"), Some("anthropic")]),
    );
    let one = (
        availabilities(),
        -2..3_i32,
        (any::<u32>(), any::<u32>()),
        0..4_u32,
        proptest::option::of(1..4_u32),
        any::<u16>(),
        place,
    );
    proptest::collection::vec(one, 0..30).prop_map(|many| {
        let numbered = many.into_iter().zip(1..);
        let candidate =
            |((availability, priority, (weight, latency), in_flight, max_in_flight, headroom, place), id)| {
                let (region, only_made_by) = place;
                Candidate {
                    availability,
                    priority,
                    weight,
                    region,
                    only_made_by,
                    latency_ms: Some(latency),
                    in_flight,
                    max_in_flight,
                    headroom,
                    ..account(id)
                }
            };
        numbered.map(candidate).collect()
    })
}

fn requests() -> impl Strategy<Value = RouteRequest<'static>> {
    (
        any::<u64>(),
        prop_oneof![Just(0), any::<u64>()],
        proptest::sample::select(Policy::ALL.to_vec()),
        proptest::sample::select(vec!["", "openai"]),
        proptest::sample::select(vec![None, None, Some("eu")]),
        any::<bool>(),
    )
        .prop_map(|(seed, conversation, policy, maker, region, is_patient)| RouteRequest {
            conversation,
            policy,
            is_patient,
            maker,
            region,
            ..request(seed)
        })
}

/// Whether it may be asked at all, whoever else can be.
fn is_allowed(candidate: &Candidate<'_>, request: &RouteRequest<'_>) -> bool {
    let is_made_by = candidate
        .only_made_by
        .is_none_or(|only| request.maker.is_empty() || only == request.maker);
    let is_in = request.region.is_none_or(|region| candidate.region == Some(region));
    let is_full = candidate.max_in_flight.is_some_and(|most| candidate.in_flight >= most);
    let is_bound = match candidate.availability {
        Availability::Ready | Availability::ProbeDue => false,
        Availability::Cooling { stated, .. } => stated || request.is_patient,
        Availability::Parked { .. } => request.is_patient,
        Availability::Probing { .. } | Availability::Missing { .. } => true,
    };
    is_made_by && is_in && !is_full && !is_bound
}

proptest! {
    #[test]
    fn a_plan_names_each_account_once_and_none_that_is_bound(
        candidates in candidates(), request in requests(), tried in 0..4_i64,
    ) {
        let tried: Vec<i64> = (1..=tried).collect();
        let request = RouteRequest { tried: &tried, ..request };
        let made = plan(&candidates, &request);
        prop_assert_eq!(made.ordered.is_empty(), made.why_empty.is_some());
        let mut unique = made.ordered.clone();
        unique.sort_unstable();
        unique.dedup();
        prop_assert_eq!(unique.len(), made.ordered.len());
        let mut last_priority = i32::MIN;
        for id in &made.ordered {
            let candidate = candidates.iter().find(|candidate| candidate.account_id == *id).unwrap();
            prop_assert!(is_allowed(candidate, &request) && !tried.contains(id), "{:?}", candidate);
            prop_assert!(candidate.priority >= last_priority);
            last_priority = candidate.priority;
        }
        prop_assert!(made.next_free_ms.is_none_or(|at_ms| at_ms > NOW));
        prop_assert_eq!(plan(&candidates, &request), made);
    }

    #[test]
    fn a_request_that_fails_everywhere_reaches_every_account_that_may_be_asked(
        candidates in candidates(), request in requests(),
    ) {
        let mut tried = Vec::new();
        while let Some(next) = plan(&candidates, &RouteRequest { tried: &tried, ..request }).ordered.first() {
            tried.push(*next);
        }
        let mut reached = tried;
        reached.sort_unstable();
        let allowed = candidates.iter().filter(|candidate| is_allowed(candidate, &request));
        let allowed: Vec<i64> = allowed.map(|candidate| candidate.account_id).collect();
        prop_assert_eq!(reached, allowed);
    }

    #[test]
    fn the_more_weight_the_more_first_places(weights in (1..20_u32, 1..20_u32), seed in any::<u64>()) {
        let mut crowd: Vec<_> = (1..=8).map(account).collect();
        (crowd[0].weight, crowd[1].weight) = weights;
        let mut counts = [0_u32; 2];
        for seed in (0..2_000).map(|step| seed.wrapping_add(step * 7_919)) {
            match plan(&crowd, &request(seed)).ordered[0] {
                1 => counts[0] += 1,
                2 => counts[1] += 1,
                _ => {}
            }
        }
        let (light, heavy) = if weights.0 < weights.1 { (0, 1) } else { (1, 0) };
        // As many, but for chance.
        prop_assert!(counts[heavy] + 250 >= counts[light], "{:?} {:?}", weights, counts);
        if weights.0.max(weights.1) >= 3 * weights.0.min(weights.1) {
            prop_assert!(counts[heavy] > counts[light], "{:?} {:?}", weights, counts);
        }
    }

    #[test]
    fn no_account_is_asked_before_the_end_of_what_it_stated(
        events in proptest::collection::vec((0..4_u8, 0..3_000_i64, 0..20_000_i64), 1..60), seed in any::<u64>(),
    ) {
        let mut health = Health::default();
        let mut now_ms = NOW;
        let mut bound_ms = i64::MIN;
        for (kind, passed_ms, wait_ms) in events {
            now_ms += passed_ms;
            let until_ms = now_ms + wait_ms;
            let event = match kind {
                0 => Event::Succeeded { latency_ms: 100 },
                1 => Event::Failed { fault: Fault::Upstream },
                2 => Event::Begun { tokens: 10 },
                _ => {
                    bound_ms = bound_ms.max(until_ms);
                    Event::Cooled { until_ms, fault: Fault::RateLimited }
                }
            };
            health.step(event, now_ms);
            let candidate = Candidate { availability: health.availability(now_ms), ..account(1) };
            let made = plan(&[candidate], &RouteRequest { now_ms, ..request(seed) });
            prop_assert!(made.ordered.is_empty() || now_ms >= bound_ms);
        }
    }
}

//! Whom to ask, from chosen states of the accounts.

#![allow(clippy::unwrap_used)]

mod properties;

use super::order::SCARCE;
use super::*;
use crate::retry::Reason;
use std::collections::HashMap;

const NOW: i64 = 1_000_000;

fn account(account_id: i64) -> Candidate<'static> {
    Candidate {
        account_id,
        priority: 0,
        weight: 1,
        region: None,
        only_made_by: None,
        in_flight: 0,
        max_in_flight: None,
        latency_ms: None,
        headroom: 1_000,
        availability: Availability::Ready,
        requests_left: None,
        tokens_left: None,
        limits_free_ms: None,
    }
}

fn request(seed: u64) -> RouteRequest<'static> {
    RouteRequest {
        now_ms: NOW,
        seed,
        ..RouteRequest::default()
    }
}

const fn cooling(wait_ms: i64, stated: bool) -> Availability {
    Availability::Cooling {
        until_ms: NOW + wait_ms,
        stated,
    }
}

const fn parked(wait_ms: i64) -> Availability {
    Availability::Parked {
        reason: Reason::BadKey,
        next_probe_ms: NOW + wait_ms,
    }
}

fn firsts(candidates: &[Candidate<'_>], request: impl Fn(u64) -> RouteRequest<'static>) -> HashMap<i64, u32> {
    let mut counts = HashMap::new();
    for seed in 0..4_000 {
        *counts.entry(plan(candidates, &request(seed)).ordered[0]).or_default() += 1;
    }
    counts
}

#[test]
fn a_lower_priority_number_goes_first_and_the_rest_follow() {
    let last = Candidate {
        priority: 9,
        ..account(1)
    };
    let candidates = [last, account(2), account(3)];
    for seed in 0..100 {
        let ordered = plan(&candidates, &request(seed)).ordered;
        assert_eq!(ordered.len(), 3);
        assert_eq!(ordered[2], 1);
    }
}

#[test]
fn an_account_of_a_maker_is_asked_for_that_makers_models_alone() {
    let open = account(1);
    let own = Candidate {
        only_made_by: Some("openai"),
        ..account(2)
    };
    let made_by = |maker| RouteRequest { maker, ..request(1) };
    let sorted = |maker| {
        let mut ids = plan(&[open, own], &made_by(maker)).ordered;
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted("openai"), [1, 2]);
    assert_eq!(sorted("anthropic"), [1]);
    assert_eq!(sorted(""), [1, 2], "what nobody knows may be anybody's");
    let none = plan(&[own], &made_by("anthropic"));
    assert_eq!(
        (none.why_empty, none.next_free_ms),
        (Some(WhyEmpty::NoneServesModel), None)
    );
}

#[test]
fn an_account_that_is_cooling_is_left_out_and_its_end_is_known() {
    let candidates = [
        Candidate {
            availability: cooling(5_000, true),
            ..account(1)
        },
        account(2),
    ];
    let made = plan(&candidates, &request(1));
    assert_eq!(
        (made.ordered, made.next_free_ms, made.why_empty),
        (vec![2], Some(NOW + 5_000), None)
    );
}

#[test]
fn a_stated_pause_binds_even_when_nothing_else_is_left() {
    let stated = |id, wait_ms| Candidate {
        availability: cooling(wait_ms, true),
        ..account(id)
    };
    let made = plan(&[stated(1, 9_000), stated(2, 4_000)], &request(1));
    assert_eq!(made.ordered, Vec::<i64>::new());
    assert_eq!(
        (made.why_empty, made.next_free_ms),
        (Some(WhyEmpty::AllBusy), Some(NOW + 4_000))
    );
}

#[test]
fn when_all_are_out_by_our_own_guess_the_oldest_is_probed_now() {
    let out = |id, availability| Candidate {
        availability,
        ..account(id)
    };
    let candidates = [
        out(1, parked(900_000)),
        out(2, cooling(3_000, false)),
        out(3, parked(2_000)),
        out(4, cooling(1_000, true)),
    ];
    assert_eq!(plan(&candidates, &request(1)).ordered, [3]);
    let patient = RouteRequest {
        is_patient: true,
        ..request(1)
    };
    let made = plan(&candidates, &patient);
    assert_eq!(
        (made.why_empty, made.next_free_ms),
        (Some(WhyEmpty::AllBusy), Some(NOW + 1_000))
    );
    assert_eq!(plan(&candidates[..3], &patient).why_empty, Some(WhyEmpty::AllFailing));
    let probing = out(3, Availability::Probing { until_ms: NOW + 60_000 });
    let made = plan(&[probing], &request(1));
    assert_eq!(
        (made.why_empty, made.next_free_ms),
        (Some(WhyEmpty::AllBusy), Some(NOW + 250))
    );
}

#[test]
fn an_account_without_the_model_is_no_candidate_and_nothing_to_wait_for() {
    let lacking = |id| Candidate {
        availability: Availability::Missing {
            until_ms: NOW + 3_600_000,
        },
        ..account(id)
    };
    let made = plan(&[lacking(1), lacking(2)], &request(1));
    assert_eq!(
        (made.why_empty, made.next_free_ms),
        (Some(WhyEmpty::NoneHasModel), None)
    );
    let busy = Candidate {
        availability: cooling(4_000, true),
        ..account(2)
    };
    let made = plan(&[lacking(1), busy], &request(1));
    assert_eq!(
        (made.why_empty, made.next_free_ms),
        (Some(WhyEmpty::AllBusy), Some(NOW + 4_000))
    );
}

#[test]
fn a_full_account_may_be_free_any_moment_however_long_another_pauses() {
    let full = Candidate {
        in_flight: 1,
        max_in_flight: Some(1),
        ..account(1)
    };
    let paused = Candidate {
        availability: cooling(90_000, true),
        ..account(2)
    };
    let made = plan(&[full, paused], &request(1));
    assert_eq!((made.why_empty, made.next_free_ms), (Some(WhyEmpty::AllBusy), None));
}

#[test]
fn a_probe_that_is_due_is_taken_by_ordinary_traffic() {
    let due = Candidate {
        availability: Availability::ProbeDue,
        ..account(1)
    };
    let counts = firsts(&[due, account(2)], request);
    assert!(counts[&1] > 0);
}

#[test]
fn an_account_is_tried_once_for_a_request() {
    let request = RouteRequest {
        tried: &[1, 2],
        ..request(1)
    };
    assert_eq!(plan(&[account(1), account(2), account(3)], &request).ordered, [3]);
    let cooled = Candidate {
        availability: cooling(700, true),
        ..account(2)
    };
    let made = plan(&[account(1), cooled], &request);
    assert_eq!(
        (made.why_empty, made.next_free_ms),
        (Some(WhyEmpty::AllTried), Some(NOW + 700))
    );
}

#[test]
fn a_region_is_never_relaxed() {
    let eu = Candidate {
        region: Some("eu"),
        availability: cooling(1_000, true),
        ..account(1)
    };
    let candidates = [
        eu,
        Candidate {
            region: Some("us"),
            ..account(2)
        },
        account(3),
    ];
    let asks = |region| RouteRequest {
        region: Some(region),
        ..request(1)
    };
    assert_eq!(plan(&candidates, &asks("eu")).why_empty, Some(WhyEmpty::AllBusy));
    assert_eq!(plan(&candidates, &asks("ap")).why_empty, Some(WhyEmpty::NoneInRegion));
    assert_eq!(plan(&candidates, &asks("us")).ordered, [2]);
    assert_eq!(plan(&[], &request(1)).why_empty, Some(WhyEmpty::NoneServesModel));
}

#[test]
fn full_accounts_are_passed_over() {
    let full = Candidate {
        in_flight: 4,
        max_in_flight: Some(4),
        ..account(1)
    };
    let no_requests = Candidate {
        requests_left: Some(0),
        limits_free_ms: Some(NOW + 8_000),
        ..account(2)
    };
    let few_tokens = Candidate {
        tokens_left: Some(99),
        limits_free_ms: Some(NOW + 6_000),
        ..account(3)
    };
    let asks = RouteRequest {
        tokens: 100,
        ..request(1)
    };
    let made = plan(&[no_requests, few_tokens], &asks);
    assert_eq!(
        (made.why_empty, made.next_free_ms),
        (Some(WhyEmpty::AllBusy), Some(NOW + 6_000))
    );
    let made = plan(&[full, no_requests, few_tokens], &asks);
    assert_eq!((made.why_empty, made.next_free_ms), (Some(WhyEmpty::AllBusy), None));
    assert_eq!(plan(&[few_tokens], &request(1)).ordered, [3]);
}

#[test]
fn a_conversation_stays_on_one_account_while_that_is_healthy() {
    let candidates = [account(1), account(2), account(3)];
    for conversation in 1..50 {
        let asks = |seed| RouteRequest {
            conversation,
            ..request(seed)
        };
        let home = plan(&candidates, &asks(1)).ordered[0];
        for seed in 2..20 {
            assert_eq!(plan(&candidates, &asks(seed)).ordered[0], home);
        }
        let others: Vec<_> = candidates
            .into_iter()
            .filter(|candidate| candidate.account_id != home)
            .collect();
        let second = plan(&others, &asks(1)).ordered[0];
        let without = candidates.map(|candidate| match candidate.account_id == home {
            true => Candidate {
                availability: cooling(1_000, false),
                ..candidate
            },
            false => candidate,
        });
        assert_eq!(plan(&without, &asks(1)).ordered[0], second);
    }
}

#[test]
fn conversations_move_only_when_their_own_account_leaves() {
    let all = [account(1), account(2), account(3), account(4)];
    for conversation in 1..500 {
        let asks = RouteRequest {
            conversation,
            ..request(conversation)
        };
        let home = plan(&all, &asks).ordered[0];
        if home != 4 {
            assert_eq!(plan(&all[..3], &asks).ordered[0], home);
        }
    }
}

#[test]
fn a_conversation_is_elsewhere_while_its_account_is_about_to_refuse() {
    for conversation in 1..200 {
        let asked = RouteRequest {
            conversation,
            ..request(7)
        };
        let mut accounts = [account(1), account(2), account(3)];
        let own = plan(&accounts, &asked).ordered[0];
        for scarce in &mut accounts {
            scarce.headroom = if scarce.account_id == own { SCARCE - 1 } else { SCARCE };
        }
        assert_ne!(plan(&accounts, &asked).ordered[0], own);
        accounts.iter_mut().for_each(|scarce| scarce.headroom = 0);
        assert_eq!(plan(&accounts, &asked).ordered[0], own, "nobody has more");
    }
}

#[test]
fn weight_shares_out_conversations_and_requests() {
    let candidates = [
        Candidate {
            weight: 3,
            ..account(1)
        },
        account(2),
    ];
    let sticky = firsts(&candidates, |seed| RouteRequest {
        conversation: seed + 1,
        ..request(seed)
    });
    assert!((2_880..3_120).contains(&sticky[&1]), "{sticky:?}");
    let crowd: Vec<_> = (1..=20)
        .map(|id| Candidate {
            weight: if id == 1 { 5 } else { 1 },
            ..account(id)
        })
        .collect();
    let loose = firsts(&crowd, request);
    assert!(loose[&1] > 3 * loose[&2], "{loose:?}");
}

#[test]
fn the_less_loaded_of_two_goes_first() {
    let better = account(1);
    for worse in [
        Candidate {
            in_flight: 3,
            ..account(2)
        },
        Candidate {
            latency_ms: Some(2_000),
            ..account(2)
        },
        Candidate {
            headroom: 100,
            ..account(2)
        },
    ] {
        for seed in 0..50 {
            assert_eq!(plan(&[better, worse], &request(seed)).ordered, [1, 2], "{worse:?}");
        }
    }
}

#[test]
fn among_many_no_account_is_swamped() {
    let crowd: Vec<_> = (1..=20).map(account).collect();
    let counts = firsts(&crowd, request);
    assert_eq!(counts.len(), 20);
    assert!(counts.values().all(|count| (120..300).contains(count)), "{counts:?}");
}

#[test]
fn the_fastest_goes_first_where_time_counts_and_the_others_are_still_looked_at() {
    let quick = |id, latency_ms, weight| Candidate {
        latency_ms: Some(latency_ms),
        weight,
        ..account(id)
    };
    let candidates = [
        quick(1, 900, 50),
        quick(2, 300, 1),
        quick(3, 2_000, 9),
        quick(4, 400, 1),
    ];
    let asks = |seed| RouteRequest {
        policy: Policy::Fastest,
        ..request(seed)
    };
    let counts = firsts(&candidates, asks);
    assert!(counts[&2] > 3_700, "{counts:?}");
    assert!(counts.len() > 1, "{counts:?}");
    for seed in 0..200 {
        let talks = RouteRequest {
            conversation: seed + 1,
            ..asks(seed)
        };
        let home = plan(&candidates, &talks).ordered[0];
        assert!([2, 4].contains(&home), "a conversation's own account is not a slow one");
        let again = RouteRequest {
            seed: seed + 9,
            ..talks
        };
        assert_eq!(plan(&candidates, &again).ordered[0], home);
    }
}

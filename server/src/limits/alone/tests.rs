//! Limits of one process, at chosen moments.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::limits::PerMinute;

const NOW: i64 = 1_790_000_000_000;

#[test]
fn what_is_given_back_is_free_again() {
    let limits = Alone::default();
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
        member: None,
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
    let limits = Alone::default();
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
    let limits = Alone::default();
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
    let limits = Alone::default();
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
    let limits = Alone::default();
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
    let limits = Alone::default();
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
    let limits = Alone::default();
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

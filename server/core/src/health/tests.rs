//! How an account goes from ready to cooling, probing and parked, and back.

#![allow(clippy::unwrap_used)]

use super::*;

const FAILED: Event = Event::Failed { fault: Fault::Upstream };
const BEGUN: Event = Event::Begun { tokens: 0 };
const BAD_KEY: Event = Event::Parked { reason: Reason::BadKey };

fn after(events: &[(i64, Event)]) -> Health {
    let mut health = Health::default();
    for (at_ms, event) in events {
        health.step(*event, *at_ms);
    }
    health
}

fn guessing(until_ms: i64) -> Availability {
    Availability::Cooling {
        until_ms,
        stated: false,
    }
}

#[test]
fn a_guess_doubles_with_every_failed_probe_and_stops_at_five_minutes() {
    let mut health = after(&[(0, FAILED)]);
    let mut now_ms = 0;
    for expected_ms in [
        1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000,
    ] {
        assert_eq!(health.availability(now_ms), guessing(now_ms + expected_ms));
        now_ms += expected_ms;
        assert_eq!(health.availability(now_ms), Availability::ProbeDue);
        health.step(BEGUN, now_ms);
        health.step(FAILED, now_ms);
    }
}

#[test]
fn requests_that_fail_together_count_once() {
    let health = after(&[(0, FAILED), (1, FAILED), (2, FAILED), (900, FAILED)]);
    assert_eq!(health.availability(900), guessing(1_000));
    let parked = after(&[(0, BAD_KEY), (1, BAD_KEY), (2, BAD_KEY)]);
    assert_eq!(
        parked.availability(3),
        Availability::Parked {
            reason: Reason::BadKey,
            next_probe_ms: 1_000
        }
    );
}

#[test]
fn only_one_request_probes_and_its_success_brings_the_account_back() {
    let mut health = after(&[(0, FAILED), (1_000, BEGUN)]);
    assert!(matches!(health.availability(1_001), Availability::Probing { .. }));
    health.step(Event::Succeeded { latency_ms: 400 }, 1_500);
    assert_eq!(health.availability(1_500), Availability::Ready);
    assert_eq!(health.snapshot(1_500).last_fault, None);
    health.step(FAILED, 2_000);
    assert_eq!(health.availability(2_000), guessing(3_000));
}

#[test]
fn a_probe_that_never_reports_back_is_given_up() {
    let health = after(&[(0, FAILED), (1_000, BEGUN)]);
    assert!(matches!(health.availability(60_999), Availability::Probing { .. }));
    assert_eq!(health.availability(61_000), Availability::ProbeDue);
}

#[test]
fn what_the_upstream_stated_binds_and_ends_by_itself() {
    let cooled = Event::Cooled {
        until_ms: 20_000,
        fault: Fault::RateLimited,
    };
    let late = Event::Succeeded { latency_ms: 100 };
    let health = after(&[(0, cooled), (10, FAILED), (20, late)]);
    assert_eq!(
        health.availability(19_999),
        Availability::Cooling {
            until_ms: 20_000,
            stated: true
        }
    );
    assert_eq!(health.availability(20_000), Availability::Ready);
    let sooner = Event::Cooled {
        until_ms: 5_000,
        fault: Fault::RateLimited,
    };
    assert!(matches!(
        after(&[(0, cooled), (1, sooner)]).availability(6_000),
        Availability::Cooling { stated: true, .. }
    ));
}

#[test]
fn a_rate_limit_does_not_make_the_next_guess_longer() {
    let cooled = |until_ms| Event::Cooled {
        until_ms,
        fault: Fault::RateLimited,
    };
    let well = Event::Succeeded { latency_ms: 1 };
    let health = after(&[(0, cooled(10)), (15, well), (20, cooled(30)), (60, FAILED)]);
    assert_eq!(health.availability(60), guessing(1_060));
}

#[test]
fn a_parked_account_is_probed_after_a_second_then_ever_less_often() {
    let mut health = after(&[(0, BAD_KEY)]);
    let mut now_ms = 0;
    for expected_ms in [1_000, 2_000, 4_000] {
        let next_probe_ms = now_ms + expected_ms;
        assert_eq!(
            health.availability(now_ms),
            Availability::Parked {
                reason: Reason::BadKey,
                next_probe_ms
            }
        );
        now_ms = next_probe_ms;
        assert_eq!(health.availability(now_ms), Availability::ProbeDue);
        assert_eq!(health.snapshot(now_ms).state, "parked");
        health.step(BEGUN, now_ms);
        health.step(BAD_KEY, now_ms);
    }
    for _ in 0..40 {
        now_ms += PARK_LONGEST_MS;
        health.step(BEGUN, now_ms);
        health.step(BAD_KEY, now_ms);
    }
    assert_eq!(health.availability(now_ms + PARK_LONGEST_MS), Availability::ProbeDue);
    health.step(Event::Succeeded { latency_ms: 1 }, now_ms + PARK_LONGEST_MS);
    assert_eq!(health.snapshot(now_ms + PARK_LONGEST_MS).reason, None);
}

fn window(limit: u64, remaining: u64, reset_at_ms: i64) -> Window {
    Window {
        limit: Some(limit),
        remaining: Some(remaining),
        reset_at_ms: Some(reset_at_ms),
    }
}

#[test]
fn headroom_is_the_tighter_limit_until_it_resets() {
    let seen = |requests, tokens| Event::HeadersSeen { requests, tokens };
    let nothing = seen(Window::default(), Window::default());
    let health = after(&[
        (0, seen(window(100, 50, 1_000), window(1_000, 20, 1_000))),
        (1, nothing),
    ]);
    assert_eq!((health.headroom(0), health.headroom(100)), (20, 118));
    assert_eq!(health.headroom(1_000), FULL_HEADROOM);
    assert_eq!(Health::default().headroom(0), FULL_HEADROOM);
}

#[test]
fn an_account_whose_limit_is_used_up_is_left_alone_before_it_says_so() {
    let requests = window(60, 2, 60_000);
    let tokens = Window::default();
    let mut health = after(&[(0, Event::HeadersSeen { requests, tokens }), (0, BEGUN)]);
    assert_eq!(health.availability(0), Availability::Ready);
    health.step(BEGUN, 0);
    let used_up = |until_ms| Availability::Cooling { until_ms, stated: true };
    assert_eq!(health.availability(0), used_up(1_000));
    let seen = health.snapshot(0);
    assert_eq!((seen.state.as_str(), seen.headroom), ("ready", 0), "that is no failure");
    assert_eq!(health.pause(0), None, "others see it in their own answers");
    let tokens = window(1_000, 0, 60_000);
    health.step(
        Event::HeadersSeen {
            requests: window(60, 60, 0),
            tokens,
        },
        2_000,
    );
    assert_eq!(health.availability(2_000), used_up(2_580));
    health.step(Event::Succeeded { latency_ms: 9 }, 2_100);
    assert_eq!(health.availability(2_600), Availability::Ready);
}

#[test]
fn whoever_wants_to_be_asked_too_soon_is_asked_ever_later_and_by_one_request() {
    let cooled = |until_ms| Event::Cooled {
        until_ms,
        fault: Fault::RateLimited,
    };
    let mut health = after(&[(0, cooled(100)), (50, cooled(100))]);
    assert_eq!(
        health.availability(100),
        Availability::Ready,
        "a first promise is believed"
    );
    let mut now_ms = 100;
    for expected_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        health.step(cooled(now_ms), now_ms);
        let until_ms = now_ms + expected_ms;
        assert_eq!(
            health.availability(now_ms),
            Availability::Cooling { until_ms, stated: true }
        );
        assert_eq!(health.availability(until_ms), Availability::ProbeDue);
        now_ms = until_ms;
    }
    health.step(BEGUN, now_ms);
    assert!(matches!(health.availability(now_ms), Availability::Probing { .. }));
    health.step(Event::Succeeded { latency_ms: 1 }, now_ms);
    health.step(cooled(now_ms + 5), now_ms + 1);
    assert_eq!(
        health.availability(now_ms + 5),
        Availability::Ready,
        "it is believed again"
    );
}

#[test]
fn latency_moves_slowly() {
    let ok = |latency_ms| Event::Succeeded { latency_ms };
    assert_eq!(after(&[(0, ok(800)), (1, ok(1_600))]).latency_ms(), Some(900));
    assert_eq!(
        after(&[(0, ok(u32::MAX)), (1, ok(u32::MAX))]).latency_ms(),
        Some(u32::MAX)
    );
}

#[test]
fn of_two_states_the_more_binding_holds() {
    let stated = |until_ms| Availability::Cooling { until_ms, stated: true };
    let parked = Availability::Parked {
        reason: Reason::NoMoney,
        next_probe_ms: 99,
    };
    assert_eq!(Availability::Ready.and(guessing(5)), guessing(5));
    assert_eq!(parked.and(Availability::ProbeDue), parked);
    assert_eq!(parked.and(stated(1)), stated(1));
    assert_eq!(stated(1).and(stated(2)), stated(2));
}

#[test]
fn it_is_stored_and_comes_back_the_same() {
    let health = after(&[(0, BAD_KEY), (1_000, BEGUN)]);
    let json = serde_json::to_string(&health).unwrap();
    assert_eq!(serde_json::from_str::<Health>(&json).unwrap(), health);
}

fn pause(kind: PauseKind, until_ms: i64, failures: u32) -> Pause {
    Pause {
        kind,
        until_ms,
        failures,
        fault: None,
    }
}

/// The health of another process that was told what `events` taught this one.
fn told(events: &[(i64, Event)], now_ms: i64) -> Health {
    let mut other = Health::default();
    if let Some(pause) = after(events).pause(now_ms) {
        other.adopt(pause, now_ms);
    }
    other
}

#[test]
fn another_process_sees_what_this_one_learnt() {
    let cooled = Event::Cooled {
        until_ms: 5_000,
        fault: Fault::RateLimited,
    };
    let missing = Event::ModelMissing { until_ms: 5_000 };
    for (events, now_ms) in [
        (vec![(0, cooled)], 10),
        (vec![(0, missing)], 10),
        (vec![(0, FAILED)], 10),
        (vec![(0, FAILED), (1_000, BEGUN), (1_000, FAILED)], 1_010),
        (vec![(0, BAD_KEY)], 10),
        // A guess whose time has come: one request may try.
        (vec![(0, FAILED)], 2_000),
        (vec![(0, BAD_KEY)], 2_000),
    ] {
        let (mine, theirs) = (after(&events), told(&events, now_ms));
        assert_eq!(theirs.availability(now_ms), mine.availability(now_ms), "{events:?}");
        assert_eq!(theirs.snapshot(now_ms), mine.snapshot(now_ms), "{events:?}");
    }
    assert_eq!(
        after(&[(0, cooled)]).pause(5_000),
        None,
        "what was stated is over by itself"
    );
    assert_eq!(Health::default().pause(0), None);
}

#[test]
fn of_two_pauses_the_more_binding_and_the_longer_hold() {
    let stated = |until_ms| pause(PauseKind::Stated, until_ms, 0);
    let guessed = |until_ms, failures| pause(PauseKind::Guessed, until_ms, failures);
    let parked = |until_ms| pause(PauseKind::Parked(Reason::BadKey), until_ms, 1);
    for (mine, theirs, both) in [
        (stated(900), stated(500), stated(900)),
        (stated(500), stated(900), stated(900)),
        (stated(500), guessed(900, 3), stated(500)),
        (guessed(900, 1), stated(500), pause(PauseKind::Stated, 500, 1)),
        (guessed(500, 1), guessed(900, 4), guessed(900, 4)),
        (guessed(900, 4), guessed(500, 1), guessed(900, 4)),
        (parked(500), guessed(900, 1), parked(500)),
        (guessed(900, 1), parked(500), parked(500)),
        (parked(500), parked(900), parked(900)),
        // What has passed binds nobody.
        (guessed(900, 1), stated(5), guessed(900, 1)),
    ] {
        let mut health = Health::default();
        health.adopt(mine, 10);
        health.adopt(theirs, 10);
        assert_eq!(health.pause(10), Some(both), "{mine:?} {theirs:?}");
    }
}

#[test]
fn probes_of_several_processes_that_fail_together_double_the_pause_once() {
    for failed in [FAILED, BAD_KEY] {
        let mut nodes = [0, 1, 2].map(|_| after(&[(0, failed), (1_000, BEGUN)]));
        nodes[0].step(failed, 1_100);
        let told = nodes[0].pause(1_100).unwrap();
        assert_eq!((told.until_ms, told.failures), (3_100, 2));
        for node in &mut nodes[1..] {
            node.adopt(told, 1_150);
            node.step(failed, 1_200);
            assert_eq!(node.pause(1_200), Some(told), "{failed:?}");
        }
        nodes[1].step(Event::Succeeded { latency_ms: 1 }, 1_300);
        assert_eq!(nodes[1].availability(1_300), Availability::Ready);
    }
    // What has passed says nothing about a probe under way.
    let mut health = after(&[(0, FAILED), (1_000, BEGUN)]);
    health.adopt(pause(PauseKind::Guessed, 900, 1), 1_100);
    assert!(matches!(health.availability(1_100), Availability::Probing { .. }));
}

#[test]
fn a_good_answer_elsewhere_ends_guesses_and_parking_but_not_what_was_stated() {
    for kind in [PauseKind::Guessed, PauseKind::Parked(Reason::NoMoney)] {
        let mut health = Health::default();
        health.adopt(pause(kind, 60_000, 5), 0);
        health.recover(10);
        assert_eq!(health.availability(10), Availability::Ready);
        health.step(FAILED, 10);
        assert_eq!(health.availability(10), guessing(1_010), "it begins anew");
    }
    let mut health = Health::default();
    health.adopt(pause(PauseKind::Stated, 60_000, 0), 0);
    health.recover(10);
    assert!(matches!(health.availability(10), Availability::Cooling { .. }));
}

#[test]
fn what_is_known_need_not_be_told_again() {
    let known = pause(PauseKind::Stated, 5_000, 2);
    assert!(pause(PauseKind::Stated, 5_200, 2).is_within(&known, 250));
    assert!(pause(PauseKind::Stated, 1_000, 0).is_within(&known, 250));
    for news in [
        pause(PauseKind::Stated, 5_300, 2),
        pause(PauseKind::Stated, 5_000, 3),
        pause(PauseKind::Missing, 5_000, 2),
    ] {
        assert!(!news.is_within(&known, 250), "{news:?}");
    }
}

#[test]
fn what_was_not_sent_after_all_takes_nothing_of_what_the_account_said_is_left() {
    let requests = Window {
        limit: Some(10),
        remaining: Some(1),
        reset_at_ms: Some(60_000),
    };
    let tokens = Window::default();
    let seen = Event::HeadersSeen { requests, tokens };
    let mut health = after(&[(0, seen), (0, Event::Begun { tokens: 5 })]);
    assert!(matches!(health.availability(10), Availability::Cooling { .. }));
    let (tokens, begun_ms) = (5, 0);
    health.step(Event::Unsent { tokens, begun_ms }, 10);
    assert_eq!(health.availability(10), Availability::Ready);
}

//! What a process tells others about an account, and what it makes of what they tell.

#![allow(clippy::unwrap_used)]

use super::*;

const BAD_KEY: Event = Event::Parked { reason: Reason::BadKey };

const fn failed(fault: Fault) -> Event {
    Event::Failed { fault }
}

fn after(events: &[Event]) -> State {
    let state = State::default();
    for event in events {
        state.step(None, *event, 0);
    }
    state
}

/// The pause of the account that others are to be told of, if any.
fn paused(state: &State, now_ms: i64) -> Option<Pause> {
    match state.untold(now_ms).as_slice() {
        [] => None,
        [
            Untold {
                what: What::Paused(pause),
                ..
            },
        ] => Some(*pause),
        other => panic!("{other:?}"),
    }
}

fn known(pause: Pause, learnt_at: i64) -> Known {
    Known { pause, learnt_at }
}

fn rows(row: Known) -> HashMap<String, Known> {
    HashMap::from([(ACCOUNT.to_owned(), row)])
}

/// Writes down what `state` has to tell.
fn tell(state: &State, now_ms: i64) -> Known {
    let told = paused(state, now_ms).unwrap();
    let row = known(told, 1);
    state.wrote(ACCOUNT, &told, row, now_ms);
    row
}

#[test]
fn others_are_not_told_where_no_answer_came_and_what_they_say_does_not_end_it() {
    for fault in [Fault::Unreachable, Fault::TimedOut] {
        let state = after(&[failed(fault)]);
        assert_eq!(paused(&state, 10), None, "{fault:?}");
        assert!(!state.learn(HashMap::new(), 10));
        assert_eq!(state.snapshot(10).state, "cooling");
    }
    assert!(paused(&after(&[failed(Fault::Upstream)]), 10).is_some());
}

#[test]
fn others_learn_of_parking_but_not_of_probes_that_got_no_answer() {
    let state = after(&[BAD_KEY, failed(Fault::Unreachable)]);
    let row = tell(&state, 10);
    assert_eq!(state.start_probe(2_000), Some(Reason::BadKey));
    state.fail_probe(ACCOUNT, Fault::Unreachable, 2_100);
    assert_eq!(state.snapshot(2_100).state, "parked");
    assert!(state.snapshot(2_100).until_ms > Some(2_100), "it is tried again later");
    assert_eq!(paused(&state, 2_100), None);
    assert!(!state.learn(rows(row), 2_100));
    assert!(state.learn(HashMap::new(), 2_200), "another one got a good answer");
    assert_eq!(state.snapshot(2_200).state, "ready");
    assert_eq!(paused(&state, 2_200), None);
}

#[test]
fn a_probe_that_is_refused_after_the_account_came_back_elsewhere_parks_nobody() {
    let state = after(&[BAD_KEY]);
    tell(&state, 10);
    assert_eq!(state.start_probe(2_000), Some(Reason::BadKey));
    assert!(state.learn(HashMap::new(), 2_100));
    state.end_probe(ACCOUNT, BAD_KEY, 2_200);
    assert_eq!(
        (state.snapshot(2_200).state.as_str(), paused(&state, 2_200)),
        ("ready", None)
    );
}

#[test]
fn a_good_answer_that_came_while_the_failure_was_written_down_counts() {
    let state = after(&[failed(Fault::Upstream)]);
    let told = paused(&state, 10).unwrap();
    state.end("", Event::Succeeded { latency_ms: 1 }, 15);
    let longer = Pause {
        until_ms: told.until_ms + 60_000,
        ..told
    };
    for row in [told, longer] {
        state.wrote(ACCOUNT, &told, known(row, 7), 20);
        state.learn(rows(known(row, 7)), 20);
        assert_eq!(state.snapshot(20).state, "ready");
    }
    assert!(matches!(
        state.untold(20).as_slice(),
        [Untold {
            what: What::Over { learnt_at: 7 },
            ..
        }]
    ));
}

#[test]
fn a_longer_pause_that_stood_there_already_holds() {
    let state = after(&[failed(Fault::Upstream)]);
    let told = paused(&state, 10).unwrap();
    let until_ms = told.until_ms + 60_000;
    state.wrote(ACCOUNT, &told, known(Pause { until_ms, ..told }, 7), 20);
    assert_eq!(state.snapshot(20).until_ms, Some(until_ms));
    assert_eq!(paused(&state, 20), None);
}

#[test]
fn a_limit_of_one_model_leaves_the_others_alone_and_is_shown_with_its_name() {
    let state = State::default();
    let cooled = Event::Cooled {
        until_ms: 5_000,
        fault: Fault::RateLimited,
    };
    state.step(Some("big"), cooled, 0);
    let ready = |model: &str, now_ms| state.now(model, Most::default(), now_ms).availability == Availability::Ready;
    assert_eq!([ready("big", 10), ready("small", 10)], [false, true]);
    let seen = state.snapshot(10);
    assert_eq!(
        (seen.state.as_str(), seen.model.as_deref(), seen.until_ms),
        ("cooling", Some("big"), Some(5_000))
    );
    assert_eq!(state.untold(10)[0].model, "big", "others are told so");
    assert_eq!(state.snapshot(6_000).model, None);
}

#[test]
fn what_is_left_of_the_limits_that_an_operator_entered_counts_as_headroom() {
    let state = State::default();
    let most = Most {
        rpm: Some(10),
        ..Most::default()
    };
    for _ in 0..8 {
        assert!(state.take("m", most, 0, 0).is_some());
    }
    let now = state.now("m", most, 0);
    assert_eq!((now.headroom, now.requests_left), (200, Some(2)));
}

#[test]
fn one_that_said_its_limit_is_used_up_takes_no_more_although_it_was_chosen_before() {
    let state = State::default();
    let requests = gateway_core::retry::Window {
        limit: Some(10),
        remaining: Some(1),
        reset_at_ms: Some(60_000),
    };
    let tokens = gateway_core::retry::Window::default();
    state.saw("m", Event::HeadersSeen { requests, tokens }, 0);
    let taken = [(); 3].map(|()| state.take("m", Most::default(), 0, 0));
    assert_eq!(taken, [Some(false), None, None]);
    assert_eq!(state.take("other", Most::default(), 0, 0), Some(false));
}

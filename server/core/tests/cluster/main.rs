//! Random lists of what can happen to one to four nodes of one database, against a model of that database.
//!
//! Invariant: whatever happens, no cap is exceeded, every sum equals its rows, nothing leaks, and what fits is admitted
//! once every node can be reached. `PROPTEST_CASES` says how many lists; a failure prints its list and seed.

#![allow(clippy::unwrap_used)]

mod database;
mod world;

use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, TestError, TestRunner},
};
use world::{Step, World};

/// Lists of steps that the full check runs, unless the environment says otherwise.
const CASES: u32 = 10_000;

fn step() -> impl Strategy<Value = Step> {
    let nth = 0_usize..4;
    let amount = prop_oneof![12 => 0_i64..50, 1 => Just(i64::MAX), 1 => Just(1_i64 << 55)];
    let actual = prop_oneof![12 => 0_i64..60, 1 => Just(i64::MAX)];
    let cap = prop_oneof![1 => Just(None), 4 => (0_i64..150).prop_map(Some)];
    let clock_ms = prop_oneof![2 => -200_000_000_i64..0, 3 => 0_i64..200_000_000];
    prop_oneof![
        14 => (nth.clone(), 0_i64..2, amount, any::<bool>())
            .prop_map(|(nth, key, amount, is_hasty)| Step::Admit { nth, key, amount, is_hasty }),
        7 => (any::<usize>(), actual).prop_map(|(hold, actual)| Step::Post { hold, actual }),
        4 => any::<usize>().prop_map(|hold| Step::Void { hold }),
        8 => nth.clone().prop_map(|nth| Step::Write { nth }),
        2 => nth.clone().prop_map(|nth| Step::Sweep { nth }),
        2 => nth.clone().prop_map(|nth| Step::Crash { nth }),
        3 => (nth.clone(), any::<bool>()).prop_map(|(nth, is_here)| Step::Start { nth, is_here }),
        3 => (nth.clone(), any::<bool>()).prop_map(|(nth, is_paused)| Step::Pause { nth, is_paused }),
        2 => (nth, any::<bool>()).prop_map(|(nth, is_cut)| Step::Cut { nth, is_cut }),
        4 => (1_i64..26).prop_map(|seconds| Step::Wait { seconds }),
        1 => clock_ms.prop_map(|by_ms| Step::Clock { by_ms }),
        2 => (0_usize..3, cap).prop_map(|(slot, cap)| Step::Cap { slot, cap }),
        1 => (-40_i64..120).prop_map(|amount| Step::Credit { amount }),
        1 => (0_usize..3).prop_map(|zone| Step::Zone { zone }),
    ]
}

/// Runs lists of at most `length` steps on `world`s until one fails.
fn run(cases: u32, length: usize, is_fenced: bool) -> Result<(), TestError<Vec<Step>>> {
    let config = Config {
        cases,
        max_shrink_iters: if is_fenced { 2_000 } else { 0 },
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    };
    let lists = (prop::collection::vec(step(), 1..length), any::<bool>(), any::<bool>());
    TestRunner::new(config)
        .run(&lists, |(steps, is_prepaid, is_alone)| {
            World::new(is_fenced, is_prepaid, is_alone)
                .run(&steps)
                .map_err(TestCaseError::fail)
        })
        .map_err(|error| match error {
            TestError::Fail(reason, (steps, ..)) => TestError::Fail(reason, steps),
            TestError::Abort(reason) => TestError::Abort(reason),
        })
}

#[test]
fn whatever_happens_to_the_nodes_no_cap_is_exceeded_and_nothing_leaks() {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    if let Err(error) = run(cases.unwrap_or(CASES), 40, true) {
        panic!("{error}");
    }
}

#[test]
fn without_the_fence_the_same_lists_overspend() {
    let found = run(20_000, 60, false);
    let Err(TestError::Fail(reason, _)) = found else {
        panic!("the fence makes no difference: {found:?}");
    };
    assert!(reason.message().contains("overspent"), "{reason}");
}

//! The router in a simulated world, beside the policies one usually meets; `cargo xtask simulate` is the same at length.

#[path = "../examples/routing/simulation.rs"]
mod simulation;

use simulation::{Policy, Scale, burst, simulate};
use std::collections::HashMap;

const SCALE: Scale = Scale {
    seed: 7,
    requests: 2_000,
    cycle_ms: 60_000,
    divided: 6,
    is_plain: false,
};

#[test]
fn clients_are_better_off_with_this_router_than_with_any_usual_policy() {
    let ours = simulate(Policy::Ours, SCALE);
    for policy in Policy::ALL.into_iter().filter(|policy| *policy != Policy::Ours) {
        let other = simulate(policy, SCALE);
        let figures = format!("{ours:?} {policy:?} {other:?}");
        assert_eq!(other.requests, ours.requests);
        assert!(ours.refusals < other.refusals, "{figures}");
        assert!(ours.lost < other.lost, "{figures}");
        assert!(ours.wasted < other.wasted, "{figures}");
        assert!(ours.capacity > other.capacity, "{figures}");
        assert!(ours.fairness > other.fairness, "{figures}");
    }
    assert_eq!(simulate(Policy::Ours, SCALE), ours, "the same again");
}

#[test]
fn a_burst_of_three_times_what_accounts_at_their_limits_take_is_answered_in_order_and_nobody_sees_an_error() {
    // Within the 20 s that clients wait they take 100; a third of it comes at once with each second's worth.
    let (errors, answered) = burst(75, 5);
    assert_eq!((errors, answered.len()), (0, 75));
    let mut last: HashMap<usize, u64> = HashMap::new();
    for (team, id) in answered {
        let before = last.insert(team, id);
        assert!(
            before.is_none_or(|before| before < id),
            "team {team}: {id} after {before:?}"
        );
    }
}

//! Shares of three nodes on one window: chosen moments, and random ones against a table in memory.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const LIMIT: u64 = 100;

/// What the database does, without nodes to share with.
#[derive(Default)]
struct Table(BTreeMap<i64, i64>);

impl Table {
    fn exchange(&mut self, wanted: u64, limit: u64, moves: &BTreeMap<i64, i64>, db_ms: i64) -> Answer {
        for (slot, by) in moves {
            let count = self.0.entry(*slot).or_default();
            *count = (*count + by).max(0);
        }
        self.0.retain(|slot, count| *slot >= oldest_slot(db_ms) && *count > 0);
        let sum: i64 = self.0.values().sum();
        let counts = self
            .0
            .iter()
            .map(|(slot, count)| (*slot, count.unsigned_abs()))
            .collect();
        let left = limit.saturating_sub(sum.unsigned_abs());
        let granted = wanted.min(left);
        let slot = (db_ms + AHEAD_MS).div_euclid(SLOT_MS);
        *self.0.entry(slot).or_default() += i64::try_from(granted).unwrap();
        Answer {
            asked_ms: 0,
            db_ms,
            slot,
            granted,
            limit,
            counts,
        }
    }
}

/// Asks for `wanted` in no time; both clocks say the same.
fn ask(share: &mut Share, table: &mut Table, wanted: u64, now_ms: i64) {
    share.prepare(LIMIT, now_ms);
    let moves = share.take_moves(now_ms);
    let mut answer = table.exchange(wanted, LIMIT, &moves, now_ms);
    answer.asked_ms = now_ms;
    share.answered(&answer, now_ms);
}

#[test]
fn a_right_is_used_while_its_slot_lasts() {
    let (mut share, mut table) = (Share::default(), Table::default());
    assert_eq!(share.judge(10, LIMIT, 1_000), Verdict::Lacks);
    ask(&mut share, &mut table, 30, 1_000);
    assert_eq!(share.judge(30, LIMIT, 9_900), Verdict::Fits);
    assert_eq!(share.take(10, 9_900), 0);
    assert_eq!(share.judge(1, LIMIT, 9_950), Verdict::Lacks, "the slot is all but over");
    assert_eq!(share.remaining(LIMIT, 9_950), 90);
    share.sweep(false, 9_950);
    assert_eq!(share.take_moves(9_950), BTreeMap::from([(0, -20)]));
}

#[test]
fn what_is_granted_at_the_end_of_a_slot_counts_in_the_next() {
    let (mut share, mut table) = (Share::default(), Table::default());
    ask(&mut share, &mut table, 5, 9_600);
    assert_eq!((share.free(LIMIT, 9_600), share.take(5, 9_600)), (5, 1));
    assert_eq!(share.reset_ms(10_000), 70_000);
}

#[test]
fn a_lowered_limit_is_obeyed_with_rights_granted_before() {
    let (mut share, mut table) = (Share::default(), Table::default());
    ask(&mut share, &mut table, 50, 0);
    assert_eq!(share.free(LIMIT - 1, 0), 0);
    share.prepare(LIMIT - 1, 0);
    assert_eq!(share.take_moves(0), BTreeMap::from([(0, -50)]));
}

#[test]
fn what_others_hold_is_told_for_a_while_without_asking() {
    let (mut one, mut other, mut table) = (Share::default(), Share::default(), Table::default());
    ask(&mut one, &mut table, 95, 0);
    ask(&mut other, &mut table, 10, 0);
    assert_eq!(other.free(LIMIT, 0), 5);
    other.note_short(LIMIT, 1_000, 0);
    assert_eq!(other.judge(6, LIMIT, 999), Verdict::Full(RetryAfterMs(69_001)));
    assert_eq!(other.judge(5, LIMIT, 999), Verdict::Fits);
    assert_eq!(other.judge(6, LIMIT, 1_000), Verdict::Lacks);
    assert_eq!(other.judge(6, LIMIT + 1, 999), Verdict::Lacks);
    other.returned();
    assert_eq!(other.judge(6, LIMIT, 999), Verdict::Lacks);
    assert_eq!(
        other.judge(LIMIT + 1, LIMIT, 999),
        Verdict::Full(RetryAfterMs(WINDOW_MS))
    );
}

#[test]
fn what_is_settled_is_free_at_once_in_its_slot_and_later_for_all() {
    let (mut share, mut table) = (Share::default(), Table::default());
    ask(&mut share, &mut table, 90, 0);
    let slot = share.take(90, 0);
    share.adjust(slot, 90, 40, 5_000);
    assert_eq!((share.free(LIMIT, 5_000), share.remaining(LIMIT, 5_000)), (50, 60));
    share.adjust(slot, 40, 45, 5_000);
    assert_eq!(share.free(LIMIT, 5_000), 45);
    share.adjust(slot, 45, 100, 5_000);
    assert_eq!((share.free(LIMIT, 5_000), share.remaining(LIMIT, 5_000)), (0, 0));
    assert_eq!(share.take_moves(5_000), BTreeMap::from([(0, 10)]));
    share.adjust(slot, 100, 20, 25_000);
    assert_eq!(share.take_moves(25_000), BTreeMap::from([(0, -80)]));
    share.adjust(slot, 20, 0, 75_000);
    assert!(share.take_moves(75_000).is_empty(), "the window is past it");
}

#[test]
fn what_a_request_waits_for_is_not_recalled() {
    let (mut share, mut table) = (Share::default(), Table::default());
    ask(&mut share, &mut table, 30, 0);
    share.claim(20);
    assert!(share.recall());
    assert!(!share.recall());
    assert_eq!(share.free(LIMIT, 0), 20);
    share.unclaim(20);
    share.sweep(true, 999);
    assert_eq!(share.free(LIMIT, 999), 20);
    share.sweep(true, 1_000);
    assert_eq!(share.free(LIMIT, 1_000), 0);
    assert_eq!(share.take_moves(1_000), BTreeMap::from([(0, -30)]));
}

#[test]
fn a_right_that_is_too_little_for_all_that_wait_is_recalled() {
    let (mut share, mut table) = (Share::default(), Table::default());
    ask(&mut share, &mut table, 30, 0);
    share.claim(50);
    share.claim(31);
    assert!(share.recall());
    assert_eq!(share.free(LIMIT, 0), 0);
    ask(&mut share, &mut table, 31, 0);
    assert!(!share.recall(), "one of them can have it");
    share.unclaim(31);
    assert!(share.recall());
    assert_eq!(share.take_moves(0), BTreeMap::from([(0, -31)]));
}

#[test]
fn what_may_have_been_given_back_is_not_given_back_again() {
    let mut share = Share::default();
    let moves = BTreeMap::from([(0, -5), (1, 7)]);
    share.not_moved(&moves, true);
    assert_eq!(share.take_moves(0), BTreeMap::from([(1, 7)]));
    share.not_moved(&moves, false);
    assert_eq!(share.take_moves(0), moves);
}

/// What happens to a node.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Asks for what it lacks, if it does; the answer may come late, or not at all.
    Admit {
        n: u64,
        late_ms: i64,
        is_lost: bool,
    },
    /// A request that was admitted used this much of what it held, in percent.
    Settle {
        nth: usize,
        percent: u64,
    },
    Recall,
    Sweep {
        is_lost: bool,
    },
    Crash,
    /// The database's clock jumps; the nodes' go on.
    Jump(i64),
    Wait(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let late = prop_oneof![6 => 0..5_i64, 1 => 0..30_000_i64];
    prop_oneof![
        8 => (1..40_u64, late, prop::bool::weighted(0.1))
            .prop_map(|(n, late_ms, is_lost)| Act::Admit { n, late_ms, is_lost }),
        4 => (0..30_usize, 0..100_u64).prop_map(|(nth, percent)| Act::Settle { nth, percent }),
        1 => Just(Act::Recall),
        3 => prop::bool::weighted(0.1).prop_map(|is_lost| Act::Sweep { is_lost }),
        1 => Just(Act::Crash),
        1 => (0..90_000_i64).prop_map(|by| Act::Jump(-by)),
        6 => (0..15_000_i64).prop_map(Act::Wait),
    ]
}

/// What was admitted: by whom, when by the database's time, in which slot, how much it held and uses.
struct Admitted {
    node: usize,
    db_ms: i64,
    slot: i64,
    held: u64,
    actual: u64,
    is_open: bool,
}

#[derive(Default)]
struct World {
    now_ms: i64,
    jumped_ms: i64,
    /// The latest that the database's clock said.
    table: Table,
    nodes: [Share; 3],
    admitted: Vec<Admitted>,
}

impl World {
    fn db_ms(&self) -> i64 {
        // The clocks of nodes have nothing to do with the database's.
        self.now_ms + self.jumped_ms + 1_000_000
    }

    fn exchange(&mut self, node: usize, wanted: u64, late_ms: i64, is_lost: bool) {
        let asked_ms = self.now_ms;
        let moves = self.nodes[node].take_moves(asked_ms);
        let mut answer = self.table.exchange(wanted, LIMIT, &moves, self.db_ms());
        answer.asked_ms = asked_ms;
        self.now_ms += late_ms;
        if is_lost {
            self.nodes[node].not_moved(&moves, true);
        } else {
            self.nodes[node].answered(&answer, self.now_ms);
        }
    }

    fn act(&mut self, node: usize, act: Act) {
        match act {
            Act::Admit { n, late_ms, is_lost } => {
                if self.nodes[node].judge(n, LIMIT, self.now_ms) == Verdict::Lacks {
                    self.nodes[node].prepare(LIMIT, self.now_ms);
                    let free = self.nodes[node].free(LIMIT, self.now_ms);
                    self.exchange(node, n - free, late_ms, is_lost);
                }
                if self.nodes[node].judge(n, LIMIT, self.now_ms) == Verdict::Fits {
                    let slot = self.nodes[node].take(n, self.now_ms);
                    self.admitted.push(Admitted {
                        node,
                        db_ms: self.db_ms(),
                        slot,
                        held: n,
                        actual: n,
                        is_open: true,
                    });
                }
            }
            Act::Settle { nth, percent } => {
                let mut open = self.admitted.iter_mut().filter(|one| one.is_open && one.node == node);
                if let Some(one) = open.nth(nth) {
                    one.actual = one.held * percent / 100;
                    one.is_open = false;
                    self.nodes[node].adjust(one.slot, one.held, one.actual, self.now_ms);
                }
            }
            Act::Recall => {
                self.nodes[node].recall();
            }
            Act::Sweep { is_lost } => {
                self.nodes[node].sweep(true, self.now_ms);
                self.exchange(node, 0, 0, is_lost);
            }
            Act::Crash => {
                self.nodes[node] = Share::default();
                for one in &mut self.admitted {
                    one.is_open &= one.node != node;
                }
            }
            Act::Jump(by) => self.jumped_ms += by,
            Act::Wait(ms) => self.now_ms += ms,
        }
    }

    /// What was used in the 60 seconds up to each admission.
    fn most(&self) -> u64 {
        let ends = self.admitted.iter().map(|end| {
            let recent = |one: &&Admitted| one.db_ms <= end.db_ms && one.db_ms > end.db_ms - WINDOW_MS;
            self.admitted.iter().filter(recent).map(|one| one.actual).sum()
        });
        ends.max().unwrap_or_default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nodes_together_never_use_more_than_the_limit(acts in prop::collection::vec((0..3_usize, act()), 1..120)) {
        let mut world = World::default();
        for (node, act) in acts {
            world.act(node, act);
            // Whether more is used in less than 60 s by a clock that went back cannot be told by that clock.
            if let Act::Jump(_) = act {
                world.admitted.clear();
            }
            prop_assert!(world.most() <= LIMIT, "{} are used", world.most());
        }
        // What is not used is free again, whatever was lost.
        world.now_ms += 200_000;
        world.act(0, Act::Admit { n: LIMIT, late_ms: 0, is_lost: false });
        prop_assert!(world.jumped_ms < 0 || world.admitted.last().is_some_and(|one| one.held == LIMIT));
    }
}

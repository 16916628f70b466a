//! What the engine admits, and how holds end.

use super::*;
use crate::ledger::{Caps, Funding, Kind, Member, Payer};
use proptest::prelude::*;
use std::collections::BTreeMap;

const START_MS: i64 = 1_790_000_000_000;
const HOUR_MS: i64 = 3_600_000;
const ZONES: [&str; 4] = ["UTC", "Asia/Tokyo", "America/St_Johns", "Pacific/Apia"];

/// A bucket in which nothing has been counted.
fn fresh(series: Series, id: i64, period: Period) -> Stored {
    let zone = "UTC".to_owned();
    Stored {
        bucket: Bucket {
            id,
            series,
            period,
            zone,
        },
        posted: Nano::ZERO,
        overrun: Nano::ZERO,
        credit: Nano::ZERO,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Admit { key: i64, amount: i64 },
    Post { nth: usize, actual: i64 },
    Void { nth: usize },
    Credit { amount: i64 },
    Cap { slot: usize, cap: Option<i64> },
    Clock { hours: i64 },
    Zone { nth: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let amount = prop_oneof![8 => 0_i64..60, 1 => Just(i64::MAX), 1 => Just(i64::MAX / 2)];
    prop_oneof![
        8 => (0_i64..3, amount.clone()).prop_map(|(key, amount)| Step::Admit { key, amount }),
        5 => (any::<usize>(), prop_oneof![8 => -5_i64..80, 1 => Just(i64::MAX)])
            .prop_map(|(nth, actual)| Step::Post { nth, actual }),
        3 => any::<usize>().prop_map(|nth| Step::Void { nth }),
        1 => (-50_i64..200).prop_map(|amount| Step::Credit { amount }),
        2 => (0_usize..7, prop::option::of(0_i64..200)).prop_map(|(slot, cap)| Step::Cap { slot, cap }),
        2 => prop_oneof![4 => 0_i64..40, 1 => -400_i64..0, 1 => 700_i64..800].prop_map(|hours| Step::Clock { hours }),
        1 => (0_usize..ZONES.len()).prop_map(|nth| Step::Zone { nth }),
    ]
}

/// One hold as the reference keeps it: where, how much, and its charge once it has ended.
#[derive(Clone, Debug)]
struct Kept {
    id: i64,
    path: Vec<i64>,
    amount: i64,
    end: Option<i64>,
}

/// The reference: a list of holds, from which every sum is computed anew.
#[derive(Debug)]
struct Reference {
    holds: Vec<Kept>,
    periods: BTreeMap<Series, Vec<(i64, Period)>>,
    credit: i64,
    caps: [Option<i64>; 7],
    now_ms: i64,
    zone: &'static str,
    next_id: i64,
}

impl Reference {
    fn new() -> Self {
        let periods = BTreeMap::new();
        let (caps, holds) = (
            [Some(100), None, Some(150), None, Some(120), None, Some(130)],
            Vec::new(),
        );
        Self {
            holds,
            periods,
            credit: 0,
            caps,
            now_ms: START_MS,
            zone: "UTC",
            next_id: 1,
        }
    }

    fn sum(&self, bucket: i64) -> (i128, i128) {
        let mut sums = (0, 0);
        for hold in self.holds.iter().filter(|hold| hold.path.contains(&bucket)) {
            match hold.end {
                Some(posted) => sums.0 += i128::from(posted),
                None => sums.1 += i128::from(hold.amount),
            }
        }
        sums
    }

    fn payer(&self, key: i64) -> Payer {
        let cap = |slot: usize| self.caps[slot].map(Nano);
        Payer {
            team_id: 1,
            team_zone: self.zone.to_owned(),
            team: Caps {
                day: cap(0),
                month: cap(1),
                total: None,
            },
            member: (key == 2).then_some(Member {
                user_id: 9,
                caps: Caps {
                    day: cap(2),
                    month: cap(3),
                    total: None,
                },
            }),
            key_id: key,
            key: Caps {
                day: cap(4),
                month: cap(5),
                total: cap(6),
            },
        }
    }
}

/// Engine and reference side by side.
struct Pair {
    engine: Engine,
    reference: Reference,
    is_prepaid: bool,
}

impl Pair {
    fn path(&mut self, key: i64) -> Vec<(i64, Gate)> {
        let Self {
            engine,
            reference,
            is_prepaid,
        } = self;
        let payer = reference.payer(key);
        let mut path = Vec::new();
        for (series, gate) in payer.path(Funding::of(key == 2, *is_prepaid)) {
            if engine.place(series, reference.now_ms).is_none() {
                reference.next_id += 1;
                let last_end = reference.periods.get(&series).and_then(|periods| periods.last());
                let last_end = last_end.map_or(i64::MIN, |(_, period)| period.end_ms);
                let period = Period::after(last_end, series.kind, reference.zone, reference.now_ms);
                let mut stored = fresh(series, reference.next_id, period);
                stored.credit = Nano(reference.credit);
                engine.open(stored);
            }
            let bucket = engine.place(series, reference.now_ms).unwrap().clone();
            let periods = reference.periods.entry(series).or_default();
            if periods.last().is_none_or(|(id, _)| *id != bucket.id) {
                // A new period begins at or after the end of the last: none overlaps, none reopens.
                let last_end = periods.last().map_or(i64::MIN, |(_, period)| period.end_ms);
                assert!(last_end <= bucket.period.start_ms && bucket.period.start_ms < bucket.period.end_ms);
                assert!(periods.iter().all(|(id, _)| *id != bucket.id), "reopened");
                periods.push((bucket.id, bucket.period));
            }
            path.push((bucket.id, gate));
        }
        path
    }

    fn admit(&mut self, key: i64, amount: i64) {
        let path = self.path(key);
        self.reference.next_id += 1;
        let id = self.reference.next_id;
        let cap = |gate: Gate, reference: &Reference| match gate {
            Gate::Open => i64::MAX,
            Gate::Cap(cap) => cap.0,
            Gate::Credit => reference.credit,
        };
        let left = |(bucket, gate): &(i64, Gate), reference: &Reference| {
            let (posted, held) = reference.sum(*bucket);
            i128::from(cap(*gate, reference)) - posted - held
        };
        let fits = path
            .iter()
            .all(|entry| left(entry, &self.reference) >= i128::from(amount));
        match self.engine.hold(id, &path, Nano(amount)) {
            Ok(_) => {
                assert!(fits, "admitted above a cap");
                let buckets = path.iter().map(|(bucket, _)| *bucket).collect();
                self.reference.holds.push(Kept {
                    id,
                    path: buckets,
                    amount,
                    end: None,
                });
                assert_eq!(self.engine.hold(id, &path, Nano(0)), Err(HoldError::Invalid));
            }
            Err(HoldError::Short(short)) => {
                assert!(!fits, "refused what fits");
                let least = path.iter().map(|entry| left(entry, &self.reference)).min().unwrap();
                assert_eq!(i128::from(short.fits.0), least.max(0));
                let without_holds = path.iter().all(|(bucket, gate)| {
                    i128::from(cap(*gate, &self.reference)) - self.reference.sum(*bucket).0 >= i128::from(amount)
                });
                assert_eq!(short.is_only_holds, without_holds);
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn end(&mut self, nth: usize, actual: Option<i64>) {
        if self.reference.holds.is_empty() {
            return;
        }
        let index = nth % self.reference.holds.len();
        let hold = self.reference.holds[index].clone();
        let ended = match actual {
            Some(actual) => self.engine.post(hold.id, Nano(actual)),
            None => self.engine.void(hold.id).map(|()| Posted {
                actual: Nano(0),
                overrun: Nano(0),
            }),
        };
        assert_eq!(ended.is_some(), hold.end.is_none(), "a hold ends once");
        if let Some(posted) = ended {
            let others = |bucket: &i64| {
                let (posted, held) = self.reference.sum(*bucket);
                posted + held - i128::from(hold.amount)
            };
            let room = i128::from(i64::MAX) - hold.path.iter().map(others).max().unwrap();
            let wanted = i128::from(actual.unwrap_or(0).max(0));
            assert_eq!(
                i128::from(posted.actual.0),
                wanted.min(room),
                "posts what was used, as far as sums go"
            );
            assert_eq!(posted.overrun.0, (posted.actual.0 - hold.amount).max(0));
            self.reference.holds[index].end = Some(posted.actual.0);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Admit { key, amount } => self.admit(key, amount),
            Step::Post { nth, actual } => self.end(nth, Some(actual)),
            Step::Void { nth } => self.end(nth, None),
            Step::Credit { amount } => {
                assert!(self.engine.credit(Series::team(1, Kind::Wallet), Nano(amount)));
                self.reference.credit += amount;
            }
            Step::Cap { slot, cap } => self.reference.caps[slot] = cap,
            Step::Clock { hours } => self.reference.now_ms += hours * HOUR_MS,
            Step::Zone { nth } => self.reference.zone = ZONES[nth],
        }
    }

    fn check(&self) {
        for periods in self.reference.periods.values() {
            for (nth, (bucket, _)) in periods.iter().enumerate() {
                let (posted, held) = self.reference.sum(*bucket);
                assert!(posted + held <= i128::from(i64::MAX), "a sum overflows");
                let Some(sums) = self.engine.sums(*bucket) else {
                    assert!(nth + 1 < periods.len() && held == 0, "forgot a bucket in use");
                    continue;
                };
                assert_eq!((i128::from(sums.posted.0), i128::from(sums.held.0)), (posted, held));
                assert!(sums.overrun <= sums.posted);
            }
        }
        let open = self.reference.holds.iter().filter(|hold| hold.end.is_none());
        assert_eq!(self.engine.lowest_open(), open.clone().map(|hold| hold.id).min());
        assert_eq!(self.engine.open_count(), open.count());
    }
}

proptest! {
    /// I1 to I4, I6, I7, I10, I13, I15.
    #[test]
    fn whatever_happens_the_engine_agrees_with_a_list_of_holds(
        steps in prop::collection::vec(step(), 1..120),
        is_prepaid in any::<bool>(),
    ) {
        let mut pair = Pair { engine: Engine::default(), reference: Reference::new(), is_prepaid };
        for step in &steps {
            pair.step(step);
            pair.check();
        }
        for nth in 0..pair.reference.holds.len() {
            pair.end(nth, None);
        }
        pair.check();
        prop_assert_eq!(pair.engine.open_count(), 0);
    }
}

#[test]
fn a_charge_that_settles_after_midnight_is_yesterdays() {
    let mut engine = Engine::default();
    let day = Series::key(1, 2, Kind::Day);
    let yesterday = Period::at(Kind::Day, "UTC", START_MS);
    engine.open(fresh(day, 1, yesterday));
    engine.hold(10, &[(1, Gate::Open)], Nano(5)).unwrap();
    let tomorrow_ms = yesterday.end_ms;
    assert_eq!(engine.place(day, tomorrow_ms), None);
    engine.open(fresh(day, 2, Period::at(Kind::Day, "UTC", tomorrow_ms)));
    assert_eq!(engine.place(day, tomorrow_ms).unwrap().id, 2);
    assert_eq!(engine.sums(1).unwrap().held, Nano(5));
    engine.post(10, Nano(5)).unwrap();
    let (today, period) = engine.look(day, tomorrow_ms).unwrap();
    assert_eq!((today.posted, period.start_ms), (Nano(0), tomorrow_ms));
    assert_eq!(engine.sums(1), None);
}

#[test]
fn a_new_zone_starts_when_the_running_period_ends() {
    let utc = Period::at(Kind::Day, "UTC", START_MS);
    let tokyo = Period::after(utc.end_ms, Kind::Day, "Asia/Tokyo", utc.end_ms);
    assert_eq!(tokyo.start_ms, utc.end_ms);
    assert_eq!(tokyo.end_ms, utc.end_ms + 15 * HOUR_MS);
}

#[test]
fn of_two_buckets_in_the_way_the_one_that_only_time_empties_is_named() {
    let mut engine = Engine::default();
    let (team, key) = (Series::team(1, Kind::Day), Series::key(1, 2, Kind::Day));
    let today = Period::at(Kind::Day, "UTC", START_MS);
    engine.open(fresh(team, 1, today));
    engine.open(fresh(key, 2, today));
    let path = [(1, Gate::Cap(Nano(10))), (2, Gate::Cap(Nano(8)))];
    engine.hold(10, &path[1..], Nano(8)).unwrap();
    engine.hold(11, &path[..1], Nano(9)).unwrap();
    engine.post(11, Nano(9)).unwrap();
    let Err(HoldError::Short(short)) = engine.hold(12, &path, Nano(2)) else {
        panic!("admitted");
    };
    assert_eq!((short.series, short.available, short.fits), (team, Nano(1), Nano(0)));
    assert!(!short.is_only_holds);
}

#[test]
fn a_stored_bucket_goes_on_where_it_was() {
    let mut engine = Engine::default();
    let day = Series::team(1, Kind::Day);
    let mut stored = fresh(day, 7, Period::at(Kind::Day, "UTC", START_MS));
    stored.posted = Nano(90);
    engine.open(stored.clone());
    stored.posted = Nano(0);
    engine.open(stored);
    assert_eq!(engine.place(day, START_MS).unwrap().id, 7);
    assert!(engine.hold(1, &[(7, Gate::Cap(Nano(100)))], Nano(11)).is_err());
    engine.hold(1, &[(7, Gate::Cap(Nano(100)))], Nano(10)).unwrap();
    assert_eq!(engine.hold(2, &[(7, Gate::Open)], Nano(-1)), Err(HoldError::Invalid));
    assert_eq!(engine.hold(2, &[(99, Gate::Open)], Nano(1)), Err(HoldError::Invalid));
}

/// A node among several, and a bucket with the number 7 in it.
fn leasing() -> Engine {
    let mut engine = Engine::shared();
    engine.open(fresh(
        Series::team(1, Kind::Day),
        7,
        Period::at(Kind::Day, "UTC", START_MS),
    ));
    engine
}

#[test]
fn one_of_several_nodes_sets_aside_what_it_was_granted() {
    let mut engine = leasing();
    let path = [(7, Gate::Cap(Nano(100)))];
    assert_eq!(engine.hold(1, &path, Nano(30)), Err(HoldError::Lacking));
    assert_eq!(engine.lacking(&path, Nano(30)).wants[0].missing(), Nano(30));
    assert!(engine.granted(7, Nano(50), Nano(100)));
    assert!(engine.hold(1, &path, Nano(30)).unwrap().is_leased(0));
    assert_eq!(engine.hold(2, &path, Nano(30)), Err(HoldError::Lacking));
    assert_eq!(engine.lacking(&path, Nano(30)).wants[0].missing(), Nano(10));
    engine.post(1, Nano(20)).unwrap();
    assert_eq!(engine.right(7), (Nano(30), Nano(0)));
    engine.hold(2, &path, Nano(30)).unwrap();
    engine.void(2).unwrap();
    assert_eq!(engine.right(7), (Nano(30), Nano(0)));
}

#[test]
fn a_right_from_under_a_higher_cap_is_given_back_before_it_is_used() {
    let mut engine = leasing();
    assert!(engine.granted(7, Nano(50), Nano(100)));
    let path = [(7, Gate::Cap(Nano(60)))];
    assert_eq!(engine.hold(1, &path, Nano(10)), Err(HoldError::Lacking));
    let lack = engine.lacking(&path, Nano(10));
    assert_eq!(lack.given_back[0].1, Nano(50));
    assert_eq!(lack.wants[0].missing(), Nano(10));
}

#[test]
fn what_is_idle_goes_back_unless_it_is_used_or_nobody_else_is_there() {
    let mut engine = leasing();
    assert!(engine.granted(7, Nano(50), Nano(100)));
    assert!(engine.sweep(START_MS, true, false).is_empty(), "just granted");
    assert!(engine.sweep(START_MS, false, false).is_empty(), "nobody else");
    engine.hold(1, &[(7, Gate::Cap(Nano(100)))], Nano(30)).unwrap();
    assert!(engine.sweep(START_MS, true, false).is_empty(), "just used");
    assert_eq!(engine.sweep(START_MS, true, false)[0].1, Nano(20));
    engine.void(1).unwrap();
    assert_eq!(engine.sweep(START_MS + 24 * HOUR_MS, false, false)[0].1, Nano(30));
    assert!(engine.give_back(7).is_none() && engine.sweep(START_MS, true, true).is_empty());
}

//! The state machine of money: buckets and open holds in memory, decisions in integers.
//!
//! Invariant: after every admission, posted + held ≤ cap in each bucket of its path; held is the sum of the open holds;
//! a hold ends once; no sum overflows; a series moves from period to period and never back.
//! Pure. What a node may spend of a bucket is decided in one place, `Counted::available`: a single node owns the whole
//! remainder.

use super::{
    bucket::{Bucket, Gate, Series},
    period::Period,
};
use crate::money::Nano;
use std::{collections::HashMap, sync::Arc};

/// What a bucket has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Charged.
    pub posted: Nano,
    /// Set aside by open holds.
    pub held: Nano,
    /// Of `posted`, what was charged above holds.
    pub overrun: Nano,
    /// Paid in; wallets only.
    pub credit: Nano,
}

/// The latest bucket of a series as the database has it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Which.
    pub bucket: Bucket,
    /// Charged.
    pub posted: Nano,
    /// Charged above holds.
    pub overrun: Nano,
}

/// Why an amount does not fit: the bucket that stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// The bucket's scope and kind.
    pub series: Series,
    /// What it lets through.
    pub cap: Nano,
    /// What it has charged.
    pub posted: Nano,
    /// What other requests have set aside in it.
    pub held: Nano,
    /// What is left in it, at least zero.
    pub available: Nano,
    /// When its period ends, Unix milliseconds.
    pub resets_at_ms: Option<i64>,
    /// The largest amount that fits the whole path now.
    pub fits: Nano,
    /// Whether the amount would fit if every open hold were returned.
    pub is_only_holds: bool,
}

/// Why a hold was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// The amount does not fit.
    #[error("the amount does not fit")]
    Short(Short),
    /// The amount is negative, the id is taken, or the path names a bucket that is not open.
    #[error("not a hold")]
    Invalid,
}

/// What closing a hold charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The charge.
    pub actual: Nano,
    /// Of it, what was above the hold.
    pub overrun: Nano,
}

/// All buckets and open holds of a node.
#[derive(Debug, Default)]
pub struct Engine {
    buckets: HashMap<i64, Counted>,
    tips: HashMap<Series, Tip>,
    holds: HashMap<i64, OpenHold>,
}

#[derive(Debug)]
struct Counted {
    bucket: Arc<Bucket>,
    sums: Sums,
    open_holds: u32,
    is_past: bool,
}

/// Where a series has got to.
#[derive(Debug)]
struct Tip {
    bucket: Option<Arc<Bucket>>,
    end_ms: i64,
    /// Paid in; carried by the series, as a wallet has one bucket.
    credit: Nano,
}

#[derive(Debug)]
struct OpenHold {
    path: Box<[i64]>,
    amount: Nano,
}

impl Counted {
    fn cap(&self, gate: Gate) -> Nano {
        match gate {
            Gate::Open => Nano::MAX,
            Gate::Cap(cap) => cap,
            Gate::Credit => self.sums.credit,
        }
    }

    /// What may still be set aside under `gate`; negative if more was charged than is let through.
    fn available(&self, gate: Gate) -> i128 {
        i128::from(self.cap(gate).0) - i128::from(self.sums.posted.0) - i128::from(self.sums.held.0)
    }
}

impl Engine {
    /// Whether [`Engine::open`] has been called for `series`.
    #[must_use]
    pub fn is_open(&self, series: Series) -> bool {
        self.tips.contains_key(&series)
    }

    /// Begins to count `series`, from the latest bucket the database has and what was paid in. A second call is ignored.
    pub fn open(&mut self, series: Series, stored: Option<Stored>, credit: Nano) {
        if self.is_open(series) {
            return;
        }
        let mut tip = Tip {
            bucket: None,
            end_ms: i64::MIN,
            credit,
        };
        if let Some(Stored {
            bucket,
            posted,
            overrun,
        }) = stored
        {
            let bucket = Arc::new(bucket);
            tip.end_ms = bucket.period.end_ms;
            self.insert(
                Arc::clone(&bucket),
                Sums {
                    posted,
                    held: Nano::ZERO,
                    overrun,
                    credit,
                },
            );
            tip.bucket = Some(bucket);
        }
        self.tips.insert(series, tip);
    }

    /// The bucket of `series` that `now_ms` is counted in, or `None` if the series is not open.
    ///
    /// The current bucket stays until its end, whatever the clock or the zone do; the next begins where it ended at the
    /// earliest, takes the id `new_id` makes, and is cut in `zone`.
    pub fn place(
        &mut self,
        series: Series,
        zone: &str,
        now_ms: i64,
        new_id: impl FnOnce() -> i64,
    ) -> Option<&Arc<Bucket>> {
        let tip = self.tips.get(&series)?;
        if tip.bucket.is_none() || now_ms >= tip.end_ms {
            self.roll(series, zone, now_ms, new_id());
        }
        self.tips.get(&series)?.bucket.as_ref()
    }

    /// What the current bucket of `series` has counted at `now_ms` and when it ends; `None` if the series is not open.
    #[must_use]
    pub fn look(&self, series: Series, zone: &str, now_ms: i64) -> Option<(Sums, Period)> {
        let tip = self.tips.get(&series)?;
        match &tip.bucket {
            Some(bucket) if now_ms < tip.end_ms => Some((self.buckets.get(&bucket.id)?.sums, bucket.period)),
            _ => Some((
                Sums {
                    credit: tip.credit,
                    ..Sums::default()
                },
                next_period(series, zone, now_ms, tip.end_ms),
            )),
        }
    }

    /// Sets `amount` aside in every bucket of `path`, or in none. Each bucket at most once; the order is the caller's.
    ///
    /// # Errors
    /// [`HoldError::Short`] names the bucket in the way: one that its charges alone fill before one that holds fill, then
    /// the one with the least left.
    pub fn hold(&mut self, id: i64, path: &[(i64, Gate)], amount: Nano) -> Result<(), HoldError> {
        if amount < Nano::ZERO || self.holds.contains_key(&id) {
            return Err(HoldError::Invalid);
        }
        if let Some(short) = self.shortest(path, amount)? {
            return Err(HoldError::Short(short));
        }
        for (bucket, _) in path {
            if let Some(counted) = self.buckets.get_mut(bucket) {
                counted.sums.held.0 += amount.0;
                counted.open_holds += 1;
            }
        }
        let path = path.iter().map(|(bucket, _)| *bucket).collect();
        self.holds.insert(id, OpenHold { path, amount });
        Ok(())
    }

    /// Ends a hold with a charge. A charge is at least zero and at most what the sums can count; above the hold it is an
    /// overrun. `None` if the hold is not open: it ended before.
    pub fn post(&mut self, id: i64, actual: Nano) -> Option<Posted> {
        let hold = self.holds.remove(&id)?;
        let mut actual = actual.max(Nano::ZERO);
        for bucket in &hold.path {
            if let Some(Counted { sums, .. }) = self.buckets.get(bucket) {
                let others = i128::from(sums.posted.0) + i128::from(sums.held.0) - i128::from(hold.amount.0);
                let room = i64::try_from(i128::from(i64::MAX) - others).unwrap_or(i64::MAX);
                actual = actual.min(Nano(room));
            }
        }
        let overrun = Nano((actual.0 - hold.amount.0).max(0));
        self.close(&hold, actual, overrun);
        Some(Posted { actual, overrun })
    }

    /// Ends a hold without a charge. `None` if the hold is not open: it ended before.
    pub fn void(&mut self, id: i64) -> Option<()> {
        let hold = self.holds.remove(&id)?;
        self.close(&hold, Nano::ZERO, Nano::ZERO);
        Some(())
    }

    /// Adds to what was paid into a series; negative takes away. `false`, and no change, if the series is open and the
    /// sum would overflow.
    pub fn credit(&mut self, series: Series, amount: Nano) -> bool {
        let Some(tip) = self.tips.get_mut(&series) else {
            return true;
        };
        let Some(credit) = tip.credit.checked_add(amount) else {
            return false;
        };
        tip.credit = credit;
        if let Some(bucket) = &tip.bucket
            && let Some(counted) = self.buckets.get_mut(&bucket.id)
        {
            counted.sums.credit = credit;
        }
        true
    }

    /// Takes `amount` off what a bucket has charged; negative adds to it. A bucket that is not in memory is left alone.
    pub fn adjust(&mut self, bucket: i64, amount: Nano) {
        if let Some(counted) = self.buckets.get_mut(&bucket) {
            counted.sums.posted.0 = counted.sums.posted.0.saturating_sub(amount.0);
        }
    }

    /// What a bucket has counted.
    #[must_use]
    pub fn sums(&self, bucket: i64) -> Option<Sums> {
        self.buckets.get(&bucket).map(|counted| counted.sums)
    }

    /// The lowest id of an open hold.
    #[must_use]
    pub fn lowest_open(&self) -> Option<i64> {
        self.holds.keys().min().copied()
    }

    /// How many holds are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.holds.len()
    }

    fn insert(&mut self, bucket: Arc<Bucket>, sums: Sums) {
        self.buckets.insert(
            bucket.id,
            Counted {
                bucket,
                sums,
                open_holds: 0,
                is_past: false,
            },
        );
    }

    fn roll(&mut self, series: Series, zone: &str, now_ms: i64, id: i64) {
        let Some(tip) = self.tips.get_mut(&series) else {
            return;
        };
        let period = next_period(series, zone, now_ms, tip.end_ms);
        let bucket = Arc::new(Bucket {
            id,
            series,
            period,
            zone: zone.to_owned(),
        });
        let past = tip.bucket.replace(Arc::clone(&bucket));
        tip.end_ms = period.end_ms;
        let sums = Sums {
            credit: tip.credit,
            ..Sums::default()
        };
        self.insert(bucket, sums);
        if let Some(past) = past
            && let Some(counted) = self.buckets.get_mut(&past.id)
        {
            counted.is_past = true;
            self.forget(past.id);
        }
    }

    /// Drops a past bucket once no hold is open in it.
    fn forget(&mut self, bucket: i64) {
        if self
            .buckets
            .get(&bucket)
            .is_some_and(|counted| counted.is_past && counted.open_holds == 0)
        {
            self.buckets.remove(&bucket);
        }
    }

    fn close(&mut self, hold: &OpenHold, actual: Nano, overrun: Nano) {
        for bucket in &hold.path {
            if let Some(counted) = self.buckets.get_mut(bucket) {
                counted.sums.held.0 -= hold.amount.0;
                counted.sums.posted.0 += actual.0;
                counted.sums.overrun.0 += overrun.0;
                counted.open_holds -= 1;
            }
            self.forget(*bucket);
        }
    }

    fn shortest(&self, path: &[(i64, Gate)], amount: Nano) -> Result<Option<Short>, HoldError> {
        let mut found: Option<((bool, i128), &Counted, Gate)> = None;
        let (mut fits, mut is_only_holds) = (i128::from(i64::MAX), true);
        for (bucket, gate) in path {
            let counted = self.buckets.get(bucket).ok_or(HoldError::Invalid)?;
            let available = counted.available(*gate);
            fits = fits.min(available);
            if available >= i128::from(amount.0) {
                continue;
            }
            let is_held = available + i128::from(counted.sums.held.0) >= i128::from(amount.0);
            is_only_holds &= is_held;
            let rank = (is_held, available);
            if found.as_ref().is_none_or(|(least, ..)| rank < *least) {
                found = Some((rank, counted, *gate));
            }
        }
        let whole = |amount: i128| Nano(i64::try_from(amount.max(0)).unwrap_or(i64::MAX));
        Ok(found.map(|((_, available), counted, gate)| Short {
            series: counted.bucket.series,
            cap: counted.cap(gate),
            posted: counted.sums.posted,
            held: counted.sums.held,
            available: whole(available),
            resets_at_ms: counted.bucket.period.end(),
            fits: whole(fits),
            is_only_holds,
        }))
    }
}

/// The period of `now_ms`, cut short at the front so that it begins where the last one ended.
fn next_period(series: Series, zone: &str, now_ms: i64, last_end_ms: i64) -> Period {
    let period = Period::at(series.kind, zone, now_ms);
    Period {
        start_ms: period.start_ms.max(last_end_ms),
        end_ms: period.end_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Caps, Kind, Member, Payer};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const START_MS: i64 = 1_790_000_000_000;
    const HOUR_MS: i64 = 3_600_000;
    const ZONES: [&str; 4] = ["UTC", "Asia/Tokyo", "America/St_Johns", "Pacific/Apia"];

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
            for (series, gate) in payer.path(*is_prepaid) {
                engine.open(series, None, Nano(reference.credit));
                let next_id = &mut reference.next_id;
                let make = || {
                    *next_id += 1;
                    *next_id
                };
                let bucket = engine
                    .place(series, &payer.team_zone, reference.now_ms, make)
                    .unwrap()
                    .clone();
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
                Ok(()) => {
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
                Err(HoldError::Invalid) => panic!("not a hold"),
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
        engine.open(day, None, Nano::ZERO);
        let yesterday = engine.place(day, "UTC", START_MS, || 1).unwrap().clone();
        engine.hold(10, &[(1, Gate::Open)], Nano(5)).unwrap();
        let tomorrow_ms = yesterday.period.end_ms;
        assert_eq!(engine.place(day, "UTC", tomorrow_ms, || 2).unwrap().id, 2);
        assert_eq!(engine.sums(1).unwrap().held, Nano(5));
        engine.post(10, Nano(5)).unwrap();
        let (today, period) = engine.look(day, "UTC", tomorrow_ms).unwrap();
        assert_eq!((today.posted, period.start_ms), (Nano(0), tomorrow_ms));
        assert_eq!(engine.sums(1), None);
    }

    #[test]
    fn a_new_zone_starts_when_the_running_period_ends() {
        let mut engine = Engine::default();
        let day = Series::team(1, Kind::Day);
        engine.open(day, None, Nano::ZERO);
        let utc = engine.place(day, "UTC", START_MS, || 1).unwrap().period;
        assert_eq!(engine.place(day, "Asia/Tokyo", START_MS + 1, || 2).unwrap().id, 1);
        let tokyo = engine.place(day, "Asia/Tokyo", utc.end_ms, || 3).unwrap().period;
        assert_eq!(tokyo.start_ms, utc.end_ms);
        assert_eq!(tokyo.end_ms, utc.end_ms + 15 * HOUR_MS);
    }

    #[test]
    fn of_two_buckets_in_the_way_the_one_that_only_time_empties_is_named() {
        let mut engine = Engine::default();
        let (team, key) = (Series::team(1, Kind::Day), Series::key(1, 2, Kind::Day));
        for (series, id) in [(team, 1), (key, 2)] {
            engine.open(series, None, Nano::ZERO);
            engine.place(series, "UTC", START_MS, || id).unwrap();
        }
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
        let period = Period::at(Kind::Day, "UTC", START_MS);
        let bucket = Bucket {
            id: 7,
            series: day,
            period,
            zone: "UTC".to_owned(),
        };
        engine.open(
            day,
            Some(Stored {
                bucket,
                posted: Nano(90),
                overrun: Nano(1),
            }),
            Nano::ZERO,
        );
        assert_eq!(engine.place(day, "UTC", START_MS, || 8).unwrap().id, 7);
        assert!(engine.hold(1, &[(7, Gate::Cap(Nano(100)))], Nano(11)).is_err());
        engine.hold(1, &[(7, Gate::Cap(Nano(100)))], Nano(10)).unwrap();
        assert_eq!(engine.hold(2, &[(7, Gate::Open)], Nano(-1)), Err(HoldError::Invalid));
        assert_eq!(engine.hold(2, &[(99, Gate::Open)], Nano(1)), Err(HoldError::Invalid));
    }
}

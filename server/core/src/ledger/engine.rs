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

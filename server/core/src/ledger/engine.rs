//! The state machine of money: buckets and open holds in memory, decisions in integers.
//!
//! Invariant: after every admission, posted + held ≤ cap in each bucket of its path; held is the sum of the open holds;
//! a hold ends once; no sum overflows; a series moves from period to period and never back.
//! Pure. What a node may spend of a bucket is decided in one place, `Counted::available`: the only node owns the whole
//! remainder, one of several its lease.

use super::{
    bucket::{Bucket, Gate, Kind, Series},
    lease::{Lease, Legs, MAX_OPEN, Want, whole},
    period::Period,
};
use crate::money::Nano;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// What one of several nodes posts above a hold at most, so that no sum over nodes overflows.
const MAX_OVERRUN: Nano = MAX_OPEN;

/// What a bucket has counted; of several nodes, each counts its own holds.
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
    /// Paid in; wallets only.
    pub credit: Nano,
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
    /// The node has no right to so much: see [`Engine::lacking`].
    #[error("a right is lacking")]
    Lacking,
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

/// What an admission lacks.
#[derive(Clone, Debug, Default)]
pub struct Lack {
    /// Every capped bucket of its path.
    pub wants: Vec<Want>,
    /// What was idle under a higher cap than it is now, and has to be given back first.
    pub given_back: Vec<(Arc<Bucket>, Nano)>,
}

/// All buckets and open holds of a node; by default of the only one.
#[derive(Debug, Default)]
pub struct Engine {
    is_shared: bool,
    buckets: HashMap<i64, Counted>,
    /// The latest bucket of each series.
    tips: HashMap<Series, Arc<Bucket>>,
    holds: HashMap<i64, OpenHold>,
    /// Buckets in which there may be a right.
    leased: HashSet<i64>,
}

#[derive(Debug)]
struct Counted {
    bucket: Arc<Bucket>,
    sums: Sums,
    lease: Lease,
    open_holds: u32,
    is_past: bool,
}

#[derive(Debug)]
struct OpenHold {
    path: Box<[i64]>,
    legs: Legs,
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
    fn available(&self, gate: Gate, is_shared: bool) -> i128 {
        match (is_shared, gate) {
            (true, Gate::Open) => i128::from(MAX_OPEN.0) - i128::from(self.sums.held.0),
            (true, gate) => i128::from(self.lease.free(gate).0),
            (false, gate) => {
                i128::from(self.cap(gate).0) - i128::from(self.sums.posted.0) - i128::from(self.sums.held.0)
            }
        }
    }

    /// Takes what is idle of its right.
    fn take_idle(&mut self) -> Nano {
        let idle = self.lease.idle();
        self.lease.right = self.lease.held;
        idle
    }
}

impl Engine {
    /// The engine of one of several nodes: what is capped it sets aside only under rights granted before.
    #[must_use]
    pub fn shared() -> Self {
        Self {
            is_shared: true,
            ..Self::default()
        }
    }

    /// Counts in `stored` from now on, the latest bucket of its series as the database has it. What memory knows already
    /// stays as it is.
    pub fn open(&mut self, stored: Stored) {
        let bucket = Arc::new(stored.bucket);
        if let Some(tip) = self.tips.get(&bucket.series)
            && tip.period.end_ms >= bucket.period.end_ms
        {
            return;
        }
        let past = self.tips.insert(bucket.series, Arc::clone(&bucket));
        let sums = Sums {
            posted: stored.posted,
            held: Nano::ZERO,
            overrun: stored.overrun,
            credit: stored.credit,
        };
        let counted = Counted {
            bucket: Arc::clone(&bucket),
            sums,
            lease: Lease::default(),
            open_holds: 0,
            is_past: false,
        };
        self.buckets.insert(bucket.id, counted);
        if let Some(past) = past
            && let Some(counted) = self.buckets.get_mut(&past.id)
        {
            counted.is_past = true;
            self.forget(past.id);
        }
    }

    /// The bucket of `series` that `now_ms` is counted in, or `None` if it has to be opened first.
    ///
    /// The current bucket stays until its end, whatever the clock or the zone do.
    #[must_use]
    pub fn place(&self, series: Series, now_ms: i64) -> Option<&Arc<Bucket>> {
        self.tips.get(&series).filter(|tip| now_ms < tip.period.end_ms)
    }

    /// What the current bucket of `series` has counted at `now_ms` and its period; `None` if it is not open.
    #[must_use]
    pub fn look(&self, series: Series, now_ms: i64) -> Option<(Sums, Period)> {
        let bucket = self.place(series, now_ms)?;
        Some((self.buckets.get(&bucket.id)?.sums, bucket.period))
    }

    /// Sets `amount` aside in every bucket of `path`, or in none; tells in which of them under a right. Each bucket at most
    /// once; the order is the caller's.
    ///
    /// # Errors
    /// [`HoldError::Short`] names the bucket in the way: one that its charges alone fill before one that holds fill, then
    /// the one with the least left. [`HoldError::Lacking`] if this is one of several nodes and a right is too small.
    pub fn hold(&mut self, id: i64, path: &[(i64, Gate)], amount: Nano) -> Result<Legs, HoldError> {
        if amount < Nano::ZERO || self.holds.contains_key(&id) {
            return Err(HoldError::Invalid);
        }
        if let Some((short, gate)) = self.shortest(path, amount)? {
            let is_lease = self.is_shared && gate != Gate::Open;
            return Err(if is_lease {
                HoldError::Lacking
            } else {
                HoldError::Short(short)
            });
        }
        let mut legs = Legs::default();
        for (nth, (bucket, gate)) in path.iter().enumerate() {
            if let Some(counted) = self.buckets.get_mut(bucket) {
                counted.sums.held.0 += amount.0;
                counted.open_holds += 1;
                if self.is_shared && *gate != Gate::Open {
                    counted.lease.held.0 += amount.0;
                    counted.lease.is_touched = true;
                    legs.lease(nth);
                }
            }
        }
        let path = path.iter().map(|(bucket, _)| *bucket).collect();
        self.holds.insert(id, OpenHold { path, legs, amount });
        Ok(legs)
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
        if self.is_shared {
            actual = actual.min(Nano(hold.amount.0.saturating_add(MAX_OVERRUN.0)));
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
        let Some(tip) = self.tips.get(&series) else {
            return true;
        };
        let Some(counted) = self.buckets.get_mut(&tip.id) else {
            return true;
        };
        let Some(credit) = counted.sums.credit.checked_add(amount) else {
            return false;
        };
        counted.sums.credit = credit;
        true
    }

    /// Takes `amount` off what a bucket has charged; negative adds to it. A bucket that is not in memory is left alone.
    pub fn adjust(&mut self, bucket: i64, amount: Nano) {
        if let Some(counted) = self.buckets.get_mut(&bucket) {
            counted.sums.posted.0 = counted.sums.posted.0.saturating_sub(amount.0);
        }
    }

    /// What has to be granted before `amount` can be set aside in `path`. Idle rights from under a higher cap are given up.
    pub fn lacking(&mut self, path: &[(i64, Gate)], amount: Nano) -> Lack {
        let mut lack = Lack::default();
        for (bucket, gate) in path.iter().filter(|(_, gate)| *gate != Gate::Open) {
            let Some(counted) = self.buckets.get_mut(bucket) else {
                continue;
            };
            if counted.lease.is_stale(*gate) && counted.lease.idle() > Nano::ZERO {
                let idle = counted.take_idle();
                lack.given_back.push((Arc::clone(&counted.bucket), idle));
            }
            lack.wants.push(Want {
                bucket: Arc::clone(&counted.bucket),
                gate: *gate,
                idle: counted.lease.free(*gate),
                amount,
            });
        }
        lack
    }

    /// The database has granted `amount` of a bucket under `cap`. `false` if the bucket is not counted in any more: the
    /// right has to be given back.
    #[must_use]
    pub fn granted(&mut self, bucket: i64, amount: Nano, cap: Nano) -> bool {
        let Some(counted) = self.buckets.get_mut(&bucket) else {
            return false;
        };
        counted.lease.right.0 += amount.0;
        counted.lease.cap = cap;
        counted.lease.is_touched = true;
        self.leased.insert(bucket);
        true
    }

    /// Gives up what is idle of the right in `bucket`.
    pub fn give_back(&mut self, bucket: i64) -> Option<(Arc<Bucket>, Nano)> {
        let counted = self.buckets.get_mut(&bucket)?;
        let idle = counted.take_idle();
        let bucket = Arc::clone(&counted.bucket);
        self.forget(bucket.id);
        (idle > Nano::ZERO).then_some((bucket, idle))
    }

    /// Gives up the rights that no hold has used since the last sweep, if there are other nodes to use them, and those in
    /// buckets whose period is over at `now_ms`. With `is_end`: everything idle.
    pub fn sweep(&mut self, now_ms: i64, has_others: bool, is_end: bool) -> Vec<(Arc<Bucket>, Nano)> {
        let mut given_back = Vec::new();
        for bucket in self.leased.iter().copied().collect::<Vec<_>>() {
            let Some(counted) = self.buckets.get_mut(&bucket) else {
                self.leased.remove(&bucket);
                continue;
            };
            let is_unused = !std::mem::take(&mut counted.lease.is_touched);
            let is_over = counted.is_past || counted.bucket.period.end_ms <= now_ms;
            if is_end || is_over || (is_unused && has_others) {
                given_back.extend(self.give_back(bucket));
            }
            let is_spent = |counted: &Counted| counted.lease.right == Nano::ZERO;
            if self.buckets.get(&bucket).is_none_or(is_spent) {
                self.leased.remove(&bucket);
            }
        }
        given_back
    }

    /// In how many buckets it was granted a right, of which something may be left.
    #[must_use]
    pub fn lease_count(&self) -> usize {
        self.leased.len()
    }

    /// The buckets of wallets in which there is a right, and what was paid in when the last of it was granted.
    #[must_use]
    pub fn leased_wallets(&self) -> Vec<(i64, Nano)> {
        let wallet = |bucket: &i64| {
            let counted = self.buckets.get(bucket)?;
            (counted.bucket.series.kind == Kind::Wallet).then_some((*bucket, counted.lease.cap))
        };
        self.leased.iter().filter_map(wallet).collect()
    }

    /// A node's right in a bucket, and what holds use of it.
    #[must_use]
    pub fn right(&self, bucket: i64) -> (Nano, Nano) {
        self.buckets
            .get(&bucket)
            .map_or_else(Default::default, |counted| (counted.lease.right, counted.lease.held))
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

    /// Drops a past bucket once there is no hold and no right in it.
    fn forget(&mut self, bucket: i64) {
        let is_done =
            |counted: &Counted| counted.is_past && counted.open_holds == 0 && counted.lease.right == Nano::ZERO;
        if self.buckets.get(&bucket).is_some_and(is_done) {
            self.buckets.remove(&bucket);
        }
    }

    fn close(&mut self, hold: &OpenHold, actual: Nano, overrun: Nano) {
        for (nth, bucket) in hold.path.iter().enumerate() {
            if let Some(counted) = self.buckets.get_mut(bucket) {
                counted.sums.held.0 -= hold.amount.0;
                counted.sums.posted.0 += actual.0;
                counted.sums.overrun.0 += overrun.0;
                counted.open_holds -= 1;
                if hold.legs.is_leased(nth) {
                    counted.lease.held.0 -= hold.amount.0;
                    counted.lease.right.0 -= hold.amount.min(actual).0;
                }
            }
            self.forget(*bucket);
        }
    }

    /// The bucket that stands in the way of `amount`, and what it lets through.
    fn shortest(&self, path: &[(i64, Gate)], amount: Nano) -> Result<Option<(Short, Gate)>, HoldError> {
        let mut found: Option<((bool, i128), &Counted, Gate)> = None;
        let (mut fits, mut is_only_holds) = (i128::from(i64::MAX), true);
        for (bucket, gate) in path {
            let counted = self.buckets.get(bucket).ok_or(HoldError::Invalid)?;
            let available = counted.available(*gate, self.is_shared);
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
        let Some(((_, available), counted, gate)) = found else {
            return Ok(None);
        };
        let short = Short {
            series: counted.bucket.series,
            cap: counted.cap(gate),
            posted: counted.sums.posted,
            held: counted.sums.held,
            available: whole(available),
            resets_at_ms: counted.bucket.period.end(),
            fits: whole(fits),
            is_only_holds,
        };
        Ok(Some((short, gate)))
    }
}

#[cfg(test)]
mod tests;

//! Leases: how the nodes of one database share what is left of a bucket.
//!
//! Invariant: a node sets aside only what it was granted before, and a grant never takes posted + leased above the cap it
//! is made under. `leased` of a bucket is what all nodes may still spend there: the rights granted and not yet spent, and
//! the open holds that needed no grant because nothing caps them. Pure.

use super::{
    bucket::{Bucket, Gate},
    engine::{Posted, Short},
};
use crate::money::Nano;
use std::{ops::AddAssign, sync::Arc};

/// What one node holds at most in a bucket that nothing caps: above any real sum, and so far below the largest number that
/// no sum over nodes overflows.
pub const MAX_OPEN: Nano = Nano(1 << 56);
/// A grant is at most what remains divided by this, for each live node: chunks shrink near the cap.
const SHARE: i128 = 4;

/// The counters of a bucket as the database has them, of all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Charged.
    pub posted: Nano,
    /// Of `posted`, what was charged above holds.
    pub overrun: Nano,
    /// Set aside by open holds.
    pub held: Nano,
    /// What nodes may still spend: rights granted, and holds that needed none.
    pub leased: Nano,
    /// Paid in; wallets only.
    pub credit: Nano,
}

impl Row {
    /// What `gate` lets through.
    #[must_use]
    pub const fn cap(&self, gate: Gate) -> Nano {
        match gate {
            Gate::Open => Nano::MAX,
            Gate::Cap(cap) => cap,
            Gate::Credit => self.credit,
        }
    }

    /// What may still be granted; negative if more was charged or granted than `gate` lets through.
    #[must_use]
    pub fn remaining(&self, gate: Gate) -> i128 {
        i128::from(self.cap(gate).0) - i128::from(self.posted.0) - i128::from(self.leased.0)
    }

    /// Granted, and set aside by no durable hold: what a recall may bring back.
    #[must_use]
    pub fn idle(&self) -> i128 {
        i128::from(self.leased.0) - i128::from(self.held.0)
    }
}

impl AddAssign<Change> for Row {
    fn add_assign(&mut self, change: Change) {
        self.posted.0 += change.posted;
        self.overrun.0 += change.overrun;
        self.held.0 += change.held;
        self.leased.0 += change.leased;
    }
}

/// What an operation adds to the counters of one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// To what was charged.
    pub posted: i64,
    /// To what was charged above holds.
    pub overrun: i64,
    /// To what open holds set aside.
    pub held: i64,
    /// To what nodes may still spend.
    pub leased: i64,
    /// To the right of the node that writes.
    pub right: i64,
}

impl Change {
    /// A hold of `amount` begins; `is_leased`: under a right granted before.
    #[must_use]
    pub const fn opened(amount: Nano, is_leased: bool) -> Self {
        Self {
            posted: 0,
            overrun: 0,
            held: amount.0,
            leased: if is_leased { 0 } else { amount.0 },
            right: 0,
        }
    }

    /// A hold of `amount` ends: its charge uses the right up, the rest of the right stays with the node.
    #[must_use]
    pub fn closed(amount: Nano, posted: Posted, is_leased: bool) -> Self {
        let used = if is_leased {
            amount.min(posted.actual).0
        } else {
            amount.0
        };
        Self {
            posted: posted.actual.0,
            overrun: posted.overrun.0,
            held: -amount.0,
            leased: -used,
            right: if is_leased { -used } else { 0 },
        }
    }

    /// Of it, what was charged: all that a node alone on its database writes down.
    #[must_use]
    pub const fn charge(self) -> Self {
        Self {
            posted: self.posted,
            overrun: self.overrun,
            held: 0,
            leased: 0,
            right: 0,
        }
    }

    /// The node gives `amount` of its right back.
    #[must_use]
    pub const fn given_back(amount: Nano) -> Self {
        Self {
            posted: 0,
            overrun: 0,
            held: 0,
            leased: -amount.0,
            right: -amount.0,
        }
    }
}

impl AddAssign for Change {
    fn add_assign(&mut self, other: Self) {
        self.posted += other.posted;
        self.overrun += other.overrun;
        self.held += other.held;
        self.leased += other.leased;
        self.right += other.right;
    }
}

/// Which buckets of a path a hold uses a right in: a bit for each, the first in the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Legs(u8);

impl Legs {
    /// Adds the bucket at `nth`.
    pub const fn lease(&mut self, nth: usize) {
        self.0 |= 1 << nth;
    }

    /// Whether the bucket at `nth` is among them.
    #[must_use]
    pub const fn is_leased(self, nth: usize) -> bool {
        self.0 & (1 << nth) != 0
    }
}

/// A node's right in one bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lease {
    /// Granted and not spent.
    pub right: Nano,
    /// Of it, what open holds use.
    pub held: Nano,
    /// The cap of the last grant.
    pub cap: Nano,
    /// Whether a hold used it since the last sweep.
    pub is_touched: bool,
}

impl Lease {
    /// What no hold uses.
    pub const fn idle(&self) -> Nano {
        Nano(self.right.0 - self.held.0)
    }

    /// Whether what is idle was granted under more than `gate` lets through now.
    pub fn is_stale(&self, gate: Gate) -> bool {
        matches!(gate, Gate::Cap(cap) if self.right > Nano::ZERO && self.cap > cap)
    }

    /// What may be set aside under `gate`.
    pub fn free(&self, gate: Gate) -> Nano {
        if self.is_stale(gate) { Nano::ZERO } else { self.idle() }
    }
}

/// A capped bucket of the path of an admission that lacks a right.
#[derive(Clone, Debug)]
pub struct Want {
    /// Which.
    pub bucket: Arc<Bucket>,
    /// What it lets through.
    pub gate: Gate,
    /// What the node may set aside there without asking.
    pub idle: Nano,
    /// What the admission sets aside.
    pub amount: Nano,
}

impl Want {
    /// What has to be granted.
    #[must_use]
    pub fn missing(&self) -> Nano {
        Nano((self.amount.0 - self.idle.0).max(0))
    }
}

/// How much a node is granted of what remains under `gate`. It asks for `least` for one admission and for `all` for those
/// that wait with it; `nodes` are live. Nothing if `least` does not remain.
#[must_use]
pub fn chunk(row: &Row, gate: Gate, least: Nano, all: Nano, nodes: u32) -> Nano {
    let remaining = row.remaining(gate);
    if remaining < i128::from(least.0) || remaining <= 0 {
        return Nano::ZERO;
    }
    let share = if nodes <= 1 {
        remaining
    } else {
        remaining / (SHARE * i128::from(nodes))
    };
    let wanted = i128::from(all.0).min(remaining).max(i128::from(least.0));
    Nano(i64::try_from(share.max(wanted)).unwrap_or(i64::MAX))
}

/// Why no grant was enough: the figures of all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The bucket in the way.
    pub short: Short,
    /// The buckets in which other nodes have enough idle for it; empty if a recall cannot help.
    pub recall: Vec<i64>,
}

/// Whether an admission lacks what the database cannot grant. `None` if every right it lacks remains to be granted.
#[must_use]
pub fn judge<'a>(wants: impl IntoIterator<Item = (&'a Want, &'a Row)>) -> Option<Refused> {
    let mut found: Option<((bool, i128), &Want, &Row)> = None;
    let (mut fits, mut is_only_holds, mut recall, mut is_vain) = (i128::from(i64::MAX), true, Vec::new(), false);
    for (want, row) in wants {
        let (amount, mine) = (i128::from(want.amount.0), i128::from(want.idle.0));
        // What remains may be negative where the cap was lowered: then even a right at hand is above it.
        let available = mine + row.remaining(want.gate);
        fits = fits.min(available);
        if want.missing() == Nano::ZERO || row.remaining(want.gate) >= i128::from(want.missing().0) {
            continue;
        }
        let uncharged = i128::from(row.cap(want.gate).0) - i128::from(row.posted.0);
        let is_held = uncharged >= amount;
        is_only_holds &= is_held;
        if available + (row.idle() - mine).max(0) >= amount {
            recall.push(want.bucket.id);
        } else {
            is_vain = true;
        }
        let rank = (is_held, available);
        if found.as_ref().is_none_or(|(least, ..)| rank < *least) {
            found = Some((rank, want, row));
        }
    }
    let (_, want, row) = found?;
    if is_vain {
        recall.clear();
    }
    let cap = row.cap(want.gate);
    let left = i128::from(cap.0) - i128::from(row.posted.0) - i128::from(row.held.0);
    Some(Refused {
        short: Short {
            series: want.bucket.series,
            cap,
            posted: row.posted,
            held: row.held,
            available: whole(left),
            resets_at_ms: want.bucket.period.end(),
            fits: whole(fits),
            is_only_holds,
        },
        recall,
    })
}

/// `amount` as an amount of money, at least zero.
pub(super) fn whole(amount: i128) -> Nano {
    Nano(i64::try_from(amount.max(0)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Kind, Period, Series};
    use proptest::prelude::*;

    fn want(id: i64, cap: i64, idle: i64, amount: i64) -> Want {
        Want {
            bucket: Arc::new(Bucket {
                id,
                series: Series::team(id, Kind::Day),
                period: Period::ALWAYS,
                zone: "UTC".to_owned(),
            }),
            gate: Gate::Cap(Nano(cap)),
            idle: Nano(idle),
            amount: Nano(amount),
        }
    }

    fn row(posted: i64, held: i64, leased: i64) -> Row {
        Row {
            posted: Nano(posted),
            held: Nano(held),
            leased: Nano(leased),
            ..Row::default()
        }
    }

    proptest! {
        #[test]
        fn a_grant_is_enough_or_nothing_and_never_above_the_cap(
            cap in 0_i64.., posted in 0_i64.., leased in 0_i64.., least in 1_i64.., more in 0_i64.., nodes in 0_u32..64,
        ) {
            let row = row(posted, 0, leased);
            let (gate, all) = (Gate::Cap(Nano(cap)), Nano(least.saturating_add(more)));
            let granted = chunk(&row, gate, Nano(least), all, nodes);
            let remaining = row.remaining(gate);
            prop_assert!(granted == Nano::ZERO || granted >= Nano(least));
            prop_assert!(i128::from(granted.0) <= remaining.max(0));
            prop_assert_eq!(granted > Nano::ZERO, remaining >= i128::from(least));
            if granted > all {
                prop_assert!(nodes <= 1 || i128::from(granted.0) <= remaining / (4 * i128::from(nodes)));
            }
        }
    }

    #[test]
    fn the_only_node_is_granted_all_and_several_leave_room_for_each_other() {
        let cap = Gate::Cap(Nano(1_000));
        assert_eq!(chunk(&row(200, 0, 0), cap, Nano(1), Nano(1), 1), Nano(800));
        assert_eq!(chunk(&row(200, 0, 0), cap, Nano(1), Nano(1), 2), Nano(100));
        assert_eq!(chunk(&row(200, 0, 780), cap, Nano(15), Nano(90), 2), Nano(20));
        assert_eq!(chunk(&row(200, 0, 780), cap, Nano(21), Nano(90), 2), Nano(0));
    }

    #[test]
    fn a_recall_is_asked_for_where_it_helps() {
        let (short, stranded) = (want(1, 100, 0, 30), row(40, 20, 60));
        let refused = judge([(&short, &stranded)]).unwrap();
        assert_eq!(
            (refused.recall.as_slice(), refused.short.fits),
            ([1].as_slice(), Nano(0))
        );
        assert_eq!((refused.short.available, refused.short.held), (Nano(40), Nano(20)));
        let (full, spent) = (want(2, 100, 0, 30), row(90, 0, 0));
        let refused = judge([(&short, &stranded), (&full, &spent)]).unwrap();
        assert_eq!((refused.recall.len(), refused.short.series.team_id), (0, 2));
        assert!(!refused.short.is_only_holds);
        let refused = judge([(&short, &row(40, 60, 60))]).unwrap();
        assert!(refused.recall.is_empty() && refused.short.is_only_holds);
        assert_eq!(
            judge([(&want(1, 100, 30, 30), &row(0, 0, 100)), (&short, &row(0, 0, 70))]),
            None
        );
    }
}

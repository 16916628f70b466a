//! The operations that wait for the journal, numbered in the order in which they were decided.
//!
//! Invariant: a hold or a right given back wakes a resting journal, a settle only one that has nothing to do at all. Pure.

use super::batch::{Closed, Op, Opened};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What would wake a resting journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// It is at work and will look again.
    Working,
    /// Settles are queued and a timer runs.
    UntilHold,
    /// The queue is empty.
    UntilAny,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    ops: Vec<Op>,
    last: u64,
    has_hold: bool,
    oldest: Option<Instant>,
    rest: Rest,
}

impl Queue {
    /// An empty queue; the journal is about to look.
    pub const fn new() -> Self {
        Self {
            ops: Vec::new(),
            last: 0,
            has_hold: false,
            oldest: None,
            rest: Rest::Working,
        }
    }

    /// Forgets what is queued and numbers on from `last`; the journal is about to look.
    pub fn restart(&mut self, last: u64) {
        *self = Self { last, ..Self::new() };
    }

    /// The number of the last operation queued.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// How many operations the journal has not taken.
    pub const fn len(&self) -> usize {
        self.ops.len()
    }

    /// Age of the oldest operation that is not written.
    pub fn lag(&self) -> Duration {
        self.oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed())
    }

    /// Queues `op`; whether the journal must be woken for it.
    pub fn push(&mut self, op: Op) -> bool {
        let is_hold = matches!(op, Op::Open(_) | Op::Back(..));
        self.last += 1;
        self.has_hold |= is_hold;
        if self.oldest.is_none() {
            self.oldest = Some(Instant::now());
        }
        self.ops.push(op);
        let wakes = match self.rest {
            Rest::Working => false,
            Rest::UntilHold => is_hold,
            Rest::UntilAny => true,
        };
        if wakes {
            self.rest = Rest::Working;
        }
        wakes
    }

    /// What the journal is to wait for, or `None` if there is a hold to write.
    pub fn rest(&mut self) -> Option<Rest> {
        if self.has_hold {
            return None;
        }
        self.rest = if self.ops.is_empty() {
            Rest::UntilAny
        } else {
            Rest::UntilHold
        };
        Some(self.rest)
    }

    /// The first of what is queued, at most `most`, and the number of the first.
    pub fn take(&mut self, most: usize) -> (Vec<Op>, u64) {
        self.rest = Rest::Working;
        let first = self.last + 1 - self.ops.len() as u64;
        if self.ops.len() <= most {
            self.has_hold = false;
            return (std::mem::take(&mut self.ops), first);
        }
        // What is left does not wait for more.
        self.has_hold = true;
        let left = self.ops.split_off(most);
        (std::mem::replace(&mut self.ops, left), first)
    }

    /// The ends of holds that were queued after the operation numbered `after`.
    pub fn ends_after(&self, after: u64) -> impl Iterator<Item = (&Arc<Opened>, &Closed)> {
        let first = self.last + 1 - self.ops.len() as u64;
        let known = usize::try_from((after + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        self.ops.iter().skip(known).filter_map(|op| match op {
            Op::Close(opened, closed) => Some((opened, closed)),
            Op::Open(_) | Op::Back(..) => None,
        })
    }

    /// What was taken is written.
    pub fn written(&mut self) {
        self.oldest = (!self.ops.is_empty()).then(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::{
        ledger::{Bucket, Kind, Period, Series},
        money::Nano,
    };
    use std::sync::Arc;

    #[test]
    fn a_long_queue_is_taken_in_parts_one_after_another() {
        let bucket = Arc::new(Bucket {
            id: 1,
            series: Series::key(1, 2, Kind::Total),
            period: Period::ALWAYS,
            zone: "UTC".to_owned(),
        });
        let mut queue = Queue::new();
        for nano in 0..7 {
            queue.push(Op::Back(Arc::clone(&bucket), Nano(nano)));
        }
        let mut parts = Vec::new();
        while queue.rest().is_none() {
            let (ops, first) = queue.take(3);
            parts.push((ops.len(), first));
        }
        assert_eq!(parts, [(3, 1), (3, 4), (1, 7)]);
        assert_eq!((queue.last(), queue.len()), (7, 0));
    }
}

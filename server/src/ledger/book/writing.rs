//! The journal's side of the book: what to write, and what became of it.
//!
//! Invariant: what is taken is everything queued, so that once it is written every hold below its low-water mark is closed.
//! No I/O.

use super::Book;
use crate::ledger::{batch::Op, queue::Rest};
use std::time::{Duration, Instant};
use tokio::sync::futures::Notified;

/// How often the lowest open hold is looked up.
const LOW_WATER_EVERY: Duration = Duration::from_secs(1);

/// What the journal takes to write.
pub(in crate::ledger) struct Taken {
    pub ops: Vec<Op>,
    /// Number of the first of `ops`.
    pub first: u64,
    /// The id below which every hold is closed once `ops` are written.
    pub low_water: i64,
}

impl Book {
    /// What to wait for before the next batch, or `None` if there is a batch to write or nothing more to come.
    pub fn rest(&self) -> Option<Rest> {
        let mut state = self.state.lock();
        if state.is_closing { None } else { state.queue.rest() }
    }

    /// Resolves when there is work that does not wait.
    pub fn work(&self) -> Notified<'_> {
        self.work.notified()
    }

    /// Everything queued, or `None` if the ledger is closing and there is nothing.
    pub fn take(&self) -> Option<Taken> {
        let mut state = self.state.lock();
        if state.queue.len() == 0 && state.is_closing {
            return None;
        }
        let (ops, first) = state.queue.take();
        let is_due = state.low_water_at.is_none_or(|at| at.elapsed() >= LOW_WATER_EVERY);
        if is_due && !state.is_recovering {
            state.low_water = state.engine.lowest_open().unwrap_or(state.last_id + 1);
            state.low_water_at = Some(Instant::now());
        }
        Some(Taken {
            ops,
            first,
            low_water: state.low_water,
        })
    }

    /// Everything up to `seq` is durable.
    pub fn committed(&self, seq: u64) {
        let mut state = self.state.lock();
        state.is_writable = true;
        state.queue.written();
        drop(state);
        self.progress.commit(seq);
    }

    /// A write failed: nothing queued so far is going to be durable soon.
    pub fn failed(&self) {
        let mut state = self.state.lock();
        state.is_writable = false;
        let last = state.queue.last();
        drop(state);
        self.progress.fail(last);
    }

    /// Whether the ledger is closing.
    pub fn is_closing(&self) -> bool {
        self.state.lock().is_closing
    }

    /// The journal has ended.
    pub fn stopped(&self) {
        let mut state = self.state.lock();
        state.is_stopped = true;
        state.is_closing = true;
        drop(state);
        self.progress.fail(u64::MAX);
    }
}

//! The journal's side of the book: what to write, and what became of it.
//!
//! Invariant: once what is taken is written every hold below its low-water mark is closed; so the mark rises only where
//! everything queued is taken.
//! No I/O.

use super::Book;
use crate::ledger::{
    batch::{HoldRow, Taken},
    node::Identity,
    queue::{Queue, Rest},
};
use gateway_core::ledger::Engine;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::futures::Notified;

/// Operations written in one group at most: after a long outage there are many.
const MAX_GROUP: usize = 4_096;
/// How often the lowest open hold is looked up.
const LOW_WATER_EVERY: Duration = Duration::from_secs(1);

impl Book {
    /// What to wait for before the next batch, or `None` if there is a batch to write or nothing more to come.
    pub fn rest(&self) -> Option<Rest> {
        let mut state = self.state.lock();
        if state.is_closing || state.is_fenced {
            None
        } else {
            state.queue.rest()
        }
    }

    /// Resolves when there is work that does not wait.
    pub fn work(&self) -> Notified<'_> {
        self.work.notified()
    }

    /// What is queued, as much of it as one group takes, or `None` if the ledger is closing and there is nothing: from then on nothing more is queued.
    pub fn take(&self) -> Option<Taken> {
        let mut state = self.state.lock();
        if state.queue.len() == 0 && state.is_closing {
            state.is_stopped = true;
            return None;
        }
        let (ops, first) = state.queue.take(MAX_GROUP);
        if state.queue.len() == 0 && state.low_water_at.is_none_or(|at| at.elapsed() >= LOW_WATER_EVERY) {
            state.low_water = state.engine.lowest_open().unwrap_or(state.last_id + 1);
            state.low_water_at = Some(Instant::now());
        }
        Some(Taken {
            ops,
            first,
            low_water: state.low_water,
        })
    }

    /// The ends of holds that were queued after the operation numbered `after`, and the number of the last operation queued.
    pub fn ends_after(&self, after: u64) -> (Vec<HoldRow>, u64) {
        ends_after(&self.state.lock().queue, after)
    }

    /// Everything up to `seq` is durable.
    pub fn committed(&self, seq: u64) {
        let mut state = self.state.lock();
        state.is_writable = true;
        state.commits += 1;
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

    /// Whether the node was found fenced and has not been replaced.
    pub fn is_fenced(&self) -> bool {
        self.state.lock().is_fenced
    }

    /// Goes on as the node `me`, with an empty engine: what the last one held is ended by others, and what it
    /// had not written never will be. Returns what [`Book::ends_after`] does of the last one.
    pub fn begin_life(&self, me: &Identity, after: u64) -> (Vec<HoldRow>, u64) {
        let mut state = self.state.lock();
        let left = ends_after(&state.queue, after);
        let lost = state.engine.open_count();
        state.engine = if state.is_shared {
            Engine::shared()
        } else {
            Engine::default()
        };
        let first = self.progress.begin_life();
        state.queue.restart(first);
        (state.node, state.slot) = (me.id, me.slot);
        state.last_id = state.last_id.max(me.last_id);
        state.low_water = state.last_id + 1;
        state.low_water_at = None;
        (state.is_fenced, state.is_writable) = (false, true);
        drop(state);
        tracing::warn!(
            node = me.id,
            lost,
            "goes on as a new node; the holds of the fenced one are posted whole by others"
        );
        self.announce_room();
        left
    }

    /// From now on nothing is queued: nobody would write it.
    pub fn take_nothing_more(&self) {
        self.state.lock().is_stopped = true;
    }

    /// The journal has ended.
    pub fn stopped(&self) {
        let mut state = self.state.lock();
        (state.is_closing, state.is_stopped, state.has_ended) = (true, true, true);
        drop(state);
        self.progress.stop();
    }
}

fn ends_after(queue: &Queue, after: u64) -> (Vec<HoldRow>, u64) {
    let ends = queue.ends_after(after);
    let rows = ends.map(|(opened, closed)| HoldRow::ended(Arc::clone(opened), closed.clone()));
    (rows.collect(), queue.last())
}

#[cfg(test)]
mod tests {
    use crate::ledger::{Ask, Closing, Opening, book::Book, node::Identity};
    use gateway_core::{
        ledger::{Bucket, Caps, Funding, Payer, Period, Stored},
        money::Nano,
    };

    fn ask() -> Ask {
        Ask {
            payer: Payer {
                team_id: 1,
                team_zone: "UTC".to_owned(),
                team: Caps::default(),
                member: None,
                key_id: 2,
                key: Caps::default(),
            },
            amount: Nano(10),
            wait_ms: 0,
            now_ms: 1_795_521_600_000,
            record: Opening {
                request_id: None,
                model: "model".into(),
                asked: None,
                operation: "chat",
                is_stream: false,
                is_own: false,
                price_id: 1,
                markup: gateway_core::pricing::Markup::NONE,
            },
        }
    }

    fn book() -> Book {
        let book = Book::new(&Identity::only(), false);
        for (id, (series, _)) in (1..).zip(ask().payer.path(Funding::Credit)) {
            let bucket = Bucket {
                id,
                series,
                period: Period::ALWAYS,
                zone: "UTC".to_owned(),
            };
            book.with_engine(|engine| {
                engine.open(Stored {
                    bucket,
                    posted: Nano::ZERO,
                    overrun: Nano::ZERO,
                    credit: Nano::ZERO,
                });
            });
        }
        book
    }

    #[test]
    fn the_low_water_mark_stays_while_ends_are_left_in_the_queue() {
        let book = book();
        let count = super::MAX_GROUP;
        let holds: Vec<_> = (0..count)
            .map(|_| book.admit(&ask(), ask().now_ms, false).unwrap())
            .collect();
        for hold in &holds {
            book.settle(hold, Closing::default(), false);
        }
        let opens = book.take().unwrap();
        assert_eq!(opens.ops.len(), count);
        assert!(opens.low_water <= holds[0].id, "their ends are not written");
        let ends = book.take().unwrap();
        assert_eq!((ends.ops.len(), ends.first), (count, count as u64 + 1));
        assert!(ends.low_water > holds[count - 1].id);
    }

    #[test]
    fn a_hold_that_ends_after_the_last_group_is_left_to_recovery() {
        let book = book();
        let opened = book.admit(&ask(), ask().now_ms, false).unwrap();
        book.begin_close();
        let last = book.take().unwrap();
        book.committed(last.first);
        assert!(book.take().is_none());
        book.settle(&opened, Closing::default(), false);
        assert_eq!(book.status().queued, 0, "nobody would write it");
    }
}

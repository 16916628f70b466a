//! The journal: one thread that writes what has queued, group after group.
//!
//! Invariant: groups are written in order, each exactly once: the setting `ledger` names the last one, and a group is
//! written only on top of its predecessor. A failed write is repeated, unchanged, until it succeeds or another process has
//! taken the ledger over. Writes through `store`.

#[cfg(test)]
mod cost;

use super::{
    batch::Batch,
    book::Book,
    queue::Rest,
    store::{Marker, Origin, Store, StoreError},
};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long settles wait for a hold to ride with.
const SETTLE_WITHIN: Duration = Duration::from_millis(10);
/// The pause after a commit in which the next group gathers.
const GATHER: Duration = Duration::from_micros(800);
/// How long one write may take.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// The first and the longest pause after a failed write.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long a closing ledger repeats a failing write.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Starts the journal's thread on top of `marker`.
pub(super) fn start(origin: Origin, marker: Marker, book: Arc<Book>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let journal = Journal {
        origin,
        store: None,
        marker,
        book,
    };
    thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || runtime.block_on(journal.run()))?;
    Ok(())
}

struct Journal {
    origin: Origin,
    store: Option<Store>,
    /// The last group written.
    marker: Marker,
    book: Arc<Book>,
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Database(#[from] StoreError),
    #[error("no answer within {} s", WRITE_WITHIN.as_secs())]
    TimedOut,
    #[error("another process has taken the ledger over")]
    TakenOver,
}

/// Marks the journal as ended, also when the thread panics.
struct Stop(Arc<Book>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stopped();
    }
}

impl Journal {
    async fn run(mut self) {
        let _stop = Stop(Arc::clone(&self.book));
        loop {
            self.wait_for_work().await;
            let Some(taken) = self.book.take() else {
                return;
            };
            if taken.ops.is_empty() {
                continue;
            }
            let batch = Batch::new(taken.ops, taken.first, taken.low_water);
            if !self.write(&batch).await {
                return;
            }
            self.book.committed(batch.last);
            thread::sleep(GATHER);
        }
    }

    async fn wait_for_work(&self) {
        match self.book.rest() {
            None => {}
            Some(Rest::UntilHold) => {
                // Either outcome leads to the same write.
                let _ = tokio::time::timeout(SETTLE_WITHIN, self.book.work()).await;
            }
            Some(Rest::UntilAny | Rest::Working) => self.book.work().await,
        }
    }

    /// Writes `batch`, however long it takes; `false` if it never can be.
    async fn write(&mut self, batch: &Batch) -> bool {
        let next = self.marker.next(batch.low_water);
        let mut pause = RETRY_AFTER.0;
        let mut failing_since = None;
        loop {
            let error = match self.try_write(batch, &next, failing_since.is_some()).await {
                Ok(()) => {
                    if failing_since.is_some() {
                        tracing::info!("the ledger writes again");
                    }
                    self.marker = next;
                    return true;
                }
                Err(error) => error,
            };
            self.store = None;
            self.book.failed();
            let since = *failing_since.get_or_insert_with(Instant::now);
            tracing::error!(%error, "the ledger cannot write");
            let is_late = self.book.is_closing() && since.elapsed() > CLOSE_WITHIN;
            if matches!(error, WriteError::TakenOver) || is_late {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_AFTER.1);
        }
    }

    async fn try_write(&mut self, batch: &Batch, next: &Marker, is_repeat: bool) -> Result<(), WriteError> {
        let write = async {
            let store = match &mut self.store {
                Some(store) => store,
                none => none.insert(self.origin.connect().await?),
            };
            if is_repeat {
                // A write that seemed to fail may have been committed.
                let found = store.marker().await?;
                if found == next.render() {
                    return Ok(());
                }
                if found != self.marker.render() {
                    return Err(WriteError::TakenOver);
                }
            }
            store.write(batch, &self.marker.render(), &next.render()).await?;
            Ok(())
        };
        tokio::time::timeout(WRITE_WITHIN, write)
            .await
            .unwrap_or(Err(WriteError::TimedOut))
    }
}

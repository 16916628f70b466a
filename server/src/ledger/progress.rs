//! How far the journal has come: numbers that only rise, and one wake for all who wait for them.
//!
//! Invariant: an operation is durable once `committed` has reached its number. No I/O.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Notify, futures::Notified};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Every operation up to this number is durable.
    committed: AtomicU64,
    /// A write failed when this was the last operation queued.
    failed: AtomicU64,
    changed: Notify,
}

impl Progress {
    /// The number of the last operation that is durable.
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Everything up to `seq` is durable.
    pub fn commit(&self, seq: u64) {
        self.committed.store(seq, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Nothing up to `seq` is going to be durable soon.
    pub fn fail(&self, seq: u64) {
        self.failed.store(seq, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Resolves at the first commit or failure after this call.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Waits until the operation numbered `seq` is durable (`true`) or could not be written (`false`).
    pub async fn durable(&self, seq: u64) -> bool {
        loop {
            let changed = self.changed();
            if self.committed() >= seq {
                return true;
            }
            if self.failed.load(Ordering::Acquire) >= seq {
                return false;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_commit_outdoes_a_failure_and_a_failure_ends_the_wait() {
        let progress = Progress::default();
        progress.fail(3);
        assert!(!progress.durable(3).await);
        progress.commit(3);
        assert!(progress.durable(3).await);
        let (durable, ()) = tokio::join!(progress.durable(4), async { progress.fail(4) });
        assert!(!durable);
        let (durable, ()) = tokio::join!(progress.durable(5), async { progress.commit(5) });
        assert!(durable);
    }
}

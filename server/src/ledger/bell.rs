//! The bell that wakes the journal.
//!
//! A thread that is woken takes the processor where it is scarce, often from the request whose hold woke it and which is about to be
//! sent. So requests ring a little later: once their task, and whatever is ready on its thread, has gone on.
//!
//! Invariant: who is told to ring soon has it rung, also where its runtime ends meanwhile; a thread rings once for all of its requests
//! that want it. No I/O.

use super::progress::{LANES, lane};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    runtime::Handle,
    sync::{Notify, futures::Notified},
};

/// See the module.
#[derive(Default)]
pub(super) struct Bell(Arc<Shared>);

struct Shared {
    rung: Notify,
    /// Of each lane: whether it is going to ring.
    is_due: Box<[AtomicBool]>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            rung: Notify::new(),
            is_due: (0..LANES).map(|_| AtomicBool::default()).collect(),
        }
    }
}

impl Bell {
    /// Resolves when it is rung, or was since the last time.
    pub fn rung(&self) -> Notified<'_> {
        self.0.rung.notified()
    }

    /// Rings at once.
    pub fn ring(&self) {
        self.0.rung.notify_one();
    }

    /// Rings once the calling task has gone on.
    pub fn ring_soon(&self) {
        let lane = lane();
        if self.0.is_due[lane].swap(true, Ordering::AcqRel) {
            return;
        }
        let ringing = Ringing(Arc::clone(&self.0), lane);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { drop(ringing) });
        }
    }
}

/// Rings when it is dropped, by whomever.
struct Ringing(Arc<Shared>, usize);

impl Drop for Ringing {
    fn drop(&mut self) {
        // Who comes from here on rings anew; who came before has queued what the journal is going to find.
        self.0.is_due[self.1].store(false, Ordering::Release);
        self.0.rung.notify_one();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn it_rings_once_the_task_has_gone_on() {
        let bell = Bell::default();
        bell.ring_soon();
        bell.ring_soon();
        assert!(bell.rung().now_or_never().is_none());
        tokio::task::yield_now().await;
        assert!(bell.rung().now_or_never().is_some());
        assert!(bell.rung().now_or_never().is_none());
        bell.ring_soon();
        bell.rung().await;
    }

    #[test]
    fn it_rings_without_a_runtime_and_where_the_runtime_ends() {
        let bell = Bell::default();
        bell.ring_soon();
        assert!(bell.rung().now_or_never().is_some());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let within = runtime.enter();
        bell.ring_soon();
        assert!(bell.rung().now_or_never().is_none());
        drop(within);
        drop(runtime);
        assert!(bell.rung().now_or_never().is_some());
    }
}

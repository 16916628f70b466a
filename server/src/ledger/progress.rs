//! How far the journal has come: numbers that only rise, and one wake per thread for all who wait there.
//!
//! Invariant: an operation is durable once `committed` has reached its number within its life: a process that goes on as
//! another node begins a new life, and what the last one had not written by then never is. Of the waiters of a lane the journal wakes the
//! first alone, and that one wakes the others, on their own thread; one that goes away passes that on. No I/O.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
};
use tokio::sync::{Notify, futures::Notified};

/// Bits of a number below those that count lives.
const LIFE_BITS: u32 = 40;
/// How many lanes there are; threads beyond share them.
const LANES: usize = 64;

thread_local! {
    /// The lane of this thread.
    static LANE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % LANES
    };
}

/// Who waits: for which operation, and a number that tells waiters for the same one apart.
type Place = (u64, u64);

/// The waiters of one thread, in the order in which they can go on.
type Lane = Mutex<BTreeMap<Place, Waker>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Progress {
    /// Every operation up to this number is durable.
    committed: AtomicU64,
    /// A write failed when this was the last operation queued.
    failed: AtomicU64,
    waiters: AtomicU64,
    lanes: Box<[Lane]>,
    changed: Notify,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            committed: AtomicU64::default(),
            failed: AtomicU64::default(),
            waiters: AtomicU64::default(),
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            changed: Notify::default(),
        }
    }
}

const fn life(seq: u64) -> u64 {
    seq >> LIFE_BITS
}

impl Progress {
    /// The number of the last operation that is durable.
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Everything up to `seq` is durable.
    pub fn commit(&self, seq: u64) {
        self.committed.store(seq, Ordering::Release);
        self.announce();
    }

    /// Nothing up to `seq` is going to be durable soon.
    pub fn fail(&self, seq: u64) {
        self.failed.store(seq, Ordering::Release);
        self.announce();
    }

    /// Nothing more is going to be durable.
    pub fn stop(&self) {
        self.fail(u64::MAX);
    }

    /// Begins a new life; the number before its first operation.
    pub fn begin_life(&self) -> u64 {
        let first = (life(self.committed()) + 1) << LIFE_BITS;
        self.commit(first);
        first
    }

    /// Resolves at the first commit or failure after this call.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Waits until the operation numbered `seq` is durable (`true`) or could not be written (`false`).
    pub fn durable(&self, seq: u64) -> Durable<'_> {
        Durable {
            progress: self,
            seq,
            place: None,
        }
    }

    /// Wakes the first of each lane that can go on.
    fn announce(&self) {
        for lane in &self.lanes {
            // Taken out, not only woken: should it never be polled again, the next commit wakes another.
            let first = self.take_ready(&mut lane.lock());
            if let Some(waker) = first {
                waker.wake();
            }
        }
        self.changed.notify_waiters();
    }

    /// The first of `lane`, if it can go on.
    fn take_ready(&self, lane: &mut BTreeMap<Place, Waker>) -> Option<Waker> {
        let first = lane.first_entry()?;
        let (seq, _) = *first.key();
        self.outcome(seq).map(|_| first.remove())
    }

    /// Wakes all of `lane` that can go on.
    fn wake_ready(&self, lane: &Lane) {
        loop {
            let ready = self.take_ready(&mut lane.lock());
            let Some(waker) = ready else { return };
            waker.wake();
        }
    }

    /// What became of the operation numbered `seq`, once that is known.
    fn outcome(&self, seq: u64) -> Option<bool> {
        let committed = self.committed();
        if life(committed) > life(seq) {
            Some(false)
        } else if committed >= seq {
            Some(true)
        } else if self.failed.load(Ordering::Acquire) >= seq {
            Some(false)
        } else {
            None
        }
    }
}

/// See [`Progress::durable`].
#[derive(Debug)]
pub(super) struct Durable<'a> {
    progress: &'a Progress,
    seq: u64,
    /// The lane it waits in, and where, once it waits.
    place: Option<(usize, Place)>,
}

impl Durable<'_> {
    /// Leaves its lane, and has the others of it woken that can go on: it may be the one who was told.
    fn leave(&mut self) {
        if let Some((lane, place)) = self.place.take() {
            let lane = &self.progress.lanes[lane];
            lane.lock().remove(&place);
            self.progress.wake_ready(lane);
        }
    }
}

impl Future for Durable<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let progress = self.progress;
        if let Some(is_durable) = progress.outcome(self.seq) {
            self.leave();
            return Poll::Ready(is_durable);
        }
        let seq = self.seq;
        let (lane, place) = *self.place.get_or_insert_with(|| {
            let number = progress.waiters.fetch_add(1, Ordering::Relaxed);
            (LANE.with(|lane| *lane), (seq, number))
        });
        progress.lanes[lane].lock().insert(place, context.waker().clone());
        // The journal may have come between the look and the lock; from here on it finds this waiter.
        if let Some(is_durable) = progress.outcome(self.seq) {
            self.leave();
            return Poll::Ready(is_durable);
        }
        Poll::Pending
    }
}

impl Drop for Durable<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::{Arc, atomic::AtomicBool};
    use std::task::Wake;

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

    #[tokio::test]
    async fn what_a_fenced_node_had_not_written_never_becomes_durable() {
        let progress = Progress::default();
        progress.commit(3);
        let (durable, first) = tokio::join!(progress.durable(4), async { progress.begin_life() });
        assert!(!durable);
        progress.commit(first + 1);
        assert!(progress.durable(first + 1).await);
        assert!(!progress.durable(4).await);
    }

    #[derive(Default)]
    struct Bell(AtomicBool);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    impl Bell {
        /// Whether it rang since the last call.
        fn rang(&self) -> bool {
            self.0.swap(false, Ordering::SeqCst)
        }
    }

    fn poll(durable: Pin<&mut Durable<'_>>, bell: &Arc<Bell>) -> Poll<bool> {
        durable.poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))))
    }

    #[test]
    fn a_commit_wakes_one_of_a_thread_which_wakes_the_others_it_concerns() {
        let progress = Progress::default();
        let bells: [Arc<Bell>; 3] = Default::default();
        let (mut one, mut two, mut three) = (
            pin!(progress.durable(1)),
            pin!(progress.durable(2)),
            pin!(progress.durable(3)),
        );
        assert!(poll(three.as_mut(), &bells[2]).is_pending());
        assert!(poll(two.as_mut(), &bells[1]).is_pending());
        assert!(poll(one.as_mut(), &bells[0]).is_pending());
        progress.commit(2);
        assert_eq!(bells.each_ref().map(|bell| bell.rang()), [true, false, false]);
        assert_eq!(poll(one.as_mut(), &bells[0]), Poll::Ready(true));
        assert_eq!(bells.each_ref().map(|bell| bell.rang()), [false, true, false]);
        assert_eq!(poll(two.as_mut(), &bells[1]), Poll::Ready(true));
        assert!(!bells[2].rang());
        progress.fail(3);
        assert!(bells[2].rang());
        assert_eq!(poll(three.as_mut(), &bells[2]), Poll::Ready(false));
    }

    #[test]
    fn who_was_woken_and_goes_away_wakes_the_others() {
        let progress = Progress::default();
        let bells: [Arc<Bell>; 2] = Default::default();
        let mut one = Box::pin(progress.durable(1));
        let mut two = pin!(progress.durable(2));
        assert!(poll(one.as_mut(), &bells[0]).is_pending());
        assert!(poll(two.as_mut(), &bells[1]).is_pending());
        progress.commit(2);
        assert!(bells[0].rang() && !bells[1].rang());
        drop(one);
        assert!(bells[1].rang());
        assert_eq!(poll(two.as_mut(), &bells[1]), Poll::Ready(true));
    }

    #[test]
    fn who_polls_again_is_woken_where_it_polled_last() {
        let progress = Progress::default();
        let bells: [Arc<Bell>; 2] = Default::default();
        let mut one = pin!(progress.durable(1));
        assert!(poll(one.as_mut(), &bells[0]).is_pending());
        assert!(poll(one.as_mut(), &bells[1]).is_pending());
        progress.commit(1);
        assert_eq!(bells.each_ref().map(|bell| bell.rang()), [false, true]);
        assert_eq!(poll(one.as_mut(), &bells[0]), Poll::Ready(true));
    }
}

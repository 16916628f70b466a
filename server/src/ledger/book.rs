//! What requests and the journal have in common: the engine, the queue between them, and how far it has been written.
//!
//! Invariant: an operation is queued under the same lock that decided it, so the queue's order is the engine's.
//! Wakes the journal for holds only; settles ride along. No I/O.

mod writing;

use super::{
    Ask, Closing, Opening,
    batch::{Closed, Op, Opened, State as HoldState},
    progress::Progress,
    queue::Queue,
};
use gateway_core::{
    id,
    ledger::{Bucket, Engine, Gate, HoldError, Posted, Short, payer::MAX_PATH},
    money::Nano,
};
use parking_lot::Mutex;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, futures::Notified};

/// Operations the queue takes before nothing more is admitted.
const MAX_QUEUED: usize = 100_000;
/// How long a closing ledger tries to write.
const CLOSE_WITHIN: Duration = Duration::from_secs(15);

/// How the journal is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the last write succeeded, so that requests are admitted.
    pub writable: bool,
    /// Operations not written yet.
    pub queued: u64,
    /// Age of the oldest of them, milliseconds.
    pub lag_ms: u64,
    /// Holds open now.
    pub open_holds: u64,
}

/// Why an attempt made no hold.
#[derive(Debug)]
pub(super) enum Missed {
    /// A series of the path has not been loaded.
    NotOpen,
    /// A bucket stands in the way.
    Short(Short),
    /// Nothing is admitted now.
    Down,
}

/// See the module.
pub(super) struct Book {
    state: Mutex<State>,
    progress: Progress,
    work: Notify,
    settled: Notify,
    waiting: AtomicUsize,
}

struct State {
    engine: Engine,
    /// Buckets that are not queued to be written yet.
    fresh: HashSet<i64>,
    queue: Queue,
    last_id: i64,
    low_water: i64,
    low_water_at: Option<Instant>,
    is_recovering: bool,
    is_writable: bool,
    is_closing: bool,
    is_stopped: bool,
}

impl State {
    fn next_id(&mut self, now_ms: i64) -> i64 {
        self.last_id = id::at(now_ms, 0).max(self.last_id + 1);
        self.last_id
    }

    /// The path of `ask` at `now_ms`, or `None` if a series is not open.
    fn path(&mut self, ask: &Ask, now_ms: i64, is_prepaid: bool) -> Option<Vec<(Arc<Bucket>, Gate)>> {
        let mut path = Vec::with_capacity(MAX_PATH);
        for (series, gate) in ask.payer.path(is_prepaid) {
            let (last_id, fresh) = (&mut self.last_id, &mut self.fresh);
            let make = || {
                *last_id = id::at(now_ms, 0).max(*last_id + 1);
                fresh.insert(*last_id);
                *last_id
            };
            let bucket = self.engine.place(series, &ask.payer.team_zone, now_ms, make)?;
            path.push((Arc::clone(bucket), gate));
        }
        Some(path)
    }
}

impl Book {
    /// An idle ledger whose next id is above `last_id`, recovering from `low_water` on.
    pub fn new(last_id: i64, low_water: i64) -> Self {
        Self {
            state: Mutex::new(State {
                engine: Engine::default(),
                fresh: HashSet::new(),
                queue: Queue::new(),
                last_id,
                low_water,
                low_water_at: None,
                is_recovering: true,
                is_writable: true,
                is_closing: false,
                is_stopped: false,
            }),
            progress: Progress::default(),
            work: Notify::new(),
            settled: Notify::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Runs `act` on the engine.
    pub fn with_engine<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> T {
        act(&mut self.state.lock().engine)
    }

    /// An id that sorts after every other.
    pub fn next_id(&self, now_ms: i64) -> i64 {
        self.state.lock().next_id(now_ms)
    }

    /// Decides `ask` and queues its hold.
    pub fn admit(&self, ask: &Ask, now_ms: i64, is_prepaid: bool) -> Result<Arc<Opened>, Missed> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if !state.is_writable || state.is_closing || state.queue.len() >= MAX_QUEUED {
            return Err(Missed::Down);
        }
        let path = state.path(ask, now_ms, is_prepaid).ok_or(Missed::NotOpen)?;
        let mut gates = [(0, Gate::Open); MAX_PATH];
        for (slot, (bucket, gate)) in gates.iter_mut().zip(&path) {
            *slot = (bucket.id, *gate);
        }
        let hold_id = state.next_id(now_ms);
        state
            .engine
            .hold(hold_id, &gates[..path.len()], ask.amount)
            .map_err(|error| match error {
                HoldError::Short(short) => Missed::Short(short),
                HoldError::Invalid => {
                    tracing::error!(amount = ask.amount.0, hold_id, "not a hold");
                    Missed::Down
                }
            })?;
        let mut wakes = false;
        for (bucket, _) in &path {
            if !state.fresh.is_empty() && state.fresh.remove(&bucket.id) {
                wakes |= state.queue.push(Op::Bucket(Arc::clone(bucket)));
            }
        }
        let opened = Arc::new(opened(ask, hold_id, now_ms, state.queue.last() + 1, path));
        wakes |= state.queue.push(Op::Open(Arc::clone(&opened)));
        drop(guard);
        if wakes {
            self.work.notify_one();
        }
        Ok(opened)
    }

    /// Ends a hold with `closing` in the engine and queues its end; a hold that has ended is left alone.
    pub fn settle(&self, opened: &Arc<Opened>, closing: Closing, is_void: bool) {
        let mut state = self.state.lock();
        let (kind, posted) = if is_void {
            let nothing = Posted {
                actual: Nano::ZERO,
                overrun: Nano::ZERO,
            };
            (HoldState::Voided, state.engine.void(opened.id).map(|()| nothing))
        } else {
            let kind = if closing.estimated {
                HoldState::Estimated
            } else {
                HoldState::Posted
            };
            (kind, state.engine.post(opened.id, closing.charge))
        };
        let Some(posted) = posted else {
            return;
        };
        if state.is_stopped {
            tracing::error!(
                hold_id = opened.id,
                "ended after the ledger; the next start posts it whole"
            );
            return;
        }
        let wakes = state.queue.push(Op::Close(
            Arc::clone(opened),
            Closed {
                state: kind,
                posted,
                closing,
            },
        ));
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        if posted.overrun > Nano::ZERO {
            tracing::warn!(
                hold_id = opened.id,
                overrun = posted.overrun.0,
                "charged above the hold"
            );
        }
        self.announce_room();
    }

    /// Wakes the admissions that wait for room.
    pub fn announce_room(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.settled.notify_waiters();
        }
    }

    /// Queues what recovery found; returns the number to wait for.
    pub fn queue_recovered(&self, ops: Vec<Op>) -> u64 {
        let mut state = self.state.lock();
        let mut wakes = false;
        for op in ops {
            wakes |= state.queue.push(op);
        }
        let last = state.queue.last();
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        last
    }

    /// The id below which every hold is closed.
    pub fn low_water(&self) -> i64 {
        self.state.lock().low_water
    }

    /// From now on the low-water mark moves.
    pub fn end_recovery(&self) {
        self.state.lock().is_recovering = false;
    }

    /// Waits until the operation numbered `seq` is durable (`true`) or could not be written (`false`).
    pub async fn durable(&self, seq: u64) -> bool {
        self.progress.durable(seq).await
    }

    /// Counts this caller among those that wait for room, until the value is dropped.
    pub fn wait_for_settles(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(self)
    }

    /// See [`super::Ledger::status`].
    pub fn status(&self) -> Status {
        let state = self.state.lock();
        Status {
            writable: state.is_writable && !state.is_closing,
            queued: state.queue.last() - self.progress.committed(),
            lag_ms: u64::try_from(state.queue.lag().as_millis()).unwrap_or(u64::MAX),
            open_holds: state.engine.open_count() as u64,
        }
    }

    /// Admits nothing more and lets the journal end once the queue is written.
    pub fn begin_close(&self) {
        self.state.lock().is_closing = true;
        self.work.notify_one();
    }

    /// Waits for the journal to end; whether everything was written.
    pub async fn wait_until_stopped(&self) -> bool {
        let stopped = async {
            loop {
                let changed = self.progress.changed();
                if let Some(is_written) = self.end() {
                    return is_written;
                }
                changed.await;
            }
        };
        tokio::time::timeout(CLOSE_WITHIN, stopped).await.unwrap_or(false)
    }

    /// Once the journal has ended: whether everything was written.
    fn end(&self) -> Option<bool> {
        let state = self.state.lock();
        state
            .is_stopped
            .then(|| state.queue.last() == self.progress.committed())
    }
}

/// An admission that waits for room.
pub(super) struct Waiting<'a>(&'a Book);

impl Waiting<'_> {
    /// Resolves at the first hold that ends after this call.
    pub fn settled(&self) -> Notified<'_> {
        self.0.settled.notified()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

fn opened(ask: &Ask, id: i64, now_ms: i64, seq: u64, path: Vec<(Arc<Bucket>, Gate)>) -> Opened {
    let Opening {
        request_id,
        model,
        operation,
        is_stream,
        price_id,
    } = &ask.record;
    Opened {
        seq,
        id,
        request_id: request_id.unwrap_or(id),
        team_id: ask.payer.team_id,
        key_id: ask.payer.key_id,
        member_id: ask.payer.member.map(|member| member.user_id),
        model: Arc::clone(model),
        operation: (*operation).into(),
        is_stream: *is_stream,
        price_id: *price_id,
        path: path.into_iter().map(|(bucket, _)| bucket).collect(),
        amount: ask.amount,
        started_at_ms: now_ms,
        started: Instant::now(),
    }
}

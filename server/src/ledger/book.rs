//! What requests and the journal have in common: the engine, the queue between them, and how far it has been written.
//!
//! Invariant: an operation is queued under the same lock that decided it, so the queue's order is the engine's.
//! Wakes the journal for holds only; settles ride along. No I/O.

mod writing;

use super::{
    Ask, Closing, Opening,
    batch::{Closed, Op, Opened, State as HoldState},
    node::Identity,
    progress::Progress,
    queue::Queue,
};
use gateway_core::{
    id,
    ledger::{
        Bucket, Engine, Funding, Gate, HoldError, Lack, Legs, Posted, Short, Want, node::Contact, payer::MAX_PATH,
    },
    money::Nano,
};
use parking_lot::Mutex;
use std::{
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
    /// Groups of operations written since the start.
    pub commits: u64,
    /// Buckets in which this process may spend without asking other nodes.
    pub leases: u64,
}

/// Why an attempt made no hold.
#[derive(Debug)]
pub(super) enum Missed {
    /// The current bucket of a series of the path has not been opened.
    NotOpen,
    /// Rights are lacking, to be granted once the operation of this number is durable.
    Lacking(Vec<Want>, u64),
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
    /// Whether there may be other nodes.
    is_shared: bool,
    /// Who this process is in the database, and what tells the ids it makes apart.
    node: i64,
    slot: i16,
    queue: Queue,
    last_id: i64,
    low_water: i64,
    low_water_at: Option<Instant>,
    /// When the database was last heard of, milliseconds since `start`.
    contact: Contact,
    start: Instant,
    is_fenced: bool,
    commits: u64,
    is_writable: bool,
    is_closing: bool,
    /// Nothing is written any more: what ends now is left for others.
    is_stopped: bool,
    has_ended: bool,
}

impl State {
    fn next_id(&mut self, now_ms: i64) -> i64 {
        self.last_id = id::next(self.last_id, now_ms, self.slot);
        self.last_id
    }

    /// The path of `ask` at `now_ms`, or `None` if a bucket has to be opened.
    fn path(&self, ask: &Ask, now_ms: i64, is_prepaid: bool) -> Option<Vec<(Arc<Bucket>, Gate)>> {
        let mut path = Vec::with_capacity(MAX_PATH);
        for (series, gate) in ask.payer.path(Funding::of(ask.record.is_own, is_prepaid)) {
            path.push((Arc::clone(self.engine.place(series, now_ms)?), gate));
        }
        Some(path)
    }

    /// Whether anything may be admitted.
    fn is_admitting(&self) -> bool {
        let is_in_touch = !self.is_shared || self.contact.is_in_touch(millis(self.start.elapsed()));
        self.is_writable && is_in_touch && !self.is_fenced && !self.is_closing
    }

    /// What is missing for a hold that was not made for want of rights; what is idle under too high a cap goes back first.
    fn lacking(&mut self, path: &[(i64, Gate)], amount: Nano) -> (Missed, bool) {
        let Lack { wants, given_back } = self.engine.lacking(path, amount);
        let wakes = self.queue_back(given_back);
        (Missed::Lacking(wants, self.queue.last()), wakes)
    }

    /// Queues rights given back; whether the journal must be woken for it.
    fn queue_back(&mut self, given_back: Vec<(Arc<Bucket>, Nano)>) -> bool {
        let mut wakes = false;
        if self.is_stopped {
            return wakes;
        }
        for (bucket, amount) in given_back {
            wakes |= self.queue.push(Op::Back(bucket, amount));
        }
        wakes
    }
}

impl Book {
    /// An idle ledger of the node `me`, one of several if `is_shared`.
    pub fn new(me: &Identity, is_shared: bool) -> Self {
        let mut contact = Contact::default();
        contact.beat(0);
        Self {
            state: Mutex::new(State {
                engine: if is_shared { Engine::shared() } else { Engine::default() },
                is_shared,
                node: me.id,
                slot: me.slot,
                queue: Queue::new(),
                last_id: me.last_id,
                low_water: me.last_id + 1,
                low_water_at: None,
                contact,
                start: Instant::now(),
                is_fenced: false,
                commits: 0,
                is_writable: true,
                is_closing: false,
                is_stopped: false,
                has_ended: false,
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
        if !state.is_admitting() || state.queue.len() >= MAX_QUEUED {
            return Err(Missed::Down);
        }
        let path = state.path(ask, now_ms, is_prepaid).ok_or(Missed::NotOpen)?;
        let mut gates = [(0, Gate::Open); MAX_PATH];
        for (slot, (bucket, gate)) in gates.iter_mut().zip(&path) {
            *slot = (bucket.id, *gate);
        }
        let gates = &gates[..path.len()];
        let hold_id = state.next_id(now_ms);
        let (result, wakes) = match state.engine.hold(hold_id, gates, ask.amount) {
            Ok(legs) => {
                let seq = state.queue.last() + 1;
                let opened = Arc::new(opened(ask, (hold_id, seq, now_ms), path, legs));
                let wakes = state.queue.push(Op::Open(Arc::clone(&opened)));
                (Ok(opened), wakes)
            }
            Err(HoldError::Lacking) => {
                let (missed, wakes) = state.lacking(gates, ask.amount);
                (Err(missed), wakes)
            }
            Err(HoldError::Short(short)) => (Err(Missed::Short(short)), false),
            Err(HoldError::Invalid) => {
                tracing::error!(amount = ask.amount.0, hold_id, "not a hold");
                (Err(Missed::Down), false)
            }
        };
        drop(guard);
        if wakes {
            self.work.notify_one();
        }
        result
    }

    /// Gives rights back that `choose` takes out of the engine. Returns the buckets, and the number to wait for until that
    /// is durable.
    pub fn give_back(&self, choose: impl FnOnce(&mut Engine) -> Vec<(Arc<Bucket>, Nano)>) -> Option<(Vec<i64>, u64)> {
        let mut state = self.state.lock();
        let given_back = choose(&mut state.engine);
        if given_back.is_empty() {
            return None;
        }
        let ids = given_back.iter().map(|(bucket, _)| bucket.id).collect();
        let wakes = state.queue_back(given_back);
        let last = state.queue.last();
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        Some((ids, last))
    }

    /// Ends a hold with `closing` in the engine and queues its end; a hold that has ended is left alone. After a charge above
    /// the hold, rights in its buckets are worth less than they say: this node's go back, and `true` tells to recall others'.
    pub fn settle(&self, opened: &Arc<Opened>, closing: Closing, is_void: bool) -> bool {
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
            tracing::warn!(
                hold_id = opened.id,
                "ended when others had ended it: this node was fenced"
            );
            return false;
        };
        if state.is_stopped {
            tracing::error!(
                hold_id = opened.id,
                "ended after the ledger; the next start posts it whole"
            );
            return false;
        }
        let mut wakes = state.queue.push(Op::Close(
            Arc::clone(opened),
            Closed {
                state: kind,
                posted,
                closing,
            },
        ));
        let is_above = posted.overrun > Nano::ZERO;
        if is_above {
            let engine = &mut state.engine;
            let given_back = opened.leased().filter_map(|bucket| engine.give_back(bucket)).collect();
            wakes |= state.queue_back(given_back);
        }
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        if is_above {
            tracing::warn!(
                hold_id = opened.id,
                overrun = posted.overrun.0,
                "charged above the hold"
            );
        }
        self.announce_room();
        is_above
    }

    /// Wakes the admissions that wait for room.
    pub fn announce_room(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.settled.notify_waiters();
        }
    }

    /// Notes that the database has granted `node` a right in `bucket` under `cap`. If the bucket is not counted in any more,
    /// the right goes back; if the process is another node by now, it is the reaper's.
    pub fn granted(&self, node: i64, bucket: &Arc<Bucket>, amount: Nano, cap: Nano) {
        let mut state = self.state.lock();
        if state.node != node {
            return;
        }
        if !state.engine.granted(bucket.id, amount, cap) && !state.is_stopped {
            let wakes = state.queue.push(Op::Back(Arc::clone(bucket), amount));
            drop(state);
            if wakes {
                self.work.notify_one();
            }
        }
    }

    /// The node this process is.
    pub fn node(&self) -> i64 {
        self.state.lock().node
    }

    /// The number of the last operation queued.
    pub fn last(&self) -> u64 {
        self.state.lock().queue.last()
    }

    /// The database has answered a beat sent at `sent`: for a while from then on requests are admitted.
    pub fn heard(&self, sent: Instant) {
        let mut state = self.state.lock();
        let sent_ms = millis(sent.saturating_duration_since(state.start));
        state.contact.beat(sent_ms);
    }

    /// Notes that `node` was fenced, if this process still is it: nothing is admitted until it goes on as another.
    pub fn fenced(&self, node: i64) {
        let mut state = self.state.lock();
        if state.node == node {
            state.is_fenced = true;
            drop(state);
            self.work.notify_one();
        }
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
            writable: state.is_admitting(),
            queued: state.queue.last() - self.progress.committed(),
            lag_ms: u64::try_from(state.queue.lag().as_millis()).unwrap_or(u64::MAX),
            open_holds: state.engine.open_count() as u64,
            commits: state.commits,
            leases: state.engine.lease_count() as u64,
        }
    }

    /// Admits nothing more and lets the journal end once the queue is written, with every idle right given back.
    pub fn begin_close(&self) {
        let mut state = self.state.lock();
        state.is_closing = true;
        let given_back = state.engine.sweep(i64::MIN, false, true);
        state.queue_back(given_back);
        drop(state);
        self.work.notify_one();
    }

    /// Waits for the journal to end; whether everything was written.
    pub async fn wait_until_stopped(&self) -> bool {
        let ended = tokio::time::timeout(CLOSE_WITHIN, self.ended()).await;
        ended.is_ok() && self.end().unwrap_or(false)
    }

    /// Resolves when the journal has ended.
    pub async fn ended(&self) {
        loop {
            let changed = self.progress.changed();
            if self.end().is_some() {
                return;
            }
            changed.await;
        }
    }

    /// Whether the journal has ended.
    pub fn has_ended(&self) -> bool {
        self.state.lock().has_ended
    }

    /// Once the journal has ended: whether everything was written.
    fn end(&self) -> Option<bool> {
        let state = self.state.lock();
        state.has_ended.then(|| state.queue.last() == self.progress.committed())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
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

/// The hold of `ask`: its id, the number of its operation and its time; the path it was made in, and where under a lease.
fn opened(ask: &Ask, (id, seq, now_ms): (i64, u64, i64), path: Vec<(Arc<Bucket>, Gate)>, legs: Legs) -> Opened {
    let Opening {
        request_id,
        model,
        asked,
        operation,
        is_stream,
        is_own,
        price_id,
        markup,
    } = &ask.record;
    Opened {
        seq,
        id,
        request_id: request_id.unwrap_or(id),
        team_id: ask.payer.team_id,
        key_id: ask.payer.key_id,
        member_id: ask.payer.member.map(|member| member.user_id),
        model: Arc::clone(model),
        asked: asked.clone(),
        operation: (*operation).into(),
        is_stream: *is_stream,
        is_own: *is_own,
        price_id: *price_id,
        markup: *markup,
        path: path.into_iter().map(|(bucket, _)| bucket).collect(),
        legs,
        amount: ask.amount,
        started_at_ms: now_ms,
        started: Instant::now(),
    }
}

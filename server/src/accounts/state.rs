//! How one account does: requests under way, health, and what is left of its limits.
//!
//! Invariant: a permit counts until it is dropped, whatever becomes of its request; a refused request takes nothing. In memory.

use super::{client::Client, history::Turn, upstream::Deployment};
use crate::clock;
use gateway_core::{
    health::{Availability, Event, FULL_HEADROOM, Health, Pause, PauseKind, Snapshot},
    limits::SlidingWindow,
    retry::{Fault, Reason},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// In place of a model: the account.
pub(super) const ACCOUNT: &str = "";
/// The state of what is well.
const READY: &str = "ready";
/// Ends of pauses that are so far apart count as the same.
const TOLERANCE_MS: i64 = 250;

/// What changes with every request of an account.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    in_flight: u32,
    health: Health,
    by_model: HashMap<String, Health>,
    requests: SlidingWindow,
    tokens: SlidingWindow,
    /// What other processes know, by model; `""` stands for the account.
    known: HashMap<String, Known>,
    /// The parked reason that the row has.
    stored: Option<Reason>,
    last_error: Option<LastError>,
    /// What the history has of it, where that is known.
    turn: Option<Turn>,
}

/// A failure that the row does not have yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastError {
    pub(super) message: String,
    pub(super) at_ms: i64,
}

/// A pause as it is written down for all processes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) pause: Pause,
    /// Another one wherever the row has changed.
    pub(super) learnt_at: i64,
}

/// What other processes are to be told.
#[derive(Clone, Debug)]
pub(super) struct Untold {
    /// `""` stands for the account.
    pub(super) model: String,
    pub(super) what: What,
}

/// Whether it is paused or well.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Leave it alone.
    Paused(Pause),
    /// What was learnt then is over.
    Over { learnt_at: i64 },
}

/// What the row is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    /// Why the account is parked, if it is.
    pub(super) parked: Option<Reason>,
    /// Whether that is news.
    pub(super) is_turn: bool,
    pub(super) last_error: Option<LastError>,
}

/// An account's limits, as numbers to count with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Most {
    pub(super) rpm: Option<u64>,
    pub(super) tpm: Option<u64>,
    /// The tokens of a request that finds none taken: what no part holds would never be served otherwise.
    pub(super) tpm_alone: Option<u64>,
    pub(super) in_flight: Option<u32>,
}

impl Most {
    /// What each of `nodes` may use, at least one of each: together not more than there is, unless there are more nodes.
    pub(super) fn among(self, nodes: u32) -> Self {
        let nodes = nodes.max(1);
        let part = |limit: u64| (limit / u64::from(nodes)).max(limit.min(1));
        Self {
            rpm: self.rpm.map(part),
            tpm: self.tpm.map(part),
            tpm_alone: self.tpm_alone,
            in_flight: self.in_flight.map(|limit| (limit / nodes).max(limit.min(1))),
        }
    }
}

/// What routing wants to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) in_flight: u32,
    pub(super) latency_ms: Option<u32>,
    pub(super) headroom: u16,
    pub(super) availability: Availability,
    pub(super) requests_left: Option<u64>,
    pub(super) tokens_left: Option<u64>,
    pub(super) limits_free_ms: Option<i64>,
}

impl State {
    /// A state that begins parked for `reason`.
    pub(super) fn parked(reason: Reason, now_ms: i64) -> Self {
        let state = Self::default();
        state.step(None, Event::Parked { reason }, now_ms);
        state.0.lock().stored = Some(reason);
        state
    }

    /// Takes note of `event`, of the account or of `model` on it.
    pub(super) fn step(&self, model: Option<&str>, event: Event, now_ms: i64) {
        let inner = &mut *self.0.lock();
        match model {
            None => inner.health.step(event, now_ms),
            Some(model) => inner.by_model.entry(model.to_owned()).or_default().step(event, now_ms),
        }
    }

    /// The headers of an answer for `model` said what is left of its limits there, which may be others than another model's.
    pub(super) fn saw(&self, model: &str, event: Event, now_ms: i64) {
        let inner = &mut *self.0.lock();
        match inner.by_model.get_mut(model) {
            Some(health) => health.step(event, now_ms),
            None => inner.health_of(model).step(event, now_ms),
        }
    }

    /// How it stands for `model`.
    pub(super) fn now(&self, model: &str, most: Most, now_ms: i64) -> Now {
        let inner = self.0.lock();
        let windows = [(&inner.requests, most.rpm), (&inner.tokens, most.tpm)];
        let free_ms = windows
            .into_iter()
            .filter_map(|(window, limit)| window.more_at_ms(limit?, now_ms));
        let by_model = inner.by_model.get(model);
        let requests_left = most.rpm.map(|limit| inner.requests.remaining(limit, now_ms));
        let tokens_left = inner
            .tokens_limit(most, now_ms)
            .map(|limit| inner.tokens.remaining(limit, now_ms));
        let headroom = by_model.map_or(FULL_HEADROOM, |health| health.headroom(now_ms));
        let limits = windows
            .into_iter()
            .filter_map(|(window, limit)| Some(window.share(limit?, now_ms)));
        Now {
            in_flight: inner.in_flight,
            latency_ms: by_model
                .and_then(Health::latency_ms)
                .or_else(|| inner.health.latency_ms()),
            headroom: limits.fold(headroom, u16::min),
            availability: inner.availability(model, now_ms),
            requests_left,
            tokens_left,
            limits_free_ms: free_ms.max(),
        }
    }

    /// Takes a slot, a request and `tokens`, and says whether it is a probe; nothing is taken where there is no room.
    fn take(&self, model: &str, most: Most, tokens: u64, now_ms: i64) -> Option<bool> {
        let inner = &mut *self.0.lock();
        let is_full = most.in_flight.is_some_and(|most| inner.in_flight >= most);
        let is_bound = matches!(
            inner.availability(model, now_ms),
            Availability::Probing { .. } | Availability::Cooling { stated: true, .. }
        );
        if is_full || is_bound {
            return None;
        }
        let mut requests = inner.requests.clone();
        let mut taken = inner.tokens.clone();
        let fits = |window: &mut SlidingWindow, amount, limit: Option<u64>| {
            window.try_take(amount, limit.unwrap_or(u64::MAX), now_ms).is_ok() || limit.is_none()
        };
        if !fits(&mut requests, 1, most.rpm) || !fits(&mut taken, tokens, inner.tokens_limit(most, now_ms)) {
            return None;
        }
        (inner.requests, inner.tokens) = (requests, taken);
        inner.in_flight = inner.in_flight.saturating_add(1);
        let mut is_probe = false;
        for health in inner.by_model.get_mut(model).into_iter().chain([&mut inner.health]) {
            health.step(Event::Begun { tokens }, now_ms);
            is_probe |= health.is_on_probe(now_ms);
        }
        Some(is_probe)
    }

    /// An attempt for `model` ended in `event`; whether that brought the account back.
    pub(super) fn end(&self, model: &str, event: Event, now_ms: i64) -> bool {
        let inner = &mut *self.0.lock();
        let before = inner.availability(model, now_ms);
        inner.health.step(event, now_ms);
        if let Some(health) = inner
            .by_model
            .get_mut(model)
            .filter(|_| matches!(event, Event::Succeeded { .. }))
        {
            health.step(event, now_ms);
        }
        before != Availability::Ready && inner.availability(model, now_ms) == Availability::Ready
    }

    /// Ends a probe, if one is under way, for the account answered.
    pub(super) fn pass_probe(&self, model: &str, now_ms: i64) {
        let latency_ms = self.0.lock().health.latency_ms().unwrap_or_default();
        self.end_probe(model, Event::Succeeded { latency_ms }, now_ms);
    }

    /// Ends a probe, if one is under way, for nothing came of it.
    pub(super) fn fail_probe(&self, model: &str, fault: Fault, now_ms: i64) {
        self.end_probe(model, Event::Failed { fault }, now_ms);
    }

    /// Ends a probe, if one is still under way, with `event`.
    pub(super) fn end_probe(&self, model: &str, event: Event, now_ms: i64) {
        let inner = &mut *self.0.lock();
        let by_model = inner.by_model.get_mut(model);
        for health in by_model.into_iter().chain([&mut inner.health]) {
            if health.is_on_probe(now_ms) {
                health.step(event, now_ms);
            }
        }
    }

    /// Keeps the last failure for the row.
    pub(super) fn note(&self, message: String, at_ms: i64) {
        self.0.lock().last_error = Some(LastError { message, at_ms });
    }

    /// What the row is to be told, if anything.
    pub(super) fn news(&self, now_ms: i64) -> Option<News> {
        let inner = self.0.lock();
        let parked = inner.health.snapshot(now_ms).reason;
        let news = News {
            parked,
            is_turn: parked != inner.stored,
            last_error: inner.last_error.clone(),
        };
        (news.is_turn || news.last_error.is_some()).then_some(news)
    }

    /// The row has been told `news`.
    pub(super) fn told(&self, news: &News) {
        let inner = &mut *self.0.lock();
        inner.stored = news.parked;
        inner
            .last_error
            .take_if(|error| Some(&*error) == news.last_error.as_ref());
    }

    /// Why it is parked, where its pause is over and nobody probes it; the caller does so now. Lack of money shows only when
    /// something is paid for, so that is left to requests.
    pub(super) fn start_probe(&self, now_ms: i64) -> Option<Reason> {
        let inner = &mut *self.0.lock();
        let reason = inner
            .health
            .snapshot(now_ms)
            .reason
            .filter(|reason| *reason != Reason::NoMoney)?;
        let is_due = inner.health.availability(now_ms) == Availability::ProbeDue;
        if is_due {
            inner.health.step(Event::Begun { tokens: 0 }, now_ms);
        }
        is_due.then_some(reason)
    }

    /// Whether `turn` is what the history has of it.
    pub(super) fn was(&self, turn: &Turn) -> bool {
        self.0.lock().turn.as_ref().is_some_and(|known| known.is_as(turn))
    }

    /// The history has `turn`.
    pub(super) fn has_turned(&self, turn: Turn) {
        self.0.lock().turn = Some(turn);
    }

    /// What other processes do not know yet and are to be told. Where no answer came, that may be this process' own network.
    pub(super) fn untold(&self, now_ms: i64) -> Vec<Untold> {
        let inner = self.0.lock();
        let models = inner.by_model.iter().map(|(model, health)| (model.as_str(), health));
        let all = std::iter::once((ACCOUNT, &inner.health)).chain(models);
        let news = all.filter_map(|(model, health)| {
            let what = untold(health, inner.known.get(model), now_ms)?;
            if matches!(what, What::Paused(Pause { kind: PauseKind::Guessed, fault, .. }) if is_local(fault)) {
                return None;
            }
            let model = model.to_owned();
            Some(Untold { model, what })
        });
        news.collect()
    }

    /// `told`, of the account or a model, was written down, and the row is now `known`. It is not adopted: what happened
    /// meanwhile counts.
    pub(super) fn wrote(&self, model: &str, told: &Pause, known: Known, now_ms: i64) {
        let inner = &mut *self.0.lock();
        let health = inner.health_of(model);
        let is_longer = !known.pause.is_within(told, TOLERANCE_MS);
        if is_longer && health.pause(now_ms).is_some_and(|pause| pause.kind == known.pause.kind) {
            health.adopt(known.pause, now_ms);
        }
        inner.known.insert(model.to_owned(), known);
    }

    /// Other processes have written down `rows`, and nothing else; whether that brings something back.
    pub(super) fn learn(&self, mut rows: HashMap<String, Known>, now_ms: i64) -> bool {
        let inner = &mut *self.0.lock();
        let gone: Vec<String> = inner
            .known
            .keys()
            .filter(|model| !rows.contains_key(*model))
            .cloned()
            .collect();
        let mut is_freed = false;
        for model in gone {
            let known = inner.known.remove(&model);
            let health = inner.health_of(&model);
            let is_ours = matches!(untold(health, known.as_ref(), now_ms), Some(What::Paused(_)));
            if !is_ours && health.availability(now_ms) != Availability::Ready {
                health.recover(now_ms);
                is_freed = true;
                if model == ACCOUNT {
                    // Who got the good answer tells the account's row.
                    inner.stored = None;
                }
            }
        }
        let is_news = |model: &String, row: &mut Known| {
            let known = inner.known.get(model);
            known.is_none_or(|known| known.learnt_at != row.learnt_at)
        };
        let news: Vec<_> = rows.extract_if(is_news).collect();
        for (model, row) in news {
            let health = inner.health_of(&model);
            let before = health.pause(now_ms).map(|pause| pause.kind);
            health.adopt(row.pause, now_ms);
            if model == ACCOUNT
                && let PauseKind::Parked(reason) = row.pause.kind
                && before != Some(row.pause.kind)
            {
                // So does who parked it.
                inner.stored = Some(reason);
            }
            inner.known.insert(model, row);
        }
        is_freed
    }

    /// Its health for people: where it is well, that of the model that is kept from it for longest.
    pub(super) fn snapshot(&self, now_ms: i64) -> Snapshot {
        let inner = self.0.lock();
        let mut own = inner.health.snapshot(now_ms);
        own.headroom = inner
            .by_model
            .values()
            .map(|health| health.headroom(now_ms))
            .fold(own.headroom, u16::min);
        if own.state != READY {
            return own;
        }
        let models = inner
            .by_model
            .iter()
            .map(|(model, health)| (model, health.snapshot(now_ms)));
        let paused = models.filter(|(_, health)| health.state != READY);
        let longest = paused.max_by(|one, other| (one.1.until_ms, one.0).cmp(&(other.1.until_ms, other.0)));
        match longest {
            Some((model, health)) => Snapshot {
                model: Some(model.clone()),
                latency_ms: own.latency_ms,
                headroom: own.headroom,
                ..health
            },
            None => own,
        }
    }

    /// Requests under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.0.lock().in_flight
    }
}

/// Whether `fault` may lie in this process' own network.
const fn is_local(fault: Option<Fault>) -> bool {
    matches!(fault, Some(Fault::Unreachable | Fault::TimedOut))
}

/// What other processes do not know of `health`, where they know `known`.
fn untold(health: &Health, known: Option<&Known>, now_ms: i64) -> Option<What> {
    match (health.pause(now_ms), known) {
        (Some(pause), Some(known)) if pause.is_within(&known.pause, TOLERANCE_MS) => None,
        // They know that it is parked; that a probe got no answer concerns this process.
        (Some(pause), Some(known))
            if is_local(pause.fault)
                && pause.kind == known.pause.kind
                && matches!(pause.kind, PauseKind::Parked(_)) =>
        {
            None
        }
        (Some(pause), _) => Some(What::Paused(pause)),
        (None, Some(known)) if !matches!(known.pause.kind, PauseKind::Stated | PauseKind::Missing) => {
            Some(What::Over {
                learnt_at: known.learnt_at,
            })
        }
        // What was stated ends by itself.
        (None, _) => None,
    }
}

impl Inner {
    fn health_of(&mut self, model: &str) -> &mut Health {
        if model == ACCOUNT {
            &mut self.health
        } else {
            self.by_model.entry(model.to_owned()).or_default()
        }
    }

    /// The tokens that the window may hold after the next request.
    fn tokens_limit(&self, most: Most, now_ms: i64) -> Option<u64> {
        let is_alone = self.tokens.remaining(u64::MAX, now_ms) == u64::MAX;
        most.tpm_alone.filter(|_| is_alone).max(most.tpm)
    }

    /// Gives back what `permit` took besides its slot.
    fn forget(&mut self, permit: &Permit, now_ms: i64) {
        let tokens = permit.tokens.load(Ordering::Relaxed);
        self.requests.adjust(permit.admitted_ms, 1, 0, now_ms);
        self.tokens.adjust(permit.admitted_ms, tokens, 0, now_ms);
        let unsent = Event::Unsent {
            tokens,
            begun_ms: permit.admitted_ms,
        };
        let by_model = self.by_model.get_mut(&permit.upstream_model);
        for health in by_model.into_iter().chain([&mut self.health]) {
            health.step(unsent, now_ms);
            if permit.is_probe {
                health.step(Event::ProbeDropped, now_ms);
            }
        }
    }

    fn availability(&self, model: &str, now_ms: i64) -> Availability {
        let account = self.health.availability(now_ms);
        match self.by_model.get(model) {
            Some(health) => account.and(health.availability(now_ms)),
            None => account,
        }
    }
}

/// The slot of a request under way on an account; dropping it gives the slot back.
#[must_use]
#[derive(Debug)]
pub struct Permit {
    state: Arc<State>,
    tokens: AtomicU64,
    admitted_ms: i64,
    freed: Arc<Notify>,
    /// The model asked for, as the provider knows it.
    upstream_model: String,
    is_probe: bool,
    client: Client,
    /// Whether it tries out the proxy.
    is_proxy_probe: bool,
    is_sent: AtomicBool,
}

impl Permit {
    /// Takes a slot, a request and `tokens` for `deployment`, or nothing where there is no room.
    pub(super) fn take(deployment: &Deployment, tokens: u64, freed: &Arc<Notify>, now_ms: i64) -> Option<Self> {
        let state = &deployment.upstream.state;
        let is_proxy_probe = deployment.client.begin(now_ms)?;
        let taken = state.take(&deployment.upstream_model, deployment.upstream.most(), tokens, now_ms);
        let Some(is_probe) = taken else {
            if is_proxy_probe {
                deployment.client.proxy_untried(now_ms);
            }
            return None;
        };
        Some(Self {
            state: Arc::clone(state),
            tokens: AtomicU64::new(tokens),
            admitted_ms: now_ms,
            freed: Arc::clone(freed),
            upstream_model: deployment.upstream_model.clone(),
            is_probe,
            client: deployment.client.clone(),
            is_proxy_probe,
            is_sent: AtomicBool::new(false),
        })
    }

    /// The request goes out now. A permit dropped before is given back whole, as if it had not been taken.
    pub fn mark_sent(&self) {
        self.is_sent.store(true, Ordering::Relaxed);
    }

    /// Whether the request went out.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed)
    }

    /// Replaces the tokens taken by `actual` in the account's own limit, in the window of the admission. Without this call they
    /// stay taken.
    pub fn settle(&self, actual: u64) {
        self.mark_sent();
        let held = self.tokens.swap(actual, Ordering::Relaxed);
        let mut inner = self.state.0.lock();
        inner.tokens.adjust(self.admitted_ms, held, actual, clock::now_ms());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inner = self.state.0.lock();
        inner.in_flight = inner.in_flight.saturating_sub(1);
        let is_unsent = !self.is_sent();
        if is_unsent {
            inner.forget(self, clock::now_ms());
        }
        drop(inner);
        if is_unsent && self.is_proxy_probe {
            self.client.proxy_untried(clock::now_ms());
        }
        self.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;

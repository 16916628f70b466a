//! Limits of one of several processes on a database: what it may count is granted to it, the rest it asks for.
//!
//! Invariant: a request is counted in every window that has a limit, in memory and under one lock, or in none; where no limit is
//! set nothing is counted. What a request waits for is not given back meanwhile. No I/O: `clerk` asks the database.

use super::{Left, LimitRefusal, Limited, Measure, NotAdmitted, Standing, Which, Whose, Window, check_in_flight, full};
use gateway_core::limits::{Share, Verdict};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Notify, mpsc, oneshot};

/// How long who asks waits for an answer.
const ASK_WITHIN: Duration = Duration::from_secs(6);
/// How long an admission is decided at most.
const DECIDE_WITHIN: Duration = Duration::from_secs(8);
/// When one is to try again that was not let in by then although there was room.
const CONTENDED_RETRY_MS: i64 = 1_000;
/// How often one that waits for other nodes looks by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the end waits until all is given back.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);
/// The most windows that a request counts in.
const MAX_WINDOWS: usize = 6;

/// What the clerk is told.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the small one is sent once, and a box would cost each request an allocation"
)]
pub(super) enum Message {
    /// Requests lack rights.
    Ask(Asked),
    /// The process ends.
    Close(oneshot::Sender<()>),
}

/// A request that lacks rights.
#[derive(Debug)]
pub(super) struct Asked {
    pub demands: Demands,
    pub reply: oneshot::Sender<Reply>,
}

/// What comes of asking.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    /// Try again: what there is has been granted, or is known to be too little.
    Look,
    /// Other nodes were asked to give back what they do not use; what they do is known by then.
    Recalled(Instant),
    /// The database does not answer.
    Down,
}

/// What a request counts in one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub window: Window,
    pub n: u64,
    pub limit: u64,
    which: Which,
}

/// All that it counts.
pub(super) type Demands = [Option<Demand>; MAX_WINDOWS];

/// See the module.
#[derive(Debug)]
pub(super) struct Together {
    state: Mutex<State>,
    messages: mpsc::UnboundedSender<Message>,
    returned: Notify,
    start: Instant,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub shares: HashMap<Window, Share>,
    in_flight: HashMap<i64, u64>,
    members_in_flight: HashMap<(i64, i64), u64>,
}

/// A request's place; see [`super::RatePermit`].
#[derive(Debug)]
pub(super) struct Place {
    counter: Arc<Together>,
    key_id: i64,
    member: Option<(i64, i64)>,
    /// Where it is counted, and in which slot.
    counted: [Option<(Window, i64)>; MAX_WINDOWS],
    tokens: u64,
}

/// Keeps what a request waits for from being given back.
struct Claims<'a>(&'a Together, Demands);

impl Drop for Claims<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        for demand in self.1.iter().flatten() {
            state.share(demand.window).unclaim(demand.n);
        }
    }
}

impl Together {
    /// Nothing is granted yet; the clerk reads the messages.
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Message>) {
        let (messages, receiver) = mpsc::unbounded_channel();
        let counter = Self {
            state: Mutex::default(),
            messages,
            returned: Notify::new(),
            start: Instant::now(),
        };
        (Arc::new(counter), receiver)
    }

    /// The node's time, in milliseconds.
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Runs `act` on what the node may count.
    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock())
    }

    /// Other nodes gave back of windows that requests wait for.
    pub fn note_returned(&self) {
        self.returned.notify_waiters();
    }

    /// Counts one request and `tokens` if it may without asking; `None` if more must be granted first.
    pub fn try_admit(self: &Arc<Self>, caller: &Limited, tokens: u64) -> Result<Option<Place>, LimitRefusal> {
        let demands = demands(caller, tokens);
        let now_ms = self.now_ms();
        let mut state = self.state.lock();
        let member = caller.member_key();
        let of_member = member.and_then(|member| state.members_in_flight.get(&member));
        let of_key = state.in_flight.get(&caller.key_id);
        check_in_flight(
            caller,
            of_key.copied().unwrap_or_default(),
            of_member.copied().unwrap_or_default(),
        )?;
        let mut lacks = false;
        for demand in demands.iter().flatten() {
            let share = state.share(demand.window);
            match share.judge(demand.n, demand.limit, now_ms) {
                Verdict::Fits => {}
                Verdict::Lacks => lacks = true,
                Verdict::Full(wait) => return Err(full(demand.which, demand.n, demand.limit, wait.0)),
            }
        }
        if lacks {
            return Ok(None);
        }
        let counted = demands.map(|demand| {
            let demand = demand?;
            Some((demand.window, state.share(demand.window).take(demand.n, now_ms)))
        });
        *state.in_flight.entry(caller.key_id).or_default() += 1;
        if let Some(member) = member {
            *state.members_in_flight.entry(member).or_default() += 1;
        }
        Ok(Some(Place {
            counter: Arc::clone(self),
            key_id: caller.key_id,
            member,
            counted,
            tokens,
        }))
    }

    /// The same, and asks for what is lacking.
    pub async fn ask_and_admit(self: &Arc<Self>, caller: &Limited, tokens: u64) -> Result<Place, NotAdmitted> {
        let demands = demands(caller, tokens);
        let until = Instant::now() + DECIDE_WITHIN;
        self.with(|state| {
            for demand in demands.iter().flatten() {
                state.share(demand.window).claim(demand.n);
            }
        });
        let _claims = Claims(self, demands);
        while Instant::now() < until {
            let returned = self.returned.notified();
            if let Some(place) = self.try_admit(caller, tokens)? {
                return Ok(place);
            }
            match self.ask(demands).await {
                Reply::Look => {}
                Reply::Recalled(known) => {
                    let look = known.min(Instant::now() + LOOK_EVERY);
                    // Either way the next try shows what there is.
                    let _ = tokio::time::timeout_at(look.into(), returned).await;
                }
                Reply::Down => return Err(NotAdmitted::Down),
            }
        }
        tracing::warn!("a request was granted rights again and again, and others took them");
        Err(self.contended(&demands))
    }

    /// The refusal of a request that others were always quicker than, for the first window that lacks.
    fn contended(&self, demands: &Demands) -> NotAdmitted {
        let now_ms = self.now_ms();
        let lacking = self.with(|state| {
            let mut all = demands.iter().flatten();
            let lacks = |demand: &&Demand| state.share(demand.window).free(demand.limit, now_ms) < demand.n;
            all.clone().find(lacks).or_else(|| all.next()).copied()
        });
        lacking.map_or(NotAdmitted::Down, |demand| {
            NotAdmitted::Limit(full(demand.which, demand.n, demand.limit, CONTENDED_RETRY_MS))
        })
    }

    async fn ask(&self, demands: Demands) -> Reply {
        let (reply, answer) = oneshot::channel();
        if self.messages.send(Message::Ask(Asked { demands, reply })).is_err() {
            return Reply::Down;
        }
        let answered = tokio::time::timeout(ASK_WITHIN, answer).await;
        answered.ok().and_then(Result::ok).unwrap_or(Reply::Down)
    }

    /// What is left for `caller`.
    pub fn peek(&self, caller: &Limited) -> Standing {
        let now_ms = self.now_ms();
        let state = self.state.lock();
        let none = Share::default();
        let left = |demand: &Demand| {
            let share = state.shares.get(&demand.window).unwrap_or(&none);
            let (remaining, reset_ms) = (share.remaining(demand.limit, now_ms), share.reset_ms(now_ms));
            (
                demand.window.measure,
                Left {
                    limit: demand.limit,
                    remaining,
                    reset_ms,
                },
            )
        };
        let demands = demands(caller, 0);
        let tighter = |measure: Measure| {
            let left = demands.iter().flatten().map(left).filter(|(of, _)| *of == measure);
            left.map(|(_, left)| left)
                .min_by_key(|left| (left.remaining, left.limit))
        };
        Standing {
            requests: tighter(Measure::Requests),
            tokens: tighter(Measure::Tokens),
        }
    }

    /// How many requests of key `key_id` are under way in this process.
    pub fn in_flight(&self, key_id: i64) -> u64 {
        self.with(|state| state.in_flight.get(&key_id).copied().unwrap_or_default())
    }

    /// How many requests of a member, by team and user, are under way in this process.
    pub fn in_flight_of_member(&self, member: (i64, i64)) -> u64 {
        self.with(|state| state.members_in_flight.get(&member).copied().unwrap_or_default())
    }

    /// Gives back what is not used.
    pub async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.messages.send(Message::Close(reply)).is_ok() {
            // What is not given back by then ends with its slot.
            let _ = tokio::time::timeout(CLOSE_WITHIN, done).await;
        }
    }
}

impl Place {
    /// Replaces the tokens taken at admission by `actual`.
    pub fn settle(&mut self, actual: u64) {
        let now_ms = self.counter.now_ms();
        let held = std::mem::replace(&mut self.tokens, actual);
        let mut state = self.counter.state.lock();
        for (window, slot) in self.counted.iter().flatten() {
            if window.measure == Measure::Tokens {
                state.share(*window).adjust(*slot, held, actual, now_ms);
            }
        }
    }

    /// Undoes the admission.
    pub fn give_back(mut self) {
        self.settle(0);
        let now_ms = self.counter.now_ms();
        let mut state = self.counter.state.lock();
        for (window, slot) in self.counted.iter().flatten() {
            if window.measure == Measure::Requests {
                state.share(*window).adjust(*slot, 1, 0, now_ms);
            }
        }
        // The end of this place takes the lock itself.
        drop(state);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.counter.state.lock();
        end_one(&mut state.in_flight, self.key_id);
        if let Some(member) = self.member {
            end_one(&mut state.members_in_flight, member);
        }
    }
}

impl State {
    /// What the node may count in `window`.
    pub fn share(&mut self, window: Window) -> &mut Share {
        self.shares.entry(window).or_default()
    }
}

/// One of those of `of` that are under way is over.
fn end_one<K: Copy + Eq + std::hash::Hash>(under_way: &mut HashMap<K, u64>, of: K) {
    if let Some(count) = under_way.get_mut(&of) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            under_way.remove(&of);
        }
    }
}

/// What a request of `caller` counts where a limit is set; requests first, so that these are refused first.
fn demands(caller: &Limited, tokens: u64) -> Demands {
    let demand = |which, of, id, measure, n, limit: Option<u64>| {
        limit.map(|limit| Demand {
            window: Window { of, id, measure },
            n,
            limit,
            which,
        })
    };
    let (key, team, person) = (Whose::Key, Whose::Team, Whose::Member(caller.team_id));
    let member = caller.member.unwrap_or_default();
    let (user_id, most) = (member.user_id, member.per_minute);
    let (requests, whole) = (Measure::Requests, Measure::Tokens);
    [
        demand(Which::KeyRpm, key, caller.key_id, requests, 1, caller.key.requests),
        demand(Which::MemberRpm, person, user_id, requests, 1, most.requests),
        demand(Which::TeamRpm, team, caller.team_id, requests, 1, caller.team.requests),
        demand(Which::KeyTpm, key, caller.key_id, whole, tokens, caller.key.tokens),
        demand(Which::MemberTpm, person, user_id, whole, tokens, most.tokens),
        demand(Which::TeamTpm, team, caller.team_id, whole, tokens, caller.team.tokens),
    ]
}

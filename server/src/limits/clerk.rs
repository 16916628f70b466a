//! Who asks the database for rights, for all requests of a process at once, and gives back what they do not use.
//!
//! Invariant: one statement at a time; while it runs, what is asked is gathered for the next one. A right whose answer was lost
//! is nobody's, and ends with its slot. Tells other processes on the topic `rate`: give back what you do not use; I have.

use super::{
    KEPT, Window,
    table::{Ask, Table, TableError, Told},
    together::{Asked, Message, Reply, State, Together},
};
use crate::signals::{Heard, Signals};
use gateway_core::limits::Share;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::MissedTickBehavior};

/// What processes say here, and behind that the windows.
const TOPIC: &str = "rate";
const RECALL: &str = "recall";
const BACK: &str = "back";
/// How often what is not used is given back, and what nodes settled is written.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often rows are deleted that nobody needs.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// How long what a full window has left counts as known.
const SHORT_FOR_MS: i64 = 1_000;
/// How long other nodes have to give back.
const RECALL_WITHIN: Duration = Duration::from_millis(300);
/// How long they are not asked again, if they gave nothing. What nobody uses they give back of themselves.
const RECALL_EVERY: Duration = Duration::from_secs(5);
/// How long the database is not asked again while they are waited for, if they say nothing.
const LOOK_REST: Duration = Duration::from_millis(50);
/// Windows of one statement.
const BATCH: usize = 500;
/// Windows that are named in one signal.
const NAMED: usize = 100;

struct Clerk {
    counter: Weak<Together>,
    table: Table,
    signals: Signals,
    recalls: HashMap<Window, Recall>,
    /// Whether other nodes are alive, as far as is known.
    has_others: bool,
    tidied: Instant,
}

/// Other nodes were asked to give back.
struct Recall {
    sent: Instant,
    /// When the database was asked last.
    looked: Instant,
    /// Whether some gave back since.
    is_heard: bool,
}

/// What all that ask together need of one window.
struct Need {
    limit: u64,
    least: u64,
    all: u64,
}

/// Works until nobody can ask any more.
pub(super) async fn work(
    counter: Weak<Together>,
    mut messages: mpsc::UnboundedReceiver<Message>,
    table: Table,
    signals: Signals,
) {
    let mut listener = signals.on(TOPIC);
    let mut clerk = Clerk {
        counter,
        table,
        signals,
        recalls: HashMap::new(),
        has_others: true,
        tidied: Instant::now(),
    };
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            first = messages.recv() => {
                let Some(first) = first else { return };
                let mut asked = Vec::new();
                for message in std::iter::once(first).chain(std::iter::from_fn(|| messages.try_recv().ok())) {
                    match message {
                        Message::Ask(one) => asked.push(one),
                        Message::Close(done) => {
                            clerk.give_all_back().await;
                            let _ = done.send(());
                            return;
                        }
                    }
                }
                clerk.serve(asked).await;
            }
            heard = listener.next() => clerk.hear(heard).await,
            _ = ticks.tick() => clerk.sweep().await,
        }
    }
}

impl Clerk {
    async fn serve(&mut self, asked: Vec<Asked>) {
        let Some(counter) = self.counter.upgrade() else { return };
        let now = Instant::now();
        let mut waiting = HashMap::new();
        let mut needs = needs(&asked);
        needs.retain(|window, _| match self.recalls.get(window) {
            Some(recall) if !recall.is_heard && now < recall.looked + LOOK_REST => {
                waiting.insert(*window, recall.sent + RECALL_WITHIN);
                false
            }
            _ => true,
        });
        let now_ms = counter.now_ms();
        let asks: Vec<Ask> =
            counter.with(|state| needs.into_iter().filter_map(|need| ask(state, need, now_ms)).collect());
        match self.exchange(&counter, &asks).await {
            Ok(told) => {
                let mut recall = Vec::new();
                counter.with(|state| {
                    for ask in &asks {
                        let granted = told
                            .answers
                            .get(&ask.window)
                            .map_or(ask.wanted, |answer| answer.granted);
                        if granted < ask.wanted
                            && let Some(until) = self.short(&counter, state, ask, &mut recall)
                        {
                            waiting.insert(ask.window, until);
                        }
                    }
                });
                self.tell(RECALL, &recall);
                for Asked { demands, reply } in asked {
                    let windows = demands.iter().flatten().map(|demand| demand.window);
                    let until = windows.filter_map(|window| waiting.get(&window)).max();
                    // Whoever asked may have gone; the right is this node's all the same.
                    let _ = reply.send(until.map_or(Reply::Look, |until| Reply::Recalled(*until)));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no rate was granted");
                for asked in asked {
                    let _ = asked.reply.send(Reply::Down);
                }
            }
        }
    }

    /// Asks the database, and takes note of the answer, or that there is none.
    async fn exchange(&mut self, counter: &Arc<Together>, asks: &[Ask]) -> Result<Told, TableError> {
        let mut whole = Told::default();
        for (nth, part) in asks.chunks(BATCH).enumerate() {
            match self.table.exchange(part, counter.now_ms()).await {
                Ok(told) => {
                    let now_ms = counter.now_ms();
                    counter.with(|state| {
                        for (window, answer) in &told.answers {
                            state.share(*window).answered(answer, now_ms);
                        }
                    });
                    if told.nodes > 0 {
                        self.has_others = told.nodes > 1;
                    }
                    if let Some(error) = told.unanswered {
                        let is_new = |ask: &&Ask| ask.wanted > 0 && !told.answers.contains_key(&ask.window);
                        let new = part.iter().filter(is_new);
                        not_done(counter, new, error.is_in_doubt());
                        not_done(counter, asks.chunks(BATCH).skip(nth + 1).flatten(), false);
                        return Err(error);
                    }
                    whole.answers.extend(told.answers);
                }
                Err(error) => {
                    not_done(counter, part, error.is_in_doubt());
                    not_done(counter, asks.chunks(BATCH).skip(nth + 1).flatten(), false);
                    return Err(error);
                }
            }
        }
        Ok(whole)
    }

    /// Less was granted than was asked for: until when other nodes may give back, or else what is left is known.
    fn short(&mut self, counter: &Together, state: &mut State, ask: &Ask, recall: &mut Vec<Window>) -> Option<Instant> {
        let now = Instant::now();
        if let Some(recall) = self.recalls.get_mut(&ask.window) {
            let (is_open, is_recent) = (now < recall.sent + RECALL_WITHIN, now < recall.sent + RECALL_EVERY);
            if is_open {
                recall.looked = now;
                recall.is_heard = false;
                return Some(recall.sent + RECALL_WITHIN);
            }
            if is_recent && !recall.is_heard {
                return note_short(counter, state, ask);
            }
        }
        if !self.has_others {
            return note_short(counter, state, ask);
        }
        let sent = Recall {
            sent: now,
            looked: now,
            is_heard: false,
        };
        self.recalls.insert(ask.window, sent);
        recall.push(ask.window);
        Some(now + RECALL_WITHIN)
    }

    fn tell(&self, verb: &str, windows: &[Window]) {
        for windows in windows.chunks(NAMED) {
            let names: Vec<String> = windows.iter().map(|window| window.render()).collect();
            self.signals.tell(TOPIC, &format!("{verb} {}", names.join(",")));
        }
    }

    async fn hear(&mut self, heard: Heard) {
        let Some(counter) = self.counter.upgrade() else { return };
        match heard {
            Heard::Missed => {
                let back = counter.with(|state| {
                    state.shares.values_mut().for_each(Share::returned);
                    let windows: Vec<Window> = state.shares.keys().copied().collect();
                    recalled(state, windows)
                });
                self.give_back(&counter, back).await;
            }
            Heard::Said(text) => {
                let (verb, names) = text.split_once(' ').unwrap_or((&text, ""));
                let windows: Vec<Window> = names.split(',').filter_map(Window::parse_name).collect();
                match verb {
                    RECALL => {
                        let back = counter.with(|state| recalled(state, windows));
                        self.give_back(&counter, back).await;
                    }
                    BACK => {
                        for window in &windows {
                            if let Some(recall) = self.recalls.get_mut(window) {
                                recall.is_heard = true;
                            }
                        }
                        counter.with(|state| {
                            for window in &windows {
                                if let Some(share) = state.shares.get_mut(window) {
                                    share.returned();
                                }
                            }
                        });
                        counter.note_returned();
                    }
                    _ => {}
                }
            }
        }
    }

    /// Writes what was given back of `windows`, and tells the other nodes.
    async fn give_back(&mut self, counter: &Arc<Together>, windows: Vec<Window>) {
        if windows.is_empty() {
            return;
        }
        let now_ms = counter.now_ms();
        let asks = counter.with(|state| moves_of(state, windows.iter().copied(), now_ms));
        match self.exchange(counter, &asks).await {
            Ok(_) => self.tell(BACK, &windows),
            Err(error) => tracing::warn!(%error, "rates could not be given back yet"),
        }
    }

    /// Gives back what is not used, and writes what was settled.
    async fn sweep(&mut self) {
        let Some(counter) = self.counter.upgrade() else { return };
        self.recalls.retain(|_, recall| recall.sent.elapsed() < RECALL_EVERY);
        let (now_ms, has_others) = (counter.now_ms(), self.has_others);
        let asks = counter.with(|state| {
            state
                .shares
                .values_mut()
                .for_each(|share| share.sweep(has_others, now_ms));
            let moved: Vec<Window> = state.shares.keys().copied().collect();
            moves_of(state, moved, now_ms)
        });
        let mut swept = self.exchange(&counter, &asks).await.map(|_| ());
        counter.with(|state| {
            if state.shares.len() > KEPT {
                state.shares.retain(|_, share| !share.is_idle(now_ms));
            }
        });
        if swept.is_ok() && self.tidied.elapsed() > TIDY_EVERY {
            self.tidied = Instant::now();
            swept = self.table.tidy().await;
        }
        if let Err(error) = swept {
            tracing::warn!(%error, "rates could not be given back yet");
        }
    }

    /// The process ends: what was granted is for others.
    async fn give_all_back(&mut self) {
        let Some(counter) = self.counter.upgrade() else { return };
        let now_ms = counter.now_ms();
        let (back, asks) = counter.with(|state| {
            let windows: Vec<Window> = state.shares.keys().copied().collect();
            (
                recalled(state, windows.iter().copied()),
                moves_of(state, windows, now_ms),
            )
        });
        match self.exchange(&counter, &asks).await {
            Ok(_) => self.tell(BACK, &back),
            Err(error) => tracing::warn!(%error, "rates are not given back, and end with their slot"),
        }
    }
}

/// The database did not get what there was to write with `asks`; or perhaps it did.
fn not_done<'a>(counter: &Together, asks: impl IntoIterator<Item = &'a Ask>, is_in_doubt: bool) {
    counter.with(|state| {
        for ask in asks {
            state.share(ask.window).not_moved(&ask.moves, is_in_doubt);
        }
    });
}

/// What is asked for one window, unless what the node has is enough by now.
fn ask(state: &mut State, (window, need): (Window, Need), now_ms: i64) -> Option<Ask> {
    let share = state.share(window);
    share.prepare(need.limit, now_ms);
    let free = share.free(need.limit, now_ms);
    let wanted = need.all.checked_sub(free).filter(|wanted| *wanted > 0)?;
    Some(Ask {
        window,
        limit: need.limit,
        least: need.least.saturating_sub(free).max(1),
        wanted,
        moves: share.take_moves(now_ms),
    })
}

/// What is left of a full window is known for a while.
fn note_short(counter: &Together, state: &mut State, ask: &Ask) -> Option<Instant> {
    let now_ms = counter.now_ms();
    state
        .share(ask.window)
        .note_short(ask.limit, now_ms + SHORT_FOR_MS, now_ms);
    None
}

/// Takes what no request waits for out of the rights; of which windows.
fn recalled(state: &mut State, windows: impl IntoIterator<Item = Window>) -> Vec<Window> {
    let gives = |window: &Window| state.shares.get_mut(window).is_some_and(Share::recall);
    let seen: HashSet<Window> = windows.into_iter().collect();
    seen.into_iter().filter(gives).collect()
}

/// What there is to write of `windows`, without asking for anything.
fn moves_of(state: &mut State, windows: impl IntoIterator<Item = Window>, now_ms: i64) -> Vec<Ask> {
    let ask = |window: Window| {
        let moves = state.shares.get_mut(&window)?.take_moves(now_ms);
        (!moves.is_empty()).then_some(Ask {
            window,
            limit: 0,
            least: 0,
            wanted: 0,
            moves,
        })
    };
    windows.into_iter().filter_map(ask).collect()
}

/// What is asked for, by window; of several limits the lowest.
fn needs(asked: &[Asked]) -> BTreeMap<Window, Need> {
    let mut needs = BTreeMap::new();
    for demand in asked.iter().flat_map(|asked| asked.demands.iter().flatten()) {
        let need = needs.entry(demand.window).or_insert(Need {
            limit: demand.limit,
            least: demand.n,
            all: 0,
        });
        need.limit = need.limit.min(demand.limit);
        need.least = need.least.min(demand.n);
        need.all = need.all.saturating_add(demand.n);
    }
    needs
}

//! Simulation: a policy meets the world, and what its clients see of it is counted.
//!
//! Invariant: the same scale and policy give the same figures on every machine; clients of every policy behave alike: who is refused
//! comes again, ever later, as SDKs do, until a deadline.

mod chance;
mod ours;
mod reference;
mod score;
mod world;

use ours::Ours;
use reference::{Kind, Reference};
pub use score::Score;
use score::Tally;
use std::collections::BTreeMap;
pub use world::Scale;
use world::{Account, Ask, Ending, Headers};

/// For how long a client wants an answer to begin, in milliseconds.
const DEADLINE_MS: i64 = 20_000;
/// After how long a refused client comes again at first, in milliseconds; it doubles.
const AGAIN_FIRST_MS: i64 = 500;
/// And at most.
const AGAIN_LONGEST_MS: i64 = 8_000;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// This router.
    Ours,
    /// Each account in order; one that is at a limit is left alone for as long as it said, or a minute.
    FirstAvailable,
    /// Drawn by weight until one answers.
    WeightedRandom,
    /// In turn; one that failed is left alone for a minute.
    RoundRobin,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ours, Self::FirstAvailable, Self::WeightedRandom, Self::RoundRobin];
}

/// What a router wants done.
enum Do {
    /// Ask an account.
    Ask { id: u64, account: i64 },
    /// Look again later.
    Look { id: u64, at_ms: i64 },
    /// See later who of those who wait can be served.
    Wake { at_ms: i64 },
    /// Tell the client that there is no answer.
    Refuse { id: u64 },
}

/// A router under test.
trait Router {
    fn arrives(&mut self, ask: &Ask, now_ms: i64, todo: &mut Vec<Do>);
    fn wakes(&mut self, now_ms: i64, todo: &mut Vec<Do>);
    fn looks(&mut self, id: u64, now_ms: i64, todo: &mut Vec<Do>);
    fn begins_to_answer(&mut self, ids: (u64, i64), answer: (i64, &Headers), now_ms: i64, todo: &mut Vec<Do>);
    fn has_answered(&mut self, ask: &Ask, account_and_sent: (i64, i64), now_ms: i64, todo: &mut Vec<Do>);
    fn fails(&mut self, ids: (u64, i64), ending: &Ending, now_ms: i64, todo: &mut Vec<Do>);
}

enum Event {
    Arrives(Ask, u32),
    Looks(u64),
    Wakes,
    BeginsToAnswer {
        id: u64,
        account: i64,
        first_ms: i64,
        headers: Headers,
    },
    HasAnswered {
        ask: Ask,
        account: i64,
        sent_ms: i64,
    },
    Fails {
        id: u64,
        account: i64,
        ending: Ending,
    },
}

struct Run {
    scale: Scale,
    accounts: Vec<Account>,
    events: BTreeMap<(i64, u64), Event>,
    count: u64,
    /// Requests that want an answer, and how often they were refused.
    open: BTreeMap<u64, (Ask, u32)>,
    tally: Tally,
    /// Who was answered, in order: team and id.
    answered: Vec<(usize, u64)>,
}

/// What becomes of `count` requests that come within a second, of all teams, to accounts that have just reached their limits and
/// take `a_second` of them: how many errors clients see, and who is answered, in order, by team and id.
#[allow(dead_code, reason = "the table does not need it")]
pub fn burst(count: u64, a_second: u64) -> (u64, Vec<(usize, u64)>) {
    let scale = Scale {
        seed: 1,
        requests: count,
        cycle_ms: 60_000,
        divided: 1,
        is_plain: false,
    };
    let accounts: Vec<_> = (1..=4).map(|id| Account::at_its_limit(id, a_second * 60 / 4)).collect();
    let teams = world::TEAMS as u64;
    let asks = (0..count).map(|id| Ask {
        id,
        team: usize::try_from(id * id % teams).unwrap_or(0),
        at_ms: (id * 1_000 / count).cast_signed(),
        tokens: 100,
        expected: 100,
        conversation: 0,
    });
    let run = Run::new(scale, accounts).run(asks, |accounts| Ours::new(accounts, 1));
    (run.tally.refusals, run.answered)
}

/// The figures of `policy` in a world of `scale`.
pub fn simulate(policy: Policy, scale: Scale) -> Score {
    let accounts = scale.accounts();
    let asks = scale.asks(accounts.iter().map(Account::capacity).sum());
    let run = Run::new(scale, accounts);
    let reference = |kind| move |accounts: &[Account]| Reference::new(accounts, kind);
    let run = match policy {
        Policy::Ours => run.run(asks, |accounts| Ours::new(accounts, scale.seed)),
        Policy::FirstAvailable => run.run(asks, reference(Kind::FirstAvailable)),
        Policy::WeightedRandom => run.run(asks, reference(Kind::WeightedRandom)),
        Policy::RoundRobin => run.run(asks, reference(Kind::RoundRobin)),
    };
    run.tally.score()
}

impl Run {
    fn new(scale: Scale, accounts: Vec<Account>) -> Self {
        Self {
            scale,
            accounts,
            events: BTreeMap::new(),
            count: 0,
            open: BTreeMap::new(),
            tally: Tally::default(),
            answered: Vec::new(),
        }
    }

    fn run<R: Router>(mut self, asks: impl Iterator<Item = Ask>, router: impl FnOnce(&[Account]) -> R) -> Self {
        let mut router = router(&self.accounts);
        let mut asks = asks.peekable();
        let mut todo = Vec::new();
        let mut seconds = 0;
        loop {
            let next_ms = asks.peek().map(|ask| ask.at_ms);
            let event_ms = self.events.first_key_value().map(|((at_ms, _), _)| *at_ms);
            let now_ms = match (next_ms, event_ms) {
                (Some(next_ms), event_ms) if event_ms.is_none_or(|event_ms| next_ms <= event_ms) => {
                    let ask = asks.next().into_iter().map(|ask| Event::Arrives(ask, 0));
                    ask.for_each(|event| self.happens(&mut router, event, next_ms, &mut todo));
                    next_ms
                }
                (_, Some(event_ms)) => {
                    let event = self.events.pop_first().map(|(_, event)| event);
                    event
                        .into_iter()
                        .for_each(|event| self.happens(&mut router, event, event_ms, &mut todo));
                    event_ms
                }
                _ => break,
            };
            while next_ms.is_some() && seconds * 1_000 < now_ms {
                self.measure(seconds * 1_000);
                seconds += 1;
            }
        }
        self
    }

    /// What could be answered in the second from `now_ms` on, while more is asked than fits.
    fn measure(&mut self, now_ms: i64) {
        if self.scale.is_overloaded(now_ms) {
            let up = self.accounts.iter().filter(|account| account.is_up(now_ms));
            self.tally.possible_in_a_minute += up.map(Account::capacity).sum::<u64>();
        }
    }

    fn happens(&mut self, router: &mut impl Router, event: Event, now_ms: i64, todo: &mut Vec<Do>) {
        match event {
            Event::Arrives(ask, refused) => {
                if refused == 0 {
                    self.tally.asked(ask.team, self.scale.is_overloaded(ask.at_ms));
                }
                router.arrives(&ask, now_ms, todo);
                self.open.insert(ask.id, (ask, refused));
            }
            Event::Wakes => router.wakes(now_ms, todo),
            Event::Looks(id) => router.looks(id, now_ms, todo),
            Event::BeginsToAnswer {
                id,
                account,
                first_ms,
                headers,
            } => router.begins_to_answer((id, account), (first_ms, &headers), now_ms, todo),
            Event::HasAnswered { ask, account, sent_ms } => {
                self.account(account).leave();
                router.has_answered(&ask, (account, sent_ms), now_ms, todo);
            }
            Event::Fails { id, account, ending } => router.fails((id, account), &ending, now_ms, todo),
        }
        for what in std::mem::take(todo) {
            self.act(what, now_ms);
        }
    }

    fn act(&mut self, what: Do, now_ms: i64) {
        match what {
            Do::Look { id, at_ms } => self.later(at_ms, Event::Looks(id)),
            Do::Wake { at_ms } => self.later(at_ms, Event::Wakes),
            Do::Refuse { id } => {
                let Some((ask, refused)) = self.open.remove(&id) else {
                    return;
                };
                self.tally.refusals += 1;
                let pause_ms = (AGAIN_FIRST_MS << refused.min(10)).min(AGAIN_LONGEST_MS);
                if now_ms + pause_ms < ask.at_ms + DEADLINE_MS {
                    self.later(now_ms + pause_ms, Event::Arrives(ask, refused + 1));
                } else {
                    self.tally.lost(DEADLINE_MS, self.scale.is_overloaded(ask.at_ms));
                }
            }
            Do::Ask { id, account } => {
                let Some((ask, refused)) = self.open.remove(&id) else {
                    return;
                };
                let seed = self.scale.seed;
                self.tally.attempts += 1;
                match self.account(account).ask(&ask, seed, now_ms) {
                    Ending::Answer {
                        first_ms,
                        whole_ms,
                        headers,
                    } => {
                        self.answered.push((ask.team, ask.id));
                        let is_counted = [ask.at_ms, now_ms].map(|at_ms| self.scale.is_overloaded(at_ms));
                        self.tally.answered(ask.team, now_ms - ask.at_ms, is_counted);
                        let begins = Event::BeginsToAnswer {
                            id,
                            account,
                            first_ms,
                            headers,
                        };
                        self.later(now_ms + first_ms, begins);
                        let sent_ms = now_ms;
                        self.later(now_ms + whole_ms, Event::HasAnswered { ask, account, sent_ms });
                    }
                    ending @ (Ending::Status { after_ms, .. }
                    | Ending::Unreachable { after_ms }
                    | Ending::Silence { after_ms }) => {
                        self.open.insert(id, (ask, refused));
                        self.later(now_ms + after_ms, Event::Fails { id, account, ending });
                    }
                }
            }
        }
    }

    fn later(&mut self, at_ms: i64, event: Event) {
        self.count += 1;
        self.events.insert((at_ms, self.count), event);
    }

    fn account(&mut self, id: i64) -> &mut Account {
        let at = usize::try_from(id - 1).unwrap_or(0);
        &mut self.accounts[at]
    }
}

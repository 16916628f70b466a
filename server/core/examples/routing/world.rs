//! The world of the simulation: accounts as their providers run them, and the requests of several teams.
//!
//! Invariant: what happens depends on the seed, the moment and what was asked, not on who asks: every policy meets the same world.

use super::chance::{below, draw};

/// How long an upstream that says nothing is waited for, in milliseconds.
const TIMEOUT_MS: i64 = 15_000;
/// Teams; the first sends ten times as much as each other.
pub const TEAMS: usize = 10;
/// How much of all requests is the first team's, in percent.
const HEAVY_PERCENT: u64 = 53;
/// How many requests there are for each of the phases of a cycle, in percent of what all accounts can take: ordinary, a burst, again,
/// and more than fits.
const LEVELS: [u64; 4] = [60, 150, 70, 140];
/// When each begins, in hundredths of a cycle.
const BEGINS: [i64; 4] = [0, 35, 40, 80];

/// How a provider tells that a limit is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// With the moment at which it is worth asking again.
    When,
    /// With a second, whatever is true.
    TooSoon,
    /// With four times what is true.
    TooLate,
    /// In the error's text.
    InText,
    /// Without any moment.
    Nothing,
}

/// How its limits are counted.
#[derive(Clone, Copy)]
pub enum Counted {
    /// A bucket that holds so many milliseconds' worth.
    Bucket(i64),
    /// By the clock, in windows of so many milliseconds.
    Window(i64),
}

/// What is wrong with an account for a while.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Refused,
    Fails,
    Hangs,
    Slow,
    NoMoney,
    Overloaded,
}

/// One account.
pub struct Account {
    pub id: i64,
    /// Requests a minute.
    pub rpm: u64,
    /// Tokens a minute.
    pub tpm: u64,
    /// Requests at once.
    pub at_once: Option<u32>,
    /// Whether the operator has entered these.
    pub is_known: bool,
    counted: Counted,
    says: Says,
    has_headers: bool,
    /// Whether requests that it refuses count as well, as those of OpenAI do.
    counts_refused: bool,
    latency_ms: u64,
    troubles: Vec<(i64, i64, Trouble)>,
    requests: Level,
    tokens: Level,
    in_flight: u32,
}

/// What is taken of a limit, in thousandths.
#[derive(Clone, Copy, Default)]
struct Level {
    taken: u64,
    at_ms: i64,
}

/// A request.
#[derive(Clone)]
pub struct Ask {
    pub id: u64,
    pub team: usize,
    pub at_ms: i64,
    /// What it really takes.
    pub tokens: u64,
    /// What is expected of it.
    pub expected: u64,
    pub conversation: u64,
}

/// How an attempt ends.
pub enum Ending {
    /// With an answer: when its first content comes, and when it is whole.
    Answer {
        first_ms: i64,
        whole_ms: i64,
        headers: Headers,
    },
    /// With a status.
    Status {
        after_ms: i64,
        status: u16,
        code: &'static str,
        message: String,
        headers: Headers,
    },
    /// With no connection.
    Unreachable { after_ms: i64 },
    /// With nothing until the deadline.
    Silence { after_ms: i64 },
}

/// Headers of an answer.
pub type Headers = Vec<(&'static str, String)>;

/// How large the world is.
#[derive(Clone, Copy)]
pub struct Scale {
    pub seed: u64,
    pub requests: u64,
    /// Length of a cycle of quiet, burst and overload, in milliseconds.
    pub cycle_ms: i64,
    /// By what the limits of the accounts are divided, and with them the number of requests a minute.
    pub divided: u64,
    /// Whether limits are kinder: none counts what it refuses, and every bucket holds a minute's worth at least.
    pub is_plain: bool,
}

impl Level {
    /// What is taken at `now_ms` of a limit of `most` a minute.
    fn now(&self, most: u64, counted: Counted, now_ms: i64) -> u64 {
        let passed = (now_ms - self.at_ms).unsigned_abs();
        match counted {
            Counted::Bucket(_) => self.taken.saturating_sub(passed * most / 60),
            Counted::Window(length_ms) if now_ms / length_ms != self.at_ms / length_ms => 0,
            Counted::Window(_) => self.taken,
        }
    }

    /// How long until `amount` fits; 0 where it does.
    fn wait_ms(&self, amount: u64, most: u64, counted: Counted, now_ms: i64) -> i64 {
        let room = room(most, counted);
        let over = (self.now(most, counted, now_ms) + amount * 1_000).saturating_sub(room.max(amount * 1_000));
        match counted {
            _ if over == 0 => 0,
            Counted::Bucket(_) => (over * 60).div_ceil(most).try_into().unwrap_or(i64::MAX),
            Counted::Window(length_ms) => length_ms - now_ms % length_ms,
        }
    }

    /// One that is refused counts too, as far as there is room.
    fn fill(&mut self, most: u64, counted: Counted, now_ms: i64) {
        let taken = self.now(most, counted, now_ms) + 1_000;
        self.taken = taken.min(room(most, counted));
        self.at_ms = now_ms;
    }

    fn take(&mut self, amount: u64, most: u64, counted: Counted, now_ms: i64) {
        self.taken = self.now(most, counted, now_ms) + amount * 1_000;
        self.at_ms = now_ms;
    }
}

/// The most that can be taken at once, in thousandths.
fn room(most: u64, counted: Counted) -> u64 {
    match counted {
        Counted::Bucket(worth_ms) | Counted::Window(worth_ms) => most * worth_ms.unsigned_abs() / 60,
    }
}

impl Account {
    /// One that says all there is to say of its limit, which is used up.
    pub fn at_its_limit(id: i64, rpm: u64) -> Self {
        let counted = Counted::Bucket(4_000);
        Self {
            id,
            rpm,
            tpm: rpm * 10_000,
            at_once: None,
            is_known: false,
            counted,
            says: Says::When,
            has_headers: true,
            counts_refused: false,
            latency_ms: 300,
            troubles: Vec::new(),
            requests: Level {
                taken: room(rpm, counted),
                at_ms: 0,
            },
            tokens: Level::default(),
            in_flight: 0,
        }
    }

    /// What it can take a minute, in requests of ordinary size.
    pub fn capacity(&self) -> u64 {
        self.rpm.min(self.tpm / 1_000)
    }

    /// Whether it can answer at `now_ms`.
    pub fn is_up(&self, now_ms: i64) -> bool {
        matches!(self.trouble(now_ms), None | Some(Trouble::Slow))
    }

    fn trouble(&self, now_ms: i64) -> Option<Trouble> {
        let mut troubles = self.troubles.iter();
        let found = troubles.find(|(from_ms, until_ms, _)| (*from_ms..*until_ms).contains(&now_ms));
        found.map(|(_, _, trouble)| *trouble)
    }

    /// A connection is over.
    pub fn leave(&mut self) {
        self.in_flight -= 1;
    }

    /// Asks it; where it answers, [`Account::leave`] must follow.
    pub fn ask(&mut self, ask: &Ask, seed: u64, now_ms: i64) -> Ending {
        let chance = |what: u64| draw(seed ^ ask.id.rotate_left(20) ^ self.id.unsigned_abs() << 7 ^ what);
        let status = |after_ms, status, code, message: &str| Ending::Status {
            after_ms,
            status,
            code,
            message: message.to_owned(),
            headers: Headers::new(),
        };
        let slow = match self.trouble(now_ms) {
            Some(Trouble::Refused) => return Ending::Unreachable { after_ms: 20 },
            Some(Trouble::Hangs) => return Ending::Silence { after_ms: TIMEOUT_MS },
            Some(Trouble::Fails) => return status(200, 500, "server_error", "The server had an error."),
            Some(Trouble::NoMoney) => return status(60, 429, "insufficient_quota", "Check your plan and billing."),
            Some(Trouble::Overloaded) => return status(150, 503, "server_is_overloaded", "Overloaded."),
            Some(Trouble::Slow) => 8,
            None => 1,
        };
        if below(chance(1), 500) == 0 {
            return status(300, 502, "", "Bad gateway.");
        }
        if self.at_once.is_some_and(|most| self.in_flight >= most) {
            return status(50, 429, "rate_limit_exceeded", "Too many requests at once.");
        }
        let wait_ms = self.requests.wait_ms(1, self.rpm, self.counted, now_ms);
        let wait_ms = wait_ms.max(self.tokens.wait_ms(ask.tokens, self.tpm, self.counted, now_ms));
        if wait_ms > 0 {
            if self.counts_refused {
                self.requests.fill(self.rpm, self.counted, now_ms);
            }
            return self.limited(wait_ms, now_ms);
        }
        self.requests.take(1, self.rpm, self.counted, now_ms);
        self.tokens.take(ask.tokens, self.tpm, self.counted, now_ms);
        self.in_flight += 1;
        let first_ms = (self.latency_ms * (75 + below(chance(2), 75)) / 100 * slow).cast_signed();
        let whole_ms = first_ms + (ask.tokens * (2 + below(chance(3), 4)) * slow).cast_signed();
        Ending::Answer {
            first_ms,
            whole_ms,
            headers: self.headers(now_ms),
        }
    }

    fn limited(&self, wait_ms: i64, now_ms: i64) -> Ending {
        let mut headers = self.headers(now_ms);
        let wait_ms = if self.says == Says::TooLate {
            wait_ms * 4
        } else {
            wait_ms
        };
        match self.says {
            Says::When | Says::TooLate => headers.push(("retry-after-ms", wait_ms.to_string())),
            Says::TooSoon => headers.push(("retry-after", "1".to_owned())),
            Says::InText | Says::Nothing => {}
        }
        let message = match self.says {
            Says::InText => format!("Please retry in {}.{:03}s.", wait_ms / 1_000, wait_ms % 1_000),
            _ => "Rate limit reached.".to_owned(),
        };
        Ending::Status {
            after_ms: 60,
            status: 429,
            code: "rate_limit_exceeded",
            message,
            headers,
        }
    }

    fn headers(&self, now_ms: i64) -> Headers {
        let mut headers = Headers::new();
        if !self.has_headers {
            return headers;
        }
        let mut add = |level: &Level, most: u64, names: [&'static str; 3]| {
            let taken = level.now(most, self.counted, now_ms);
            let left = room(most, self.counted).saturating_sub(taken) / 1_000;
            let whole_ms = match self.counted {
                Counted::Bucket(_) => (taken * 60 / most).cast_signed(),
                Counted::Window(length_ms) => length_ms - now_ms % length_ms,
            };
            headers.push((names[0], (room(most, self.counted) / 1_000).to_string()));
            headers.push((names[1], left.to_string()));
            headers.push((names[2], format!("{}.{:03}s", whole_ms / 1_000, whole_ms % 1_000)));
        };
        let requests = [
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        ];
        let tokens = [
            "x-ratelimit-limit-tokens",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-tokens",
        ];
        add(&self.requests, self.rpm, requests);
        add(&self.tokens, self.tpm, tokens);
        headers
    }
}

impl Scale {
    /// The accounts: small and large, with and without headers, honest and not.
    pub fn accounts(&self) -> Vec<Account> {
        const RPM: [u64; 20] = [
            60, 60, 120, 120, 200, 200, 300, 300, 300, 500, 500, 500, 600, 600, 800, 1_000, 1_000, 1_200, 1_500, 2_000,
        ];
        const SAYS: [Says; 5] = [Says::When, Says::TooLate, Says::Nothing, Says::TooSoon, Says::InText];
        let account = |(at, rpm): (usize, u64)| {
            let rpm = rpm / self.divided;
            let chance = |what: u64| draw(self.seed ^ 77 << 32 ^ (at as u64) << 8 ^ what);
            Account {
                id: at as i64 + 1,
                rpm,
                tpm: rpm * (800 + below(chance(1), 700)),
                at_once: (at % 6 == 5).then(|| u32::try_from(rpm / 12).unwrap_or(1).max(4)),
                is_known: at % 3 == 0,
                // What an operator has entered is what the account takes for long, without large bursts.
                counted: match at % 4 {
                    3 => Counted::Window(self.cycle_ms / 10),
                    2 if !self.is_plain => Counted::Bucket(self.cycle_ms / 60),
                    0 | 1 if at % 3 == 0 && !self.is_plain => Counted::Bucket(self.cycle_ms / 60),
                    _ => Counted::Bucket(self.cycle_ms / 10),
                },
                // Half of the accounts are honest.
                says: if at % 2 == 0 {
                    Says::When
                } else {
                    SAYS[at / 2 % SAYS.len()]
                },
                has_headers: at % 5 < 3,
                counts_refused: at % 4 != 3 && !self.is_plain,
                latency_ms: 250 + below(chance(2), 900),
                troubles: self.troubles(at as u64),
                requests: Level::default(),
                tokens: Level::default(),
                in_flight: 0,
            }
        };
        RPM.into_iter().enumerate().map(account).collect()
    }

    /// In about every third cycle something is wrong with an account for a part of it.
    fn troubles(&self, at: u64) -> Vec<(i64, i64, Trouble)> {
        const ALL: [Trouble; 6] = [
            Trouble::Refused,
            Trouble::Fails,
            Trouble::Hangs,
            Trouble::Slow,
            Trouble::NoMoney,
            Trouble::Overloaded,
        ];
        let cycles = 0..400_u64;
        let trouble = |cycle: u64| {
            let chance = |what: u64| draw(self.seed ^ 99 << 40 ^ at << 20 ^ cycle << 4 ^ what);
            let from_ms =
                (cycle * self.cycle_ms.unsigned_abs() + below(chance(1), self.cycle_ms.unsigned_abs())).cast_signed();
            let length_ms = self.cycle_ms / 30 + below(chance(2), self.cycle_ms.unsigned_abs() / 4).cast_signed();
            let kind = ALL[usize::try_from(below(chance(3), 6)).unwrap_or(0)];
            (below(chance(4), 3) == 0).then_some((from_ms, from_ms + length_ms, kind))
        };
        cycles.filter_map(trouble).collect()
    }

    /// Which phase it is at `now_ms`.
    fn phase(&self, now_ms: i64) -> usize {
        let hundredth = now_ms % self.cycle_ms * 100 / self.cycle_ms;
        BEGINS.iter().rposition(|begin| *begin <= hundredth).unwrap_or(0)
    }

    /// Whether more is asked at `now_ms` than fits.
    pub fn is_overloaded(&self, now_ms: i64) -> bool {
        self.phase(now_ms) == 3
    }

    /// The requests, in order.
    pub fn asks(self, capacity: u64) -> impl Iterator<Item = Ask> {
        let mut at_us: u64 = 0;
        (0..self.requests).map(move |id| {
            let chance = |what: u64| draw(self.seed ^ id << 8 ^ what);
            let now_ms = (at_us / 1_000).cast_signed();
            let level = LEVELS[self.phase(now_ms)];
            let gap_us = 60_000_000 * 100 / (capacity * level);
            at_us += below(chance(1), 2 * gap_us + 1);
            // Each other team has its own bursts, in which it sends what several do.
            let burst = usize::try_from(now_ms / 20_000 % 40).unwrap_or(0);
            let is_heavy = below(chance(2), 100) < HEAVY_PERCENT;
            let any = 1 + usize::try_from(below(chance(3), TEAMS as u64 - 1)).unwrap_or(0);
            let bursts = (1..TEAMS).contains(&burst) && below(chance(4), 2) == 0;
            let tokens = 200 + below(chance(5), 800) + below(chance(6), 800);
            Ask {
                id,
                team: if is_heavy {
                    0
                } else if bursts {
                    burst
                } else {
                    any
                },
                at_ms: now_ms,
                tokens,
                expected: tokens * (100 + below(chance(7), 100)) / 100,
                conversation: if below(chance(8), 3) == 0 {
                    1 + below(chance(9), 5_000)
                } else {
                    0
                },
            }
        })
    }
}

//! Health: whether an account can be asked, for one model or for all.
//!
//! Invariant: what an upstream stated binds until it has passed; what we only guess is probed by one request at a time. Pure.

mod availability;
mod gauge;
mod pace;
mod pause;
mod snapshot;

pub use availability::Availability;
pub use pause::{Pause, PauseKind};
pub use snapshot::Snapshot;

use crate::retry::{Fault, Mark, Reason, Verdict, Window};
use gauge::Gauge;
use pace::Pace;
use serde::{Deserialize, Serialize};

/// The first cool-down after a failure that said nothing, in milliseconds; it doubles with every further failure.
pub const GUESS_FIRST_MS: i64 = 1_000;
/// The longest such cool-down, in milliseconds.
pub const GUESS_LONGEST_MS: i64 = 300_000;
/// The longest pause after an upstream that wants to be asked again sooner than it then answers, in milliseconds.
pub const UNKEPT_LONGEST_MS: i64 = 60_000;
/// The first pause before a parked account is probed, in milliseconds; it doubles with every further failure.
pub const PARK_FIRST_MS: i64 = 1_000;
/// The longest such pause, in milliseconds.
pub const PARK_LONGEST_MS: i64 = 900_000;
/// A probe that has had no outcome for this long is given up, in milliseconds.
pub const PROBE_LOST_MS: i64 = 60_000;
/// The headroom of an account that is far from its limits.
pub const FULL_HEADROOM: u16 = 1_000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt succeeded.
    Succeeded {
        /// From sending to the first content, in milliseconds.
        latency_ms: u32,
    },
    /// The upstream said until when it wants no requests.
    Cooled {
        /// Unix milliseconds.
        until_ms: i64,
        /// Why.
        fault: Fault,
    },
    /// The upstream said that it does not have the model.
    ModelMissing {
        /// When it may be asked for it again: Unix milliseconds.
        until_ms: i64,
    },
    /// An attempt failed and the upstream said nothing about when to come back.
    Failed {
        /// Why.
        fault: Fault,
    },
    /// The account is of no use until somebody acts.
    Parked {
        /// Why.
        reason: Reason,
    },
    /// An attempt begins. Where the account is not ready it is the probe.
    Begun {
        /// The most tokens it takes.
        tokens: u64,
    },
    /// The probe was not sent after all.
    ProbeDropped,
    /// An attempt that had begun was not sent after all.
    Unsent {
        /// The tokens it had taken.
        tokens: u64,
        /// When it had begun: Unix milliseconds.
        begun_ms: i64,
    },
    /// The headers of an answer said what is left.
    HeadersSeen {
        /// Of the account's request limit.
        requests: Window,
        /// Of the account's token limit.
        tokens: Window,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
enum State {
    #[default]
    Ready,
    Cooling {
        until_ms: i64,
        stated: bool,
    },
    Parked {
        reason: Reason,
        next_probe_ms: i64,
    },
    Missing {
        until_ms: i64,
    },
}

/// The health of one account, for one model or for all; it can be stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    state: State,
    probe_since_ms: Option<i64>,
    failures: u32,
    latency_ms: Option<u32>,
    requests: Gauge,
    tokens: Gauge,
    pace: Pace,
    last_fault: Option<Fault>,
    /// Stated pauses in a row after which it refused again.
    unkept: u32,
}

impl Event {
    /// What `verdict` means for the health of the account (or, with [`Mark::ModelMissing`], of the account for that model).
    #[must_use]
    pub const fn of(verdict: &Verdict) -> Option<Self> {
        let fault = verdict.fault;
        match verdict.mark {
            Mark::None => None,
            Mark::Cool { until_ms } => Some(Self::Cooled { until_ms, fault }),
            Mark::ModelMissing { until_ms } => Some(Self::ModelMissing { until_ms }),
            Mark::Guess => Some(Self::Failed { fault }),
            Mark::Park { reason } => Some(Self::Parked { reason }),
        }
    }
}

impl Health {
    /// Takes note of `event` at `now_ms` (Unix milliseconds).
    pub fn step(&mut self, event: Event, now_ms: i64) {
        match event {
            Event::Begun { tokens } => {
                if self.after_failures(now_ms) != Availability::Ready {
                    self.probe_since_ms = Some(now_ms);
                }
                self.pace.begin(now_ms);
                self.requests.take(1, now_ms);
                self.tokens.take(tokens, now_ms);
            }
            Event::HeadersSeen { requests, tokens } => {
                self.requests.see(&requests, now_ms);
                self.tokens.see(&tokens, now_ms);
            }
            Event::Succeeded { latency_ms } => self.succeed(latency_ms, now_ms),
            Event::Cooled { until_ms, fault } => self.cool(until_ms, fault, now_ms),
            Event::ModelMissing { until_ms } => {
                self.state = State::Missing { until_ms };
                self.last_fault = Some(Fault::ModelMissing);
                self.probe_since_ms = None;
            }
            Event::Failed { fault } => {
                if matches!(fault, Fault::RateLimited | Fault::Overloaded) {
                    self.slow_down(now_ms, now_ms);
                }
                self.guess(fault, now_ms);
            }
            Event::ProbeDropped => self.probe_since_ms = None,
            Event::Unsent { tokens, begun_ms } => {
                self.pace.forget(begun_ms, now_ms);
                self.requests.give_back(1, begun_ms);
                self.tokens.give_back(tokens, begun_ms);
            }
            Event::Parked { reason } => self.park(reason, now_ms),
        }
    }

    /// Whether the account can be asked at `now_ms`: not while it pauses, nor while a limit is used up, as its
    /// answers say, nor faster than it takes.
    #[must_use]
    pub fn availability(&self, now_ms: i64) -> Availability {
        let availability = self.after_failures(now_ms);
        if !matches!(availability, Availability::Ready | Availability::ProbeDue) {
            return availability;
        }
        let requests_ms = self.requests.no_request_until_ms(now_ms);
        if let Some(until_ms) = requests_ms.max(self.tokens.few_tokens_until_ms(now_ms)) {
            return Availability::Cooling { until_ms, stated: true };
        }
        let paced = |wait_ms| Availability::Probing {
            until_ms: now_ms.saturating_add(wait_ms),
        };
        self.pace.wait_ms(now_ms).map_or(availability, paced)
    }

    /// Whether one request is trying it, and no other may.
    #[must_use]
    pub fn is_on_probe(&self, now_ms: i64) -> bool {
        matches!(self.after_failures(now_ms), Availability::Probing { .. })
    }

    /// It refused for its limits: of several that fail together the first counts.
    fn slow_down(&mut self, now_ms: i64, resumes_ms: i64) {
        if self.counts(now_ms) {
            self.pace.refuse(now_ms, resumes_ms);
        }
    }

    /// Whether it can be asked at `now_ms` as far as its failures go.
    fn after_failures(&self, now_ms: i64) -> Availability {
        if let Some(since_ms) = self.probe_since_ms {
            let until_ms = since_ms.saturating_add(PROBE_LOST_MS);
            if now_ms < until_ms {
                return Availability::Probing { until_ms };
            }
        }
        match self.state {
            State::Ready => Availability::Ready,
            State::Cooling { until_ms, stated } if now_ms < until_ms => Availability::Cooling { until_ms, stated },
            State::Missing { until_ms } if now_ms < until_ms => Availability::Missing { until_ms },
            // Whoever did not keep the last promise is asked by one request first.
            State::Cooling { stated: true, .. } if self.unkept > 0 => Availability::ProbeDue,
            State::Cooling { stated: true, .. } | State::Missing { .. } => Availability::Ready,
            State::Parked { reason, next_probe_ms } if now_ms < next_probe_ms => {
                Availability::Parked { reason, next_probe_ms }
            }
            State::Cooling { .. } | State::Parked { .. } => Availability::ProbeDue,
        }
    }

    /// What is left of the tighter of the account's own limits, from 0 to [`FULL_HEADROOM`]; full where nothing is known.
    #[must_use]
    pub fn headroom(&self, now_ms: i64) -> u16 {
        self.requests.share(now_ms).min(self.tokens.share(now_ms))
    }

    /// Moving average from sending to the first content, in milliseconds.
    #[must_use]
    pub const fn latency_ms(&self) -> Option<u32> {
        self.latency_ms
    }

    fn succeed(&mut self, latency_ms: u32, now_ms: i64) {
        let average = self
            .latency_ms
            .map_or(latency_ms, |average| weighted(average, latency_ms));
        self.latency_ms = Some(average);
        self.pace.answer(now_ms);
        // A request that was under way when the upstream stated a pause does not end the pause.
        if self.stated_until_ms().is_none_or(|until_ms| until_ms <= now_ms) {
            self.state = State::Ready;
            self.failures = 0;
            self.unkept = 0;
            self.last_fault = None;
        }
        self.probe_since_ms = None;
    }

    /// A pause is kept as it was stated. Where the last one was not long enough, the next is longer each time.
    fn cool(&mut self, until_ms: i64, fault: Fault, now_ms: i64) {
        let bound_ms = self.stated_until_ms();
        if matches!(self.state, State::Cooling { .. }) && bound_ms.is_some_and(|bound_ms| bound_ms <= now_ms) {
            self.unkept = self.unkept.saturating_add(1);
        }
        let least_ms = match self.unkept {
            0 => 0,
            unkept => doubled(GUESS_FIRST_MS, unkept - 1, UNKEPT_LONGEST_MS),
        };
        let until_ms = until_ms.max(now_ms.saturating_add(least_ms));
        self.slow_down(now_ms, until_ms);
        self.state = State::Cooling {
            until_ms: until_ms.max(bound_ms.unwrap_or(i64::MIN)),
            stated: true,
        };
        self.last_fault = Some(fault);
        self.probe_since_ms = None;
    }

    fn guess(&mut self, fault: Fault, now_ms: i64) {
        let wait_ms = doubled(GUESS_FIRST_MS, self.failures, GUESS_LONGEST_MS);
        let until_ms = now_ms.saturating_add(wait_ms);
        let counts = self.counts(now_ms);
        self.last_fault = Some(fault);
        match &mut self.state {
            State::Cooling {
                until_ms: stated_ms,
                stated: true,
            }
            | State::Missing { until_ms: stated_ms }
                if *stated_ms > now_ms => {}
            State::Parked { next_probe_ms, .. } => *next_probe_ms = until_ms.max(*next_probe_ms),
            state if counts => {
                *state = State::Cooling {
                    until_ms,
                    stated: false,
                }
            }
            _ => {}
        }
        self.end_probe(counts);
    }

    fn park(&mut self, reason: Reason, now_ms: i64) {
        let wait_ms = doubled(PARK_FIRST_MS, self.failures, PARK_LONGEST_MS);
        let counts = self.counts(now_ms) || !matches!(self.state, State::Parked { .. });
        self.last_fault = Some(fault_of(reason));
        if counts {
            self.state = State::Parked {
                reason,
                next_probe_ms: now_ms.saturating_add(wait_ms),
            };
        }
        self.end_probe(counts);
    }

    /// Whether a failure is news: many requests under way fail together, and only the first doubles the pause.
    fn counts(&self, now_ms: i64) -> bool {
        let available = matches!(
            self.after_failures(now_ms),
            Availability::Ready | Availability::ProbeDue
        );
        available || self.probe_since_ms.is_some()
    }

    const fn end_probe(&mut self, counts: bool) {
        if counts {
            self.failures = self.failures.saturating_add(1);
        }
        self.probe_since_ms = None;
    }

    const fn stated_until_ms(&self) -> Option<i64> {
        match self.state {
            State::Cooling { until_ms, stated: true } | State::Missing { until_ms } => Some(until_ms),
            _ => None,
        }
    }
}

const fn fault_of(reason: Reason) -> Fault {
    match reason {
        Reason::BadKey => Fault::BadKey,
        Reason::NoMoney => Fault::NoMoney,
        Reason::Forbidden => Fault::Forbidden,
    }
}

fn doubled(first_ms: i64, times: u32, longest_ms: i64) -> i64 {
    first_ms.saturating_mul(1 << times.min(30)).min(longest_ms)
}

fn weighted(average: u32, latest: u32) -> u32 {
    let sum = u64::from(average) * 7 + u64::from(latest);
    u32::try_from(sum / 8).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

//! A pause of an account, as one process tells it to another.
//!
//! Invariant: what another process learnt binds as if it had been learnt here; of two pauses of one kind the longer holds; a
//! good answer elsewhere ends what was only guessed, never what the upstream stated; a failure elsewhere is the outcome of the
//! probe here too. Pure.

use super::{Health, State};
use crate::retry::{Fault, Reason};

/// Why an account, or one model on it, is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseKind {
    /// The upstream said until when.
    Stated,
    /// The upstream does not have the model.
    Missing,
    /// It failed, and we guess until when.
    Guessed,
    /// It is of no use until somebody acts.
    Parked(Reason),
}

/// A pause, which others keep too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Why.
    pub kind: PauseKind,
    /// When it ends, or one request may try: Unix milliseconds.
    pub until_ms: i64,
    /// Failures since the last success.
    pub failures: u32,
    /// What the last failure was.
    pub fault: Option<Fault>,
}

impl Pause {
    /// Whether it says nothing that `known` does not; ends that are `tolerance_ms` apart count as the same.
    #[must_use]
    pub fn is_within(&self, known: &Self, tolerance_ms: i64) -> bool {
        let longest_ms = known.until_ms.saturating_add(tolerance_ms);
        self.kind == known.kind && self.until_ms <= longest_ms && self.failures <= known.failures
    }
}

impl Health {
    /// The pause it is in at `now_ms`, or that has to be tried out.
    #[must_use]
    pub const fn pause(&self, now_ms: i64) -> Option<Pause> {
        let (kind, until_ms) = match self.state {
            State::Ready => return None,
            State::Cooling { until_ms, stated: true } => (PauseKind::Stated, until_ms),
            State::Missing { until_ms } => (PauseKind::Missing, until_ms),
            State::Cooling {
                until_ms,
                stated: false,
            } => (PauseKind::Guessed, until_ms),
            State::Parked { reason, next_probe_ms } => (PauseKind::Parked(reason), next_probe_ms),
        };
        if matches!(kind, PauseKind::Stated | PauseKind::Missing) && until_ms <= now_ms {
            return None;
        }
        Some(Pause {
            kind,
            until_ms,
            failures: self.failures,
            fault: self.last_fault,
        })
    }

    /// Another process has learnt of `pause`.
    pub fn adopt(&mut self, pause: Pause, now_ms: i64) {
        let is_bound = self.stated_until_ms().is_some_and(|until_ms| until_ms > now_ms);
        let until_ms = pause.until_ms;
        self.state = match (pause.kind, self.state) {
            (PauseKind::Stated | PauseKind::Missing, _) if until_ms <= now_ms => return,
            (PauseKind::Guessed, State::Parked { .. }) => return,
            (PauseKind::Guessed, _) if is_bound => return,
            (PauseKind::Stated, _) => State::Cooling {
                until_ms: until_ms.max(self.stated_until_ms().unwrap_or(i64::MIN)),
                stated: true,
            },
            (PauseKind::Missing, _) => State::Missing { until_ms },
            (
                PauseKind::Guessed,
                State::Cooling {
                    until_ms: mine_ms,
                    stated: false,
                },
            ) => State::Cooling {
                until_ms: until_ms.max(mine_ms),
                stated: false,
            },
            (PauseKind::Guessed, _) => State::Cooling {
                until_ms,
                stated: false,
            },
            (PauseKind::Parked(reason), State::Parked { next_probe_ms, .. }) => State::Parked {
                reason,
                next_probe_ms: until_ms.max(next_probe_ms),
            },
            (PauseKind::Parked(reason), _) => State::Parked {
                reason,
                next_probe_ms: until_ms,
            },
        };
        if self.pause(now_ms).is_some_and(|pause| pause.until_ms > now_ms) {
            // Several that probe at once double the pause once.
            self.probe_since_ms = None;
        }
        self.failures = self.failures.max(pause.failures);
        self.last_fault = pause.fault.or(self.last_fault);
    }

    /// Another process got a good answer.
    pub fn recover(&mut self, now_ms: i64) {
        if self.stated_until_ms().is_none_or(|until_ms| until_ms <= now_ms) {
            self.state = State::Ready;
            self.failures = 0;
            self.last_fault = None;
            self.probe_since_ms = None;
        }
    }
}

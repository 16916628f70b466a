//! An account's health as people see it.
//!
//! Invariant: it says no more than [`Health`] knows; how fast it is asked, and a limit that is used up for a moment, are no state. Pure.

use super::{Availability, Health, State};
use crate::retry::{Fault, Reason};
use serde::{Deserialize, Serialize};

/// What people see of an account's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// `ready`, `cooling`, `probing` or `parked`.
    pub state: String,
    /// When it may be asked again, where that is known: Unix milliseconds.
    pub until_ms: Option<i64>,
    /// Whether the upstream itself said so.
    pub stated: bool,
    /// Why it is parked.
    pub reason: Option<Reason>,
    /// What the last failure was; absent after a success.
    pub last_fault: Option<Fault>,
    /// Failures since the last success.
    pub failures: u32,
    /// Moving average to the first content, in milliseconds.
    pub latency_ms: Option<u32>,
    /// What is left of its tighter limit, in thousandths.
    pub headroom: u16,
    /// The only model that this is about, where it is not the whole account.
    pub model: Option<String>,
}

impl Health {
    /// What people see.
    #[must_use]
    pub fn snapshot(&self, now_ms: i64) -> Snapshot {
        let (state, until_ms, stated) = match self.after_failures(now_ms) {
            Availability::Ready => ("ready", None, false),
            Availability::ProbeDue => (self.word(), Some(now_ms), false),
            Availability::Cooling { until_ms, stated } => ("cooling", Some(until_ms), stated),
            Availability::Missing { until_ms } => ("cooling", Some(until_ms), true),
            Availability::Probing { .. } => ("probing", None, false),
            Availability::Parked { next_probe_ms, .. } => ("parked", Some(next_probe_ms), false),
        };
        let reason = match self.state {
            State::Parked { reason, .. } => Some(reason),
            _ => None,
        };
        Snapshot {
            state: state.to_owned(),
            until_ms,
            stated,
            reason,
            last_fault: self.last_fault,
            failures: self.failures,
            latency_ms: self.latency_ms,
            headroom: self.headroom(now_ms),
            model: None,
        }
    }

    const fn word(&self) -> &'static str {
        match self.state {
            State::Ready => "ready",
            State::Cooling { .. } | State::Missing { .. } => "cooling",
            State::Parked { .. } => "parked",
        }
    }
}

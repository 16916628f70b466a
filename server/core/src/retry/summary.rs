//! What a client is told when no attempt succeeded.
//!
//! Invariant: an account's own trouble (its key, its money, its permissions) never looks like the client's. Pure.

use super::{Action, Fault, Mark, Verdict};

/// What the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request is at fault: the last upstream error, cleaned, is for the client.
    ClientFault(Fault),
    /// No account serves the model.
    ModelNotFound,
    /// Every account is at a limit or overloaded.
    Busy {
        /// When the first one is free again, as far as they said: Unix milliseconds.
        retry_at_ms: Option<i64>,
    },
    /// A deadline passed.
    TimedOut,
    /// The accounts are not usable or the upstreams fail.
    Unavailable,
}

/// The verdicts on the attempts of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    client: Option<Fault>,
    retry_at_ms: Option<i64>,
    attempts: u32,
    missing: u32,
    too_much: Option<Fault>,
    busy: bool,
    timed_out: bool,
}

impl Summary {
    /// Adds the verdict on one more attempt.
    pub fn add(&mut self, verdict: &Verdict) {
        self.attempts = self.attempts.saturating_add(1);
        if let (Action::ReturnToClient, fault) = (verdict.action, verdict.fault)
            && fault != Fault::TimedOut
        {
            self.client = Some(fault);
        }
        if let Mark::Cool { until_ms } = verdict.mark {
            self.retry_at_ms = Some(self.retry_at_ms.map_or(until_ms, |earliest| earliest.min(until_ms)));
        }
        match verdict.fault {
            Fault::ModelMissing => self.missing += 1,
            Fault::RateLimited | Fault::Overloaded => self.busy = true,
            Fault::TimedOut => self.timed_out = true,
            Fault::TooLarge | Fault::BadRequest => self.too_much = Some(verdict.fault),
            _ => {}
        }
    }

    /// How many attempts were made.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What the client is told, given that none succeeded.
    #[must_use]
    pub fn answer(&self) -> Answer {
        if let Some(fault) = self.client {
            Answer::ClientFault(fault)
        } else if self.busy {
            Answer::Busy {
                retry_at_ms: self.retry_at_ms,
            }
        } else if self.timed_out {
            Answer::TimedOut
        } else if let Some(fault) = self.too_much {
            Answer::ClientFault(fault)
        } else if self.attempts > 0 && self.missing == self.attempts {
            Answer::ModelNotFound
        } else {
            Answer::Unavailable
        }
    }
}

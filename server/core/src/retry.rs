//! Retry: what a failed attempt means for the request, for the account, and for the bill.
//!
//! Invariant: "no money" and "bad key" are told from "rate limited" by the error's code, not by its status; what concerns the
//! client's own input is never tried elsewhere; an attempt that may have been billed is never called unbilled. Pure.
//! Wire facts: the error references of OpenAI, Anthropic, Google and the services compatible with them.

mod budget;
mod duration;
mod hints;
mod summary;
mod table;
mod words;

pub use budget::Budget;
pub use hints::{RetryHints, Window};
pub use summary::{Answer, Summary};

use serde::{Deserialize, Serialize};
use words::Meaning;

/// For how long an account that lacks a model is not asked for it again, in milliseconds.
pub const MODEL_MISSING_MS: i64 = 3_600_000;

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Until the connection stood.
    Connect,
    /// From sending to the head of a streamed answer.
    Headers,
    /// From sending to the first content.
    FirstContent,
    /// From sending to the end of an answer that is not streamed.
    Whole,
    /// Between two pieces of content.
    Idle,
    /// For the whole request.
    Total,
}

/// What an upstream's error says, each part empty where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorText<'a> {
    /// The code, such as `insufficient_quota`, or a status as digits.
    pub code: &'a str,
    /// The type, such as `invalid_request_error`.
    pub kind: &'a str,
    /// The sentence for people.
    pub message: &'a str,
}

/// How an attempt failed before any content had reached the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<'a> {
    /// No connection: name, route or TLS.
    ConnectFailed,
    /// No connection, and it was the proxy on the way.
    ProxyFailed,
    /// A deadline passed.
    TimedOut {
        /// Whether any of the request had been sent.
        sent: bool,
        /// Which deadline.
        phase: Phase,
    },
    /// The connection broke.
    Reset {
        /// Whether any of the request had been sent.
        sent: bool,
    },
    /// An answer that is not a success.
    Status {
        /// The HTTP status.
        status: u16,
        /// What its headers say about trying again.
        headers: RetryHints,
        /// What its body says.
        error: ErrorText<'a>,
    },
    /// An error inside an answer that began as a success.
    ErrorFrame {
        /// What the headers of the answer say about trying again.
        headers: RetryHints,
        /// What the frame says.
        error: ErrorText<'a>,
    },
    /// A success that is no answer in the upstream's dialect, or that ended before any content.
    Unreadable,
}

/// What to do with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Try the next account.
    NextAccount,
    /// Give up and tell the client.
    ReturnToClient,
}

/// Why an account is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its key is wrong, expired or revoked.
    BadKey,
    /// Its credit is used up, or its own spend limit is reached.
    NoMoney,
    /// It may not call from here, or has been suspended.
    Forbidden,
}

/// What to remember about the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    None,
    /// It said until when it wants no requests: Unix milliseconds.
    Cool {
        /// When it may be asked again.
        until_ms: i64,
    },
    /// It failed without saying until when: it cools down for longer each time.
    Guess,
    /// It is of no use until somebody acts.
    Park {
        /// Why.
        reason: Reason,
    },
    /// It does not serve this model; others it may.
    ModelMissing {
        /// When it may be asked for this model again: Unix milliseconds.
        until_ms: i64,
    },
}

/// Whether the attempt may appear on the provider's bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billed {
    /// Certainly not.
    NotBilled,
    /// Perhaps: charge its input.
    Unknown,
}

/// What went wrong, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The client's request is wrong; the upstream's words are for the client.
    BadRequest,
    /// The upstream refuses the content.
    ContentPolicy,
    /// The prompt is longer than the model takes.
    TooLong,
    /// The body is larger than the upstream takes.
    TooLarge,
    /// The account does not serve the model.
    ModelMissing,
    /// Too many requests or tokens for the account.
    RateLimited,
    /// The provider is out of capacity.
    Overloaded,
    /// The account's key is refused.
    BadKey,
    /// The account is out of money.
    NoMoney,
    /// The account may not do this.
    Forbidden,
    /// The upstream failed.
    Upstream,
    /// A deadline passed.
    TimedOut,
    /// There was no connection, or it broke.
    Unreachable,
    /// The account's proxy failed, of which the account is not to blame.
    Proxy,
}

impl Fault {
    /// Whether it concerns one model of the account: limits and capacity are counted by model, and what answers with an error may
    /// answer another model.
    #[must_use]
    pub const fn is_of_one_model(self) -> bool {
        matches!(
            self,
            Self::ModelMissing | Self::RateLimited | Self::Overloaded | Self::Upstream
        )
    }

    /// Whether the request met a bound of the model, which another model may not have: a prompt it has no room for, a body it does
    /// not take, content it refuses.
    #[must_use]
    pub const fn is_of_the_model(self) -> bool {
        matches!(self, Self::ContentPolicy | Self::TooLong | Self::TooLarge)
    }
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// For the request.
    pub action: Action,
    /// For the account.
    pub mark: Mark,
    /// For the bill.
    pub billed: Billed,
    /// For whoever asks why.
    pub fault: Fault,
}

/// What `failure`, seen at `now_ms` (Unix milliseconds), means.
#[must_use]
pub fn classify(failure: &Failure<'_>, now_ms: i64) -> Verdict {
    let sent_or_not = |sent: bool| if sent { Billed::Unknown } else { Billed::NotBilled };
    let elsewhere = |fault, billed| Verdict {
        action: Action::NextAccount,
        mark: Mark::Guess,
        billed,
        fault,
    };
    match *failure {
        Failure::ConnectFailed => elsewhere(Fault::Unreachable, Billed::NotBilled),
        Failure::ProxyFailed => Verdict {
            mark: Mark::None,
            ..elsewhere(Fault::Proxy, Billed::NotBilled)
        },
        Failure::Reset { sent } => elsewhere(Fault::Unreachable, sent_or_not(sent)),
        Failure::TimedOut {
            sent,
            phase: Phase::Total,
        } => Verdict {
            action: Action::ReturnToClient,
            mark: Mark::None,
            billed: sent_or_not(sent),
            fault: Fault::TimedOut,
        },
        Failure::TimedOut { sent, .. } => elsewhere(Fault::TimedOut, sent_or_not(sent)),
        Failure::Unreadable => elsewhere(Fault::Upstream, Billed::Unknown),
        Failure::Status { status, headers, error } => {
            let meaning = words::meaning(status, &error);
            // A success or a redirect that is treated as a failure: nobody knows what was done.
            let billed = if status < 300 {
                Billed::Unknown
            } else {
                Billed::NotBilled
            };
            verdict(meaning, &headers, &error, billed, now_ms)
        }
        Failure::ErrorFrame { headers, error } => {
            let meaning = words::meaning(words::status_in(&error), &error);
            let billed = match meaning {
                Meaning::Fails | Meaning::Overloaded => Billed::Unknown,
                _ => Billed::NotBilled,
            };
            verdict(meaning, &headers, &error, billed, now_ms)
        }
    }
}

fn verdict(meaning: Meaning, headers: &RetryHints, error: &ErrorText<'_>, billed: Billed, now_ms: i64) -> Verdict {
    let stated_ms = headers.retry_at_ms.or_else(|| hints::stated_in(error.message, now_ms));
    let cool_or_guess = |until_ms: Option<i64>| until_ms.map_or(Mark::Guess, |until_ms| Mark::Cool { until_ms });
    let park = |reason| Mark::Park { reason };
    let (action, mark, fault) = match meaning {
        Meaning::Client(fault) if headers.should_retry == Some(true) => (Action::NextAccount, Mark::None, fault),
        Meaning::Client(fault) => (Action::ReturnToClient, Mark::None, fault),
        Meaning::TooMuchForThisAccount(fault) => (Action::NextAccount, Mark::None, fault),
        Meaning::RateLimited => {
            let daily_ms = (error.code == table::DAILY_QUOTA).then(|| hints::pacific_midnight_ms(now_ms));
            let until_ms = daily_ms.or(stated_ms).or_else(|| headers.exhausted_until_ms());
            (Action::NextAccount, cool_or_guess(until_ms), Fault::RateLimited)
        }
        Meaning::Overloaded => (Action::NextAccount, cool_or_guess(stated_ms), Fault::Overloaded),
        Meaning::Fails => (Action::NextAccount, cool_or_guess(headers.retry_at_ms), Fault::Upstream),
        Meaning::ModelMissing => {
            let until_ms = now_ms.saturating_add(MODEL_MISSING_MS);
            (
                Action::NextAccount,
                Mark::ModelMissing { until_ms },
                Fault::ModelMissing,
            )
        }
        Meaning::Parked(Reason::BadKey) => (Action::NextAccount, park(Reason::BadKey), Fault::BadKey),
        Meaning::Parked(Reason::NoMoney) => (Action::NextAccount, park(Reason::NoMoney), Fault::NoMoney),
        Meaning::Parked(Reason::Forbidden) => (Action::NextAccount, park(Reason::Forbidden), Fault::Forbidden),
    };
    Verdict {
        action,
        mark,
        billed,
        fault,
    }
}

#[cfg(test)]
mod tests;

//! The ledger's rules: which buckets a request is held against, what fits, what is posted.
//!
//! Invariant: posted + held never exceeds the cap as it was at an admission, except by what was posted above a hold, on any
//! number of nodes.
//! Pure: amounts, times and ids are arguments; `server::ledger` gives them and writes down what comes out.

pub mod bucket;
pub mod engine;
pub mod lease;
pub mod node;
pub mod payer;
pub mod period;

pub use bucket::{Bucket, Gate, Kind, Scope, Series};
pub use engine::{Engine, HoldError, Lack, Posted, Short, Stored, Sums};
pub use lease::{Change, Legs, Refused, Row, Want};
pub use payer::{Caps, Funding, Member, Payer};
pub use period::Period;

/// How a call ended. The numbers are those of the column `hold.outcome`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum Outcome {
    /// Not closed yet.
    #[default]
    Unknown = 0,
    /// Answered.
    Ok = 1,
    /// The client's request was at fault.
    ClientError = 2,
    /// The upstream failed before content.
    UpstreamFailed = 3,
    /// The client hung up.
    HungUp = 4,
    /// The answer broke off after content.
    Cut = 5,
    /// Refused before an upstream was called.
    Refused = 6,
    /// Found open after a crash and posted whole.
    Recovered = 7,
}

impl Outcome {
    /// Every outcome, by number.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Ok,
        Self::ClientError,
        Self::UpstreamFailed,
        Self::HungUp,
        Self::Cut,
        Self::Refused,
        Self::Recovered,
    ];

    /// The number stored.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The outcome stored as `code`; an unknown number is [`Outcome::Unknown`].
    #[must_use]
    pub fn from_code(code: i16) -> Self {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.code() == code)
            .unwrap_or_default()
    }

    /// Whether the client got an error: an HTTP status from 400 up, or an answer that broke off.
    #[must_use]
    pub const fn is_failure(self, status: u16) -> bool {
        status >= 400 || matches!(self, Self::Cut)
    }
}

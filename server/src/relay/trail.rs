//! The trail: every attempt of a request, for its receipt and for the counts of all.
//!
//! Invariant: no secret and no host in it; an account is named by its id alone.

use super::counts::Counts;
use crate::accounts::Deployment;
use crate::metering::{Attempt, AttemptOutcome};
use gateway_core::retry::{Fault, Mark, Phase, Verdict};
use std::sync::Arc;

/// The attempts of a request: those that the record of an earlier hold has, and those that the next one will have.
pub(super) struct Trail {
    counts: Arc<Counts>,
    recorded: usize,
    open: Vec<Attempt>,
}

impl Trail {
    /// An empty one, whose attempts are counted in `counts`.
    pub fn new(counts: Arc<Counts>) -> Self {
        Self {
            counts,
            recorded: 0,
            open: Vec::new(),
        }
    }

    /// All of it; an empty one stays.
    pub fn take(&mut self) -> Self {
        let empty = self.apart();
        std::mem::replace(self, empty)
    }

    /// How many there were in all.
    pub fn count(&self) -> u32 {
        u32::try_from(self.recorded + self.open.len()).unwrap_or(u32::MAX)
    }

    /// Of those not recorded yet, how many failed: what the client never saw, if another one answers.
    pub fn failures(&self) -> u32 {
        let failed = self.open.iter().filter(|attempt| !has_answered(attempt.outcome));
        u32::try_from(failed.count()).unwrap_or(u32::MAX)
    }

    /// A hold has recorded what there was.
    pub fn recorded(&mut self) {
        self.recorded += self.open.len();
        self.open.clear();
    }

    /// Counts an answer that was charged: milliseconds to its first content, where it was streamed, and to its end.
    pub fn charged(&self, ttft_ms: Option<i64>, total_ms: i64) {
        self.counts.answer(ttft_ms, total_ms);
    }

    /// Adds one that failed.
    pub fn failed(&mut self, account: &Deployment, verdict: &Verdict, came: Came, times: Times) {
        let attempt = Attempt {
            status: came.status,
            note: note(verdict, came, times),
            ..entry(account, outcome(verdict.fault), times)
        };
        self.add(account, attempt);
    }

    /// Adds one whose answer broke off after content.
    pub fn broke_off(&mut self, account: &Deployment, verdict: &Verdict, came: Came, times: Times) {
        let attempt = Attempt {
            status: came.status,
            note: note(verdict, came, times),
            ..entry(account, AttemptOutcome::Cut, times)
        };
        self.add(account, attempt);
    }

    /// Adds one that was given up because another one answered first.
    pub fn outrun(&mut self, account: &Deployment, times: Times) {
        self.add(account, entry(account, AttemptOutcome::Outrun, times));
    }

    /// An empty one, for an attempt beside these.
    pub fn apart(&self) -> Self {
        Self::new(Arc::clone(&self.counts))
    }

    /// A hold has recorded an attempt beside these.
    pub fn recorded_apart(&mut self) {
        self.recorded += 1;
    }

    /// Adds the one that answered; whether to the end, `outcome` tells.
    pub fn answered(&mut self, account: &Deployment, outcome: AttemptOutcome, status: u16, times: Times) {
        let attempt = Attempt {
            status: Some(status),
            ..entry(account, outcome, times)
        };
        self.add(account, attempt);
    }

    fn add(&mut self, account: &Deployment, attempt: Attempt) {
        // The operator's figures name no account of a team's own.
        let asked = (!account.is_own).then_some((account.account_id, account.model.as_str()));
        self.counts.attempt(asked, attempt.outcome, attempt.ttft_ms);
        self.open.push(attempt);
    }

    /// The account that was asked last; 0 where none was.
    pub fn account_id(&self) -> i64 {
        let last = self.open.last().and_then(Attempt::account_id);
        last.unwrap_or_default()
    }

    /// JSON, as the ledger keeps it.
    pub fn to_json(&self) -> String {
        Attempt::render_list(&self.open)
    }
}

fn entry(account: &Deployment, outcome: AttemptOutcome, times: Times) -> Attempt {
    Attempt {
        account: account.account_id.to_string(),
        provider: account.provider.clone(),
        model: Some(account.model.clone()),
        outcome,
        status: None,
        started_ms: times.started_ms,
        took_ms: times.took_ms,
        ttft_ms: times.ttft_ms,
        note: String::new(),
    }
}

/// When an attempt began, in milliseconds after the request came; how long it took; how long to its first content, if that came; and the time.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub started_ms: i64,
    pub took_ms: i64,
    pub ttft_ms: Option<i64>,
    pub now_ms: i64,
}

/// What came of an attempt that failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Came {
    /// HTTP status, where there was one.
    pub status: Option<u16>,
    /// Which deadline passed, if one did.
    pub late: Option<Phase>,
}

impl Came {
    /// An answer with `status`.
    pub const fn answered(status: u16) -> Self {
        Self {
            status: Some(status),
            late: None,
        }
    }

    /// Nothing until the deadline of `phase` passed.
    pub const fn late(phase: Phase) -> Self {
        Self {
            status: None,
            late: Some(phase),
        }
    }
}

/// Which deadline passed, for people.
pub(super) const fn passed(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "no connection in time",
        Phase::Headers => "no head of an answer in time",
        Phase::FirstContent => "no content in time",
        Phase::Whole => "no whole answer in time",
        Phase::Idle => "silent for too long",
        Phase::Total => "out of time",
    }
}

/// What happened, where that needs saying, and what follows.
fn note(verdict: &Verdict, came: Came, times: Times) -> String {
    let follows = match verdict.mark {
        Mark::None if verdict.fault == Fault::Proxy => Some("its proxy rests".to_owned()),
        Mark::None => None,
        Mark::Cool { until_ms } => Some(format!(
            "cools down for {} s, as it said",
            (until_ms - times.now_ms).max(0).saturating_add(999) / 1_000
        )),
        Mark::Guess => Some("cools down".to_owned()),
        Mark::Park { .. } => Some("out of service until a probe works".to_owned()),
        Mark::ModelMissing { .. } => Some("not asked for this model for an hour".to_owned()),
    };
    let happened = came.late.map(|phase| passed(phase).to_owned());
    let words: Vec<String> = happened.into_iter().chain(follows).collect();
    words.join("; ")
}

const fn has_answered(outcome: AttemptOutcome) -> bool {
    matches!(
        outcome,
        AttemptOutcome::Ok | AttemptOutcome::Cut | AttemptOutcome::HungUp | AttemptOutcome::Outrun
    )
}

const fn outcome(fault: Fault) -> AttemptOutcome {
    match fault {
        Fault::RateLimited | Fault::Overloaded => AttemptOutcome::RateLimited,
        Fault::NoMoney => AttemptOutcome::NoMoney,
        Fault::BadKey | Fault::Forbidden => AttemptOutcome::BadKey,
        Fault::ModelMissing => AttemptOutcome::ModelMissing,
        Fault::TimedOut => AttemptOutcome::TimedOut,
        Fault::Unreachable => AttemptOutcome::Unreachable,
        Fault::Proxy => AttemptOutcome::ProxyFailed,
        Fault::BadRequest | Fault::ContentPolicy | Fault::TooLong | Fault::TooLarge => AttemptOutcome::Refused,
        Fault::Upstream => AttemptOutcome::Failed,
    }
}

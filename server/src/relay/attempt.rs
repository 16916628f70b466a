//! One attempt: an account is taken and asked, and what came back is judged or handed on.
//!
//! Invariant: an attempt that may be billed ends its hold; one that is not leaves it to the next. A request that cannot be worded for an
//! account costs nothing.

use super::ask::Good;
use super::trail::Times;
use super::waiting_room::Chosen;
use super::{Journey, RelayError, Reply};
use crate::accounts::{Deployment, Permit};
use crate::clock::now_ms;
use gateway_core::dialect::exchange::Untranslatable;
use std::sync::Arc;
use std::time::Instant;

/// What an attempt leads to.
pub(super) enum Next {
    /// An answer for the client.
    Answered(Box<Reply>),
    /// Another account.
    Again,
}

/// An attempt under way.
pub(super) struct Try {
    pub account: Arc<Deployment>,
    pub permit: Permit,
    pub started_ms: i64,
    pub started: Instant,
    /// When its first content came, in milliseconds after that.
    pub ttft_ms: Option<i64>,
}

impl Try {
    pub fn times(&self) -> Times {
        let took_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Times {
            started_ms: self.started_ms,
            took_ms,
            ttft_ms: self.ttft_ms,
            now_ms: now_ms(),
        }
    }
}

impl Journey {
    pub(super) async fn attempt(&mut self, chosen: Chosen) -> Result<Next, RelayError> {
        if self.is_hung_up() {
            return Err(RelayError::HungUp);
        }
        let Chosen { account, permit, .. } = chosen;
        let worded = match self.word(&account) {
            Ok(worded) => worded,
            Err(reason @ Untranslatable::Wrong { .. }) => return Err(RelayError::Untranslatable(reason)),
            Err(reason) => {
                // Another account may speak a dialect that can say it.
                self.legs[self.at].tried.push(account.account_id);
                self.unsaid = Some(reason);
                return Ok(Next::Again);
            }
        };
        let begun = permit.or_else(|| self.relay.0.app.fleet.begin(&account, self.target().expected_tokens));
        let Some(permit) = begun else {
            // It filled up since it was chosen; the next plan knows.
            return Ok(Next::Again);
        };
        self.count_attempt();
        self.legs[self.at].tried.push(account.account_id);
        if worded.dialect == self.job.operation.dialect() {
            self.thinker.get_or_insert(account.account_id);
        }
        let attempt = self.try_on(account, permit);
        match self.ask_hedged(attempt, worded).await? {
            (attempt, Ok(Good::Whole(whole))) => self.hand_on_whole(attempt, whole).await,
            (attempt, Ok(Good::Stream(begun))) => self.hand_on_stream(attempt, *begun).await,
            (attempt, Err(failed)) => self.fail(&attempt, failed),
        }
    }

    /// An attempt that begins now.
    pub(super) fn try_on(&self, account: Arc<Deployment>, permit: Permit) -> Try {
        Try {
            permit,
            started_ms: self.elapsed_ms(),
            started: Instant::now(),
            ttft_ms: None,
            account,
        }
    }
}

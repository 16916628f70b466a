//! Admit: the rate limits are taken and the ceiling is held, or nothing is.
//!
//! Invariant: a refused request changes nothing; the output is clamped only where the key allows it, or where more is asked for than the
//! model can answer, and then the limit is sent.

use super::peek::Job;
use super::{Journey, RelayError};
use crate::clock::now_ms;
use crate::keys::Caller;
use crate::ledger::{Ask, Hold, Opening, Refusal, Short};
use crate::limits::{Limited, LimitedMember, NotAdmitted, PerMinute, RatePermit};
use gateway_core::money::Nano;
use gateway_core::pricing::{CeilingInput, ceiling, output_that_fits};
use std::time::{Duration, Instant};

/// The fewest tokens an answer is cut to; below, the request is refused.
const CLAMP_MIN: u64 = 16;
/// How long what is known of a caller counts.
const RECOGNISED_FOR: Duration = Duration::from_secs(1);
/// How long money held by other requests is waited for.
const MONEY_WAIT_MS: u64 = 2_000;

/// What one attempt may use: money and rate.
pub(super) struct Admission {
    pub hold: Hold,
    pub rates: RatePermit,
    /// The output limit to send, where it is ours.
    pub max_output: Option<u64>,
    pub notes: Vec<String>,
}

impl Journey {
    /// Holds the ceiling, unless the hold of an attempt that cost nothing is still there.
    pub(super) async fn admit(&mut self) -> Result<(), RelayError> {
        if self.admission.is_some() {
            return Ok(());
        }
        self.renew_caller().await?;
        let mut bound = self.target().bound;
        let mut notes = Vec::new();
        let rates = self.take_rates_or_clamp(&mut bound, &mut notes).await?;
        let hold = match self.hold_or_clamp(&mut bound, &mut notes).await {
            Ok(hold) => hold,
            Err(error) => {
                rates.give_back(now_ms());
                return Err(error);
            }
        };
        self.request_id.get_or_insert(hold.request_id());
        self.held.note(&hold);
        let max_output = self.limit_to_send(bound, &mut notes);
        self.admission = Some(Admission {
            hold,
            rates,
            max_output,
            notes: [
                self.job.envelope_for(self.target()).notes.as_slice(),
                &self.target().notes,
                &notes,
            ]
            .concat(),
        });
        Ok(())
    }

    /// The output limit to send: what was left after a clamp, or what the model can answer where more was asked for, since only that is held.
    fn limit_to_send(&self, bound: CeilingInput, notes: &mut Vec<String>) -> Option<u64> {
        let envelope = &self.job.envelope;
        let most = bound.output_bound.saturating_sub(envelope.prediction_bound);
        if bound.output_bound < self.target().bound.output_bound {
            return Some(most);
        }
        let is_too_much = envelope.max_output.is_some_and(|asked| asked > most);
        // A limit within the budget for thinking would be another request; the provider refuses the one that was made.
        if !is_too_much || !self.job.operation.takes_limit() || most <= envelope.thinking_budget {
            return None;
        }
        notes.push(format!(
            "output limited to {most} tokens, the most that the model can answer"
        ));
        Some(most)
    }

    /// The caller as it is now: since it was recognised, the body arrived, or accounts were waited for.
    async fn renew_caller(&mut self) -> Result<(), RelayError> {
        if self.recognised.elapsed() >= RECOGNISED_FOR {
            let Job {
                credential, address, ..
            } = &*self.job;
            self.caller = self.relay.authenticate(Some(credential.expose()), *address).await?;
            self.recognised = Instant::now();
        }
        Ok(())
    }

    /// A hold over nothing, for the record of a request that ended while it waited.
    pub(super) async fn hold_nothing(&self) -> Option<Hold> {
        self.hold(Nano::ZERO, 0).await.ok()
    }

    /// Holds the ceiling, or what is left where the output may be clamped to it.
    async fn hold_or_clamp(&self, bound: &mut CeilingInput, notes: &mut Vec<String>) -> Result<Hold, RelayError> {
        let short = match self.hold(self.ceiling(*bound)?, MONEY_WAIT_MS).await {
            Err(Refusal::Short(short)) => short,
            held => return held.map_err(|refusal| self.refused(refusal)),
        };
        let Some(output_bound) = self.clamp(*bound, &short) else {
            return Err(self.out_of_money(short));
        };
        bound.output_bound = output_bound;
        notes.push(format!(
            "output limited to {output_bound} tokens by what is left of a cap"
        ));
        let held = self.hold(self.ceiling(*bound)?, 0).await;
        held.map_err(|refusal| self.refused(refusal))
    }

    fn out_of_money(&self, short: Short) -> RelayError {
        RelayError::OutOfMoney {
            way_out: self.relay.0.app.billing.way_out(),
            short: Box::new(short),
        }
    }

    fn refused(&self, refusal: Refusal) -> RelayError {
        match refusal {
            Refusal::Short(short) => self.out_of_money(short),
            Refusal::Down(_) => RelayError::LedgerDown,
        }
    }

    /// Takes the rate limits, or what of the output fits into whole windows where it may be clamped to that.
    async fn take_rates_or_clamp(
        &self,
        bound: &mut CeilingInput,
        notes: &mut Vec<String>,
    ) -> Result<RatePermit, RelayError> {
        loop {
            let refusal = match self.take_rates(*bound).await {
                Ok(rates) => return Ok(rates),
                Err(NotAdmitted::Limit(refusal)) => refusal,
                Err(NotAdmitted::Down) => return Err(RelayError::LedgerDown),
            };
            let fits = fit_window(self.at_first(*bound), refusal.limit, self.least_output())
                .filter(|fits| refusal.needs_more_than_window && self.may_clamp() && *fits < bound.output_bound);
            bound.output_bound = fits.ok_or(RelayError::Limit(refusal))?;
            *notes = vec![format!(
                "output limited to {} tokens by a tokens-per-minute limit",
                bound.output_bound
            )];
        }
    }

    /// The least that an output may be clamped to: a prediction counts as output too, and a limit must exceed a budget for thinking.
    fn least_output(&self) -> u64 {
        let envelope = &self.job.envelope;
        let least = CLAMP_MIN.saturating_add(envelope.prediction_bound);
        least.max(envelope.thinking_budget.saturating_add(1))
    }

    /// `bound` for one reading of the prompt as it stands. What tools at the provider read on top is taken from the windows once it is
    /// known: its bound is so far above what is read that no window would ever have room for it.
    fn at_first(&self, bound: CeilingInput) -> CeilingInput {
        CeilingInput {
            input_bound: self.target().at_first.input_bound,
            ..bound
        }
    }

    async fn take_rates(&self, bound: CeilingInput) -> Result<RatePermit, NotAdmitted> {
        let limits = &self.relay.0.app.limits;
        let tokens = match self.job.operation.is_free() {
            true => 0,
            false => tokens(self.at_first(bound)),
        };
        limits.admit(&limited(&self.caller), tokens, now_ms()).await
    }

    fn may_clamp(&self) -> bool {
        self.caller.clamp && self.job.operation.takes_limit()
    }

    fn ceiling(&self, bound: CeilingInput) -> Result<Nano, RelayError> {
        let Some(sheet) = &self.target().sheet else {
            return Ok(Nano::ZERO);
        };
        let units = [self.job.units_ceiling(sheet), self.target().searches_ceiling()];
        let add = |sum: i64, units: Option<Nano>| sum.checked_add(units?.0);
        let sum = ceiling(sheet, &bound).and_then(|tokens| units.into_iter().try_fold(tokens.0, add));
        sum.map(Nano).ok_or(RelayError::PriceUnknown {
            model: self.target().model.to_string(),
        })
    }

    fn clamp(&self, bound: CeilingInput, short: &Short) -> Option<u64> {
        if !self.may_clamp() {
            return None;
        }
        let fits = output_that_fits(
            self.target().sheet.as_ref()?,
            bound.input_bound,
            bound.choices,
            Nano(short.fits.0.checked_sub(self.target().searches_ceiling()?.0)?),
        )?;
        (self.least_output()..bound.output_bound)
            .contains(&fits)
            .then_some(fits)
    }

    async fn hold(&self, amount: Nano, wait_ms: u64) -> Result<Hold, Refusal> {
        let target = self.target();
        let name = &self.job.name;
        let record = Opening {
            request_id: self.request_id,
            model: std::sync::Arc::clone(&target.model),
            asked: (*name != target.model).then(|| std::sync::Arc::clone(name)),
            operation: self.job.operation.as_str(),
            is_stream: self.job.envelope.stream,
            is_own: self.is_own,
            price_id: target.price_id,
            markup: target.markup,
        };
        let payer = self.caller.payer.clone();
        let ledger = &self.relay.0.app.ledger;
        let ask = Ask {
            payer,
            amount,
            wait_ms,
            now_ms: ledger.now_ms(),
            record,
        };
        ledger.admit(ask).await
    }
}

/// The rate limits of a key, its owner and its team.
pub(super) fn limited(caller: &Caller) -> Limited {
    let count = |limit: Option<i64>| limit.map(|limit| limit.max(0).unsigned_abs());
    let per_minute = |rates: crate::keys::Rates| PerMinute {
        requests: count(rates.rpm),
        tokens: count(rates.tpm),
    };
    Limited {
        key_id: caller.key_id(),
        team_id: caller.team_id(),
        key: per_minute(caller.key_rates),
        max_in_flight: count(caller.key_rates.max_in_flight),
        member: caller.member_id().map(|user_id| LimitedMember {
            user_id,
            per_minute: per_minute(caller.member_rates),
            max_in_flight: count(caller.member_rates.max_in_flight),
        }),
        team: per_minute(caller.team_rates),
    }
}

/// The most tokens the request can use.
fn tokens(bound: CeilingInput) -> u64 {
    bound
        .input_bound
        .saturating_add(bound.output_bound.saturating_mul(bound.choices))
}

/// The output bound with which the request fits a whole window of `limit` tokens.
fn fit_window(bound: CeilingInput, limit: u64, least: u64) -> Option<u64> {
    let left = limit.checked_sub(bound.input_bound)?;
    let each = left.checked_div(bound.choices)?;
    (each >= least).then_some(each)
}

//! Settle: what an attempt is charged, and its record.
//!
//! Invariant: usage that was reported is charged as reported; what is missing is estimated, at most the hold, and flagged. What an
//! account of the team's own reports beyond the hold counts as missing: its server is not ours to trust.

use super::admit::Admission;
use super::peek::Job;
use super::target::Target;
use super::trail::Trail;
use super::{Journey, RelayError};
use crate::accounts::Permit;
use crate::alerts;
use crate::app::App;
use crate::clock::now_ms;
use crate::ledger::{Closing, Hold, Outcome};
use gateway_core::dialect::{Observed, Operation};
use gateway_core::money::Nano;
use gateway_core::pricing::{CeilingInput, ceiling, ceiling_of_units, charge, cost};
use gateway_core::usage::Usage;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Bytes that make a token in an estimate. Ordinary text has more; money errs on the side of what was consumed.
const BYTES_PER_TOKEN: u64 = 2;

/// Why the input of an attempt is charged that brought no answer.
pub(super) const FAILED: &str = "estimate: an attempt failed after it was sent, its input is charged";
/// The same of one that was given up.
pub(super) const OUTRUN: &str = "estimate: one of two accounts asked at once was given up, its input is charged";
/// Why an answer is estimated whose usage was not told.
const UNREPORTED: &str = "estimate: the upstream reported no usage";
/// The same where more was told than can be.
const BEYOND: &str = "estimate: the account reported more usage than the call can have";

/// How an attempt ended.
#[derive(Clone, Copy)]
pub(super) struct Ending<'a> {
    /// The attempts that led there.
    pub trail: &'a Trail,
    pub outcome: Outcome,
    /// HTTP status the client got.
    pub status: u16,
    pub ttft_ms: Option<i64>,
}

/// What settling needs to know of a request.
#[derive(Clone)]
pub(super) struct Settlement {
    app: Arc<App>,
    pub job: Arc<Job>,
    target: Arc<Target>,
    /// Whether an account of the team's own was asked.
    is_own: bool,
    /// Whether an attempt of the request was charged to the wallet.
    is_charged: Arc<AtomicBool>,
    pub started: Instant,
}

impl Journey {
    pub(super) fn settlement(&self) -> Settlement {
        Settlement {
            app: Arc::clone(&self.relay.0.app),
            job: Arc::clone(&self.job),
            target: Arc::clone(self.target()),
            is_own: self.is_own,
            is_charged: Arc::clone(&self.is_charged),
            started: self.started,
        }
    }

    /// Ends a hold that cost nothing, with why the request failed on its record.
    pub(super) fn void(&mut self, admission: Admission, error: &RelayError) {
        let Admission {
            hold, mut rates, notes, ..
        } = admission;
        rates.settle(0, now_ms());
        self.void_hold(hold, &notes, outcome(error), error.told(now_ms()).status);
    }

    /// Ends a hold that cost nothing before the request waits for an account: it is not over.
    pub(super) fn void_for_a_wait(&mut self, admission: Admission) {
        let Admission { hold, rates, notes, .. } = admission;
        rates.give_back(now_ms());
        self.void_hold(hold, &notes, Outcome::UpstreamFailed, 0);
    }

    /// Ends a hold that was not used after all; nothing goes on its record.
    pub(super) fn void_unused(&self, admission: Admission) {
        let Admission { hold, rates, notes, .. } = admission;
        rates.give_back(now_ms());
        let ending = Ending {
            trail: &self.trail.apart(),
            outcome: Outcome::UpstreamFailed,
            status: 0,
            ttft_ms: None,
        };
        hold.void(self.settlement().closing(ending, &notes));
    }

    /// Ends the hold on whose record the outcome of a request goes that ended while it waited.
    pub(super) fn void_hold(&mut self, hold: Hold, notes: &[String], outcome: Outcome, status: u16) {
        let ending = Ending {
            trail: &self.trail,
            outcome,
            status,
            ttft_ms: None,
        };
        let closing = self.settlement().closing(ending, notes);
        self.trail.recorded();
        hold.void(closing);
    }
}

/// What a refusal is on the record.
pub(super) const fn outcome(error: &RelayError) -> Outcome {
    match error {
        RelayError::Refused { .. } => Outcome::ClientError,
        RelayError::HungUp => Outcome::HungUp,
        _ => Outcome::UpstreamFailed,
    }
}

/// The tokens of a prompt of at most `input_bound` and of the answer that was `observed`: what was counted before it was cut is the least.
fn estimated(input_bound: u64, observed: &Observed) -> Usage {
    let told = observed.partial.unwrap_or_default();
    let output = observed.output_bytes.div_ceil(BYTES_PER_TOKEN);
    let missing = output.saturating_sub(told.answer());
    let unknown = if told.prompt() == 0 {
        input_bound.div_ceil(BYTES_PER_TOKEN)
    } else {
        0
    };
    Usage {
        input: told.input.saturating_add(unknown),
        output: told.output.saturating_add(missing),
        ..told
    }
}

impl Settlement {
    /// Charges what was observed. Returns the charge.
    pub fn post(&self, mut admission: Admission, permit: &Permit, observed: &Observed, ending: Ending<'_>) -> Nano {
        let mut notes = admission.notes.clone();
        let reported = match &self.target.sheet {
            Some(sheet) => observed.usage.and_then(|usage| {
                let usage = sheet.settled(usage, observed.tier);
                Some((usage, charge(sheet, &usage)?))
            }),
            None => Some((Usage::default(), Nano::ZERO)),
        };
        let hold = admission.hold.amount();
        let is_beyond = self.is_own && reported.is_some_and(|(_, charge)| charge > hold);
        let reported = reported.filter(|_| !is_beyond);
        let is_estimate = reported.is_none();
        let (usage, charge) = reported.unwrap_or_else(|| {
            let why = if is_beyond { BEYOND } else { UNREPORTED };
            notes.push(why.to_owned());
            let (usage, charge) = self.estimate(observed, hold);
            let operation = self.job.operation;
            if operation.is_media() && operation != Operation::Rerank {
                // Nothing in the answer says how much went into it.
                return (Usage::default(), hold);
            }
            // What a model thought before its client hung up was never seen, but is billed.
            let is_hidden = ending.outcome == Outcome::HungUp && self.target.is_reasoning;
            (usage, if is_hidden { self.hidden(observed, hold) } else { charge })
        });
        notes.extend(self.unasked_tier(observed));
        if charge > hold {
            self.alert_overrun(charge, hold);
        }
        let mut closing = self.closing(ending, &notes);
        ending.trail.charged(closing.ttft_ms, closing.total_ms);
        closing.usage = usage;
        closing.charge = charge;
        closing.estimated = is_estimate;
        self.note_cost(&mut closing);
        admission.rates.settle(usage.total(), now_ms());
        permit.settle(usage.total());
        admission.hold.post(closing);
        charge
    }

    /// Charges the input of an attempt that brought no answer but may be billed; `why`, for people.
    pub fn post_input_share(&self, mut admission: Admission, permit: &Permit, trail: &Trail, why: &str) {
        let mut notes = admission.notes.clone();
        notes.push(why.to_owned());
        let bound = CeilingInput {
            output_bound: 0,
            ..self.target.at_first
        };
        let (usage, _) = self.estimate(&Observed::default(), admission.hold.amount());
        let units = self.job.units_read(self.target.sheet.as_deref());
        let usage = usage.plus(&units);
        let sheet = self.target.sheet.as_ref();
        let most = sheet
            .and_then(|sheet| {
                let tokens = ceiling(sheet, &bound)?;
                tokens.0.checked_add(ceiling_of_units(sheet, &units)?.0).map(Nano)
            })
            .unwrap_or(admission.hold.amount())
            .min(admission.hold.amount());
        let ending = Ending {
            trail,
            outcome: Outcome::UpstreamFailed,
            status: 0,
            ttft_ms: None,
        };
        let mut closing = self.closing(ending, &notes);
        closing.usage = usage;
        closing.charge = self.priced(&usage).unwrap_or(most).min(most);
        closing.estimated = true;
        self.note_cost(&mut closing);
        admission.rates.settle(usage.total(), now_ms());
        permit.settle(usage.total());
        admission.hold.post(closing);
    }

    /// Whoever set the price or the model's limits must look at them.
    fn alert_overrun(&self, charge: Nano, hold: Nano) {
        let (app, model) = (Arc::clone(&self.app), Arc::clone(&self.target.model));
        let [charge, hold] = [charge, hold].map(|of| of.render_fixed(6));
        let message = format!(
            "A call of {model} cost ${charge}, but at most ${hold} was expected of it. Check its context and maximum output under Models & prices."
        );
        self.app.runtime.spawn(async move {
            if let Err(error) = alerts::raise(&app.db, alerts::Kind::Overrun, &model, &message).await {
                tracing::error!(%error, "an alert could not be kept");
            }
        });
    }

    /// Tokens and charge of a prompt and the text that was `observed`, at most `hold`.
    fn estimate(&self, observed: &Observed, hold: Nano) -> (Usage, Nano) {
        let mut usage = estimated(self.target.at_first.input_bound, observed);
        if let Some(running) = &self.target.running {
            // Each call of a tool was followed by another reading.
            let calls = observed.calls.min(running.readings);
            let again = self.target.at_first.input_bound.div_ceil(BYTES_PER_TOKEN);
            usage.input = usage.input.saturating_add(again.saturating_mul(calls));
            usage.searches = usage.searches.max(calls.min(running.searches)).max(running.untold);
        }
        let usage = match &self.target.sheet {
            Some(sheet) => sheet.settled(usage, observed.tier),
            None => usage,
        };
        let charge = self.priced(&usage).unwrap_or(hold).min(hold);
        (usage, charge)
    }

    /// That an account chose a service tier on its own, which nothing was held for: its project's default is another one than the standard.
    fn unasked_tier(&self, observed: &Observed) -> Option<String> {
        let (sheet, tier) = (self.target.sheet.as_ref()?, observed.tier?);
        let name = tier.as_str();
        let is_unasked = sheet.tariff(tier).is_some() && !sheet.asked.covers(tier);
        is_unasked
            .then(|| format!("served in the {name} tier, which was not asked for: charged as in the standard one"))
    }

    /// The most that an answer can have cost that a model thought about unseen: the whole `hold`, but where tools run at the provider,
    /// for that is held for far more readings than the calls that were seen, and one more.
    fn hidden(&self, observed: &Observed, hold: Nano) -> Nano {
        let (Some(running), Some(sheet)) = (&self.target.running, &self.target.sheet) else {
            return hold;
        };
        let readings = observed.calls.saturating_add(2).min(running.readings);
        let bound = CeilingInput {
            input_bound: self.target.at_first.input_bound.saturating_mul(readings),
            ..self.target.bound
        };
        let searches = Usage {
            searches: readings.min(running.searches),
            ..Usage::default()
        };
        let most =
            ceiling(sheet, &bound).and_then(|tokens| tokens.0.checked_add(ceiling_of_units(sheet, &searches)?.0));
        most.map_or(hold, |most| Nano(most).min(hold))
    }

    fn priced(&self, usage: &Usage) -> Option<Nano> {
        charge(self.target.sheet.as_ref()?, usage)
    }

    /// Notes what the provider takes: by the usage that it reported; of an estimate, by the charge, or by its usage where nothing is
    /// charged. Notes as well whether the request was charged before.
    fn note_cost(&self, closing: &mut Closing) {
        closing.cost = match &self.target.sheet {
            None => Some(Nano::ZERO),
            Some(_) if closing.estimated && closing.charge > Nano::ZERO => None,
            Some(sheet) => cost(sheet, &closing.usage),
        };
        let is_paid = closing.charge > Nano::ZERO || closing.cost != Some(Nano::ZERO);
        if is_paid && !self.is_own {
            closing.is_further = self.is_charged.swap(true, Ordering::Relaxed);
        }
    }

    /// Takes note that `account_id` keeps what it answered under `ids`, unless the client declined that.
    pub fn keep(&self, account_id: i64, ids: &[String]) {
        if self.job.envelope.stores != Some(false) && !ids.is_empty() {
            self.app.kept.note(self.job.team_id, ids, account_id, now_ms());
        }
    }

    fn closing(&self, ending: Ending<'_>, notes: &[String]) -> Closing {
        Closing {
            outcome: ending.outcome,
            status: ending.status,
            attempts: ending.trail.to_json(),
            notes: serde_json::to_string(notes).unwrap_or_default(),
            account_id: ending.trail.account_id(),
            failovers: ending.trail.failures().saturating_sub(u32::from(ending.status >= 400)),
            ttft_ms: ending.ttft_ms,
            total_ms: i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX),
            finished_at_ms: now_ms(),
            ..Closing::default()
        }
    }
}

//! Target: one model that may answer a request, what follows from that, and which of its accounts were asked.
//!
//! Invariant: what is held for a target covers the dearest that this model can cost; a target without a price is none. Reads the
//! catalogue's snapshot.

use super::peek::Job;
use super::{Betas, media};
use crate::accounts::{Deployment, Fleet, Owner, Routes};
use crate::catalog::{ModelInfo, Resolved};
use crate::clock::{new_id, now_ms};
use crate::keys::Caller;
use gateway_core::dialect::{Body, Envelope, Operation, Running};
use gateway_core::money::Nano;
use gateway_core::pricing::{self, CeilingInput, Markup, PriceSheet, ceiling_of_units};
use gateway_core::retry::Fault;
use gateway_core::routing::{Policy, RouteRequest, WhyEmpty};
use gateway_core::usage::{TierAsked, Usage};
use std::sync::Arc;

/// The output bound of a model of which nobody knows how much it can answer, in tokens: more than any has answered so far.
const OUTPUT_UNKNOWN: u64 = 131_072;
/// The input bound of a model whose context nobody knows, for a prompt with parts that only the context bounds, in tokens.
const CONTEXT_UNKNOWN: u64 = 2_000_000;
/// The output expected of a request that sets no limit, in tokens.
const OUTPUT_EXPECTED: u64 = 1_024;
/// Bytes of a prompt that make a token, as expected.
const BYTES_PER_TOKEN: u64 = 3;

/// How the betas begin that let Anthropic's models read as many tokens as [`LONG_CONTEXT`].
const LONG_CONTEXT_BETA: &str = "context-1m";
/// See [`LONG_CONTEXT_BETA`].
const LONG_CONTEXT: u64 = 1_000_000;

/// One model that may answer.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub model: Arc<str>,
    /// Who makes the model; empty where nobody knows.
    pub maker: Arc<str>,
    pub price_id: i64,
    /// What is added to that price.
    pub markup: Markup,
    /// What it is charged by, with the caller's markup; `None` for what costs nothing.
    pub sheet: Option<Arc<PriceSheet>>,
    /// The same for accounts that the team pays itself, where that is another price.
    unmarked: Option<Arc<Self>>,
    pub bound: CeilingInput,
    /// The same without what tools at the provider may read on top of the prompt as it stands.
    pub at_first: CeilingInput,
    /// What may run at the provider.
    pub running: Option<Running>,
    /// The request as this model is asked it, where that is another one than was read first.
    pub reading: Option<Box<(Envelope, Body)>>,
    /// What the client wants of Anthropic's API that the model can do.
    pub betas: Betas,
    /// What was left out for this model.
    pub notes: Vec<String>,
    /// The most the model can answer, in tokens, where that is known.
    pub max_output: Option<u64>,
    /// Whether the model may think, which nobody sees but which is billed.
    pub is_reasoning: bool,
    /// What it is likely to use: what an account's own limit is asked for. A wrong guess costs a failover, not money.
    pub expected_tokens: u64,
    /// What that costs, as far as tokens are charged; `None` for more than can be counted.
    pub expected_cost: Option<Nano>,
}

impl Target {
    /// `model`, asked for an operation by what an envelope and betas tell of, at its price with `markup`; `None` where it has
    /// none for that at `now_ms`.
    pub fn new(model: &ModelInfo, asked: (Operation, &Envelope, &Betas), markup: Markup, now_ms: i64) -> Option<Self> {
        let (operation, envelope, betas) = asked;
        let mut notes = Vec::new();
        let price = model
            .price_at(now_ms)
            .filter(|price| media::is_priced(operation, &price.sheet))
            .filter(|price| operation.is_free() || price.sheet.offers(envelope.tier()))?;
        let at_first = bounds(operation, envelope, model);
        let bound = with_running(at_first, envelope, model);
        let output = envelope.max_output.unwrap_or(OUTPUT_EXPECTED).min(bound.output_bound);
        let expected = CeilingInput {
            input_bound: at_first.input_bound / BYTES_PER_TOKEN,
            output_bound: output,
            choices: bound.choices,
        };
        let sheet = fitted(&price.sheet, markup, envelope.tier());
        Some(Self {
            expected_cost: pricing::ceiling(&sheet, &expected),
            model: Arc::from(model.id.as_str()),
            maker: Arc::from(model.provider.as_str()),
            price_id: price.id,
            markup,
            sheet: (!operation.is_free()).then_some(sheet),
            unmarked: None,
            expected_tokens: expected.input_bound.saturating_add(output),
            bound,
            at_first,
            running: envelope.hosted.clone(),
            reading: None,
            betas: within_context(betas.clone(), model.context, &mut notes),
            notes,
            max_output: model.max_output,
            is_reasoning: model.capabilities.iter().any(|ability| ability == "reasoning"),
        })
    }

    /// As [`Target::new`], for a team that may be served by accounts of its own: those are asked at the price without markup.
    pub fn with_own(
        model: &ModelInfo,
        asked: (Operation, &Envelope, &Betas),
        markup: Markup,
        now_ms: i64,
    ) -> Option<Self> {
        let mut target = Self::new(model, asked, markup, now_ms)?;
        if markup != Markup::NONE {
            target.unmarked = Self::new(model, asked, Markup::NONE, now_ms).map(Arc::new);
        }
        Some(target)
    }

    /// The same, asked as `reading` has it.
    pub fn read_as(self, reading: Option<Box<(Envelope, Body)>>) -> Self {
        let unmarked = self.unmarked.map(|target| {
            let target = Arc::unwrap_or_clone(target);
            Arc::new(target.read_as(reading.clone()))
        });
        Self {
            reading,
            unmarked,
            ..self
        }
    }

    /// The most that searches at the provider can cost.
    pub fn searches_ceiling(&self) -> Option<Nano> {
        match (&self.sheet, &self.running) {
            (Some(sheet), Some(running)) => ceiling_of_units(
                sheet,
                &Usage {
                    searches: running.searches,
                    ..Usage::default()
                },
            ),
            _ => Some(Nano::ZERO),
        }
    }

    /// The target at the price of an account that is the team's own or not.
    pub fn priced_for(self: &Arc<Self>, is_own: bool) -> &Arc<Self> {
        self.unmarked.as_ref().filter(|_| is_own).unwrap_or(self)
    }
}

/// `sheet` with `markup` on top, for a request that may be served in the tiers that are `asked` for; itself where it is neither.
fn fitted(sheet: &Arc<PriceSheet>, markup: Markup, asked: TierAsked) -> Arc<PriceSheet> {
    if (markup, asked) == (Markup::NONE, TierAsked::Unsaid) {
        Arc::clone(sheet)
    } else {
        Arc::new(sheet.marked_up(markup).asked(asked))
    }
}

/// Whose accounts may be asked for a request: the team's own first, then, where the team wants it, the platform's. Another
/// team's are in no list that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owners {
    /// The team, if accounts of its own take traffic.
    pub own: Owner,
    /// Whether the platform's may be asked.
    pub has_platform: bool,
}

impl Owners {
    /// Those for a request of `caller`.
    pub fn of(fleet: &Fleet, caller: &Caller) -> Self {
        let own = Some(caller.team_id());
        Self {
            own: own.filter(|_| fleet.of(own).takes_traffic()),
            has_platform: caller.uses_platform,
        }
    }

    /// Each of them, the first to be asked first.
    pub fn each(self) -> impl Iterator<Item = Owner> {
        let own = self.own.map(Some);
        own.into_iter().chain(self.has_platform.then_some(None))
    }

    /// Whether an account of theirs that `fits` takes serves `model`, made by `maker`.
    pub fn serve(self, fleet: &Fleet, (model, maker): (&str, &str), fits: &dyn Fn(&Deployment) -> bool) -> bool {
        self.each().any(|owner| fleet.of(owner).is_served(model, maker, fits))
    }
}

/// What makes a request go on to the next target besides accounts that cannot serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Falls {
    on_context_too_long: bool,
    on_content_filter: bool,
}

impl Falls {
    /// As `resolved` has it: a model of its own name falls to none.
    pub fn of(resolved: &Resolved) -> Self {
        resolved.alias.as_ref().map_or_else(Self::default, |alias| Self {
            on_context_too_long: alias.settings.on_context_too_long,
            on_content_filter: alias.settings.on_content_filter,
        })
    }

    /// Whether a model's `fault` with the request leaves it to another one.
    pub const fn covers(self, fault: Fault) -> bool {
        match fault {
            Fault::TooLong => self.on_context_too_long,
            Fault::ContentPolicy => self.on_content_filter,
            _ => false,
        }
    }
}

/// What became of a target in one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Leg {
    /// Accounts that were asked.
    pub tried: Vec<i64>,
    /// Of those, the ones that were only busy since the last wait.
    pub busy: Vec<i64>,
    /// Whether the model refused the request itself, so that none of its accounts is asked again.
    pub is_out: bool,
}

/// Whom to ask, target by target.
pub(super) struct Survey {
    /// Places of targets, and accounts that serve them; those that our own guess would keep out come last.
    pub ordered: Vec<(usize, Arc<Deployment>)>,
    /// When the first account that cannot be asked now can be: Unix milliseconds. `None` where no moment is known.
    pub next_free_ms: Option<i64>,
    /// Why there are none.
    pub why_empty: WhyEmpty,
}

/// For what accounts are looked for, and how.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub job: &'a Job,
    /// Whose.
    pub owners: Owners,
    /// Whether accounts that failed are left alone until the pause is over that we guess.
    pub is_patient: bool,
}

impl Asking<'_> {
    /// The accounts for the job, of which became what `legs` say, without the targets that `is_hopeless`.
    pub fn survey(self, fleet: &Fleet, legs: &[Leg], is_hopeless: &dyn Fn(&Target) -> bool) -> Survey {
        let mut found = Survey {
            ordered: Vec::new(),
            next_free_ms: None,
            why_empty: WhyEmpty::NoneServesModel,
        };
        let Self { job, .. } = self;
        let now_ms = now_ms();
        let mut doubtful = Vec::new();
        let mut is_any_moment = false;
        let is_race = job.policy == Policy::Fastest && job.targets.len() > 1;
        for (place, (target, leg)) in job.targets.iter().zip(legs).enumerate() {
            if leg.is_out || is_hopeless(target) {
                continue;
            }
            let routes = self.routes(fleet, target, leg);
            let is_doubtful =
                job.targets.len() > 1 && routes.ordered.first().is_some_and(|first| first.is_doubtful(now_ms));
            let list = if is_doubtful { &mut doubtful } else { &mut found.ordered };
            list.extend(routes.ordered.into_iter().map(|account| (place, account)));
            if !found.ordered.is_empty() && !is_race {
                break;
            }
            if let Some(why) = routes.why_empty {
                is_any_moment |= why == WhyEmpty::AllBusy && routes.next_free_ms.is_none();
                found.next_free_ms = [found.next_free_ms, routes.next_free_ms].into_iter().flatten().min();
                if hope(why) > hope(found.why_empty) {
                    found.why_empty = why;
                }
            }
        }
        if is_race {
            // Each target's first is its quickest; who is as quick as another keeps the order of the list.
            put_quickest_first(&mut found.ordered, now_ms);
        }
        if is_any_moment {
            found.next_free_ms = None;
        }
        found.ordered.append(&mut doubtful);
        found
    }

    /// The accounts of one target: the team's own, and the platform's where none of those can serve now, or only against our guess.
    pub fn routes(self, fleet: &Fleet, target: &Target, leg: &Leg) -> Routes {
        let Self {
            job,
            owners,
            is_patient,
        } = self;
        let request = RouteRequest {
            tried: &leg.tried,
            conversation: job.envelope.conversation,
            maker: &target.maker,
            region: job.region.as_deref(),
            policy: job.policy,
            is_patient,
            tokens: target.expected_tokens,
            now_ms: now_ms(),
            seed: new_id().cast_unsigned(),
        };
        let wish = job.wish();
        let fits = |account: &Deployment| wish.fits(account);
        let mut plans = owners
            .each()
            .map(|owner| fleet.of(owner).plan_among(&target.model, &request, &fits));
        let nobody = || Routes {
            ordered: Vec::new(),
            next_free_ms: None,
            why_empty: Some(WhyEmpty::NoneServesModel),
        };
        let first = plans.next().unwrap_or_else(nobody);
        let is_sure = |routes: &Routes| {
            let account = routes.ordered.first();
            account.is_some_and(|account| !account.is_doubtful(request.now_ms))
        };
        if is_sure(&first) {
            return first;
        }
        match plans.next() {
            Some(second) => join(first, second, is_sure),
            None => first,
        }
    }
}

/// What two tiers come to, of which the `first` is not sure to serve.
fn join(first: Routes, second: Routes, is_sure: impl Fn(&Routes) -> bool) -> Routes {
    let is_second_sooner = is_sure(&second);
    let is_any_moment = |routes: &Routes| routes.why_empty == Some(WhyEmpty::AllBusy) && routes.next_free_ms.is_none();
    let next_free_ms = match is_any_moment(&first) || is_any_moment(&second) {
        true => None,
        false => [first.next_free_ms, second.next_free_ms].into_iter().flatten().min(),
    };
    let why_empty = match (first.why_empty, second.why_empty) {
        (Some(one), Some(other)) => Some(if hope(other) > hope(one) { other } else { one }),
        _ => None,
    };
    let (mut ordered, last) = match is_second_sooner {
        true => (second.ordered, first.ordered),
        false => (first.ordered, second.ordered),
    };
    ordered.extend(last);
    Routes {
        ordered,
        next_free_ms,
        why_empty,
    }
}

/// Puts the target first whose first account is the quickest.
fn put_quickest_first(ordered: &mut [(usize, Arc<Deployment>)], now_ms: i64) {
    let mut quickest: Option<(u32, usize)> = None;
    let mut before = None;
    for (place, account) in &*ordered {
        if before.replace(*place) != Some(*place) {
            let is_in_time = (account.latency_ms(now_ms), *place);
            quickest = Some(quickest.map_or(is_in_time, |known| known.min(is_in_time)));
        }
    }
    let first = quickest.map(|(_, place)| place);
    ordered.sort_by_key(|(place, _)| Some(*place) != first);
}

/// How near an account is that cannot be asked now: the nearest of several targets tells what to do.
const fn hope(why: WhyEmpty) -> u8 {
    match why {
        WhyEmpty::NoneServesModel => 0,
        WhyEmpty::NoneInRegion => 1,
        WhyEmpty::NoneHasModel => 2,
        WhyEmpty::AllTried => 3,
        WhyEmpty::AllFailing => 4,
        WhyEmpty::AllBusy => 5,
    }
}

/// Whether it takes inputs each of which has the whole context.
const fn takes_many(operation: Operation) -> bool {
    matches!(operation, Operation::Completions | Operation::Rerank)
}

/// How much the request can use at most. A context bounds one input; embeddings and completions take many.
fn bounds(operation: Operation, envelope: &Envelope, model: &ModelInfo) -> CeilingInput {
    let counted = envelope.input_bound.saturating_add(model.input_constant);
    let input_bound = match model.context {
        // What was found before cannot be sized: it is in what may be read on top.
        Some(context) if envelope.hosted.is_some() && !envelope.needs_state => counted.min(context),
        _ if envelope.is_unsized => model.context.unwrap_or(CONTEXT_UNKNOWN).max(counted),
        _ if operation.is_embedding() || takes_many(operation) => counted,
        Some(context) => counted.min(context.max(model.input_constant)),
        None => counted,
    };
    if let Some(media) = &envelope.media {
        return CeilingInput {
            input_bound,
            output_bound: media.output_bound.min(model.max_output.unwrap_or(u64::MAX)),
            choices: envelope.choices.max(1),
        };
    }
    let output_bound = match (envelope.max_output, model.max_output.or(model.context)) {
        _ if !operation.has_output() => 0,
        (Some(asked), Some(most)) => asked.min(most),
        (Some(asked), None) => asked,
        (None, Some(most)) => most,
        (None, None) => OUTPUT_UNKNOWN,
    };
    let output_bound = output_bound.saturating_add(envelope.prediction_bound);
    CeilingInput {
        input_bound,
        output_bound,
        choices: envelope.choices.max(1),
    }
}

/// `at_first` with what is read where tools run at the provider: each reading of the prompt may fill the model's context.
fn with_running(at_first: CeilingInput, envelope: &Envelope, model: &ModelInfo) -> CeilingInput {
    let (Some(running), Some(context)) = (&envelope.hosted, model.context) else {
        return at_first;
    };
    let all = context.max(model.input_constant).saturating_mul(running.readings);
    CeilingInput {
        input_bound: all.max(at_first.input_bound),
        ..at_first
    }
}

/// `betas` without those that would have more read than `context`, where that is known of a model: all that is held for.
fn within_context(mut betas: Betas, context: Option<u64>, notes: &mut Vec<String>) -> Betas {
    let Some(context) = context.filter(|context| *context < LONG_CONTEXT) else {
        return betas;
    };
    let listed = betas.beta.as_deref().unwrap_or_default().split(',').map(str::trim);
    let is_long = |beta: &&str| beta.to_ascii_lowercase().starts_with(LONG_CONTEXT_BETA);
    let (long, kept): (Vec<&str>, Vec<&str>) = listed.partition(is_long);
    if let Some(dropped) = long.first() {
        notes.push(format!(
            "anthropic-beta {dropped} left out: the model's context is {context} tokens here"
        ));
        betas.beta = Some(kept.join(","));
    }
    betas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_context_than_is_known_is_not_asked_for() {
        let asked = "interleaved-thinking-2025-05-14, Context-1M-2025-08-07,context-1m-2026";
        for (context, told, noted) in [
            (Some(200_000), "interleaved-thinking-2025-05-14", 1),
            (Some(1_000_000), asked, 0),
            (None, asked, 0),
        ] {
            let mut notes = Vec::new();
            let betas = Betas {
                version: None,
                beta: Some(asked.to_owned()),
            };
            let betas = within_context(betas, context, &mut notes);
            assert_eq!((betas.beta.as_deref(), notes.len()), (Some(told), noted), "{context:?}");
        }
    }
}

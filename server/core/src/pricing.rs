//! Pricing: what a request costs, and what it can cost at most.
//!
//! Invariant: `ceiling ≥ charge` for every usage the request allows; one rounding, up, to a whole nano-USD, after the markup;
//! a price that cannot be computed is `None`, never zero. Pure.

mod markup;
mod sheet;
mod tariff;

pub use markup::{Markup, MarkupError};
pub use sheet::{PerMillion, PriceError, PriceSheet, Rates, Tier, per_million, per_unit};
pub use tariff::Tariff;

use crate::{
    money::Nano,
    usage::{Kind, Usage},
};

/// What bounds the tokens of a request before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CeilingInput {
    /// The most prompt tokens it can be billed for.
    pub input_bound: u64,
    /// The most output tokens of one choice, reasoning included.
    pub output_bound: u64,
    /// How many choices it asks for (`n`).
    pub choices: u64,
}

/// What `usage` is charged by `sheet`, its markup included.
///
/// `None` where the sum is beyond what the ledger can hold, a rate is negative, or its service tier has no price.
#[must_use]
pub fn charge(sheet: &PriceSheet, usage: &Usage) -> Option<Nano> {
    sheet.markup.nano(pico_of(sheet, usage)?)
}

/// What `usage` costs by `sheet` without its markup: what the provider takes.
///
/// `None` as for [`charge`].
#[must_use]
pub fn cost(sheet: &PriceSheet, usage: &Usage) -> Option<Nano> {
    Markup::NONE.nano(pico_of(sheet, usage)?)
}

fn pico_of(sheet: &PriceSheet, usage: &Usage) -> Option<u128> {
    // A prompt beyond what can be counted has no tier.
    Kind::PROMPT
        .into_iter()
        .try_fold(0, |prompt: u64, kind| prompt.checked_add(usage.count(kind)))?;
    let rates = sheet.rates_of(usage)?;
    let mut pico: u128 = 0;
    for kind in Kind::all() {
        pico = pico.checked_add(cost_pico(u128::from(usage.count(kind)), rates.of(kind))?)?;
    }
    Some(pico)
}

/// The most that a request within `bound` can cost: the dearest of the tiers its prompt can reach and it may be served in, the whole prompt at the
/// dearest prompt rate, the whole answer at the dearest rate of an answer.
///
/// `None` where that is beyond what the ledger can hold, or a rate is negative.
#[must_use]
pub fn ceiling(sheet: &PriceSheet, bound: &CeilingInput) -> Option<Nano> {
    let output = u128::from(bound.output_bound) * u128::from(bound.choices);
    let mut highest: u128 = 0;
    for rates in sheet.reachable(bound.input_bound) {
        let input = cost_pico(u128::from(bound.input_bound), rates.dearest_prompt())?;
        highest = highest.max(input.checked_add(cost_pico(output, rates.dearest_answer())?)?);
    }
    sheet.markup.nano(highest)
}

/// What the units of `usage`, which are no tokens, can cost at most, whatever the prompt.
///
/// `None` where that is beyond what the ledger can hold, or a rate is negative.
#[must_use]
pub fn ceiling_of_units(sheet: &PriceSheet, usage: &Usage) -> Option<Nano> {
    let mut highest: u128 = 0;
    for rates in sheet.reachable(u64::MAX) {
        let mut pico: u128 = 0;
        for kind in Kind::UNITS {
            pico = pico.checked_add(cost_pico(u128::from(usage.count(kind)), rates.of(kind))?)?;
        }
        highest = highest.max(pico);
    }
    sheet.markup.nano(highest)
}

/// The largest output bound per choice whose [`ceiling`] is at most `budget`; `u64::MAX` where output is free.
///
/// `None` where the prompt alone may cost more than `budget`.
#[must_use]
pub fn output_that_fits(sheet: &PriceSheet, input_bound: u64, choices: u64, budget: Nano) -> Option<u64> {
    let budget = sheet.markup.pico_within(budget)?;
    let mut fits = u64::MAX;
    for rates in sheet.reachable(input_bound) {
        let left = budget.checked_sub(cost_pico(u128::from(input_bound), rates.dearest_prompt())?)?;
        let per_token = cost_pico(u128::from(choices), rates.dearest_answer())?;
        if let Some(tokens) = left.checked_div(per_token) {
            fits = fits.min(u64::try_from(tokens).unwrap_or(u64::MAX));
        }
    }
    Some(fits)
}

fn cost_pico(tokens: u128, rate: i64) -> Option<u128> {
    tokens.checked_mul(u128::try_from(rate).ok()?)
}

#[cfg(test)]
mod tests;

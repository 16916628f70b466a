//! Tariffs: what a model costs in a service tier other than the standard one, and by which of them a request is charged.
//!
//! Invariant: a request is charged by a tier that its ceiling covers: the one that the reply tells of, else the dearer of what can be.
//! What is no token costs the same in every tier. Pure; the JSON of a tariff is a part of what a price row stores.

use super::sheet::{PriceError, PriceSheet, Rates, Tier, check};
use crate::usage::{ServiceTier, TierAsked, Usage};
use serde::{Deserialize, Serialize};

/// Rates of one service tier, and the tiers that replace them for long prompts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tariff {
    /// What a token costs below the first tier.
    pub base: Rates,
    /// Long-prompt tiers by rising threshold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

impl PriceSheet {
    /// What it costs in `tier`; `None` where that has no price of its own, as the standard one, which is the sheet itself.
    #[must_use]
    pub fn tariff(&self, tier: ServiceTier) -> Option<&Tariff> {
        match tier {
            ServiceTier::Standard => None,
            ServiceTier::Flex => self.flex.as_deref(),
            ServiceTier::Priority => self.priority.as_deref(),
        }
    }

    /// Itself with `tariff` as what it costs in `tier`; its own units replace those of the tariff. Nothing changes for the standard tier.
    ///
    /// # Errors
    /// [`PriceError`] where a rate is negative or the thresholds do not rise.
    pub fn with_tariff(mut self, tier: ServiceTier, mut tariff: Tariff) -> Result<Self, PriceError> {
        check(&tariff.base, &tariff.tiers)?;
        tariff.base = tariff.base.with_units_of(&self.base);
        for long in &mut tariff.tiers {
            long.rates = long.rates.with_units_of(&self.base);
        }
        let tariff = Some(Box::new(tariff));
        match tier {
            ServiceTier::Standard => {}
            ServiceTier::Flex => self.flex = tariff,
            ServiceTier::Priority => self.priority = tariff,
        }
        Ok(self)
    }

    /// The same prices for a request that may be served in the tiers that `asked` covers.
    #[must_use]
    pub fn asked(&self, asked: TierAsked) -> Self {
        Self { asked, ..self.clone() }
    }

    /// Whether what is `asked` has a price: one tier must, while the provider's choice is among those that have.
    #[must_use]
    pub fn offers(&self, asked: TierAsked) -> bool {
        match asked {
            TierAsked::Unsaid | TierAsked::Any | TierAsked::Of(ServiceTier::Standard) => true,
            TierAsked::Of(tier) => self.tariff(tier).is_some(),
        }
    }

    /// `usage` with the tier that it is charged by: the one that the reply `told` of, where it may be; else of the one that was asked for
    /// and the standard one the dearer.
    #[must_use]
    pub fn settled(&self, usage: Usage, told: Option<ServiceTier>) -> Usage {
        let within = |tier| Usage { tier, ..usage };
        let is_priced = |tier: &ServiceTier| *tier == ServiceTier::Standard || self.tariff(*tier).is_some();
        if let Some(tier) = told.filter(|tier| self.asked.covers(*tier)).filter(is_priced) {
            return within(tier);
        }
        let standard = within(ServiceTier::Standard);
        match self.asked {
            TierAsked::Of(tier) if is_priced(&tier) => {
                let asked = within(tier);
                let cost = |usage: &Usage| super::cost(self, usage);
                if cost(&asked) > cost(&standard) {
                    asked
                } else {
                    standard
                }
            }
            _ => standard,
        }
    }
}

impl Rates {
    /// Itself with what `standard` takes for what is no token.
    const fn with_units_of(self, standard: &Self) -> Self {
        Self {
            image: standard.image,
            character: standard.character,
            second: standard.second,
            search: standard.search,
            ..self
        }
    }
}

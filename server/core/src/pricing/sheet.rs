//! The price sheet of a model: rates per token or other unit, the tiers that replace them for long prompts, and the tariffs of other
//! service tiers.
//!
//! Invariant: every sheet made by [`PriceSheet::new`], from text or from JSON has no negative rate and strictly rising tiers.
//! Pure; its JSON is what a price row stores.

use super::{
    markup::{MORE_DECIMALS, Markup},
    tariff::Tariff,
};
use crate::{
    money::{Nano, ParseError},
    usage::{Kind, ServiceTier, TierAsked, Usage},
};
use serde::{Deserialize, Serialize};

const DECIMALS: usize = 6;
const DECIMALS_OF_ONE: usize = 12;
const PICO_PER_NANO: i64 = 1_000;

/// Prices of one token of each kind, in pico-USD (10⁻¹² USD): 1,000,000 is one US dollar per million tokens.
///
/// Where a kind has no price here, it costs as the kind its provider bills it as where it sets none apart, or as a dearer one: see
/// [`Rates::of`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// A prompt token.
    pub input: i64,
    /// A token produced.
    pub output: i64,
    /// A prompt token read from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<i64>,
    /// A prompt token of sound read from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_audio: Option<i64>,
    /// A prompt token written to a cache that is kept for minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<i64>,
    /// A prompt token written to a cache that is kept for hours. Older rows call it `cache_write_max`.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "cache_write_max")]
    pub cache_write_long: Option<i64>,
    /// A prompt token of sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<i64>,
    /// A prompt token of an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input: Option<i64>,
    /// A token of sound produced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<i64>,
    /// A token of an image produced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_output: Option<i64>,
    /// An image produced, whatever its size; nothing where absent, as for the other units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<i64>,
    /// A character read out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub character: Option<i64>,
    /// A second of sound written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<i64>,
    /// A search, through documents or by a hosted tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<i64>,
}

/// Rates for requests with a long prompt: they replace the base rates for every token of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The fewest prompt tokens, cached ones included, for which the tier applies. A provider's "more than 200,000" is 200,001.
    pub min_prompt_tokens: u64,
    /// What a token costs then.
    pub rates: Rates,
}

/// The prices of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct PriceSheet {
    /// What a token costs below the first tier.
    pub base: Rates,
    /// Long-prompt tiers by rising threshold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
    /// What it costs in the flex tier, where that has a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flex: Option<Box<Tariff>>,
    /// What it costs in the priority tier, where that has a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Box<Tariff>>,
    /// What is added for whoever pays. No part of a price row: whom it is for is known where a request comes in.
    #[serde(skip)]
    pub markup: Markup,
    /// In which service tiers a request may be served. No part of a price row either.
    #[serde(skip)]
    pub asked: TierAsked,
}

/// Base rates as decimal USD per million tokens, and those of other units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerMillion {
    /// A million prompt tokens.
    pub input: String,
    /// A million tokens produced.
    pub output: String,
    /// A million tokens read from a cache, where priced apart.
    pub cache_read: Option<String>,
    /// A million tokens written to a cache, where priced apart.
    pub cache_write: Option<String>,
    /// One image, where images are priced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A million characters, where they are priced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub character: Option<String>,
    /// One second of sound, where it is priced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// One search, where searches are priced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// Why something is not a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not a decimal amount.
    #[error(transparent)]
    Amount(#[from] ParseError),
    /// Below zero.
    #[error("a price cannot be negative")]
    Negative,
    /// Finer than one pico-USD per token or, of other units, a nano-USD.
    #[error("at most six decimals per million, nine for one")]
    TooPrecise,
    /// More than can be kept.
    #[error("a price is too high")]
    TooDear,
    /// Tiers that do not rise, or one that starts at zero.
    #[error("tiers must have rising thresholds above zero")]
    TiersOutOfOrder,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    base: Rates,
    #[serde(default)]
    tiers: Vec<Tier>,
    #[serde(default)]
    flex: Option<Tariff>,
    #[serde(default)]
    priority: Option<Tariff>,
}

impl TryFrom<Unchecked> for PriceSheet {
    type Error = PriceError;

    fn try_from(unchecked: Unchecked) -> Result<Self, PriceError> {
        let mut sheet = Self::new(unchecked.base, unchecked.tiers)?;
        let tariffs = [
            (ServiceTier::Flex, unchecked.flex),
            (ServiceTier::Priority, unchecked.priority),
        ];
        for (tier, tariff) in tariffs {
            if let Some(tariff) = tariff {
                sheet = sheet.with_tariff(tier, tariff)?;
            }
        }
        Ok(sheet)
    }
}

impl Rates {
    /// The price of a token of `kind`. Where it is not set:
    ///
    /// - a token read from or written to a cache costs as `input`;
    /// - one written to a cache kept for hours twice `cache_write`, which is what OpenAI takes and more than Anthropic does, and as
    ///   `input` where writing has no price at all;
    /// - sound read from a cache costs as sound where that has a price of its own (no provider takes more), else as all that is read;
    /// - sound and images cost as text, since a provider that takes more for them says so;
    /// - what is no token costs nothing.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> i64 {
        match kind {
            Kind::Input => self.input,
            Kind::CacheRead => either(self.cache_read, self.input),
            Kind::CacheReadAudio => either(
                self.cache_read_audio,
                either(self.audio_input, either(self.cache_read, self.input)),
            ),
            Kind::CacheWrite => either(self.cache_write, self.input),
            Kind::CacheWriteLong => match (self.cache_write_long, self.cache_write) {
                (Some(rate), _) => rate,
                (None, Some(rate)) => rate.saturating_mul(2),
                (None, None) => self.input,
            },
            Kind::AudioInput => either(self.audio_input, self.input),
            Kind::ImageInput => either(self.image_input, self.input),
            Kind::Output => self.output,
            Kind::AudioOutput => either(self.audio_output, self.output),
            Kind::ImageOutput => either(self.image_output, self.output),
            Kind::Images => either(self.image, 0),
            Kind::Characters => either(self.character, 0),
            Kind::Seconds => either(self.second, 0),
            Kind::Searches => either(self.search, 0),
        }
    }

    /// Whether a token of some kind costs something.
    #[must_use]
    pub fn prices_tokens(&self) -> bool {
        self.dearest_prompt() > 0 || self.dearest_answer() > 0
    }

    /// Whether something else than a token costs something.
    #[must_use]
    pub fn prices_units(&self) -> bool {
        self.dearest(&Kind::UNITS) > 0
    }

    /// The most that a prompt token can cost, whatever it is of and however it is cached.
    #[must_use]
    pub fn dearest_prompt(&self) -> i64 {
        self.dearest(&Kind::PROMPT)
    }

    /// The most that a token of the answer can cost, whatever it is of.
    #[must_use]
    pub fn dearest_answer(&self) -> i64 {
        self.dearest(&Kind::ANSWER)
    }

    fn dearest(&self, kinds: &[Kind]) -> i64 {
        kinds.iter().fold(0, |dearest, kind| self.of(*kind).max(dearest))
    }

    fn is_negative(&self) -> bool {
        let optional = [
            self.cache_read,
            self.cache_read_audio,
            self.cache_write,
            self.cache_write_long,
            self.audio_input,
            self.image_input,
            self.audio_output,
            self.image_output,
            self.image,
            self.character,
            self.second,
            self.search,
        ];
        self.input < 0 || self.output < 0 || optional.into_iter().flatten().any(|rate| rate < 0)
    }
}

const fn either(rate: Option<i64>, otherwise: i64) -> i64 {
    match rate {
        Some(rate) => rate,
        None => otherwise,
    }
}

impl PriceSheet {
    /// A sheet of `base` rates and `tiers`, in the standard service tier alone.
    ///
    /// # Errors
    /// [`PriceError`] where a rate is negative or the thresholds do not rise.
    pub fn new(base: Rates, tiers: Vec<Tier>) -> Result<Self, PriceError> {
        check(&base, &tiers)?;
        Ok(Self {
            base,
            tiers,
            ..Self::default()
        })
    }

    /// The same prices with `markup` on top of each.
    #[must_use]
    pub fn marked_up(&self, markup: Markup) -> Self {
        Self { markup, ..self.clone() }
    }

    /// A sheet without tiers, from decimal USD per million tokens, such as `2.50`.
    ///
    /// # Errors
    /// [`PriceError`] where a text is no amount, is negative, or is finer than one pico-USD per token.
    pub fn from_per_million(
        input: &str,
        output: &str,
        cache_read: Option<&str>,
        cache_write: Option<&str>,
    ) -> Result<Self, PriceError> {
        let base = Rates {
            input: pico_per_token(input)?,
            output: pico_per_token(output)?,
            cache_read: cache_read.map(pico_per_token).transpose()?,
            cache_write: cache_write.map(pico_per_token).transpose()?,
            ..Rates::default()
        };
        Self::new(base, Vec::new())
    }

    /// The base rates as people read them, with the markup.
    #[must_use]
    pub fn per_million(&self) -> PerMillion {
        let per_million = |rate| per_million(rate, self.markup);
        let per_unit = |rate| per_unit(rate, self.markup);
        PerMillion {
            input: per_million(self.base.input),
            output: per_million(self.base.output),
            cache_read: self.base.cache_read.map(per_million),
            cache_write: self.base.cache_write.map(per_million),
            image: self.base.image.map(per_unit),
            character: self.base.character.map(per_million),
            second: self.base.second.map(per_unit),
            search: self.base.search.map(per_unit),
        }
    }

    /// Itself with `usd` as the price of `kind`, one that is no token: for a million characters, for one of the others.
    ///
    /// # Errors
    /// [`PriceError`] where the text is no amount, is negative, or too fine.
    pub fn with_unit(mut self, kind: Kind, usd: &str) -> Result<Self, PriceError> {
        let rate = match kind {
            Kind::Characters => pico_per_token(usd)?,
            _ => pico_per_unit(usd)?,
        };
        match kind {
            Kind::Images => self.base.image = Some(rate),
            Kind::Characters => self.base.character = Some(rate),
            Kind::Seconds => self.base.second = Some(rate),
            Kind::Searches => self.base.search = Some(rate),
            _ => {}
        }
        Ok(self)
    }

    /// Whether a search has a price, of nothing too, however long the prompt is.
    #[must_use]
    pub fn prices_searches(&self) -> bool {
        self.reachable(u64::MAX).all(|rates| rates.search.is_some())
    }

    /// The rates that apply to a request of `prompt_tokens`, cached ones included.
    #[must_use]
    pub fn rates_for(&self, prompt_tokens: u64) -> &Rates {
        rates_in(&self.base, &self.tiers, prompt_tokens)
    }

    /// The rates that apply to `usage`, by its prompt and its service tier; `None` where that tier has no price.
    #[must_use]
    pub fn rates_of(&self, usage: &Usage) -> Option<&Rates> {
        match (usage.tier, self.tariff(usage.tier)) {
            (ServiceTier::Standard, _) => Some(self.rates_for(usage.prompt())),
            (_, Some(tariff)) => Some(rates_in(&tariff.base, &tariff.tiers, usage.prompt())),
            (_, None) => None,
        }
    }

    /// Every set of rates that a request of at most `input_bound` prompt tokens can be billed at, in the service tiers that it may be
    /// served in.
    pub fn reachable(&self, input_bound: u64) -> impl Iterator<Item = &Rates> {
        let others = ServiceTier::OTHERS.into_iter();
        let others = others.filter(|tier| self.asked.covers(*tier));
        let tariffs = others.filter_map(|tier| self.tariff(tier));
        std::iter::once((&self.base, self.tiers.as_slice()))
            .chain(tariffs.map(|tariff| (&tariff.base, tariff.tiers.as_slice())))
            .flat_map(move |(base, tiers)| {
                let tiers = tiers.iter().filter(move |tier| tier.min_prompt_tokens <= input_bound);
                std::iter::once(base).chain(tiers.map(|tier| &tier.rates))
            })
    }
}

/// Whether no rate is negative and thresholds rise.
pub(super) fn check(base: &Rates, tiers: &[Tier]) -> Result<(), PriceError> {
    if base.is_negative() || tiers.iter().any(|tier| tier.rates.is_negative()) {
        return Err(PriceError::Negative);
    }
    let mut last = 0;
    for tier in tiers {
        if tier.min_prompt_tokens <= last {
            return Err(PriceError::TiersOutOfOrder);
        }
        last = tier.min_prompt_tokens;
    }
    Ok(())
}

/// Of `base` and `tiers` the rates for a prompt of so many tokens.
fn rates_in<'a>(base: &'a Rates, tiers: &'a [Tier], prompt_tokens: u64) -> &'a Rates {
    let applies = |tier: &&Tier| tier.min_prompt_tokens <= prompt_tokens;
    let tier = tiers.iter().filter(applies).max_by_key(|tier| tier.min_prompt_tokens);
    tier.map_or(base, |tier| &tier.rates)
}

/// `pico_per_token` with `markup` as decimal USD per million tokens, exactly, with at least two decimals: `0.15`, `62.50`,
/// `0.000001`.
#[must_use]
pub fn per_million(pico_per_token: i64, markup: Markup) -> String {
    marked_up(pico_per_token, markup, DECIMALS)
}

/// `pico` with `markup` as decimal USD, exactly, with at least two decimals: what one image, second or search costs.
#[must_use]
pub fn per_unit(pico: i64, markup: Markup) -> String {
    marked_up(pico, markup, DECIMALS_OF_ONE)
}

fn marked_up(pico: i64, markup: Markup, decimals: usize) -> String {
    decimal(i128::from(pico) * i128::from(markup.factor()), decimals + MORE_DECIMALS)
}

/// `number` with so many `decimals`, of which zeros beyond the second are left out.
fn decimal(number: i128, decimals: usize) -> String {
    let digits = format!("{:0width$}", number.unsigned_abs(), width = decimals + 1);
    let (whole, below) = digits.split_at(digits.len() - decimals);
    let sign = if number < 0 { "-" } else { "" };
    let full = format!("{sign}{whole}.{below}");
    let kept = full.trim_end_matches('0').len();
    full[..kept.max(full.len() - decimals + 2)].to_owned()
}

fn pico_per_unit(usd: &str) -> Result<i64, PriceError> {
    let nano = Nano::parse(usd).map_err(|error| match error {
        ParseError::TooPrecise => PriceError::TooPrecise,
        other => PriceError::Amount(other),
    })?;
    if nano.0 < 0 {
        return Err(PriceError::Negative);
    }
    nano.0.checked_mul(PICO_PER_NANO).ok_or(PriceError::TooDear)
}

fn pico_per_token(usd_per_million: &str) -> Result<i64, PriceError> {
    let nano = Nano::parse(usd_per_million).map_err(|error| match error {
        ParseError::TooPrecise => PriceError::TooPrecise,
        other => PriceError::Amount(other),
    })?;
    match nano.0 {
        negative if negative < 0 => Err(PriceError::Negative),
        finer if finer % 1_000 != 0 => Err(PriceError::TooPrecise),
        exact => Ok(exact / 1_000),
    }
}

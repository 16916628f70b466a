//! What an admin adds to the catalogue: models, and prices from a moment on.
//!
//! Invariant: a model is added together with its price, or not at all. Writes `model`, `price` and the stamp
//! `catalog`; closes alerts of models without a price.

use super::{AREA, Catalog, CatalogError, ModelInfo};
use crate::{alerts, clock, fields::FieldErrors, stamp};
use entity::{model, price};
use gateway_core::{
    catalog::INPUT_CONSTANT,
    dialect::Dialect,
    pricing::{PriceSheet, Tariff},
    usage::{Kind, ServiceTier},
};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _, SqlErr, TransactionTrait as _};
use std::sync::Arc;

const NAME_MAX: usize = 200;
const TOKENS_MAX: u64 = 1 << 40;
/// How the prices of service tiers are called where one is refused.
const FLEX_FIELDS: [&str; 4] = ["flex_input", "flex_output", "flex_cache_read", "flex_cache_write"];
/// See [`FLEX_FIELDS`].
const PRIORITY_FIELDS: [&str; 4] = [
    "priority_input",
    "priority_output",
    "priority_cache_read",
    "priority_cache_write",
];
/// How long ago a price may begin, in milliseconds: what was charged is never priced anew.
const PAST_MAX_MS: i64 = 60_000;

/// Decimal USD per million tokens, such as `2.50`, and for what is no token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Prompt tokens.
    pub input: String,
    /// Tokens produced.
    pub output: String,
    /// Prompt tokens read from a cache; as `input` where absent.
    pub cache_read: Option<String>,
    /// Prompt tokens written to a cache; as `input` where absent.
    pub cache_write: Option<String>,
    /// One image, whatever its size; USD.
    pub image: Option<String>,
    /// A million characters read out; USD.
    pub character: Option<String>,
    /// One second of sound written down; USD.
    pub second: Option<String>,
    /// One search through documents; USD.
    pub search: Option<String>,
    /// What tokens cost in the flex tier; requests for it are refused where absent.
    pub flex: Option<TierPrices>,
    /// The same of the priority tier.
    pub priority: Option<TierPrices>,
}

/// Decimal USD per million tokens in a service tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierPrices {
    /// Prompt tokens.
    pub input: String,
    /// Tokens produced.
    pub output: String,
    /// Prompt tokens read from a cache; as `input` where absent.
    pub cache_read: Option<String>,
    /// Prompt tokens written to a cache; as `input` where absent.
    pub cache_write: Option<String>,
}

/// A model to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewModel {
    /// The name a customer asks for.
    pub id: String,
    /// Dialects it is served in; empty means any.
    pub dialects: Vec<String>,
    /// The longest prompt and answer, in tokens.
    pub context: Option<i64>,
    /// The longest answer, in tokens.
    pub max_output: Option<i64>,
    /// What it costs from now on.
    pub prices: Prices,
}

/// A price to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPrice {
    /// What the model costs then.
    pub prices: Prices,
    /// From when on, Unix milliseconds; now where absent.
    pub effective_at_ms: Option<i64>,
}

impl Catalog {
    /// Adds a model with its price, for admin `actor_id`.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] naming every wrong field, [`CatalogError::Taken`], [`CatalogError::Database`].
    pub async fn add_model(&self, new: &NewModel, actor_id: i64) -> Result<Arc<ModelInfo>, CatalogError> {
        let mut errors = FieldErrors::default();
        check_model(new, &mut errors);
        if self.alias(None, &new.id).is_ok() {
            errors.refuse(
                "id",
                "There is an alias of this name for all teams. Delete it first, or choose another name.",
            );
        }
        let sheet = read_prices(&new.prices, &mut errors);
        errors.finish().map_err(CatalogError::Invalid)?;
        if model::Entity::find_by_id(new.id.as_str())
            .one(&self.db)
            .await?
            .is_some()
        {
            return Err(CatalogError::Taken);
        }
        let now_ms = clock::now_ms();
        let row = model::ActiveModel {
            id: Set(new.id.clone()),
            provider: Set(String::new()),
            mode: Set("chat".to_owned()),
            context: Set(new.context),
            max_output: Set(new.max_output),
            capabilities: Set("[]".to_owned()),
            dialects: Set(serde_json::to_string(&new.dialects)?),
            input_constant: Set(i64::try_from(INPUT_CONSTANT).unwrap_or(i64::MAX)),
            is_builtin: Set(false),
            created_at: Set(now_ms),
        };
        let transaction = self.db.begin().await?;
        // Somebody else may have added it since we looked.
        row.insert(&transaction).await.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => CatalogError::Taken,
            _ => error.into(),
        })?;
        price_row(&new.id, now_ms, sheet.as_ref(), actor_id)?
            .insert(&transaction)
            .await?;
        stamp::renew(&transaction, AREA).await?;
        transaction.commit().await?;
        self.refresh().await?;
        self.model(&new.id).ok_or(CatalogError::NotFound)
    }

    /// Adds a price to model `id`, for admin `actor_id`.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::Invalid`] naming every wrong field, [`CatalogError::Database`].
    pub async fn add_price(&self, id: &str, new: &NewPrice, actor_id: i64) -> Result<Arc<ModelInfo>, CatalogError> {
        if model::Entity::find_by_id(id).one(&self.db).await?.is_none() {
            return Err(CatalogError::NotFound);
        }
        let now_ms = clock::now_ms();
        let effective_at = new.effective_at_ms.unwrap_or(now_ms);
        let mut errors = FieldErrors::default();
        let sheet = read_prices(&new.prices, &mut errors);
        if effective_at < now_ms - PAST_MAX_MS {
            errors.refuse(
                "effective_at",
                "A price begins now or later: what was charged stays as it was.",
            );
        }
        errors.finish().map_err(CatalogError::Invalid)?;
        let transaction = self.db.begin().await?;
        price_row(id, effective_at, sheet.as_ref(), actor_id)?
            .insert(&transaction)
            .await?;
        if effective_at <= now_ms {
            alerts::resolve(&transaction, alerts::Kind::PriceUnknown, id).await?;
        }
        stamp::renew(&transaction, AREA).await?;
        transaction.commit().await?;
        self.refresh().await?;
        self.model(id).ok_or(CatalogError::NotFound)
    }
}

/// Whether `text` can be what a customer asks for.
pub(super) fn is_name(text: &str) -> bool {
    let is_shown = |letter: char| !letter.is_control() && !letter.is_whitespace() && letter != '*';
    !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(is_shown)
}

fn check_model(new: &NewModel, errors: &mut FieldErrors) {
    if !is_name(&new.id) {
        errors.refuse(
            "id",
            "Write the model's name without spaces and “*”, for example llama-4-70b.",
        );
    }
    if let Some(other) = new.dialects.iter().find(|name| Dialect::parse(name).is_none()) {
        errors.refuse(
            "dialects",
            format!("“{other}” is not chat, responses, messages or generate."),
        );
    }
    for (field, tokens) in [("context", new.context), ("max_output", new.max_output)] {
        let fits = |tokens: i64| u64::try_from(tokens).is_ok_and(|tokens| (1..=TOKENS_MAX).contains(&tokens));
        if tokens.is_some_and(|tokens| !fits(tokens)) {
            errors.refuse(field, "Write a number of tokens above zero, for example 128000.");
        }
    }
}

/// The sheet, or `None` where a field was refused.
fn read_prices(prices: &Prices, errors: &mut FieldErrors) -> Option<PriceSheet> {
    let standard = TierPrices {
        input: prices.input.clone(),
        output: prices.output.clone(),
        cache_read: prices.cache_read.clone(),
        cache_write: prices.cache_write.clone(),
    };
    let mut sheet = read_tokens(&standard, ["input", "output", "cache_read", "cache_write"], errors);
    let units = [
        ("image", Kind::Images, &prices.image),
        ("character", Kind::Characters, &prices.character),
        ("second", Kind::Seconds, &prices.second),
        ("search", Kind::Searches, &prices.search),
    ];
    for (field, kind, text) in units {
        let Some(text) = text else { continue };
        if let Err(error) = PriceSheet::default().with_unit(kind, text) {
            errors.refuse(
                field,
                format!("“{text}” is not a price ({error}). Write USD, for example 0.04."),
            );
        }
        sheet = sheet.and_then(|sheet| sheet.with_unit(kind, text).ok());
    }
    let tiers = [
        (ServiceTier::Flex, FLEX_FIELDS, &prices.flex),
        (ServiceTier::Priority, PRIORITY_FIELDS, &prices.priority),
    ];
    for (tier, fields, prices) in tiers {
        let Some(prices) = prices else { continue };
        let tariff = read_tokens(prices, fields, errors).map(|sheet| Tariff {
            base: sheet.base,
            tiers: Vec::new(),
        });
        sheet = sheet
            .zip(tariff)
            .and_then(|(sheet, tariff)| sheet.with_tariff(tier, tariff).ok());
    }
    sheet
}

/// What tokens cost, or `None` where one of the `fields` was refused: input, output, read from a cache and written to it.
fn read_tokens(prices: &TierPrices, fields: [&'static str; 4], errors: &mut FieldErrors) -> Option<PriceSheet> {
    let (read, write) = (prices.cache_read.as_deref(), prices.cache_write.as_deref());
    let parts = [Some(prices.input.as_str()), Some(prices.output.as_str()), read, write];
    for (field, text) in fields.into_iter().zip(parts) {
        let Some(text) = text else { continue };
        if let Err(error) = PriceSheet::from_per_million(text, "0", None, None) {
            errors.refuse(
                field,
                format!("“{text}” is not a price ({error}). Write USD per million tokens, for example 2.50."),
            );
        }
    }
    PriceSheet::from_per_million(&prices.input, &prices.output, read, write).ok()
}

fn price_row(
    model: &str,
    effective_at: i64,
    sheet: Option<&PriceSheet>,
    actor_id: i64,
) -> Result<price::ActiveModel, CatalogError> {
    let sheet = sheet.ok_or_else(|| CatalogError::Invalid(FieldErrors::default()))?;
    Ok(price::ActiveModel {
        id: Set(clock::new_id()),
        model: Set(model.to_owned()),
        effective_at: Set(effective_at),
        sheet: Set(serde_json::to_string(sheet)?),
        created_at: Set(clock::now_ms()),
        created_by: Set(Some(actor_id)),
    })
}

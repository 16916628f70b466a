//! What the catalogue's rows say, in memory.
//!
//! Invariant: of the prices that hold, an admin's latest wins; without one, the shipped list's latest. Reads `model`, `price`,
//! `alias` and `markup`.

use super::{AREA, CatalogError, alias, markup::Markups};
use crate::stamp;
use entity::{model, price};
use gateway_core::pricing::PriceSheet;
use sea_orm::{DatabaseConnection, EntityTrait as _, QueryOrder as _};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A price from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceRow {
    /// The row's id.
    pub id: i64,
    /// From when on it holds: Unix milliseconds.
    pub effective_at_ms: i64,
    /// The prices.
    pub sheet: Arc<PriceSheet>,
    /// Whether an admin set it.
    pub is_admins: bool,
}

/// A model as this instance knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// The name a customer asks for.
    pub id: String,
    /// Who makes it; empty when unknown.
    pub provider: String,
    /// `chat`, `embedding` or `other`.
    pub mode: String,
    /// The longest prompt and answer, in tokens.
    pub context: Option<u64>,
    /// The longest answer, in tokens.
    pub max_output: Option<u64>,
    /// Names of abilities.
    pub capabilities: Vec<String>,
    /// Dialects it is served in; empty means any.
    pub dialects: Vec<String>,
    /// Prompt tokens the provider adds at most.
    pub input_constant: u64,
    /// Whether it is from the shipped list.
    pub is_builtin: bool,
    /// Every price row, the oldest first.
    pub prices: Vec<PriceRow>,
}

impl ModelInfo {
    /// The price that holds at `now_ms`.
    #[must_use]
    pub fn price_at(&self, now_ms: i64) -> Option<&PriceRow> {
        let holds = |row: &&PriceRow| row.effective_at_ms <= now_ms;
        let latest = |row: &&PriceRow| (row.is_admins, row.effective_at_ms, row.id);
        self.prices.iter().filter(holds).max_by_key(latest)
    }

    /// The next price that will replace the one of `now_ms`.
    #[must_use]
    pub fn next_price(&self, now_ms: i64) -> Option<&PriceRow> {
        let later = self.prices.iter().filter(|row| row.effective_at_ms > now_ms);
        let replaces = later.filter(|row| self.price_at(row.effective_at_ms).is_some_and(|then| then.id == row.id));
        replaces.min_by_key(|row| row.effective_at_ms)
    }
}

/// Everything at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) stamp: String,
    pub(super) models: BTreeMap<String, Arc<ModelInfo>>,
    pub(super) sheets: HashMap<i64, Arc<PriceSheet>>,
    pub(super) aliases: alias::Aliases,
    pub(super) markups: Markups,
}

impl Snapshot {
    pub(super) async fn load(db: &DatabaseConnection) -> Result<Self, CatalogError> {
        // The stamp first: what changes after it is read again next time.
        let stamp = stamp::read(db, AREA).await?;
        let mut sheets = HashMap::new();
        let mut by_model: HashMap<String, Vec<PriceRow>> = HashMap::new();
        let rows = price::Entity::find().order_by_asc(price::Column::EffectiveAt);
        for row in rows.order_by_asc(price::Column::Id).all(db).await? {
            let sheet: Arc<PriceSheet> = Arc::new(serde_json::from_str(&row.sheet)?);
            sheets.insert(row.id, Arc::clone(&sheet));
            by_model.entry(row.model).or_default().push(PriceRow {
                id: row.id,
                effective_at_ms: row.effective_at,
                sheet,
                is_admins: row.created_by.is_some(),
            });
        }
        let mut models = BTreeMap::new();
        for row in model::Entity::find().all(db).await? {
            let prices = by_model.remove(&row.id).unwrap_or_default();
            models.insert(row.id.clone(), Arc::new(info(row, prices)?));
        }
        Ok(Self {
            stamp,
            models,
            sheets,
            aliases: alias::load(db).await?,
            markups: Markups::load(db).await?,
        })
    }
}

fn info(row: model::Model, prices: Vec<PriceRow>) -> Result<ModelInfo, serde_json::Error> {
    let count = |tokens: i64| u64::try_from(tokens).unwrap_or(0);
    Ok(ModelInfo {
        capabilities: serde_json::from_str(&row.capabilities)?,
        dialects: serde_json::from_str(&row.dialects)?,
        id: row.id,
        provider: row.provider,
        mode: row.mode,
        context: row.context.map(count),
        max_output: row.max_output.map(count),
        input_constant: count(row.input_constant),
        is_builtin: row.is_builtin,
        prices,
    })
}

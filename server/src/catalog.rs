//! The catalogue at run time: which models there are, what they cost and which names stand for them, from the shipped list and from people.
//!
//! Invariant: price rows are never changed, only added; a price that an admin set wins over the shipped ones; a model without a
//! price has none, never a free one.
//! Reads and writes `model`, `price`, `alias`, `markup` and the stamp `catalog`.

mod admin;
mod alias;
mod markup;
mod seed;
mod snapshot;

pub use admin::{NewModel, NewPrice, Prices, TierPrices};
pub use alias::{AliasInfo, AliasSettings, Resolved};
pub use markup::MarkupRow;
pub use snapshot::{ModelInfo, PriceRow};

use crate::{fields::FieldErrors, signals::Signals, stamp};
use gateway_core::pricing::PriceSheet;
use parking_lot::RwLock;
use sea_orm::{DatabaseConnection, DbErr};
use snapshot::Snapshot;
use std::{sync::Arc, time::Duration};

const AREA: &str = "catalog";

/// Why the catalogue cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Fields that are refused.
    #[error("some fields are refused")]
    Invalid(FieldErrors),
    /// There is a model of this name.
    #[error("there is a model of this name")]
    Taken,
    /// There is an alias of this name.
    #[error("there is an alias of this name")]
    AliasTaken,
    /// No such model, alias or markup.
    #[error("no such model, alias or markup")]
    NotFound,
    /// The shipped list or a stored row does not read.
    #[error("catalogue data does not read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The catalogue of one process; clones share it.
#[derive(Clone, Debug)]
pub struct Catalog {
    db: DatabaseConnection,
    snapshot: Arc<RwLock<Arc<Snapshot>>>,
}

impl Catalog {
    /// Brings the shipped models and prices into the database and reads what is there.
    ///
    /// # Errors
    /// [`CatalogError::Database`] or [`CatalogError::Unreadable`].
    pub async fn start(db: DatabaseConnection) -> Result<Self, CatalogError> {
        seed::seed(&db).await?;
        let snapshot = Snapshot::load(&db).await?;
        Ok(Self {
            db,
            snapshot: Arc::new(RwLock::new(Arc::new(snapshot))),
        })
    }

    /// Model `id`, or `None` where there is no such model.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<Arc<ModelInfo>> {
        self.snapshot.read().models.get(id).cloned()
    }

    /// Every model, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<ModelInfo>> {
        self.snapshot.read().models.values().cloned().collect()
    }

    /// The price of model `id` at `now_ms` and the id of its row, or `None` where it has none.
    #[must_use]
    pub fn price_at(&self, id: &str, now_ms: i64) -> Option<(i64, Arc<PriceSheet>)> {
        let row = self.model(id)?.price_at(now_ms)?.clone();
        Some((row.id, row.sheet))
    }

    /// The prices in row `price_id`: what a hold was made with.
    #[must_use]
    pub fn sheet(&self, price_id: i64) -> Option<Arc<PriceSheet>> {
        self.snapshot.read().sheets.get(&price_id).cloned()
    }

    /// Reads the rows anew if any process changed them; whether it did.
    ///
    /// # Errors
    /// [`CatalogError::Database`] or [`CatalogError::Unreadable`]; then what was read before stays in force.
    pub async fn refresh(&self) -> Result<bool, CatalogError> {
        if stamp::read(&self.db, AREA).await? == self.snapshot.read().stamp {
            return Ok(false);
        }
        let fresh = Arc::new(Snapshot::load(&self.db).await?);
        *self.snapshot.write() = fresh;
        Ok(true)
    }

    /// Keeps the snapshot up to date: reads it when `signals` say so, and looks `every` so often; runs until it is dropped.
    pub async fn watch(self, signals: Signals, every: Duration) {
        let mut changes = stamp::Watch::new(AREA, &signals, every);
        loop {
            changes.next().await;
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the catalogue cannot be read");
            }
        }
    }
}

#[cfg(test)]
mod tests;

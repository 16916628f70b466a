//! A team's wallet: what was paid in, less what was charged.
//!
//! Invariant: entries are only ever added; the wallet's bucket changes in the same transaction, memory after it.
//! Writes `entry` and `bucket`.

use super::{Ledger, LedgerError, buckets, desk};
use entity::{bucket, entry};
use gateway_core::{
    ledger::{Kind, Series, Sums},
    money::Nano,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, Set, TransactionTrait, sea_query::Expr,
};

/// A change of a wallet other than a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose wallet.
    pub team_id: i64,
    /// `grant` or `adjustment`.
    pub kind: String,
    /// How much; negative takes away.
    pub amount: Nano,
    /// Why, for people.
    pub reason: String,
    /// Who did it; `None` for the system.
    pub actor_id: Option<i64>,
}

/// What a wallet says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// The sum of what was paid in and taken away.
    pub entries: Nano,
    /// Charged.
    pub posted: Nano,
    /// Set aside now.
    pub held: Nano,
}

impl Balance {
    /// What is left: entries less what was charged; negative if a team owes.
    #[must_use]
    pub const fn left(&self) -> Nano {
        Nano(self.entries.0.saturating_sub(self.posted.0))
    }
}

impl Ledger {
    /// Adds to a wallet, or takes away; returns the entry's id. Runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// [`LedgerError::TooLarge`] if the wallet cannot count that much, [`LedgerError::Database`] if the entry was not
    /// written.
    pub async fn grant(&self, grant: Grant) -> Result<i64, LedgerError> {
        let ledger = self.clone();
        let granted = tokio::spawn(async move { ledger.add_entry(grant).await });
        granted.await.map_err(std::io::Error::from)?
    }

    async fn add_entry(&self, grant: Grant) -> Result<i64, LedgerError> {
        let inner = &self.inner;
        let now_ms = self.now_ms();
        let wallet = Series::team(grant.team_id, Kind::Wallet);
        self.load(&[wallet], "UTC", now_ms).await?;
        let _loading = inner.loading.lock().await;
        let stored = buckets::latest(&inner.db, wallet).await?;
        let stored = stored.ok_or_else(|| LedgerError::Damaged(format!("wallet of team {}", grant.team_id)))?;
        stored.credit.checked_add(grant.amount).ok_or(LedgerError::TooLarge)?;
        let id = inner.book.next_id(now_ms);
        let amount = grant.amount;
        let row = entry::ActiveModel {
            id: Set(id),
            team_id: Set(grant.team_id),
            kind: Set(grant.kind),
            amount: Set(amount.0),
            reason: Set(grant.reason),
            actor_id: Set(grant.actor_id),
            hold_id: Set(None),
            buckets: Set(String::new()),
            created_at: Set(now_ms),
        };
        let transaction = inner.db.begin().await?;
        row.insert(&transaction).await?;
        bucket::Entity::update_many()
            .col_expr(bucket::Column::Credit, Expr::col(bucket::Column::Credit).add(amount.0))
            .filter(bucket::Column::Id.eq(stored.bucket.id))
            .exec(&transaction)
            .await?;
        if amount < Nano::ZERO {
            desk::recall_from_all(&transaction, &[stored.bucket.id]).await?;
        }
        transaction.commit().await?;
        self.note_credit(grant.team_id, stored.bucket.id, amount);
        Ok(id)
    }

    /// What was paid into a team's wallet, the bucket `wallet`, has changed by `amount`.
    pub(super) fn note_credit(&self, team_id: i64, wallet: i64, amount: Nano) {
        let inner = &self.inner;
        let series = Series::team(team_id, Kind::Wallet);
        inner.book.with_engine(|engine| engine.credit(series, amount));
        if amount < Nano::ZERO {
            // Rights from under the higher credit are worth nothing any more; every node was told with the entry.
            inner
                .book
                .give_back(|engine| engine.give_back(wallet).into_iter().collect());
        }
        inner.book.announce_room();
    }

    /// A team's wallet.
    ///
    /// # Errors
    /// [`LedgerError::Database`] if it is not in memory and cannot be read.
    pub async fn balance(&self, team_id: i64) -> Result<Balance, LedgerError> {
        self.catch_up().await;
        let wallet = Series::team(team_id, Kind::Wallet);
        let (sums, _) = self.look(wallet, "UTC", 0).await?;
        let Sums {
            posted, held, credit, ..
        } = sums;
        Ok(Balance {
            entries: credit,
            posted,
            held,
        })
    }
}

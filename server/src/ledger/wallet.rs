//! A team's wallet: what was paid in, less what was charged.
//!
//! Invariant: entries are only ever added, each once; the wallet's bucket changes in the same transaction, memory after it.
//! Writes `entry`, `journal` and `bucket`.

use super::{
    Down, Ledger, LedgerError, buckets, desk,
    links::{self, Head},
    once,
};
use async_trait::async_trait;
use entity::{bucket, entry};
use gateway_core::{
    ledger::{Kind, Series, Sums},
    money::Nano,
};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, ExprTrait, QueryFilter, SqliteTransactionMode,
    TransactionOptions, TransactionTrait, sea_query::Expr,
};
use std::time::Duration;
use tokio::sync::MutexGuard;

/// How long others that change wallets are waited for.
const LOCK_WITHIN: Duration = Duration::from_secs(10);

/// A change of a wallet other than a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose wallet.
    pub team_id: i64,
    /// `grant`, `adjustment`, `code`, `top_up`, `refund` or `dispute`.
    pub kind: String,
    /// How much; negative takes away.
    pub amount: Nano,
    /// Why, for people.
    pub reason: String,
    /// Who did it; `None` for the system.
    pub actor_id: Option<i64>,
}

/// What is written together with an entry, in one transaction.
#[async_trait]
pub trait Beside: Send + Sync {
    /// Writes it for the entry `entry_id`. `false`: it is not to be, and then nothing is written, the entry neither.
    ///
    /// # Errors
    /// The database failed; it is tried again.
    async fn write(&self, transaction: &DatabaseTransaction, entry_id: i64) -> Result<bool, DbErr>;
}

/// Nothing is written beside an entry.
struct Alone;

#[async_trait]
impl Beside for Alone {
    async fn write(&self, _: &DatabaseTransaction, _: i64) -> Result<bool, DbErr> {
        Ok(true)
    }
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
        let written = self.grant_with(grant, Alone).await?;
        written.ok_or(LedgerError::Down(Down))
    }

    /// Adds to a wallet, or takes away, together with what is written `beside`; returns the entry's id, or `None` if
    /// that was not to be. Runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// As [`Ledger::grant`]; neither is written then.
    pub async fn grant_with(&self, grant: Grant, beside: impl Beside + 'static) -> Result<Option<i64>, LedgerError> {
        let ledger = self.clone();
        once::answered(async move { ledger.add_entry(grant, &beside).await }).await
    }

    async fn add_entry(&self, grant: Grant, beside: &impl Beside) -> Result<Option<i64>, LedgerError> {
        let inner = &self.inner;
        let now_ms = self.now_ms();
        let wallet = Series::team(grant.team_id, Kind::Wallet);
        self.load(&[wallet], "UTC", now_ms).await?;
        let _loading = self.lock_wallets().await?;
        let stored = buckets::latest(&inner.db, wallet).await?;
        let stored = stored.ok_or_else(|| LedgerError::Damaged(format!("wallet of team {}", grant.team_id)))?;
        stored.credit.checked_add(grant.amount).ok_or(LedgerError::TooLarge)?;
        let (id, amount) = (inner.book.next_id(now_ms), grant.amount);
        let row = entry::Model {
            id,
            team_id: grant.team_id,
            kind: grant.kind,
            amount: amount.0,
            reason: grant.reason,
            actor_id: grant.actor_id,
            hold_id: None,
            buckets: String::new(),
            created_at: now_ms,
            batch: 0,
        };
        let attempt = || self.try_entry(&row, stored.bucket.id, beside);
        let Some(head) = self.once(id, attempt).await? else {
            return Ok(None);
        };
        inner.heads.note(head.node, head.batch, head.hash);
        self.note_credit(grant.team_id, stored.bucket.id, amount);
        Ok(Some(id))
    }

    /// Writes `row`, which changes the wallet `wallet`, with what is `beside` it, unless it is written; `None` if it is not to be.
    async fn try_entry(
        &self,
        row: &entry::Model,
        wallet: i64,
        beside: &impl Beside,
    ) -> Result<Option<Head>, LedgerError> {
        let transaction = self.inner.db.begin_with_options(immediate()).await?;
        if let Some(written) = entry::Entity::find_by_id(row.id).one(&transaction).await? {
            return links::of_entry(&transaction, &written).await.map(Some);
        }
        if !beside.write(&transaction, row.id).await? {
            transaction.rollback().await?;
            return Ok(None);
        }
        let head = links::insert_entry(&transaction, row.clone()).await?;
        bucket::Entity::update_many()
            .col_expr(
                bucket::Column::Credit,
                Expr::col(bucket::Column::Credit).add(row.amount),
            )
            .filter(bucket::Column::Id.eq(wallet))
            .exec(&transaction)
            .await?;
        if row.amount < 0 {
            desk::recall_from_all(&transaction, &[wallet]).await?;
        }
        transaction.commit().await?;
        Ok(Some(head))
    }

    /// Has others that load buckets or change wallets wait; gives up where they take too long.
    pub(super) async fn lock_wallets(&self) -> Result<MutexGuard<'_, ()>, LedgerError> {
        let locked = tokio::time::timeout(LOCK_WITHIN, self.inner.loading.lock()).await;
        locked.map_err(|_| LedgerError::Down(Down))
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

/// A transaction that writes from the beginning: SQLite cannot turn a reader into a writer beside another writer.
pub(super) fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

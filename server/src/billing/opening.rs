//! Prepaid switched on: what teams had spent beyond their wallets while it was off is evened out once, so that it stops nobody.
//!
//! Invariant: while the setting `prepaid_since` stands, nothing is evened out again; it stands only after every wallet was looked
//! at, and goes with the first start without prepaid, which notes in `prepaid_until` what wallets lack then. That, and what refunds
//! and disputes take later, a wallet goes on lacking until it is paid in. Reads `bucket` and `entry`; writes the settings, and
//! through the ledger.

use super::{Billing, BillingError};
use crate::ledger::{Beside, Grant, Kind};
use async_trait::async_trait;
use entity::{bucket, entry, setting};
use gateway_core::money::Nano;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect,
    TransactionTrait,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The setting that says since when teams pay in advance, in Unix milliseconds.
const SINCE: &str = "prepaid_since";
/// What it says after an upgrade, where teams seem to have paid in advance before it was kept.
const BEFORE: &str = "0";
/// The setting that says what there was when teams last ceased to pay in advance.
const UNTIL: &str = "prepaid_until";
/// What the entries of the opening are called.
const KIND: &str = "adjustment";
const REASON: &str = "Prepaid was switched on: what was spent before counts as paid";
/// How often a wallet is looked at again that others change meanwhile.
const TRIES: usize = 20;
/// Entries that take away what was paid in.
const REVERSALS: [&str; 2] = ["refund", "dispute"];

/// What there was when teams last ceased to pay in advance; the beginning where they never had.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Until {
    /// Unix milliseconds.
    at_ms: i64,
    /// Nano-USD below nothing, by team.
    owed: BTreeMap<i64, i64>,
}

impl Billing {
    /// Follows the operator's choice whether teams pay in advance: once it is new that they do, wallets below nothing are
    /// evened out, one entry each. To be called at each start, before anything is admitted. How many were.
    ///
    /// # Errors
    /// [`BillingError::Database`], [`BillingError::Ledger`], [`BillingError::Busy`]; the next start goes on with the rest.
    pub async fn follow_prepaid(&self, is_prepaid: bool, now_ms: i64) -> Result<u64, BillingError> {
        let db = &self.0.db;
        let since = setting::Entity::find_by_id(SINCE).one(db).await?.map(|row| row.value);
        match since.as_deref() {
            None if is_prepaid => self.even_all(now_ms).await,
            Some(BEFORE) if is_prepaid => {
                for wallet in below_nothing(db).await? {
                    let owed = Nano(lacks(&wallet)).render();
                    tracing::warn!(
                        wallet.team_id,
                        owed,
                        "a wallet was below nothing before the upgrade, and stays so"
                    );
                }
                keep(db, SINCE, now_ms.to_string()).await?;
                Ok(0)
            }
            Some(since) if !is_prepaid => {
                self.cease(since, now_ms).await?;
                Ok(0)
            }
            _ => Ok(0),
        }
    }

    /// Notes what wallets lack when teams cease to pay in advance, as they did `since`. Of several processes one does.
    async fn cease(&self, since: &str, now_ms: i64) -> Result<(), BillingError> {
        let transaction = self.0.db.begin().await?;
        let gone = setting::Entity::delete_many()
            .filter(setting::Column::Name.eq(SINCE))
            .filter(setting::Column::Value.eq(since))
            .exec(&transaction)
            .await?;
        if gone.rows_affected == 1 && since != BEFORE {
            let wallets = below_nothing(&transaction).await?;
            let until = Until {
                at_ms: now_ms,
                owed: wallets.iter().map(|wallet| (wallet.team_id, lacks(wallet))).collect(),
            };
            let text = serde_json::to_string(&until).map_err(|error| DbErr::Custom(error.to_string()))?;
            keep(&transaction, UNTIL, text).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Evens out every wallet below nothing, and notes that this is done.
    async fn even_all(&self, now_ms: i64) -> Result<u64, BillingError> {
        let db = &self.0.db;
        let until = setting::Entity::find_by_id(UNTIL).one(db).await?;
        let until = until.map_or_else(|| Ok(Until::default()), |row| serde_json::from_str(&row.value));
        let until = until.map_err(|error| DbErr::Custom(format!("the setting {UNTIL}: {error}")))?;
        let mut count = 0;
        for wallet in below_nothing(db).await? {
            count += u64::from(self.even_out(wallet.id, &until).await?);
        }
        keep(db, SINCE, now_ms.to_string()).await?;
        tracing::info!(
            count,
            "teams pay in advance from now on; wallets below nothing were evened out"
        );
        Ok(count)
    }

    /// Evens out what was spent beyond the wallet `id` since `until`; whether that was needed.
    async fn even_out(&self, id: i64, until: &Until) -> Result<bool, BillingError> {
        for _ in 0..TRIES {
            let Some(wallet) = bucket::Entity::find_by_id(id).one(&self.0.db).await? else {
                return Ok(false);
            };
            let since = |which: Condition| which.add(entry::Column::CreatedAt.gte(until.at_ms));
            let is_reversal = Condition::all().add(entry::Column::Kind.is_in(REVERSALS));
            let is_paid = Condition::all()
                .add(entry::Column::Kind.is_not_in(REVERSALS))
                .add(entry::Column::Reason.ne(REASON));
            let reversed = self.entered(wallet.team_id, since(is_reversal)).await?;
            let paid = self.entered(wallet.team_id, since(is_paid)).await?;
            // What was owed then is what was paid first since.
            let owed = until.owed.get(&wallet.team_id).copied().unwrap_or_default();
            let owed = std::cmp::max(owed.saturating_sub(std::cmp::max(paid, 0)), 0);
            let lacking = lacks(&wallet).saturating_sub(owed).saturating_add(reversed);
            if lacking <= 0 {
                return Ok(false);
            }
            let grant = Grant {
                team_id: wallet.team_id,
                kind: KIND.to_owned(),
                amount: Nano(lacking),
                reason: REASON.to_owned(),
                actor_id: None,
            };
            let seen = Seen {
                wallet: id,
                credit: wallet.credit,
            };
            let written = self.0.ledger.grant_with(grant, seen).await;
            if written.map_err(BillingError::Ledger)?.is_some() {
                let amount = Nano(lacking).render();
                tracing::info!(wallet.team_id, amount, "a wallet below nothing was evened out");
                return Ok(true);
            }
        }
        Err(BillingError::Busy)
    }

    /// The sum of the entries of a team that are `such`.
    async fn entered(&self, team_id: i64, such: Condition) -> Result<i64, DbErr> {
        let sum: Option<Option<i64>> = entry::Entity::find()
            .select_only()
            .expr(Expr::col(entry::Column::Amount).sum().cast_as("BIGINT"))
            .filter(entry::Column::TeamId.eq(team_id))
            .filter(such)
            .into_tuple()
            .one(&self.0.db)
            .await?;
        Ok(sum.flatten().unwrap_or_default())
    }
}

/// What a wallet lacks.
const fn lacks(wallet: &bucket::Model) -> i64 {
    wallet.posted.saturating_sub(wallet.credit)
}

/// The wallets of which more was spent than was paid in.
async fn below_nothing(db: &impl ConnectionTrait) -> Result<Vec<bucket::Model>, DbErr> {
    bucket::Entity::find()
        .filter(bucket::Column::Kind.eq(Kind::Wallet.name()))
        .filter(Expr::col(bucket::Column::Posted).gt(Expr::col(bucket::Column::Credit)))
        .all(db)
        .await
}

/// Sets the setting `name`.
async fn keep(db: &impl ConnectionTrait, name: &str, value: String) -> Result<(), DbErr> {
    let row = setting::ActiveModel {
        name: Set(name.to_owned()),
        value: Set(value),
    };
    let newest = OnConflict::column(setting::Column::Name)
        .update_column(setting::Column::Value)
        .to_owned();
    setting::Entity::insert(row)
        .on_conflict(newest)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// What a wallet was paid in when it was looked at: an entry that others add meanwhile, another process that does the same among
/// them, makes it another one.
struct Seen {
    wallet: i64,
    credit: i64,
}

#[async_trait]
impl Beside for Seen {
    async fn write(&self, transaction: &DatabaseTransaction, _: i64) -> Result<bool, DbErr> {
        let same = bucket::Entity::update_many()
            .col_expr(bucket::Column::Credit, Expr::col(bucket::Column::Credit))
            .filter(bucket::Column::Id.eq(self.wallet))
            .filter(bucket::Column::Credit.eq(self.credit))
            .exec(transaction)
            .await?;
        Ok(same.rows_affected == 1)
    }
}

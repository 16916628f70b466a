//! Prepaid switched on: what teams had spent beyond their wallets while it was off is evened out once, so that it stops nobody.
//!
//! Invariant: while the setting `prepaid_since` stands, nothing is evened out again; it stands only after every wallet was looked
//! at, and goes with the first start without prepaid. What a wallet lacks because of refunds and disputes it goes on lacking.
//! Reads `bucket` and `entry`; writes the setting, and through the ledger.

use super::{Billing, BillingError};
use crate::ledger::{Beside, Grant, Kind};
use async_trait::async_trait;
use entity::{bucket, entry, setting};
use gateway_core::money::Nano;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};

/// The setting that says since when teams pay in advance, in Unix milliseconds.
const SETTING: &str = "prepaid_since";
/// What the entries of the opening are called.
const KIND: &str = "adjustment";
const REASON: &str = "Prepaid was switched on: what was spent before counts as paid";
/// How often a wallet is looked at again that others change meanwhile.
const TRIES: usize = 20;
/// Entries that take away what was paid in.
const REVERSALS: [&str; 2] = ["refund", "dispute"];

impl Billing {
    /// Follows the operator's choice whether teams pay in advance: once it is new that they do, wallets below nothing are
    /// evened out, one entry each. To be called at each start, before anything is admitted. How many were.
    ///
    /// # Errors
    /// [`BillingError::Database`], [`BillingError::Ledger`], [`BillingError::Busy`]; the next start goes on with the rest.
    pub async fn follow_prepaid(&self, is_prepaid: bool, now_ms: i64) -> Result<u64, BillingError> {
        let db = &self.0.db;
        if !is_prepaid {
            setting::Entity::delete_by_id(SETTING).exec(db).await?;
            return Ok(0);
        }
        if setting::Entity::find_by_id(SETTING).one(db).await?.is_some() {
            return Ok(0);
        }
        let wallets: Vec<i64> = bucket::Entity::find()
            .select_only()
            .column(bucket::Column::Id)
            .filter(bucket::Column::Kind.eq(Kind::Wallet.name()))
            .filter(Expr::col(bucket::Column::Posted).gt(Expr::col(bucket::Column::Credit)))
            .into_tuple()
            .all(db)
            .await?;
        let mut count = 0;
        for wallet in wallets {
            count += u64::from(self.even_out(wallet).await?);
        }
        let since = setting::ActiveModel {
            name: Set(SETTING.to_owned()),
            value: Set(now_ms.to_string()),
        };
        let once = OnConflict::column(setting::Column::Name).do_nothing().to_owned();
        setting::Entity::insert(since)
            .on_conflict(once)
            .exec_without_returning(db)
            .await?;
        tracing::info!(
            count,
            "teams pay in advance from now on; wallets below nothing were evened out"
        );
        Ok(count)
    }

    /// Evens out what was spent beyond the wallet `id`; whether that was needed.
    async fn even_out(&self, id: i64) -> Result<bool, BillingError> {
        for _ in 0..TRIES {
            let Some(wallet) = bucket::Entity::find_by_id(id).one(&self.0.db).await? else {
                return Ok(false);
            };
            let reversed: Option<i64> = entry::Entity::find()
                .select_only()
                .expr(Expr::col(entry::Column::Amount).sum().cast_as("BIGINT"))
                .filter(entry::Column::TeamId.eq(wallet.team_id))
                .filter(entry::Column::Kind.is_in(REVERSALS))
                .into_tuple()
                .one(&self.0.db)
                .await?
                .flatten();
            let paid_in = wallet.credit.saturating_sub(reversed.unwrap_or_default());
            let lacking = wallet.posted.saturating_sub(paid_in);
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
                return Ok(true);
            }
        }
        Err(BillingError::Busy)
    }
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

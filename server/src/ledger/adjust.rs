//! Corrections of what a hold was charged: an entry that names the hold, for the wallet, and the same amount off what the
//! caps of the hold's path have counted.
//!
//! Invariant: a hold stays as it was posted; its charge less its corrections is never below zero nor above what was set aside
//! or posted. The entry and the sums it changes are written in one transaction, and a correction that was just made is not
//! made again. Roll-ups stay what was posted. Reads `hold`; writes `entry`, `journal` and `bucket`.

use super::{
    Ledger, LedgerError,
    batch::State,
    desk,
    links::{self, Head},
    once::{self, Attempt},
    recover::path,
    wallet::immediate,
};
use crate::clock;
use entity::{bucket, entry, hold};
use gateway_core::{ledger::Kind, money::Nano};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait,
    sea_query::{Expr, ExprTrait},
};

/// What corrections are called in the ledger.
const KIND: &str = "adjustment";

/// A correction of what a hold was charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Whose hold.
    pub team_id: i64,
    /// Which.
    pub hold_id: i64,
    /// Signed as in the wallet: positive gives back, negative charges more.
    pub amount: Nano,
    /// What the hold costs as far as the caller knows; another figure refuses.
    pub seen: Option<Nano>,
    /// Why, for people.
    pub reason: String,
    /// Who did it; `None` for the system.
    pub actor_id: Option<i64>,
}

/// A correction that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjusted {
    /// The entry.
    pub entry_id: i64,
    /// When it was made, Unix milliseconds.
    pub at_ms: i64,
    /// What the hold costs with it.
    pub charge: Nano,
    /// Whether it had been made before this call.
    pub is_repeat: bool,
}

/// Why a correction was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdjustError {
    /// The team has no such hold.
    #[error("no such charge")]
    NotFound,
    /// The hold is open still, or ended without a charge, or its team pays the provider itself.
    #[error("nothing was charged")]
    Uncharged,
    /// Somebody else corrected it meanwhile.
    #[error("the charge is {} by now", .0.render())]
    Changed(Nano),
    /// The charge would be below zero or above what it may be at most.
    #[error("a charge of {} can become anything up to {}", charge.render(), most.render())]
    Beyond {
        /// What it is.
        charge: Nano,
        /// What it may become at most.
        most: Nano,
    },
    /// The ledger cannot.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<DbErr> for AdjustError {
    fn from(error: DbErr) -> Self {
        Self::Ledger(error.into())
    }
}

impl Attempt for AdjustError {
    fn is_final(&self) -> bool {
        match self {
            Self::Ledger(error) => error.is_final(),
            _ => true,
        }
    }
}

/// What a transaction came to.
enum Written {
    New(Adjusted, Box<Path>, Head),
    Repeat(Adjusted),
}

impl Ledger {
    /// Corrects a charge: the wallet by an entry, the caps of the hold's path by what they have counted. Asked for twice in a
    /// row with the same amount and reason, it is made once. Runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// [`AdjustError`]; nothing has changed then.
    pub async fn adjust(&self, adjustment: Adjustment) -> Result<Adjusted, AdjustError> {
        let ledger = self.clone();
        once::answered(async move { ledger.write_adjustment(adjustment).await }).await
    }

    async fn write_adjustment(&self, adjustment: Adjustment) -> Result<Adjusted, AdjustError> {
        let inner = &self.inner;
        let _loading = self.lock_wallets().await?;
        let now_ms = clock::now_ms();
        let entry_id = inner.book.next_id(now_ms);
        let attempt = || try_write(&inner.db, &adjustment, entry_id, now_ms);
        let (adjusted, path, head) = match self.once(entry_id, attempt).await? {
            Written::New(adjusted, path, head) => (adjusted, path, head),
            Written::Repeat(adjusted) => return Ok(adjusted),
        };
        inner.heads.note(head.node, head.batch, head.hash);
        inner.book.with_engine(|engine| {
            for bucket in &path.caps {
                engine.adjust(*bucket, adjustment.amount);
            }
        });
        self.note_credit(adjustment.team_id, path.wallet.id, adjustment.amount);
        Ok(adjusted)
    }
}

async fn try_write(
    db: &DatabaseConnection,
    adjustment: &Adjustment,
    entry_id: i64,
    now_ms: i64,
) -> Result<Written, AdjustError> {
    let transaction = db.begin_with_options(immediate()).await?;
    let written = write(&transaction, adjustment, entry_id, now_ms).await?;
    transaction.commit().await?;
    Ok(written)
}

async fn write(
    transaction: &DatabaseTransaction,
    adjustment: &Adjustment,
    entry_id: i64,
    now_ms: i64,
) -> Result<Written, AdjustError> {
    let Adjustment {
        team_id,
        hold_id,
        amount,
        ..
    } = *adjustment;
    let hold = hold::Entity::find_by_id(hold_id)
        .filter(hold::Column::TeamId.eq(team_id))
        .lock_exclusive()
        .one(transaction)
        .await?
        .ok_or(AdjustError::NotFound)?;
    let is_charged = hold.state == State::Posted.code() || hold.state == State::Estimated.code();
    if !is_charged || hold.is_own {
        return Err(AdjustError::Uncharged);
    }
    let earlier = entry::Entity::find()
        .filter(entry::Column::TeamId.eq(team_id))
        .filter(entry::Column::HoldId.eq(hold_id))
        .order_by_asc(entry::Column::Id)
        .all(transaction)
        .await?;
    let charge = Nano(hold.posted - earlier.iter().map(|entry| entry.amount).sum::<i64>());
    if let Some(mine) = earlier.iter().find(|entry| entry.id == entry_id) {
        // An attempt of which the answer was lost.
        let adjusted = Adjusted {
            entry_id,
            at_ms: mine.created_at,
            charge,
            is_repeat: false,
        };
        let head = links::of_entry(transaction, mine).await?;
        return Ok(Written::New(
            adjusted,
            Box::new(path_of(transaction, &hold).await?),
            head,
        ));
    }
    if let Some(newest) = earlier.last()
        && newest.amount == amount.0
        && newest.reason == adjustment.reason
    {
        return Ok(Written::Repeat(Adjusted {
            entry_id: newest.id,
            at_ms: newest.created_at,
            charge,
            is_repeat: true,
        }));
    }
    let adjusted = Adjusted {
        entry_id,
        at_ms: now_ms,
        charge: new_charge(&hold, charge, adjustment)?,
        is_repeat: false,
    };
    let path = path_of(transaction, &hold).await?;
    Nano(path.wallet.credit)
        .checked_add(amount)
        .ok_or(LedgerError::TooLarge)?;
    let head = links::insert_entry(transaction, row(adjustment, &adjusted, &path.caps)).await?;
    let mut buckets = path.caps.clone();
    buckets.push(path.wallet.id);
    buckets.sort_unstable();
    for bucket in buckets.iter().copied() {
        let changed = if bucket == path.wallet.id {
            bucket::Entity::update_many()
                .col_expr(bucket::Column::Credit, Expr::col(bucket::Column::Credit).add(amount.0))
        } else {
            bucket::Entity::update_many()
                .col_expr(bucket::Column::Posted, Expr::col(bucket::Column::Posted).sub(amount.0))
        };
        let changed = changed.filter(bucket::Column::Id.eq(bucket)).exec(transaction).await?;
        if changed.rows_affected != 1 {
            return Err(LedgerError::Damaged(format!("bucket {bucket}")).into());
        }
    }
    if amount < Nano::ZERO {
        desk::recall_from_all(transaction, &buckets).await?;
    }
    Ok(Written::New(adjusted, Box::new(path), head))
}

/// What the hold costs once it is corrected.
fn new_charge(hold: &hold::Model, charge: Nano, adjustment: &Adjustment) -> Result<Nano, AdjustError> {
    if adjustment.seen.is_some_and(|seen| seen != charge) {
        return Err(AdjustError::Changed(charge));
    }
    let most = Nano(std::cmp::max(hold.held, hold.posted));
    charge
        .checked_sub(adjustment.amount)
        .filter(|new| (Nano::ZERO..=most).contains(new))
        .ok_or(AdjustError::Beyond { charge, most })
}

/// The buckets of a hold.
struct Path {
    wallet: bucket::Model,
    /// Those that count against caps: all but the wallet, in ascending order, as every writer locks them.
    caps: Vec<i64>,
}

async fn path_of(transaction: &DatabaseTransaction, hold: &hold::Model) -> Result<Path, LedgerError> {
    let damaged = || LedgerError::Damaged(format!("hold {}", hold.id));
    let (ids, _) = path(hold)?;
    let rows = bucket::Entity::find()
        .filter(bucket::Column::Id.is_in(ids.iter().copied()))
        .all(transaction)
        .await?;
    if rows.len() != ids.len() {
        return Err(damaged());
    }
    let (wallets, caps): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.kind == Kind::Wallet.name());
    let wallet = wallets.into_iter().next().ok_or_else(damaged)?;
    let mut caps: Vec<i64> = caps.into_iter().map(|row| row.id).collect();
    caps.sort_unstable();
    Ok(Path { wallet, caps })
}

fn row(adjustment: &Adjustment, adjusted: &Adjusted, buckets: &[i64]) -> entry::Model {
    let buckets: Vec<String> = buckets.iter().map(i64::to_string).collect();
    entry::Model {
        id: adjusted.entry_id,
        team_id: adjustment.team_id,
        kind: KIND.to_owned(),
        amount: adjustment.amount.0,
        reason: adjustment.reason.clone(),
        actor_id: adjustment.actor_id,
        hold_id: Some(adjustment.hold_id),
        buckets: buckets.join(","),
        created_at: adjusted.at_ms,
        batch: 0,
    }
}

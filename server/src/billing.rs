//! A team's wallet as its members see it: the balance, and every line that led to it.
//!
//! Invariant: the balance is the sum of the lines; a grant is made by a platform admin and is in the audit log of whoever
//! calls. Reads `entry`; writes through the ledger.

use crate::{
    ledger::{Balance, Grant, Ledger, LedgerError},
    metering::{self, Charged},
    teams::TeamScope,
};
use entity::entry::{Column, Entity, Model};
use gateway_core::money::Nano;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// The most characters of a reason.
const REASON_MAX: usize = 200;

/// Why something about money is refused.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// The amount is nothing, or more than a wallet can count.
    #[error("the amount is nothing or too large")]
    Amount,
    /// No reason, or one that is too long.
    #[error("a reason has 1 to {REASON_MAX} characters")]
    Reason,
    /// The ledger cannot.
    #[error(transparent)]
    Ledger(LedgerError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// One line of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The entry or hold: what lines are ordered by.
    pub line_id: i64,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// Signed: charges are negative.
    pub amount: Nano,
    /// What it is.
    pub what: What,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A request was charged.
    Charge {
        /// The request.
        request_id: i64,
        /// The name asked for.
        model: String,
    },
    /// Somebody gave or took, or corrected.
    Entry {
        /// `grant` or `adjustment`.
        kind: String,
        /// Why, for people.
        reason: String,
        /// The user who did it; none for the system.
        actor_id: Option<i64>,
    },
}

/// The wallet of the team of `scope`.
///
/// # Errors
/// [`BillingError::Ledger`].
pub async fn balance(ledger: &Ledger, scope: &TeamScope) -> Result<Balance, BillingError> {
    ledger.balance(scope.team_id()).await.map_err(BillingError::Ledger)
}

/// Up to `limit` lines of the wallet with ids below `before`, newest first.
///
/// # Errors
/// [`BillingError::Database`].
pub async fn lines(
    db: &DatabaseConnection,
    scope: &TeamScope,
    before: i64,
    limit: u64,
    now_ms: i64,
) -> Result<Vec<Line>, BillingError> {
    let entries = Entity::find()
        .filter(Column::TeamId.eq(scope.team_id()))
        .filter(Column::Id.lt(before))
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    let charges = metering::charges(db, scope, before, limit, now_ms).await?;
    let mut lines: Vec<Line> = entries
        .into_iter()
        .map(Line::from)
        .chain(charges.into_iter().map(Line::from))
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.line_id));
    lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(lines)
}

/// Gives the team of `scope` an amount, or takes a negative one away; the caller has checked that a platform admin asks.
///
/// # Errors
/// [`BillingError`].
pub async fn grant(
    ledger: &Ledger,
    scope: &TeamScope,
    amount: Nano,
    reason: &str,
    now_ms: i64,
) -> Result<Line, BillingError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX {
        return Err(BillingError::Reason);
    }
    if amount == Nano::ZERO {
        return Err(BillingError::Amount);
    }
    let grant = Grant {
        team_id: scope.team_id(),
        kind: "grant".to_owned(),
        amount,
        reason: reason.to_owned(),
        actor_id: Some(scope.user_id()),
        hold_id: None,
    };
    let line_id = ledger.grant(grant).await.map_err(|error| match error {
        LedgerError::TooLarge => BillingError::Amount,
        other => BillingError::Ledger(other),
    })?;
    Ok(Line {
        line_id,
        at_ms: now_ms,
        amount,
        what: What::Entry {
            kind: "grant".to_owned(),
            reason: reason.to_owned(),
            actor_id: Some(scope.user_id()),
        },
    })
}

impl From<Model> for Line {
    fn from(row: Model) -> Self {
        Self {
            line_id: row.id,
            at_ms: row.created_at,
            amount: Nano(row.amount),
            what: What::Entry {
                kind: row.kind,
                reason: row.reason,
                actor_id: row.actor_id,
            },
        }
    }
}

impl From<Charged> for Line {
    fn from(charged: Charged) -> Self {
        Self {
            line_id: charged.hold_id,
            at_ms: charged.at_ms,
            amount: Nano(charged.amount.0.saturating_neg()),
            what: What::Charge {
                request_id: charged.request_id,
                model: charged.model,
            },
        }
    }
}

//! Alerts: what an operator must see, counted instead of repeated.
//!
//! Invariant: at most one open alert per kind and subject (a partial unique index says so). Reads and writes the table `alert`.

use crate::clock;
pub use entity::alert::Model as Alert;
use entity::alert::{ActiveModel, Column, Entity};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request named a model without a price.
    PriceUnknown,
    /// A request cost more than was held for it.
    Overrun,
    /// An upstream account is out of service until a probe works.
    AccountParked,
    /// An account cannot be used as configured: its address, proxy or secret.
    AccountUnusable,
    /// The ledger cannot write.
    LedgerDown,
    /// The mail server takes no mail.
    MailFailing,
    /// A payment at Stripe is not the one that was begun.
    PaymentMismatch,
    /// The wallets and Stripe's books differ, or could not be compared.
    Unreconciled,
}

impl Kind {
    /// Its name in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PriceUnknown => "price_unknown",
            Self::Overrun => "overrun",
            Self::AccountParked => "account_parked",
            Self::AccountUnusable => "account_unusable",
            Self::LedgerDown => "ledger_down",
            Self::MailFailing => "mail_failing",
            Self::PaymentMismatch => "payment_mismatch",
            Self::Unreconciled => "unreconciled",
        }
    }
}

/// Opens an alert about `subject`, or counts the open one up and gives it the newer `message`.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn raise<C: ConnectionTrait>(db: &C, kind: Kind, subject: &str, message: &str) -> Result<(), DbErr> {
    let now = clock::now_ms();
    let row = ActiveModel {
        id: Set(clock::new_id()),
        kind: Set(kind.as_str().to_owned()),
        subject: Set(subject.to_owned()),
        message: Set(message.to_owned()),
        first_at: Set(now),
        last_at: Set(now),
        count: Set(1),
        resolved_at: Set(None),
    };
    let mut open = OnConflict::columns([Column::Kind, Column::Subject]);
    open.target_and_where(Expr::col(Column::ResolvedAt).is_null())
        .update_columns([Column::Message, Column::LastAt])
        .value(Column::Count, Expr::col((Entity, Column::Count)).add(1));
    Entity::insert(row).on_conflict(open).exec_without_returning(db).await?;
    Ok(())
}

/// Closes the open alert of `kind` about `subject`, if there is one.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn resolve<C: ConnectionTrait>(db: &C, kind: Kind, subject: &str) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::ResolvedAt, Expr::value(clock::now_ms()))
        .filter(Column::Kind.eq(kind.as_str()))
        .filter(Column::Subject.eq(subject))
        .filter(Column::ResolvedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// Closes the open alert `id`, whatever its cause does; what it was, or `None` where no such alert is open.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn dismiss<C: ConnectionTrait>(db: &C, id: i64) -> Result<Option<Alert>, DbErr> {
    let Some(row) = Entity::find_by_id(id)
        .filter(Column::ResolvedAt.is_null())
        .one(db)
        .await?
    else {
        return Ok(None);
    };
    let closed = Entity::update_many()
        .col_expr(Column::ResolvedAt, Expr::value(clock::now_ms()))
        .filter(Column::Id.eq(id))
        .filter(Column::ResolvedAt.is_null())
        .exec(db)
        .await?;
    Ok((closed.rows_affected == 1).then_some(row))
}

/// How many alerts are open.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn count_open<C: ConnectionTrait>(db: &C) -> Result<u64, DbErr> {
    Entity::find().filter(Column::ResolvedAt.is_null()).count(db).await
}

/// The open alerts, the latest first.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn list_open<C: ConnectionTrait>(db: &C) -> Result<Vec<Alert>, DbErr> {
    Entity::find()
        .filter(Column::ResolvedAt.is_null())
        .order_by_desc(Column::LastAt)
        .order_by_desc(Column::Id)
        .all(db)
        .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::temp_db::TempDb;

    #[tokio::test]
    async fn the_same_trouble_is_counted_and_reopens_after_it_was_resolved() {
        let db = TempDb::open().await;
        raise(&*db, Kind::Overrun, "gpt", "first").await.unwrap();
        raise(&*db, Kind::Overrun, "gpt", "second").await.unwrap();
        raise(&*db, Kind::Overrun, "other", "else").await.unwrap();
        let open = list_open(&*db).await.unwrap();
        let gpt = open.iter().find(|alert| alert.subject == "gpt").unwrap();
        assert_eq!((open.len(), gpt.count, gpt.message.as_str()), (2, 2, "second"));
        resolve(&*db, Kind::Overrun, "gpt").await.unwrap();
        assert_eq!(list_open(&*db).await.unwrap().len(), 1);
        raise(&*db, Kind::Overrun, "gpt", "third").await.unwrap();
        let open = list_open(&*db).await.unwrap();
        let gpt = open.iter().find(|alert| alert.subject == "gpt").unwrap();
        assert_eq!((gpt.count, gpt.message.as_str()), (1, "third"));
    }
}

//! Old requests: their rows are deleted, what they counted is carried.
//!
//! Invariant: rows go in the transaction that adds their sums to `carried`, so that the books can be proved at any moment: a
//! bucket is what is carried for it and its holds. Only closed holds go, the oldest first, none between two that stay.
//! Roll-ups and entries stay for good. What is hashed of their groups stays, so that the chains
//! still prove what is left. Reads `hold`; writes `hold`, `journal`, `carried` and the setting `retention`.

use super::{LedgerError, batch::State, links, recover::path};
use entity::{carried, hold, setting};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    TransactionTrait,
    sea_query::{Alias, Expr, ExprTrait, OnConflict},
};
use std::collections::BTreeMap;

/// The setting that says how far deletion has come.
const SETTING: &str = "retention";
/// Holds deleted in one transaction: few, so that the journal hardly waits.
const PAGE: u64 = 500;

/// How far deletion has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Every hold below this id is gone.
    pub below: i64,
    /// The latest beginning of a hold that is gone, Unix milliseconds: hours up to this one may lack rows.
    pub began_ms: Option<i64>,
}

impl Mark {
    fn render(self) -> String {
        let began = self.began_ms.map(|at| at.to_string()).unwrap_or_default();
        format!("{}.{began}", self.below)
    }

    fn parse(text: &str) -> Option<Self> {
        let (below, began) = text.split_once('.')?;
        let began_ms = match began {
            "" => None,
            at => Some(at.parse().ok()?),
        };
        Some(Self {
            below: below.parse().ok()?,
            began_ms,
        })
    }

    /// The mark in `db`.
    pub async fn read(db: &impl ConnectionTrait) -> Result<Self, LedgerError> {
        let Some(row) = setting::Entity::find_by_id(SETTING).one(db).await? else {
            return Ok(Self::default());
        };
        Self::parse(&row.value).ok_or_else(|| LedgerError::Damaged(format!("setting {SETTING}")))
    }
}

/// Deletes some of the oldest holds below the id `before`; how many, 0 when none is left to delete. An open hold keeps itself
/// and all that came after it.
///
/// # Errors
/// [`LedgerError`]; nothing was deleted then.
pub async fn prune(db: &DatabaseConnection, before: i64) -> Result<u64, LedgerError> {
    // What is closed never changes, so it is read before the transaction, which begins with a write: SQLite cannot turn a
    // reader into a writer beside another writer.
    let old = Mark::read(db).await?;
    let mut page = hold::Entity::find()
        .filter(hold::Column::Id.gte(old.below))
        .filter(hold::Column::Id.lt(before))
        .order_by_asc(hold::Column::Id)
        .limit(PAGE)
        .all(db)
        .await?;
    let closed = page.iter().take_while(|hold| hold.state != State::Held.code()).count();
    page.truncate(closed);
    let Some(last) = page.last() else { return Ok(0) };
    let new = Mark {
        below: last.id + 1,
        began_ms: page.iter().map(|hold| hold.started_at).chain(old.began_ms).max(),
    };
    let sums = sums(&page)?;
    let transaction = db.begin().await?;
    if !move_mark(&transaction, old, new).await? {
        transaction.rollback().await?;
        return Ok(0);
    }
    carry(&transaction, &sums).await?;
    let gone = hold::Entity::delete_many()
        .filter(hold::Column::Id.gte(old.below))
        .filter(hold::Column::Id.lt(new.below))
        .exec(&transaction)
        .await?;
    if gone.rows_affected != page.len() as u64 {
        transaction.rollback().await?;
        return Err(LedgerError::Damaged("hold".to_owned()));
    }
    links::forget_contents(&transaction, &groups(&page), new.below).await?;
    transaction.commit().await?;
    Ok(gone.rows_affected)
}

/// The groups that ended the holds of `page`, by node.
fn groups(page: &[hold::Model]) -> BTreeMap<i64, Vec<i64>> {
    let mut groups: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for hold in page {
        groups.entry(hold.node_id).or_default().push(hold.batch);
    }
    for batches in groups.values_mut() {
        batches.sort_unstable();
        batches.dedup();
    }
    groups
}

/// Posted and overrun of `page` by bucket.
fn sums(page: &[hold::Model]) -> Result<BTreeMap<i64, (i64, i64)>, LedgerError> {
    let mut sums: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for hold in page {
        let damaged = || LedgerError::Damaged(format!("hold {}", hold.id));
        for bucket in path(hold)?.0 {
            let (posted, overrun) = sums.entry(bucket).or_default();
            *posted = posted.checked_add(hold.posted).ok_or_else(damaged)?;
            *overrun = overrun.checked_add(hold.overrun).ok_or_else(damaged)?;
        }
    }
    Ok(sums)
}

/// Whether the mark was `old` and is `new` now: of two that delete at once one does.
async fn move_mark(db: &impl ConnectionTrait, old: Mark, new: Mark) -> Result<bool, DbErr> {
    let first = setting::ActiveModel {
        name: Set(SETTING.to_owned()),
        value: Set(Mark::default().render()),
    };
    setting::Entity::insert(first)
        .on_conflict(OnConflict::column(setting::Column::Name).do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    let moved = setting::Entity::update_many()
        .col_expr(setting::Column::Value, Expr::value(new.render()))
        .filter(setting::Column::Name.eq(SETTING))
        .filter(setting::Column::Value.eq(old.render()))
        .exec(db)
        .await?;
    Ok(moved.rows_affected == 1)
}

async fn carry(db: &impl ConnectionTrait, sums: &BTreeMap<i64, (i64, i64)>) -> Result<(), DbErr> {
    let row = |(bucket_id, (posted, overrun)): (&i64, &(i64, i64))| carried::ActiveModel {
        bucket_id: Set(*bucket_id),
        posted: Set(*posted),
        overrun: Set(*overrun),
    };
    let rows: Vec<_> = sums.iter().map(row).collect();
    for rows in rows.chunks(500) {
        let mut known = OnConflict::column(carried::Column::BucketId);
        for column in [carried::Column::Posted, carried::Column::Overrun] {
            let excluded = Expr::col((Alias::new("excluded"), column));
            known.value(column, Expr::col((carried::Entity, column)).add(excluded));
        }
        carried::Entity::insert_many(rows.iter().cloned())
            .on_conflict(known)
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_as_it_was_written() {
        for mark in [
            Mark::default(),
            Mark {
                below: 7,
                began_ms: Some(-3),
            },
        ] {
            assert_eq!(Mark::parse(&mark.render()), Some(mark));
        }
        for damaged in ["", "7", "x.", "7.x"] {
            assert_eq!(Mark::parse(damaged), None, "{damaged}");
        }
    }
}

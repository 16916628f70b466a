//! What a start does first: it takes the journal over and ends what the last process left open.
//!
//! Invariant: from the take-over on no other process writes holds; every open hold is posted whole, flagged; the search
//! begins at the low-water mark, not at the beginning of time. Reads `hold`, `bucket`; writes the setting `ledger`.

use super::{
    Closing, Down, LedgerError, Outcome,
    batch::{Closed, Op, Opened, State},
    book::Book,
    load::stored,
    store::{Marker, SETTING},
};
use entity::{bucket, entry, hold, setting};
use gateway_core::{
    ledger::{Bucket, Posted},
    money::Nano,
};
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Holds recovered at a time.
const PAGE: u64 = 2_000;

/// Makes this process the only one whose writes fit.
pub(super) async fn take_over(db: &DatabaseConnection) -> Result<Marker, LedgerError> {
    let first = setting::ActiveModel {
        name: Set(SETTING.to_owned()),
        value: Set(Marker::default().render()),
    };
    setting::Entity::insert(first)
        .on_conflict(OnConflict::column(setting::Column::Name).do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    loop {
        let Some(found) = setting::Entity::find_by_id(SETTING).one(db).await? else {
            return Err(LedgerError::Damaged(format!("setting {SETTING}")));
        };
        let last = Marker::parse(&found.value)?;
        let marker = Marker {
            epoch: last.epoch + 1,
            batch: 0,
            low_water: last.low_water,
        };
        let taken = setting::Entity::update_many()
            .col_expr(setting::Column::Value, Expr::value(marker.render()))
            .filter(setting::Column::Name.eq(SETTING))
            .filter(setting::Column::Value.eq(found.value))
            .exec(db)
            .await?;
        if taken.rows_affected == 1 {
            return Ok(marker);
        }
    }
}

/// The highest id in the ledger.
pub(super) async fn last_id(db: &DatabaseConnection) -> Result<i64, LedgerError> {
    let hold: Option<Option<i64>> = hold::Entity::find()
        .select_only()
        .column_as(Expr::col(hold::Column::Id).max(), "id")
        .into_tuple()
        .one(db)
        .await?;
    let bucket: Option<Option<i64>> = bucket::Entity::find()
        .select_only()
        .column_as(Expr::col(bucket::Column::Id).max(), "id")
        .into_tuple()
        .one(db)
        .await?;
    let entry: Option<Option<i64>> = entry::Entity::find()
        .select_only()
        .column_as(Expr::col(entry::Column::Id).max(), "id")
        .into_tuple()
        .one(db)
        .await?;
    Ok([hold, bucket, entry]
        .into_iter()
        .flatten()
        .flatten()
        .max()
        .unwrap_or_default())
}

/// Posts whole every hold a crash left open, and waits until that is durable.
pub(super) async fn post_open_holds(db: &DatabaseConnection, book: &Book) -> Result<(), LedgerError> {
    let mut from = book.low_water();
    let mut count = 0_usize;
    loop {
        let open = hold::Entity::find()
            .filter(hold::Column::Id.gte(from))
            .filter(hold::Column::State.eq(State::Held.code()))
            .order_by_asc(hold::Column::Id)
            .limit(PAGE)
            .all(db)
            .await?;
        let Some(last) = open.last() else {
            break;
        };
        from = last.id + 1;
        count += open.len();
        let buckets = buckets_of(db, &open).await?;
        let ops = open
            .into_iter()
            .map(|row| recovered(row, &buckets))
            .collect::<Result<Vec<_>, _>>()?;
        if !book.durable(book.queue_recovered(ops)).await {
            return Err(Down.into());
        }
    }
    if count > 0 {
        tracing::warn!(count, "holds left open by a crash were posted whole");
    }
    book.end_recovery();
    Ok(())
}

fn path(row: &hold::Model) -> Result<Vec<i64>, LedgerError> {
    let ids = row
        .buckets
        .split(',')
        .filter(|id| !id.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>();
    ids.map_err(|_| LedgerError::Damaged(format!("hold {}", row.id)))
}

async fn buckets_of(db: &DatabaseConnection, open: &[hold::Model]) -> Result<HashMap<i64, Arc<Bucket>>, LedgerError> {
    let mut ids = HashSet::new();
    for row in open {
        ids.extend(path(row)?);
    }
    let ids: Vec<i64> = ids.into_iter().collect();
    let mut buckets = HashMap::new();
    for ids in ids.chunks(500) {
        let rows = bucket::Entity::find()
            .filter(bucket::Column::Id.is_in(ids.iter().copied()))
            .all(db)
            .await?;
        for row in rows {
            let bucket = stored(row)?.bucket;
            buckets.insert(bucket.id, Arc::new(bucket));
        }
    }
    Ok(buckets)
}

fn recovered(row: hold::Model, buckets: &HashMap<i64, Arc<Bucket>>) -> Result<Op, LedgerError> {
    let known = |id: &i64| {
        buckets
            .get(id)
            .cloned()
            .ok_or_else(|| LedgerError::Damaged(format!("hold {}", row.id)))
    };
    let path = path(&row)?.iter().map(known).collect::<Result<_, _>>()?;
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let opened = Opened {
        seq: 0,
        id: row.id,
        request_id: row.request_id,
        team_id: row.team_id,
        key_id: row.key_id,
        member_id: row.member_id,
        model: row.model.into(),
        operation: row.operation.into(),
        is_stream: row.is_stream,
        price_id: row.price_id,
        path,
        amount: Nano(row.held),
        started_at_ms: row.started_at,
        started: Instant::now(),
    };
    let closing = Closing {
        charge: opened.amount,
        estimated: true,
        outcome: Outcome::Recovered,
        notes: "estimate: recovered".to_owned(),
        total_ms: now_ms.saturating_sub(row.started_at),
        finished_at_ms: now_ms,
        ..Closing::default()
    };
    let posted = Posted {
        actual: opened.amount,
        overrun: Nano::ZERO,
    };
    Ok(Op::Close(
        Arc::new(opened),
        Closed {
            state: State::Estimated,
            posted,
            closing,
        },
    ))
}

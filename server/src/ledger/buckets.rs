//! Buckets in the database: the latest of each series, made before anything is held in it.
//!
//! Invariant: the periods of a series never overlap, whoever makes them: makers of one team's buckets wait for each other,
//! and the first freezes period and zone. Reads and writes `bucket`.

use super::LedgerError;
use entity::bucket;
use gateway_core::{
    ledger::{Bucket, Kind, Period, Row, Scope, Series, Stored},
    money::Nano,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, Set,
    Statement, TransactionTrait,
};

/// Waits for others that make buckets of the same team; the first number says that it is about buckets.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7, hashint8($1))";
/// How long that waiting may take.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

/// The buckets of `series`, all of one team, that `now_ms` is counted in; those there are not are cut in `zone` and made.
pub(super) async fn ensure(
    db: &DatabaseConnection,
    series: &[Series],
    (zone, now_ms): (&str, i64),
    new_id: impl FnMut() -> i64 + Send,
) -> Result<Vec<Stored>, LedgerError> {
    let Some(team_id) = series.first().map(|series| series.team_id) else {
        return Ok(Vec::new());
    };
    if db.get_database_backend() != DatabaseBackend::Postgres {
        // The only process has one maker at a time.
        return make(db, series, (zone, now_ms), new_id).await;
    }
    let transaction = db.begin().await?;
    transaction.execute_unprepared(PATIENCE).await?;
    let lock = Statement::from_sql_and_values(DatabaseBackend::Postgres, LOCK, [team_id.into()]);
    transaction.execute_raw(lock).await?;
    let made = make(&transaction, series, (zone, now_ms), new_id).await?;
    transaction.commit().await?;
    Ok(made)
}

async fn make(
    db: &impl ConnectionTrait,
    series: &[Series],
    (zone, now_ms): (&str, i64),
    mut new_id: impl FnMut() -> i64,
) -> Result<Vec<Stored>, LedgerError> {
    let mut found = Vec::with_capacity(series.len());
    let mut missing = Vec::new();
    for series in series {
        let last = latest(db, *series).await?;
        let last_end_ms = last.as_ref().map_or(i64::MIN, |last| last.bucket.period.end_ms);
        found.push(match last {
            Some(last) if now_ms < last_end_ms => last,
            _ => {
                let bucket = Bucket {
                    id: new_id(),
                    series: *series,
                    period: Period::after(last_end_ms, series.kind, zone, now_ms),
                    zone: zone.to_owned(),
                };
                missing.push(row_of(&bucket));
                Stored {
                    bucket,
                    posted: Nano::ZERO,
                    overrun: Nano::ZERO,
                    credit: Nano::ZERO,
                }
            }
        });
    }
    if !missing.is_empty() {
        bucket::Entity::insert_many(missing).exec_without_returning(db).await?;
    }
    Ok(found)
}

/// The latest bucket of a series.
pub(super) async fn latest(db: &impl ConnectionTrait, series: Series) -> Result<Option<Stored>, LedgerError> {
    latest_row(db, series).await?.map(stored).transpose()
}

/// The row of the latest bucket of a series.
pub(super) async fn latest_row(
    db: &impl ConnectionTrait,
    series: Series,
) -> Result<Option<bucket::Model>, LedgerError> {
    let row = bucket::Entity::find()
        .filter(bucket::Column::Scope.eq(series.scope.name()))
        .filter(bucket::Column::ScopeId.eq(series.scope_id))
        .filter(bucket::Column::TeamId.eq(series.team_id))
        .filter(bucket::Column::Kind.eq(series.kind.name()))
        .order_by_desc(bucket::Column::PeriodStart)
        .one(db)
        .await?;
    Ok(row)
}

/// A row of `bucket`, checked.
pub(super) fn stored(row: bucket::Model) -> Result<Stored, LedgerError> {
    let (Some(scope), Some(kind)) = (Scope::parse(&row.scope), Kind::parse(&row.kind)) else {
        return Err(LedgerError::Damaged(format!("bucket {}", row.id)));
    };
    let series = Series {
        scope,
        scope_id: row.scope_id,
        team_id: row.team_id,
        kind,
    };
    let period = Period {
        start_ms: row.period_start,
        end_ms: row.period_end.unwrap_or(Period::NEVER),
    };
    let bucket = Bucket {
        id: row.id,
        series,
        period,
        zone: row.time_zone,
    };
    Ok(Stored {
        bucket,
        posted: Nano(row.posted),
        overrun: Nano(row.overrun),
        credit: Nano(row.credit),
    })
}

/// The counters of a row.
pub(super) const fn counters(row: &bucket::Model) -> Row {
    Row {
        posted: Nano(row.posted),
        overrun: Nano(row.overrun),
        held: Nano(row.held),
        leased: Nano(row.leased),
        credit: Nano(row.credit),
    }
}

fn row_of(bucket: &Bucket) -> bucket::ActiveModel {
    bucket::ActiveModel {
        id: Set(bucket.id),
        scope: Set(bucket.series.scope.name().to_owned()),
        scope_id: Set(bucket.series.scope_id),
        team_id: Set(bucket.series.team_id),
        kind: Set(bucket.series.kind.name().to_owned()),
        period_start: Set(bucket.period.start_ms),
        period_end: Set(bucket.period.end()),
        time_zone: Set(bucket.zone.clone()),
        posted: Set(0),
        overrun: Set(0),
        held: Set(0),
        leased: Set(0),
        credit: Set(0),
    }
}

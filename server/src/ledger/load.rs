//! Buckets out of the database, and what they say for display.
//!
//! Invariant: a series is read once, before anything is held in it; from then on memory is ahead of the database.
//! Reads `bucket` and `entry`.

use super::{Ledger, LedgerError};
use entity::{bucket, entry};
use gateway_core::{
    ledger::{Bucket, Kind, Period, Scope, Series, Stored, Sums},
    money::Nano,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

/// What one bucket has counted, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Scope and kind.
    pub series: Series,
    /// Charged in the current period.
    pub posted: Nano,
    /// Set aside now.
    pub held: Nano,
    /// When the period ends, Unix milliseconds.
    pub resets_at_ms: Option<i64>,
}

impl Ledger {
    /// What each of `series` has counted in the period of `now_ms`; new periods are cut in `zone`.
    ///
    /// # Errors
    /// [`LedgerError::Database`] if a bucket is not in memory and cannot be read.
    pub async fn spent(&self, series: &[Series], zone: &str, now_ms: i64) -> Result<Vec<Spent>, LedgerError> {
        self.load(series).await?;
        let look = |series: &Series| {
            let (sums, period) = self
                .inner
                .book
                .with_engine(|engine| engine.look(*series, zone, now_ms))
                .unwrap_or((Sums::default(), Period::ALWAYS));
            Spent {
                series: *series,
                posted: sums.posted,
                held: sums.held,
                resets_at_ms: period.end(),
            }
        };
        Ok(series.iter().map(look).collect())
    }

    /// Reads those of `series` that are not in memory.
    pub(super) async fn load(&self, series: &[Series]) -> Result<(), LedgerError> {
        let is_open = |series: Series| self.inner.book.with_engine(|engine| engine.is_open(series));
        if series.iter().all(|series| is_open(*series)) {
            return Ok(());
        }
        let _loading = self.inner.loading.lock().await;
        for series in series {
            if is_open(*series) {
                continue;
            }
            let stored = latest(&self.inner.db, *series).await?;
            let credit = match series.kind {
                Kind::Wallet => paid_in(&self.inner.db, series.team_id).await?,
                Kind::Day | Kind::Month | Kind::Total => Nano::ZERO,
            };
            self.inner
                .book
                .with_engine(|engine| engine.open(*series, stored, credit));
        }
        Ok(())
    }
}

/// The sum of a team's entries.
pub(super) async fn paid_in(db: &impl ConnectionTrait, team_id: i64) -> Result<Nano, LedgerError> {
    let sum: Option<i64> = entry::Entity::find()
        .select_only()
        .column_as(Expr::cust("CAST(COALESCE(SUM(amount), 0) AS BIGINT)"), "sum")
        .filter(entry::Column::TeamId.eq(team_id))
        .into_tuple()
        .one(db)
        .await?;
    Ok(Nano(sum.unwrap_or_default()))
}

async fn latest(db: &DatabaseConnection, series: Series) -> Result<Option<Stored>, LedgerError> {
    let row = bucket::Entity::find()
        .filter(bucket::Column::Scope.eq(series.scope.name()))
        .filter(bucket::Column::ScopeId.eq(series.scope_id))
        .filter(bucket::Column::TeamId.eq(series.team_id))
        .filter(bucket::Column::Kind.eq(series.kind.name()))
        .order_by_desc(bucket::Column::PeriodStart)
        .one(db)
        .await?;
    row.map(stored).transpose()
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
    })
}

//! Buckets brought into memory, and what they say for display.
//!
//! Invariant: a bucket is in the database before anything is held in it; what is displayed counts every node's holds.
//! Reads `bucket`.

use super::{Down, Ledger, LedgerError, buckets};
use gateway_core::{
    ledger::{Period, Series, Sums},
    money::Nano,
};
use std::time::Duration;

/// How long buckets may take to be brought into memory, with the wait for others that do the same.
const LOAD_WITHIN: Duration = Duration::from_secs(10);

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
    /// [`LedgerError::Database`] if a bucket cannot be read.
    pub async fn spent(&self, series: &[Series], zone: &str, now_ms: i64) -> Result<Vec<Spent>, LedgerError> {
        self.catch_up().await;
        let mut spent = Vec::with_capacity(series.len());
        for series in series {
            let (sums, period) = self.look(*series, zone, now_ms).await?;
            spent.push(Spent {
                series: *series,
                posted: sums.posted,
                held: sums.held,
                resets_at_ms: period.end(),
            });
        }
        Ok(spent)
    }

    /// Before the database is read for figures: what this node has counted is written, unless that fails.
    pub(super) async fn catch_up(&self) {
        let book = &self.inner.book;
        if self.inner.is_shared {
            book.durable(book.last()).await;
        }
    }

    /// What is counted in `series` at `now_ms`: from memory if that knows all there is, else from the database.
    pub(super) async fn look(&self, series: Series, zone: &str, now_ms: i64) -> Result<(Sums, Period), LedgerError> {
        let in_memory = || self.inner.book.with_engine(|engine| engine.look(series, now_ms));
        if !self.inner.is_shared
            && let Some(looked) = in_memory()
        {
            return Ok(looked);
        }
        let Some(row) = buckets::latest_row(&self.inner.db, series).await? else {
            return Ok((Sums::default(), Period::at(series.kind, zone, now_ms)));
        };
        let row_sums = buckets::counters(&row);
        let period = buckets::stored(row)?.bucket.period;
        if now_ms >= period.end_ms {
            let next = Period::after(period.end_ms, series.kind, zone, now_ms);
            return Ok((Sums::default(), next));
        }
        let sums = Sums {
            posted: row_sums.posted,
            held: row_sums.held,
            overrun: row_sums.overrun,
            credit: row_sums.credit,
        };
        Ok((sums, period))
    }

    /// Opens the buckets of `series`, all of one team, for `now_ms`; gives up where the database does not answer.
    pub(super) async fn load(&self, series: &[Series], zone: &str, now_ms: i64) -> Result<(), LedgerError> {
        let loaded = tokio::time::timeout(LOAD_WITHIN, self.try_load(series, zone, now_ms)).await;
        loaded.unwrap_or(Err(LedgerError::Down(Down)))
    }

    async fn try_load(&self, series: &[Series], zone: &str, now_ms: i64) -> Result<(), LedgerError> {
        let book = &self.inner.book;
        let is_open = |series: &Series| book.with_engine(|engine| engine.place(*series, now_ms).is_some());
        let _loading = self.inner.loading.lock().await;
        let missing: Vec<Series> = series.iter().filter(|series| !is_open(series)).copied().collect();
        let new_id = || book.next_id(now_ms);
        for stored in buckets::ensure(&self.inner.db, &missing, (zone, now_ms), new_id).await? {
            book.with_engine(|engine| engine.open(stored));
        }
        Ok(())
    }
}

//! A batch as one SQLite transaction, row after row through prepared statements.
//!
//! Invariant: all or nothing; the marker fits only on its predecessor. A hold has one row, which is ended once.
//! Blocks its thread, which is the journal's own. A SQLite file has one node,
//! so nothing is leased. Writes `node`, `hold`, `bucket`, `usage_hour`, `revenue_day`, `journal`.

use super::{
    batch::{Batch, BucketRow, HoldRow, HourKey, HourSums, RevenueKey, RevenueSums},
    chain::Link,
    store::{FIND, HASH, Marker},
};
use gateway_core::usage::Kind;
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::{path::Path, time::Duration};

/// How long the journal waits for another writer of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Every commit is on the disk when it returns.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";

/// The column takes no NULL, so that the transaction fails where the marker is another.
const MARK: &str = "UPDATE node SET batch = CASE WHEN batch = ?2 AND (fenced_at IS NULL) = ?3 THEN batch + 1 END,
  low_water = ?4 WHERE id = ?1";

/// Ends an open hold that has its row.
const END: &str =
    "UPDATE hold SET state = ?2, posted = ?3, overrun = ?4, input = ?5, cache_read = ?6, cache_write = ?7,
  output = ?8, reasoning = ?9, outcome = ?10, status = ?11, attempts = ?12, notes = ?13, failovers = ?14, ttft_ms = ?15,
  total_ms = ?16, finished_at = ?17, batch = ?18, details = ?19
WHERE id = ?1 AND state = 0";

const INSERT: &str = "INSERT INTO hold (id, state, posted, overrun, input, cache_read, cache_write, output, reasoning, outcome,
  status, attempts, notes, failovers, ttft_ms, total_ms, finished_at, batch, request_id, team_id, key_id, member_id, model,
  operation, is_stream, price_id, buckets, held, started_at, node_id, details, asked, markup, is_own)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25,
  ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, posted = excluded.posted, overrun = excluded.overrun,
  input = excluded.input, cache_read = excluded.cache_read, cache_write = excluded.cache_write, output = excluded.output,
  reasoning = excluded.reasoning, outcome = excluded.outcome, status = excluded.status, attempts = excluded.attempts,
  notes = excluded.notes, failovers = excluded.failovers, ttft_ms = excluded.ttft_ms, total_ms = excluded.total_ms,
  finished_at = excluded.finished_at, batch = excluded.batch, details = excluded.details
WHERE hold.state = 0";

const BUCKET: &str =
    "INSERT INTO bucket (id, scope, scope_id, team_id, kind, period_start, period_end, time_zone, posted, overrun, held,
  leased, credit)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, 0)
ON CONFLICT (id) DO UPDATE SET posted = bucket.posted + excluded.posted, overrun = bucket.overrun + excluded.overrun";

const HOUR: &str =
    "INSERT INTO usage_hour (hour, team_id, key_id, model, member_id, requests, failed, failovers, input,
  cache_read, cache_write, output, posted, ttft_ms_sum, ttft_count, own_posted)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
ON CONFLICT (hour, team_id, key_id, model) DO UPDATE SET requests = usage_hour.requests + excluded.requests,
  failed = usage_hour.failed + excluded.failed, failovers = usage_hour.failovers + excluded.failovers,
  input = usage_hour.input + excluded.input, cache_read = usage_hour.cache_read + excluded.cache_read,
  cache_write = usage_hour.cache_write + excluded.cache_write, output = usage_hour.output + excluded.output,
  posted = usage_hour.posted + excluded.posted, ttft_ms_sum = usage_hour.ttft_ms_sum + excluded.ttft_ms_sum,
  ttft_count = usage_hour.ttft_count + excluded.ttft_count, own_posted = usage_hour.own_posted + excluded.own_posted";

const REVENUE: &str = "INSERT INTO revenue_day (day, node_id, team_id, account_id, model, requests, charged, cost)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (day, node_id, team_id, account_id, model) DO UPDATE SET requests = revenue_day.requests + excluded.requests,
  charged = revenue_day.charged + excluded.charged, cost = revenue_day.cost + excluded.cost";

const LINK: &str = "INSERT INTO journal (node_id, batch, rows, last, digest, hash, content)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Opens the file at `path`, which is there.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(PRAGMAS)?;
    Ok(connection)
}

/// Writes `batch` on top of `marker`.
pub(super) fn write(connection: &mut Connection, batch: &Batch, marker: Marker) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mark = params![marker.node, marker.batch, marker.is_live, batch.low_water];
    if transaction.prepare_cached(MARK)?.execute(mark)? != 1 {
        return Err(rusqlite::Error::QueryReturnedNoRows);
    }
    write_holds(&transaction, &batch.holds, marker)?;
    if let Some(link) = &batch.link {
        let Link {
            rows,
            last,
            digest,
            hash,
            ..
        } = link;
        let row = params![marker.node, link.batch, rows, last, digest, hash, link.content];
        transaction.prepare_cached(LINK)?.execute(row)?;
    }
    let mut bucket = transaction.prepare_cached(BUCKET)?;
    for row in batch.buckets.values() {
        write_bucket(&mut bucket, row)?;
    }
    let mut hour = transaction.prepare_cached(HOUR)?;
    for (key, sums) in &batch.hours {
        write_hour(&mut hour, key, sums)?;
    }
    let mut revenue = transaction.prepare_cached(REVENUE)?;
    for (key, sums) in &batch.revenue {
        write_revenue(&mut revenue, marker.node, (key, sums))?;
    }
    drop((bucket, hour, revenue));
    transaction.commit()
}

/// Number of the last group of `node`, and whether it is alive.
pub(super) fn marker(connection: &Connection, node: i64) -> rusqlite::Result<Option<(i64, bool)>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    connection.query_row(FIND, [node], read).optional()
}

/// Hash of the group `batch` of `node`, if it ended holds.
pub(super) fn hash(connection: &Connection, node: i64, batch: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.query_row(HASH, [node, batch], |row| row.get(0)).optional()
}

fn write_holds(transaction: &Transaction<'_>, rows: &[HoldRow], marker: Marker) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(INSERT)?;
    let mut end = transaction.prepare_cached(END)?;
    for row in rows {
        let is_written = !row.is_new && end_hold(&mut end, row, marker)?;
        if !is_written {
            insert_hold(&mut insert, row, marker)?;
        }
    }
    Ok(())
}

/// Whether the hold was open in the database.
fn end_hold(end: &mut CachedStatement<'_>, row: &HoldRow, marker: Marker) -> rusqlite::Result<bool> {
    let HoldRow { opened, tokens, .. } = row;
    let ended = end.execute(params![
        opened.id,
        row.state.code(),
        row.posted,
        row.overrun,
        tokens.count(Kind::Input),
        tokens.count(Kind::CacheRead),
        tokens.count(Kind::CacheWrite),
        tokens.count(Kind::Output),
        tokens.reasoning(),
        row.outcome,
        row.status,
        row.attempts,
        row.notes,
        row.failovers,
        row.ttft_ms,
        row.total_ms,
        row.finished_at,
        row.batch(marker.next().batch),
        tokens.details,
    ])?;
    Ok(ended > 0)
}

fn insert_hold(insert: &mut CachedStatement<'_>, row: &HoldRow, marker: Marker) -> rusqlite::Result<()> {
    let HoldRow { opened, tokens, .. } = row;
    insert.execute(params![
        opened.id,
        row.state.code(),
        row.posted,
        row.overrun,
        tokens.count(Kind::Input),
        tokens.count(Kind::CacheRead),
        tokens.count(Kind::CacheWrite),
        tokens.count(Kind::Output),
        tokens.reasoning(),
        row.outcome,
        row.status,
        row.attempts,
        row.notes,
        row.failovers,
        row.ttft_ms,
        row.total_ms,
        row.finished_at,
        row.batch(marker.next().batch),
        opened.request_id,
        opened.team_id,
        opened.key_id,
        opened.member_id,
        &*row.model,
        &*opened.operation,
        opened.is_stream,
        opened.price_id,
        row.buckets,
        opened.amount.0,
        opened.started_at_ms,
        marker.node,
        tokens.details,
        row.asked.as_deref(),
        opened.markup.basis_points(),
        opened.is_own,
    ])?;
    Ok(())
}

fn write_bucket(statement: &mut CachedStatement<'_>, row: &BucketRow) -> rusqlite::Result<()> {
    let bucket = &row.bucket;
    let series = bucket.series;
    statement.execute(params![
        bucket.id,
        series.scope.name(),
        series.scope_id,
        series.team_id,
        series.kind.name(),
        bucket.period.start_ms,
        bucket.period.end(),
        bucket.zone,
        row.change.posted,
        row.change.overrun,
    ])?;
    Ok(())
}

fn write_revenue(
    statement: &mut CachedStatement<'_>,
    node: i64,
    (key, sums): (&RevenueKey, &RevenueSums),
) -> rusqlite::Result<()> {
    statement.execute(params![
        key.day,
        node,
        key.team_id,
        key.account_id,
        &*key.model,
        sums.requests,
        sums.charged,
        sums.cost,
    ])?;
    Ok(())
}

fn write_hour(statement: &mut CachedStatement<'_>, key: &HourKey, sums: &HourSums) -> rusqlite::Result<()> {
    statement.execute(params![
        key.hour,
        key.team_id,
        key.key_id,
        &*key.model,
        sums.member_id,
        sums.requests,
        sums.failed,
        sums.failovers,
        sums.input,
        sums.cache_read,
        sums.cache_write,
        sums.output,
        sums.posted,
        sums.ttft_ms_sum,
        sums.ttft_count,
        sums.own_posted,
    ])?;
    Ok(())
}

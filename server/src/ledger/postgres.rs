//! A batch as one Postgres statement, its rows as arrays.
//!
//! Invariant: all or nothing; of several nodes' writes, none waits for one that waits for it: each locks its own node, then
//! hours, then buckets, both in ascending order, and a lease only once its bucket is locked; rows of `revenue_day` are a node's
//! own. Writes `node`, `hold`, `bucket`, `lease`, `usage_hour`, `revenue_day`, `journal`.

use super::{
    batch::{Batch, BucketRow, HoldRow, HourKey, HourSums, RevenueKey, RevenueSums},
    chain::Link,
    store::Marker,
};
use gateway_core::usage::Kind;
use sea_orm::sqlx::{self, PgConnection, Postgres, postgres::PgArguments, query::Query};

/// The marker fits only on its predecessor: the column takes no NULL, and the statement fails. It is moved before all else,
/// since everything asks whether it was: where the node is gone, the question divides by zero.
const WRITE: &str = r"
WITH marker AS (
  UPDATE node SET batch = CASE WHEN batch = $2 AND (fenced_at IS NULL) = $3 THEN batch + 1 END, low_water = $4
  WHERE id = $1 RETURNING id
), holds AS (
  INSERT INTO hold (id, request_id, team_id, key_id, member_id, model, operation, is_stream, price_id, buckets, state,
    held, posted, overrun, input, cache_read, cache_write, output, reasoning, outcome, status, attempts, notes,
    failovers, ttft_ms, total_ms, started_at, finished_at, batch, details, asked, markup, is_own, node_id)
  SELECT new.*, $1::int8 FROM unnest($5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::int8[], $10::text[], $11::text[],
    $12::bool[], $13::int8[], $14::text[], $15::int2[], $16::int8[], $17::int8[], $18::int8[], $19::int8[], $20::int8[],
    $21::int8[], $22::int8[], $23::int8[], $24::int2[], $25::int2[], $26::text[], $27::text[], $28::int8[], $29::int8[],
    $30::int8[], $31::int8[], $32::int8[], $62::int8[], $68::text[], $69::text[], $70::int8[],
    $71::bool[]) AS new
  WHERE (SELECT 1 / count(*) FROM marker) = 1
  ON CONFLICT (id) DO UPDATE SET state = excluded.state, posted = excluded.posted, overrun = excluded.overrun,
    input = excluded.input, cache_read = excluded.cache_read, cache_write = excluded.cache_write,
    output = excluded.output, reasoning = excluded.reasoning, outcome = excluded.outcome, status = excluded.status,
    attempts = excluded.attempts, notes = excluded.notes, failovers = excluded.failovers, ttft_ms = excluded.ttft_ms,
    total_ms = excluded.total_ms, finished_at = excluded.finished_at, batch = excluded.batch,
    details = excluded.details
  WHERE hold.state = 0
), link AS (
  INSERT INTO journal (node_id, batch, rows, last, digest, hash, content)
  SELECT $1, $2 + 1, $63::int8, $64::int8, $65::bytea, $66::bytea, $67::bytea
  WHERE $63 > 0 AND (SELECT 1 / count(*) FROM marker) = 1
), buckets AS (
  INSERT INTO bucket (id, scope, scope_id, team_id, kind, period_start, period_end, time_zone, posted, overrun, held,
    leased, credit)
  SELECT new.*, 0 FROM unnest($33::int8[], $34::text[], $35::int8[], $36::int8[], $37::text[], $38::int8[], $39::int8[],
    $40::text[], $41::int8[], $42::int8[], $43::int8[], $44::int8[]) AS new
  WHERE (SELECT 1 / count(*) FROM marker) = 1
  ON CONFLICT (id) DO UPDATE SET posted = bucket.posted + excluded.posted, overrun = bucket.overrun + excluded.overrun,
    held = bucket.held + excluded.held, leased = bucket.leased + excluded.leased
  RETURNING id
), leases AS (
  UPDATE lease SET granted = lease.granted + new.granted
  FROM buckets JOIN unnest($45::int8[], $46::int8[]) AS new (bucket_id, granted) ON new.bucket_id = buckets.id
  WHERE lease.node_id = $1 AND lease.bucket_id = new.bucket_id
), revenue AS (
  INSERT INTO revenue_day (node_id, day, team_id, account_id, model, requests, charged, cost)
  SELECT $1, new.* FROM unnest($73::int8[], $74::int8[], $75::int8[], $76::text[], $77::int8[], $78::int8[],
    $79::int8[]) AS new
  WHERE (SELECT 1 / count(*) FROM marker) = 1
  ON CONFLICT (day, node_id, team_id, account_id, model) DO UPDATE SET
    requests = revenue_day.requests + excluded.requests, charged = revenue_day.charged + excluded.charged,
    cost = revenue_day.cost + excluded.cost
)
INSERT INTO usage_hour (hour, team_id, key_id, model, member_id, requests, failed, failovers, input, cache_read,
  cache_write, output, posted, ttft_ms_sum, ttft_count, own_posted)
SELECT * FROM unnest($47::int8[], $48::int8[], $49::int8[], $50::text[], $51::int8[], $52::int8[], $53::int8[],
  $54::int8[], $55::int8[], $56::int8[], $57::int8[], $58::int8[], $59::int8[], $60::int8[], $61::int8[],
  $72::int8[])
WHERE (SELECT 1 / count(*) FROM marker) = 1
ON CONFLICT (hour, team_id, key_id, model) DO UPDATE SET requests = usage_hour.requests + excluded.requests,
  failed = usage_hour.failed + excluded.failed, failovers = usage_hour.failovers + excluded.failovers,
  input = usage_hour.input + excluded.input, cache_read = usage_hour.cache_read + excluded.cache_read,
  cache_write = usage_hour.cache_write + excluded.cache_write, output = usage_hour.output + excluded.output,
  posted = usage_hour.posted + excluded.posted, ttft_ms_sum = usage_hour.ttft_ms_sum + excluded.ttft_ms_sum,
  ttft_count = usage_hour.ttft_count + excluded.ttft_count, own_posted = usage_hour.own_posted + excluded.own_posted";

type Write<'a> = Query<'a, Postgres, PgArguments>;

/// Writes `batch` on top of `marker`.
pub(super) async fn write(connection: &mut PgConnection, batch: &Batch, marker: Marker) -> Result<(), sqlx::Error> {
    let buckets: Vec<&BucketRow> = batch.buckets.values().collect();
    let hours: Vec<(&HourKey, &HourSums)> = batch.hours.iter().collect();
    let query = sqlx::query(WRITE)
        .bind(marker.node)
        .bind(marker.batch)
        .bind(marker.is_live)
        .bind(batch.low_water);
    let query = bind_buckets(bind_holds(query, &batch.holds), &buckets);
    let rights: Vec<&BucketRow> = buckets.iter().copied().filter(|row| row.change.right != 0).collect();
    let query = bind_hours(bind_rights(query, &rights), &hours);
    let number = marker.next().batch;
    let query = query.bind(column(&batch.holds, |row| row.batch(number)));
    let query = bind_link(query, batch.link.as_ref());
    let query = query
        .bind(column(&batch.holds, |row| row.tokens.details.as_deref()))
        .bind(column(&batch.holds, |row| row.asked.as_deref()))
        .bind(column(&batch.holds, |row| row.opened.markup.basis_points()))
        .bind(column(&batch.holds, |row| row.opened.is_own))
        .bind(column(&hours, |(_, sums)| sums.own_posted));
    let revenue: Vec<(&RevenueKey, &RevenueSums)> = batch.revenue.iter().collect();
    let query = bind_revenue(query, &revenue);
    query.execute(connection).await?;
    Ok(())
}

/// One column of the rows.
fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

fn bind_holds<'a>(query: Write<'a>, rows: &'a [HoldRow]) -> Write<'a> {
    query
        .bind(column(rows, |row| row.opened.id))
        .bind(column(rows, |row| row.opened.request_id))
        .bind(column(rows, |row| row.opened.team_id))
        .bind(column(rows, |row| row.opened.key_id))
        .bind(column(rows, |row| row.opened.member_id))
        .bind(column(rows, |row| &*row.model))
        .bind(column(rows, |row| row.opened.operation.as_ref()))
        .bind(column(rows, |row| row.opened.is_stream))
        .bind(column(rows, |row| row.opened.price_id))
        .bind(column(rows, |row| row.buckets.as_str()))
        .bind(column(rows, |row| row.state.code()))
        .bind(column(rows, |row| row.opened.amount.0))
        .bind(column(rows, |row| row.posted))
        .bind(column(rows, |row| row.overrun))
        .bind(column(rows, |row| row.tokens.count(Kind::Input)))
        .bind(column(rows, |row| row.tokens.count(Kind::CacheRead)))
        .bind(column(rows, |row| row.tokens.count(Kind::CacheWrite)))
        .bind(column(rows, |row| row.tokens.count(Kind::Output)))
        .bind(column(rows, |row| row.tokens.reasoning()))
        .bind(column(rows, |row| row.outcome))
        .bind(column(rows, |row| row.status))
        .bind(column(rows, |row| row.attempts.as_str()))
        .bind(column(rows, |row| row.notes.as_str()))
        .bind(column(rows, |row| row.failovers))
        .bind(column(rows, |row| row.ttft_ms))
        .bind(column(rows, |row| row.total_ms))
        .bind(column(rows, |row| row.opened.started_at_ms))
        .bind(column(rows, |row| row.finished_at))
}

fn bind_link<'a>(query: Write<'a>, link: Option<&'a Link>) -> Write<'a> {
    query
        .bind(link.map_or(0, |link| link.rows))
        .bind(link.map_or(0, |link| link.last))
        .bind(link.map(|link| &link.digest[..]))
        .bind(link.map(|link| &link.hash[..]))
        .bind(link.map(|link| link.content.as_slice()))
}

fn bind_buckets<'a>(query: Write<'a>, rows: &'a [&'a BucketRow]) -> Write<'a> {
    query
        .bind(column(rows, |row| row.bucket.id))
        .bind(column(rows, |row| row.bucket.series.scope.name()))
        .bind(column(rows, |row| row.bucket.series.scope_id))
        .bind(column(rows, |row| row.bucket.series.team_id))
        .bind(column(rows, |row| row.bucket.series.kind.name()))
        .bind(column(rows, |row| row.bucket.period.start_ms))
        .bind(column(rows, |row| row.bucket.period.end()))
        .bind(column(rows, |row| row.bucket.zone.as_str()))
        .bind(column(rows, |row| row.change.posted))
        .bind(column(rows, |row| row.change.overrun))
        .bind(column(rows, |row| row.change.held))
        .bind(column(rows, |row| row.change.leased))
}

fn bind_rights<'a>(query: Write<'a>, rows: &'a [&'a BucketRow]) -> Write<'a> {
    query
        .bind(column(rows, |row| row.bucket.id))
        .bind(column(rows, |row| row.change.right))
}

fn bind_revenue<'a>(query: Write<'a>, rows: &'a [(&'a RevenueKey, &'a RevenueSums)]) -> Write<'a> {
    query
        .bind(column(rows, |(key, _)| key.day))
        .bind(column(rows, |(key, _)| key.team_id))
        .bind(column(rows, |(key, _)| key.account_id))
        .bind(column(rows, |(key, _)| &*key.model))
        .bind(column(rows, |(_, sums)| sums.requests))
        .bind(column(rows, |(_, sums)| sums.charged))
        .bind(column(rows, |(_, sums)| sums.cost))
}

fn bind_hours<'a>(query: Write<'a>, rows: &'a [(&'a HourKey, &'a HourSums)]) -> Write<'a> {
    query
        .bind(column(rows, |(key, _)| key.hour))
        .bind(column(rows, |(key, _)| key.team_id))
        .bind(column(rows, |(key, _)| key.key_id))
        .bind(column(rows, |(key, _)| &*key.model))
        .bind(column(rows, |(_, sums)| sums.member_id))
        .bind(column(rows, |(_, sums)| sums.requests))
        .bind(column(rows, |(_, sums)| sums.failed))
        .bind(column(rows, |(_, sums)| sums.failovers))
        .bind(column(rows, |(_, sums)| sums.input))
        .bind(column(rows, |(_, sums)| sums.cache_read))
        .bind(column(rows, |(_, sums)| sums.cache_write))
        .bind(column(rows, |(_, sums)| sums.output))
        .bind(column(rows, |(_, sums)| sums.posted))
        .bind(column(rows, |(_, sums)| sums.ttft_ms_sum))
        .bind(column(rows, |(_, sums)| sums.ttft_count))
}

//! A batch as one string of SQLite statements, its rows as JSON.
//!
//! Invariant: all or nothing; the caller drops the connection on an error, which rolls back what was begun.
//! Writes `setting`, `hold`, `bucket`, `usage_hour`.

use super::batch::{Batch, BucketRow, HoldRow, HourKey};
use sea_orm::sqlx::{self, SqliteConnection};
use serde_json::{Value, json};

/// The marker fits only on its predecessor: the column takes no NULL, and the transaction fails.
const WRITE: &str = r"
BEGIN IMMEDIATE;
UPDATE setting SET value = CASE WHEN value = $1 THEN $2 END WHERE name = 'ledger';
INSERT INTO hold (id, request_id, team_id, key_id, member_id, model, operation, is_stream, price_id, buckets, state,
  held, posted, overrun, input, cache_read, cache_write, output, reasoning, outcome, status, attempts, notes, failovers,
  ttft_ms, total_ms, started_at, finished_at)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9,
  value->>10, value->>11, value->>12, value->>13, value->>14, value->>15, value->>16, value->>17, value->>18, value->>19,
  value->>20, value->>21, value->>22, value->>23, value->>24, value->>25, value->>26, value->>27
FROM json_each($3) WHERE true
ON CONFLICT (id) DO UPDATE SET state = excluded.state, posted = excluded.posted, overrun = excluded.overrun,
  input = excluded.input, cache_read = excluded.cache_read, cache_write = excluded.cache_write, output = excluded.output,
  reasoning = excluded.reasoning, outcome = excluded.outcome, status = excluded.status, attempts = excluded.attempts,
  notes = excluded.notes, failovers = excluded.failovers, ttft_ms = excluded.ttft_ms, total_ms = excluded.total_ms,
  finished_at = excluded.finished_at
WHERE hold.state = 0;
INSERT INTO bucket (id, scope, scope_id, team_id, kind, period_start, period_end, time_zone, posted, overrun)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9
FROM json_each($4) WHERE true
ON CONFLICT (id) DO UPDATE SET posted = bucket.posted + excluded.posted, overrun = bucket.overrun + excluded.overrun;
INSERT INTO usage_hour (hour, team_id, key_id, model, member_id, requests, failed, failovers, input, cache_read,
  cache_write, output, posted, ttft_ms_sum, ttft_count)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9,
  value->>10, value->>11, value->>12, value->>13, value->>14
FROM json_each($5) WHERE true
ON CONFLICT (hour, team_id, key_id, model) DO UPDATE SET requests = usage_hour.requests + excluded.requests,
  failed = usage_hour.failed + excluded.failed, failovers = usage_hour.failovers + excluded.failovers,
  input = usage_hour.input + excluded.input, cache_read = usage_hour.cache_read + excluded.cache_read,
  cache_write = usage_hour.cache_write + excluded.cache_write, output = usage_hour.output + excluded.output,
  posted = usage_hour.posted + excluded.posted, ttft_ms_sum = usage_hour.ttft_ms_sum + excluded.ttft_ms_sum,
  ttft_count = usage_hour.ttft_count + excluded.ttft_count;
COMMIT";

/// Writes `batch` and moves the marker.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    batch: &Batch,
    from: &str,
    to: &str,
) -> Result<(), sqlx::Error> {
    let holds: Vec<Value> = batch.holds.iter().map(hold).collect();
    let buckets: Vec<Value> = batch.buckets.values().map(bucket).collect();
    let hours: Vec<Value> = batch
        .hours
        .iter()
        .map(
            |(
                HourKey {
                    hour,
                    team_id,
                    key_id,
                    model,
                },
                sums,
            )| {
                json!([
                    hour,
                    team_id,
                    key_id,
                    model,
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
                    sums.ttft_count
                ])
            },
        )
        .collect();
    sqlx::query(WRITE)
        .bind(from)
        .bind(to)
        .bind(Value::Array(holds).to_string())
        .bind(Value::Array(buckets).to_string())
        .bind(Value::Array(hours).to_string())
        .execute(connection)
        .await?;
    Ok(())
}

fn hold(row: &HoldRow) -> Value {
    let HoldRow { opened, tokens, .. } = row;
    json!([
        opened.id,
        opened.request_id,
        opened.team_id,
        opened.key_id,
        opened.member_id,
        row.model,
        opened.operation,
        i64::from(opened.is_stream),
        opened.price_id,
        row.buckets,
        row.state.code(),
        opened.amount.0,
        row.posted,
        row.overrun,
        tokens.input,
        tokens.cache_read,
        tokens.cache_write,
        tokens.output,
        tokens.reasoning,
        row.outcome,
        row.status,
        row.attempts,
        row.notes,
        row.failovers,
        row.ttft_ms,
        row.total_ms,
        opened.started_at_ms,
        row.finished_at
    ])
}

fn bucket(row: &BucketRow) -> Value {
    let bucket = &row.bucket;
    let series = bucket.series;
    json!([
        bucket.id,
        series.scope.name(),
        series.scope_id,
        series.team_id,
        series.kind.name(),
        bucket.period.start_ms,
        bucket.period.end(),
        bucket.zone,
        row.posted,
        row.overrun
    ])
}

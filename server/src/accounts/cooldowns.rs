//! What the processes on one Postgres tell each other about accounts: which to leave alone, why and until when.
//!
//! Invariant: an end is told in milliseconds from now and kept in the database's time, so no two clocks need agree; a row is
//! taken back only as it was known, and written only for an account that is still reached as it was when this was learnt. Off the path of requests, and some rows a second at most. Reads and writes `cooldown`;
//! tells and hears the topic `cooldown`.

use super::{
    Fleet,
    fleet::{parse, word},
    state::{Known, What},
    upstream::{Upstream, reach},
};
use crate::{clock, ledger::DB_NOW_MS, signals::Signals};
use gateway_core::{
    health::{Pause, PauseKind},
    retry::Fault,
};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, DatabaseConnection, DbErr, QueryResult, Statement, Value};
use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

/// Where it is told that there is something to read.
pub(super) const TOPIC: &str = "cooldown";
/// How long a pause that has passed is remembered.
const KEPT_MS: i64 = 3_600_000;
/// By which part of it one waits longer after a pause that another process guessed, so that not all probe at once.
const SPREAD_PART: i64 = 8;
/// But never longer than that.
const SPREAD_MAX_MS: i64 = 10_000;

/// What is known of one account's models; `""` stands for the account.
pub(super) type Rows = HashMap<String, Known>;

impl Fleet {
    /// Whether other processes may serve from the database.
    pub(super) fn is_shared(&self) -> bool {
        self.inner.db.get_database_backend() == DatabaseBackend::Postgres
    }

    /// Tells the others what this process has learnt, and learns what they have.
    pub(super) async fn exchange(&self, signals: &Signals) -> Result<(), DbErr> {
        let mut has_told = false;
        for upstream in self.snapshot().upstreams.values() {
            for untold in upstream.state.untold(clock::now_ms()) {
                has_told |= match untold.what {
                    What::Over { learnt_at } => self.take_back(upstream, &untold.model, learnt_at).await?,
                    What::Paused(pause) => self.write_pause(upstream, &untold.model, &pause).await?,
                };
            }
        }
        if has_told {
            signals.tell(TOPIC, "");
        }
        self.learn().await
    }

    /// Learns what other processes have written down.
    pub(super) async fn learn(&self) -> Result<(), DbErr> {
        let mut rows = read(&self.inner.db, &self.inner.spread).await?;
        let now_ms = clock::now_ms();
        let mut is_freed = false;
        for (id, upstream) in &self.snapshot().upstreams {
            is_freed |= upstream.state.learn(rows.remove(id).unwrap_or_default(), now_ms);
        }
        if is_freed {
            self.announce_free();
        }
        Ok(())
    }

    /// Forgets pauses that have long passed, and those of accounts that are gone.
    pub(super) async fn prune_cooldowns(&self) -> Result<(), DbErr> {
        let prune = format!(
            "DELETE FROM cooldown WHERE (kind <> 'parked' AND until < {DB_NOW_MS} - {KEPT_MS}) \
             OR NOT EXISTS (SELECT 1 FROM account WHERE account.id = cooldown.account_id)"
        );
        self.inner.db.execute_unprepared(&prune).await?;
        Ok(())
    }

    /// Whether it was still as it was known.
    async fn take_back(&self, upstream: &Upstream, model: &str, learnt_at: i64) -> Result<bool, DbErr> {
        let sql = "DELETE FROM cooldown WHERE account_id = $1 AND model = $2 AND learnt_at = $3";
        let values: [Value; 3] = [upstream.row.id.into(), model.into(), learnt_at.into()];
        let delete = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        Ok(self.inner.db.execute_raw(delete).await?.rows_affected() > 0)
    }

    /// Whether it was written: not where something more binding stands there, nor where the account was changed or removed,
    /// for which the lock waits.
    async fn write_pause(&self, upstream: &Upstream, model: &str, pause: &Pause) -> Result<bool, DbErr> {
        let sql = format!(
            "INSERT INTO cooldown AS old (account_id, model, kind, reason, failures, until, learnt_at) \
             SELECT id, $2::text, $3::text, $4::text, $5::integer, {DB_NOW_MS} + $6::bigint, {DB_NOW_MS} FROM account \
             WHERE id = $1 AND disabled_at IS NULL AND secret = $7 AND base_url = $8 \
             AND proxy_url IS NOT DISTINCT FROM $9 AND auth_scheme = $10 FOR SHARE \
             ON CONFLICT (account_id, model) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, \
             failures = excluded.failures, learnt_at = GREATEST(excluded.learnt_at, old.learnt_at + 1), \
             until = CASE WHEN old.kind = excluded.kind THEN GREATEST(old.until, excluded.until) \
             ELSE excluded.until END \
             WHERE NOT (excluded.kind = 'guessed' AND old.kind IN ('stated', 'missing') AND old.until > {DB_NOW_MS}) \
             RETURNING until - {DB_NOW_MS} AS left_ms, learnt_at"
        );
        let (kind, reason) = words(pause);
        let (secret, base_url, proxy_url, auth_scheme) = reach(&upstream.row);
        let values: [Value; 10] = [
            upstream.row.id.into(),
            model.into(),
            kind.into(),
            reason.into(),
            i32::try_from(pause.failures).unwrap_or(i32::MAX).into(),
            pause.until_ms.saturating_sub(clock::now_ms()).into(),
            secret.to_vec().into(),
            base_url.into(),
            proxy_url.into(),
            auth_scheme.into(),
        ];
        let write = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        let Some(row) = self.inner.db.query_one_raw(write).await? else {
            return Ok(false);
        };
        let now_ms = clock::now_ms();
        let left_ms: i64 = row.try_get("", "left_ms")?;
        let known = Known {
            pause: Pause {
                until_ms: now_ms.saturating_add(left_ms),
                ..*pause
            },
            learnt_at: row.try_get("", "learnt_at")?,
        };
        upstream.state.wrote(model, pause, known, now_ms);
        Ok(true)
    }
}

/// What is written down; guesses of others are spread by `spread`, each row always alike.
async fn read(db: &DatabaseConnection, spread: &RandomState) -> Result<HashMap<i64, Rows>, DbErr> {
    let read = format!(
        "SELECT account_id, model, kind, reason, failures, until - {DB_NOW_MS} AS left_ms, learnt_at FROM cooldown"
    );
    let found = db
        .query_all_raw(Statement::from_string(DatabaseBackend::Postgres, read))
        .await?;
    let now_ms = clock::now_ms();
    let mut rows: HashMap<i64, Rows> = HashMap::new();
    for row in found {
        if let Some(mut pause) = pause(&row, now_ms)? {
            let (account_id, learnt_at): (i64, i64) = (row.try_get("", "account_id")?, row.try_get("", "learnt_at")?);
            if matches!(pause.kind, PauseKind::Guessed | PauseKind::Parked(_)) {
                let left_ms = pause.until_ms.saturating_sub(now_ms);
                let more_ms = spread_of(left_ms, spread.hash_one((account_id, learnt_at)));
                pause.until_ms = pause.until_ms.saturating_add(more_ms);
            }
            let of_account = rows.entry(account_id).or_default();
            of_account.insert(row.try_get("", "model")?, Known { pause, learnt_at });
        }
    }
    Ok(rows)
}

/// How much longer than `left_ms` to wait, by `chance`.
fn spread_of(left_ms: i64, chance: u64) -> i64 {
    let most_ms = (left_ms / SPREAD_PART).clamp(0, SPREAD_MAX_MS);
    i64::try_from(chance % 1_024).unwrap_or_default() * most_ms / 1_024
}

/// `None` for what a newer release may have written.
fn pause(row: &QueryResult, now_ms: i64) -> Result<Option<Pause>, DbErr> {
    let (kind, reason): (String, String) = (row.try_get("", "kind")?, row.try_get("", "reason")?);
    let kind = match kind.as_str() {
        "stated" => Some(PauseKind::Stated),
        "missing" => Some(PauseKind::Missing),
        "guessed" => Some(PauseKind::Guessed),
        "parked" => parse(&reason).map(PauseKind::Parked),
        _ => None,
    };
    let failures: i32 = row.try_get("", "failures")?;
    let left_ms: i64 = row.try_get("", "left_ms")?;
    Ok(kind.map(|kind| Pause {
        kind,
        until_ms: now_ms.saturating_add(left_ms),
        failures: u32::try_from(failures).unwrap_or_default(),
        fault: serde_json::from_value::<Fault>(reason.into()).ok(),
    }))
}

/// The columns `kind` and `reason`.
fn words(pause: &Pause) -> (&'static str, String) {
    let fault = || {
        let fault = serde_json::to_value(pause.fault).unwrap_or_default();
        fault.as_str().unwrap_or_default().to_owned()
    };
    match pause.kind {
        PauseKind::Stated => ("stated", fault()),
        PauseKind::Missing => ("missing", fault()),
        PauseKind::Guessed => ("guessed", fault()),
        PauseKind::Parked(reason) => ("parked", word(reason).to_owned()),
    }
}

//! What the processes on one Postgres tell each other about accounts: which to leave alone, why and until when.
//!
//! Invariant: an end is told in milliseconds from now and kept in the database's time, so no two clocks need agree; a row is
//! taken back only as it was known. Off the path of requests, and some rows a second at most. Reads and writes `cooldown`;
//! tells and hears the topic `cooldown`.

use super::{
    Fleet,
    fleet::{parse, word},
    state::{Known, Untold, What},
};
use crate::{clock, ledger::DB_NOW_MS, signals::Signals};
use gateway_core::{
    health::{Pause, PauseKind},
    retry::Fault,
};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, DatabaseConnection, DbErr, QueryResult, Statement, Value};
use std::collections::HashMap;

/// Where it is told that there is something to read.
pub(super) const TOPIC: &str = "cooldown";
/// How long a pause that has passed is remembered.
const KEPT_MS: i64 = 3_600_000;

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
        for (id, upstream) in &self.snapshot().upstreams {
            for untold in upstream.state.untold(clock::now_ms()) {
                write(&self.inner.db, *id, &untold).await?;
                has_told = true;
            }
        }
        if has_told {
            signals.tell(TOPIC, "");
        }
        self.learn().await
    }

    /// Learns what other processes have written down.
    pub(super) async fn learn(&self) -> Result<(), DbErr> {
        let mut rows = read(&self.inner.db).await?;
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

    /// Forgets pauses that have long passed.
    pub(super) async fn prune_cooldowns(&self) -> Result<(), DbErr> {
        let prune = format!("DELETE FROM cooldown WHERE kind <> 'parked' AND until < {DB_NOW_MS} - {KEPT_MS}");
        self.inner.db.execute_unprepared(&prune).await?;
        Ok(())
    }
}

async fn write(db: &DatabaseConnection, account_id: i64, untold: &Untold) -> Result<(), DbErr> {
    let model = untold.model.as_str();
    let (sql, values): (String, Vec<Value>) = match untold.what {
        What::Over { learnt_at } => (
            "DELETE FROM cooldown WHERE account_id = $1 AND model = $2 AND learnt_at = $3".to_owned(),
            vec![account_id.into(), model.into(), learnt_at.into()],
        ),
        What::Paused(pause) => {
            let (kind, reason) = words(&pause);
            let left_ms = pause.until_ms.saturating_sub(clock::now_ms());
            let sql = format!(
                "INSERT INTO cooldown AS old (account_id, model, kind, reason, failures, until, learnt_at) \
                 VALUES ($1, $2, $3, $4, $5, {DB_NOW_MS} + $6, {DB_NOW_MS}) \
                 ON CONFLICT (account_id, model) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, \
                 failures = excluded.failures, learnt_at = GREATEST(excluded.learnt_at, old.learnt_at + 1), \
                 until = CASE WHEN old.kind = excluded.kind THEN GREATEST(old.until, excluded.until) \
                 ELSE excluded.until END \
                 WHERE NOT (excluded.kind = 'guessed' AND old.kind IN ('stated', 'missing') AND old.until > {DB_NOW_MS})"
            );
            let failures = i32::try_from(pause.failures).unwrap_or(i32::MAX);
            let values = vec![
                account_id.into(),
                model.into(),
                kind.into(),
                reason.into(),
                failures.into(),
                left_ms.into(),
            ];
            (sql, values)
        }
    };
    let write = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
    db.execute_raw(write).await?;
    Ok(())
}

async fn read(db: &DatabaseConnection) -> Result<HashMap<i64, Rows>, DbErr> {
    let read = format!(
        "SELECT account_id, model, kind, reason, failures, until - {DB_NOW_MS} AS left_ms, learnt_at FROM cooldown"
    );
    let found = db
        .query_all_raw(Statement::from_string(DatabaseBackend::Postgres, read))
        .await?;
    let now_ms = clock::now_ms();
    let mut rows: HashMap<i64, Rows> = HashMap::new();
    for row in found {
        if let Some(pause) = pause(&row, now_ms)? {
            let learnt_at = row.try_get("", "learnt_at")?;
            let of_account = rows.entry(row.try_get("", "account_id")?).or_default();
            of_account.insert(row.try_get("", "model")?, Known { pause, learnt_at });
        }
    }
    Ok(rows)
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

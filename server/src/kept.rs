//! Kept: which account keeps which answer, so that a request that builds on one goes there and nowhere else.
//!
//! Invariant: an id counts for the team alone whose answer it named; it is known in this process before the answer's last byte leaves, and
//! in others as soon as the row is written. Reads and writes `kept`.

use entity::kept;
use parking_lot::Mutex;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _,
    sea_query::OnConflict,
};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::runtime::Handle;

/// How long providers keep answers, in milliseconds.
const KEPT_FOR_MS: i64 = 30 * 24 * 3_600_000;
/// How many ids are remembered without a look at the database.
const REMEMBERED: usize = 50_000;
/// How long an id may be that is kept, in bytes.
const ID_MAX: usize = 256;
/// How many ids a request may refer to.
const REFERRED_MAX: usize = 512;

/// See the module; clones are the same.
#[derive(Clone, Debug)]
pub struct Kept {
    db: DatabaseConnection,
    runtime: Handle,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    accounts: HashMap<(i64, String), i64>,
    /// The oldest first.
    order: VecDeque<(i64, String)>,
}

impl Memory {
    fn note(&mut self, team_id: i64, id: &str, account_id: i64) -> bool {
        let key = (team_id, id.to_owned());
        if self.accounts.insert(key.clone(), account_id).is_some() {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.accounts.remove(&oldest);
        }
        true
    }
}

impl Kept {
    /// Over `db`; what is written is written on `runtime`.
    #[must_use]
    pub fn new(db: DatabaseConnection, runtime: Handle) -> Self {
        Self {
            db,
            runtime,
            memory: Arc::default(),
        }
    }

    /// Account `account_id` answered team `team_id` at `now_ms`, and keeps that under `ids`.
    pub fn note(&self, team_id: i64, ids: &[String], account_id: i64, now_ms: i64) {
        let mut memory = self.memory.lock();
        let new: Vec<kept::ActiveModel> = ids
            .iter()
            .filter(|id| id.len() <= ID_MAX && memory.note(team_id, id, account_id))
            .map(|id| kept::ActiveModel {
                team_id: Set(team_id),
                answer: Set(id.clone()),
                account_id: Set(account_id),
                created_at: Set(now_ms),
            })
            .collect();
        drop(memory);
        if new.is_empty() {
            return;
        }
        let db = self.db.clone();
        self.runtime.spawn(async move {
            let known = OnConflict::columns([kept::Column::TeamId, kept::Column::Answer])
                .do_nothing()
                .to_owned();
            let insert = kept::Entity::insert_many(new).on_conflict(known);
            if let Err(error) = insert.exec_without_returning(&db).await {
                tracing::warn!(%error, "which account keeps an answer is not written down");
            }
        });
    }

    /// The account that keeps everything called by one of `ids` for team `team_id`; `None` where there is none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find(&self, team_id: i64, ids: &[String]) -> Result<Option<i64>, DbErr> {
        if ids.is_empty() || ids.len() > REFERRED_MAX {
            return Ok(None);
        }
        let mut found: HashMap<&str, i64> = HashMap::new();
        {
            let memory = self.memory.lock();
            for id in ids {
                if let Some(account_id) = memory.accounts.get(&(team_id, id.clone())) {
                    found.insert(id, *account_id);
                }
            }
        }
        let unknown: Vec<&str> = ids
            .iter()
            .map(String::as_str)
            .filter(|id| !found.contains_key(id))
            .collect();
        let rows = if unknown.is_empty() {
            Vec::new()
        } else {
            let of_team = kept::Entity::find().filter(kept::Column::TeamId.eq(team_id));
            of_team
                .filter(kept::Column::Answer.is_in(unknown))
                .all(&self.db)
                .await?
        };
        for row in &rows {
            found.insert(&row.answer, row.account_id);
        }
        let mut accounts = ids.iter().map(|id| found.get(id.as_str()).copied());
        let first = accounts.next().flatten();
        Ok(first.filter(|_| accounts.all(|account| account == first)))
    }

    /// Deletes what no provider keeps any more at `now_ms`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune(&self, now_ms: i64) -> Result<u64, DbErr> {
        let old = kept::Entity::delete_many().filter(kept::Column::CreatedAt.lt(now_ms - KEPT_FOR_MS));
        Ok(old.exec(&self.db).await?.rows_affected)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::temp_db::TempDb;

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn an_answer_is_found_by_its_team_in_another_process_too_until_no_provider_keeps_it() {
        let db = TempDb::open().await;
        let here = Kept::new(db.clone(), Handle::current());
        here.note(1, &ids(&["resp_1", "msg_1"]), 7, 1_000);
        here.note(1, &ids(&["resp_2"]), 8, 1_000);
        let there = Kept::new(db.clone(), Handle::current());
        for kept in [&here, &there] {
            while kept.find(1, &ids(&["resp_2"])).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            for (team_id, names, account) in [
                (1, vec!["resp_1"], Some(7)),
                (1, vec!["msg_1", "resp_1"], Some(7)),
                (1, vec!["resp_1", "resp_2"], None),
                (1, vec!["resp_1", "resp_3"], None),
                (2, vec!["resp_1"], None),
                (1, vec![], None),
            ] {
                assert_eq!(
                    kept.find(team_id, &ids(&names)).await.unwrap(),
                    account,
                    "{team_id} {names:?}"
                );
            }
        }
        assert_eq!(there.prune(1_000 + KEPT_FOR_MS).await.unwrap(), 0);
        assert_eq!(there.prune(1_001 + KEPT_FOR_MS).await.unwrap(), 3);
        assert_eq!(there.find(1, &ids(&["resp_1"])).await.unwrap(), None);
    }
}

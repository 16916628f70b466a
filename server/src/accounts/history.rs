//! The history of accounts: what their health turned into, and when.
//!
//! Invariant: only turns are written, off the path of requests, and the last of each account stay; of several processes that see the same
//! turn one writes it. Reads and writes `account_event`.

use super::{Fleet, fleet::word, upstream::Upstream};
use crate::clock;
use entity::account_event::{ActiveModel, Column, Entity, Model};
use gateway_core::health::Snapshot;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

/// How many turns of an account are kept.
const KEPT: u64 = 50;

/// What the health of an account turned into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// `ready`, `cooling` or `parked`.
    pub state: String,
    /// The last failure or why it is parked, as a word; empty where it is ready.
    pub reason: String,
    /// When it was to be asked again, in Unix milliseconds, where that was known.
    pub until_ms: Option<i64>,
}

/// A turn, and when it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Unix milliseconds.
    pub at_ms: i64,
    /// What it turned into.
    pub turn: Turn,
}

impl Turn {
    /// Well.
    pub(super) fn ready() -> Self {
        Self {
            state: "ready".to_owned(),
            reason: String::new(),
            until_ms: None,
        }
    }

    /// What `health` is; nothing while one request finds out.
    fn of(health: Snapshot) -> Option<Self> {
        let reason = match (health.state.as_str(), health.reason, health.last_fault) {
            ("probing", ..) => return None,
            ("ready", ..) => return Some(Self::ready()),
            (_, Some(reason), _) => word(reason).to_owned(),
            (_, None, fault) => {
                let fault = serde_json::to_value(fault).unwrap_or_default();
                fault.as_str().unwrap_or_default().to_owned()
            }
        };
        Some(Self {
            state: health.state,
            reason,
            until_ms: health.until_ms,
        })
    }

    /// Whether it says what `other` does; for how long does not count.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        (&self.state, &self.reason) == (&other.state, &other.reason)
    }
}

impl Upstream {
    /// How it stands, its proxy included.
    fn standing(&self, now_ms: i64) -> Option<Turn> {
        let own = Turn::of(self.state.snapshot(now_ms))?;
        let proxy = self.way.client.proxy_trouble(now_ms);
        match proxy.filter(|_| own.state == "ready") {
            Some(proxy) => Turn::of(proxy),
            None => Some(own),
        }
    }
}

impl Fleet {
    /// Writes down how `upstream` stands, where that has changed.
    pub(super) async fn write_turn(&self, upstream: &Upstream, now_ms: i64) -> Result<(), DbErr> {
        let Some(turn) = upstream.standing(now_ms).filter(|turn| !upstream.state.was(turn)) else {
            return Ok(());
        };
        write(&self.inner.db, upstream.row.id, &turn, now_ms).await?;
        upstream.state.has_turned(turn);
        Ok(())
    }

    /// The last turns of an account, the latest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn history(&self, account_id: i64) -> Result<Vec<Past>, DbErr> {
        let rows = last(account_id, KEPT).all(&self.inner.db).await?;
        Ok(rows.into_iter().map(Past::from).collect())
    }
}

impl From<Model> for Past {
    fn from(row: Model) -> Self {
        Self {
            at_ms: row.at,
            turn: Turn {
                state: row.state,
                reason: row.reason,
                until_ms: row.until,
            },
        }
    }
}

/// The last turns of an account, the latest first.
fn last(account_id: i64, count: u64) -> sea_orm::Select<Entity> {
    Entity::find()
        .filter(Column::AccountId.eq(account_id))
        .order_by_desc(Column::Id)
        .limit(count)
}

async fn write(db: &DatabaseConnection, account_id: i64, turn: &Turn, now_ms: i64) -> Result<(), DbErr> {
    let kept = last(account_id, KEPT).all(db).await?;
    let latest = kept.first().cloned().map(|row| Past::from(row).turn);
    if latest.unwrap_or_else(Turn::ready).is_as(turn) {
        return Ok(());
    }
    let row = ActiveModel {
        account_id: Set(account_id),
        id: Set(clock::new_id()),
        at: Set(now_ms),
        state: Set(turn.state.clone()),
        reason: Set(turn.reason.clone()),
        until: Set(turn.until_ms),
    };
    Entity::insert(row).exec_without_returning(db).await?;
    if let Some(oldest) = kept.get(usize::try_from(KEPT).unwrap_or(usize::MAX) - 1) {
        let all = Entity::delete_many().filter(Column::AccountId.eq(account_id));
        all.filter(Column::Id.lte(oldest.id)).exec(db).await?;
    }
    Ok(())
}

/// Forgets the turns of an account that is removed.
pub(super) async fn forget(db: &impl ConnectionTrait, account_id: i64) -> Result<(), DbErr> {
    let all = Column::AccountId.eq(account_id);
    Entity::delete_many().filter(all).exec(db).await.map(|_| ())
}

//! The audit log: who changed what, and how it was before.
//!
//! Invariant: rows are only added; what callers put into them holds no secret. Writes and reads `audit`.

use crate::clock;
use entity::audit;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use serde_json::{Value, json};

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user; none for the command line and for who is not signed in.
    pub user_id: Option<i64>,
    /// Peer address, or `command line`.
    pub address: String,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Who.
    pub actor: Actor,
    /// The team concerned.
    pub team_id: Option<i64>,
    /// Subject and verb, such as `key.create`.
    pub action: &'static str,
    /// Id of what was changed, as people see it.
    pub target: String,
    /// How it was; null when it is new.
    pub before: Value,
    /// How it is; null when it is gone.
    pub after: Value,
}

/// Adds `event` to the log. Inside of the transaction of the change, the two appear together.
///
/// # Errors
/// The database failed.
pub async fn record(db: &impl ConnectionTrait, event: Event, now_ms: i64) -> Result<(), DbErr> {
    let row = audit::ActiveModel {
        id: Set(clock::new_id()),
        created_at: Set(now_ms),
        actor_id: Set(event.actor.user_id),
        address: Set(event.actor.address),
        team_id: Set(event.team_id),
        action: Set(event.action.to_owned()),
        target: Set(event.target),
        detail: Set(json!({"before": event.before, "after": event.after}).to_string()),
    };
    audit::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The row.
    pub id: i64,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// What was done, by whom.
    pub actor: Actor,
    /// The team concerned.
    pub team_id: Option<i64>,
    /// Subject and verb.
    pub action: String,
    /// Id of what was changed.
    pub target: String,
    /// `{"before": …, "after": …}`.
    pub detail: Value,
}

/// Up to `limit` rows made before the one with the id `after`, newest first: of one team, or of all.
///
/// # Errors
/// The database failed.
pub async fn list(
    db: &impl ConnectionTrait,
    team_id: Option<i64>,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<Recorded>, DbErr> {
    let mut query = audit::Entity::find()
        .filter(audit::Column::Id.lt(after.unwrap_or(i64::MAX)))
        .order_by_desc(audit::Column::Id)
        .limit(limit);
    if let Some(team_id) = team_id {
        query = query.filter(audit::Column::TeamId.eq(team_id));
    }
    let recorded = |row: audit::Model| Recorded {
        id: row.id,
        created_at_ms: row.created_at,
        actor: Actor {
            user_id: row.actor_id,
            address: row.address,
        },
        team_id: row.team_id,
        action: row.action,
        target: row.target,
        detail: serde_json::from_str(&row.detail).unwrap_or(Value::String(row.detail)),
    };
    Ok(query.all(db).await?.into_iter().map(recorded).collect())
}

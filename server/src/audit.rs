//! The audit log: who changed what, and how it was before.
//!
//! Invariant: rows are only added; what callers put into them holds no secret. Writes and reads `audit`.

use crate::clock;
use entity::audit;
use gateway_core::id;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use serde_json::{Value, json};

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user; none for the command line and for who is not signed in.
    pub user_id: Option<i64>,
    /// The user as whom a platform admin acts.
    pub acting_as: Option<i64>,
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
    let detail = detail(&event.actor, event.before, event.after);
    let row = audit::ActiveModel {
        id: Set(clock::new_id()),
        created_at: Set(now_ms),
        actor_id: Set(event.actor.user_id),
        address: Set(event.actor.address),
        team_id: Set(event.team_id),
        action: Set(event.action.to_owned()),
        target: Set(event.target),
        detail: Set(detail.to_string()),
    };
    audit::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

fn detail(actor: &Actor, before: Value, after: Value) -> Value {
    match actor.acting_as {
        Some(user_id) => json!({"before": before, "after": after, "acting_as": user_id}),
        None => json!({"before": before, "after": after}),
    }
}

/// Which rows; what is none matches every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The team concerned.
    pub team_id: Option<i64>,
    /// Who did it.
    pub actor_id: Option<i64>,
    /// A subject such as `key`, or subject and verb such as `key.create`.
    pub action: Option<String>,
    /// Id of what was changed.
    pub target: Option<String>,
    /// From this moment on, in Unix milliseconds.
    pub from_ms: Option<i64>,
    /// Before this moment, in Unix milliseconds.
    pub until_ms: Option<i64>,
}

impl Filter {
    fn condition(&self) -> Condition {
        let action = self.action.as_ref().map(|action| {
            let verbs = audit::Column::Action.starts_with(format!("{action}."));
            audit::Column::Action.eq(action.as_str()).or(verbs)
        });
        Condition::all()
            .add_option(self.team_id.map(|team_id| audit::Column::TeamId.eq(team_id)))
            .add_option(self.actor_id.map(|actor_id| audit::Column::ActorId.eq(actor_id)))
            .add_option(action)
            .add_option(
                self.target
                    .as_ref()
                    .map(|target| audit::Column::Target.eq(target.as_str())),
            )
            .add_option(self.from_ms.map(|from| audit::Column::Id.gte(id::at(from, 0))))
            .add_option(self.until_ms.map(|until| audit::Column::Id.lt(id::at(until, 0))))
    }
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
    let filter = Filter {
        team_id,
        ..Filter::default()
    };
    find(db, &filter, after, limit).await
}

/// Up to `limit` rows that `filter` matches, made before the one with the id `after`, newest first.
///
/// # Errors
/// The database failed.
pub async fn find(
    db: &impl ConnectionTrait,
    filter: &Filter,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<Recorded>, DbErr> {
    let rows = audit::Entity::find()
        .filter(filter.condition())
        .filter(audit::Column::Id.lt(after.unwrap_or(i64::MAX)))
        .order_by_desc(audit::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Recorded::from).collect())
}

impl From<audit::Model> for Recorded {
    fn from(row: audit::Model) -> Self {
        let detail: Value = serde_json::from_str(&row.detail).unwrap_or(Value::String(row.detail));
        Self {
            id: row.id,
            created_at_ms: row.created_at,
            actor: Actor {
                user_id: row.actor_id,
                acting_as: detail["acting_as"].as_i64(),
                address: row.address,
            },
            team_id: row.team_id,
            action: row.action,
            target: row.target,
            detail,
        }
    }
}

//! Roll-up of requests by hour, team, key and model.
//!
//! Invariant: equals the sum of the closed holds it covers. Table `usage_hour`.

use sea_orm::entity::prelude::*;

/// Roll-up of requests by hour, team, key and model.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_hour")]
pub struct Model {
    /// Unix milliseconds of the hour's start.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    /// The team.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: i64,
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: i64,
    /// The model asked for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
    /// Whose key.
    pub member_id: Option<i64>,
    /// Requests closed.
    pub requests: i64,
    /// Of them, those whose client got an error.
    pub failed: i64,
    /// Attempts beyond the first: refusals the client never saw.
    pub failovers: i64,
    /// Tokens, sound and images among them.
    pub input: i64,
    /// Tokens, sound among them.
    pub cache_read: i64,
    /// Tokens, however long they are kept.
    pub cache_write: i64,
    /// Tokens, sound and images among them.
    pub output: i64,
    /// Nano-USD that caps have counted.
    pub posted: i64,
    /// Of that, what accounts of the team's own came to, which no wallet paid.
    pub own_posted: i64,
    /// Sum of the milliseconds to first content.
    pub ttft_ms_sum: i64,
    /// How many the sum covers.
    pub ttft_count: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

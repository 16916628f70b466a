//! Roll-up of what was charged and what it cost, by day of UTC, team, account and model; one row of each node that wrote.
//!
//! Invariant: of a team's days, `charged` sums up to what its rows of `usage_hour` say. Table `revenue_day`.

use sea_orm::entity::prelude::*;

/// Roll-up of what was charged and what it cost.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revenue_day")]
pub struct Model {
    /// Unix milliseconds of the day's start.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: i64,
    /// Who wrote it; 0 for what was charged before there was this table.
    #[sea_orm(primary_key, auto_increment = false)]
    pub node_id: i64,
    /// The team.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: i64,
    /// The upstream account; 0 where nobody knows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: i64,
    /// The model that answered.
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
    /// Requests charged.
    pub requests: i64,
    /// Nano-USD charged.
    pub charged: i64,
    /// Nano-USD that the provider takes.
    pub cost: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

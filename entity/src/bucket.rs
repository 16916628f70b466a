//! Money counted in one period of one scope.
//!
//! Invariant: posted equals the sum of the holds posted through it. Table `bucket`.

use sea_orm::entity::prelude::*;

/// Money counted in one period of one scope.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bucket")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// team, member or key.
    pub scope: String,
    /// Team id, key id; for a member the user id.
    pub scope_id: i64,
    /// The tenant; part of the identity of a member bucket.
    pub team_id: i64,
    /// wallet, day, month or total.
    pub kind: String,
    /// Unix milliseconds; 0 for wallet and total.
    pub period_start: i64,
    /// Unix milliseconds; none for wallet and total.
    pub period_end: Option<i64>,
    /// The zone the period was cut in.
    pub time_zone: String,
    /// Nano-USD charged.
    pub posted: i64,
    /// Nano-USD charged above holds.
    pub overrun: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

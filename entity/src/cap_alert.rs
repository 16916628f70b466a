//! A share of a cap that was spent, told once.
//!
//! Invariant: one row per cap, its amount, its period and share. Table `cap_alert`.

use sea_orm::entity::prelude::*;

/// A share of a cap that was spent, told once.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cap_alert")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The team.
    pub team_id: i64,
    /// team, member or key.
    pub scope: String,
    /// Team id, key id; for a member the user id.
    pub scope_id: i64,
    /// What it was called then.
    pub name: String,
    /// day, month or total.
    pub kind: String,
    /// Unix milliseconds; 0 for total.
    pub period_start: i64,
    /// Percent of the cap: 50, 80 or 100.
    pub percent: i32,
    /// Nano-USD.
    pub cap: i64,
    /// Nano-USD charged when it was noticed.
    pub posted: i64,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

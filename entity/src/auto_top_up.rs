//! How a team's balance is topped up by itself.
//!
//! Invariant: one row per team; on only with a saved card. Table `auto_top_up`.

use sea_orm::entity::prelude::*;

/// How a team's balance is topped up by itself.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auto_top_up")]
pub struct Model {
    /// The team.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: i64,
    /// 1: it is.
    pub is_on: i64,
    /// When the balance is below, in US cents.
    pub below: i64,
    /// By how much, in US cents.
    pub cents: i64,
    /// At most so much in 24 hours, in US cents.
    pub max_day: i64,
    /// Why it was switched off, if not by people.
    pub note: String,
    /// Unix milliseconds.
    pub changed_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

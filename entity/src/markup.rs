//! What is added to prices, for a team or all of them, and for a model or all of them.
//!
//! Invariant: one row for each team and model. Table `markup`.

use sea_orm::entity::prelude::*;

/// What is added to prices.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "markup")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The team; 0 for every team.
    pub team_id: i64,
    /// The model's own name; empty for every model.
    pub model: String,
    /// Basis points of the price; negative takes off.
    pub basis_points: i64,
    /// Unix milliseconds.
    pub changed_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! Which account keeps an answer of a team's.
//!
//! Invariant: at most one row per team and id; rows are deleted once no provider keeps the answer. Table `kept`.

use sea_orm::entity::prelude::*;

/// Which account keeps an answer, or an item of one.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "kept")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: i64,
    /// The id that the provider gave it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub answer: String,
    /// Where it is kept.
    pub account_id: i64,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

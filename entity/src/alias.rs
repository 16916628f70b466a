//! A name that stands for models in order, for all teams or for one.
//!
//! Invariant: one row per team and name; `team_id` 0 means all teams; targets are names of models, never of aliases. Table `alias`.

use sea_orm::entity::prelude::*;

/// A name that stands for models in order, for all teams or for one.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "alias")]
pub struct Model {
    /// Whose it is; 0: everybody's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: i64,
    /// The name a customer asks for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// JSON list of names of models, the first to be asked first.
    pub targets: String,
    /// By what is chosen among these and their accounts: balanced, cheapest or fastest.
    pub policy: String,
    /// Whether the next target is asked when a prompt is too long for one.
    pub on_context_too_long: bool,
    /// Whether the next target is asked when one refuses the content.
    pub on_content_filter: bool,
    /// The only region whose accounts are asked.
    pub region: Option<String>,
    /// Whether it stands in for a model of the same name that is not its first target.
    pub replaces_model: bool,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The user who made it.
    pub created_by: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! A model of the catalogue or added by an admin.
//!
//! Invariant: a model without a price row is refused, never free. Table `model`.

use sea_orm::entity::prelude::*;

/// A model of the catalogue or added by an admin.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "model")]
pub struct Model {
    /// The name a customer asks for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Who makes it; empty when unknown.
    pub provider: String,
    /// chat or embedding.
    pub mode: String,
    /// Tokens of prompt and answer.
    pub context: Option<i64>,
    /// Tokens of answer.
    pub max_output: Option<i64>,
    /// JSON list of names.
    pub capabilities: String,
    /// JSON list of dialects it is served in; empty means any.
    pub dialects: String,
    /// Tokens the provider adds to a prompt at most.
    pub input_constant: i64,
    /// From the shipped catalogue.
    pub is_builtin: bool,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

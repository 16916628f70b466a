//! A model as served by one account.
//!
//! Invariant: one row per account and model. Table `deployment`.

use sea_orm::entity::prelude::*;

/// A model as served by one account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deployment")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: i64,
    /// The name a customer asks for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
    /// The name the provider knows.
    pub upstream_model: String,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! What a model's tokens cost from a moment on.
//!
//! Invariant: never updated or deleted. Table `price`.

use sea_orm::entity::prelude::*;

/// What a model's tokens cost from a moment on.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "price")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The model.
    pub model: String,
    /// Unix milliseconds.
    pub effective_at: i64,
    /// JSON of `gateway_core::pricing::PriceSheet`, pico-USD per token.
    pub sheet: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The admin; none for the shipped catalogue.
    pub created_by: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

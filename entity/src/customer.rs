//! A team as Stripe knows it.
//!
//! Invariant: one row per team; never changed but for the card. Table `customer`.

use sea_orm::entity::prelude::*;

/// A team as Stripe knows it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer")]
pub struct Model {
    /// The team.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: i64,
    /// Stripe's id, unique.
    pub customer: String,
    /// The saved card's id at Stripe.
    pub method: Option<String>,
    /// What people know of the card: its brand and last four digits.
    pub card: Option<String>,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

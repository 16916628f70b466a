//! One comparison of our books with Stripe's.
//!
//! Invariant: never changed. Table `reconciliation`.

use sea_orm::entity::prelude::*;

/// One comparison of our books with Stripe's.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reconciliation")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Unix milliseconds.
    pub began_at: i64,
    /// Unix milliseconds.
    pub ended_at: i64,
    /// Events that had not been delivered.
    pub events: i64,
    /// Payments compared.
    pub payments: i64,
    /// What they are worth in wallets, in US cents.
    pub ours: i64,
    /// What they are worth at Stripe, in US cents.
    pub theirs: i64,
    /// JSON list of sentences: what differs.
    pub findings: String,
    /// Why it could not be finished.
    pub failure: Option<String>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

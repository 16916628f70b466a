//! A payment that the holder of the card disputes.
//!
//! Invariant: what is taken is what the wallet's entries of it sum up to. Table `dispute`.

use sea_orm::entity::prelude::*;

/// A payment that the holder of the card disputes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dispute")]
pub struct Model {
    /// Stripe's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The payment.
    pub payment_id: i64,
    /// Whose wallet.
    pub team_id: i64,
    /// As Stripe has it.
    pub status: String,
    /// What it is about, in US cents.
    pub cents: i64,
    /// Taken from the wallet now, in US cents.
    pub taken: i64,
    /// When it suspended the team, Unix milliseconds, as long as that is its doing.
    pub frozen_at: Option<i64>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub changed_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

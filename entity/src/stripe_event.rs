//! Something that Stripe told, and what came of it.
//!
//! Invariant: written once, in the transaction of its effect. Table `stripe_event`.

use sea_orm::entity::prelude::*;

/// Something that Stripe told, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stripe_event")]
pub struct Model {
    /// Stripe's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// What happened, such as checkout.session.completed.
    pub kind: String,
    /// What it is about.
    pub object_id: String,
    /// What came of it.
    pub outcome: String,
    /// When it happened, Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub received_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

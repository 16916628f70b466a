//! A turn in the health of an account.
//!
//! Invariant: only the last turns of an account are kept. Table `account_event`.

use sea_orm::entity::prelude::*;

/// A turn in the health of an account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_event")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: i64,
    /// Ordered by time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Unix milliseconds.
    pub at: i64,
    /// `ready`, `cooling` or `parked`.
    pub state: String,
    /// The last failure, or why it is parked; empty where it is ready.
    pub reason: String,
    /// Unix milliseconds: when it was to be asked again, as far as that was known.
    pub until: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

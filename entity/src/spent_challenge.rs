//! A challenge of a passkey that was answered.
//!
//! Invariant: the row is made by the first right answer, so that there is no second. Table `spent_challenge`.

use sea_orm::entity::prelude::*;

/// A challenge of a passkey that was answered.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "spent_challenge")]
pub struct Model {
    /// The challenge's own keyed hash.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tag: Vec<u8>,
    /// Unix milliseconds; the challenge is too old from then on.
    pub expires_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

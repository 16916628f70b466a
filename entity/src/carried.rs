//! What the deleted holds of a bucket counted.
//!
//! Invariant: with the holds that are left it is what the bucket counts. Table `carried`.

use sea_orm::entity::prelude::*;

/// What the deleted holds of a bucket counted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "carried")]
pub struct Model {
    /// The bucket.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket_id: i64,
    /// Nano-USD charged.
    pub posted: i64,
    /// Nano-USD charged above holds.
    pub overrun: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

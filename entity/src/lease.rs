//! What a node may still spend of a bucket.
//!
//! Invariant: granted is at least what its open holds set aside there under the lease. Table `lease`.

use sea_orm::entity::prelude::*;

/// What a node may still spend of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lease")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub node_id: i64,
    /// Of what.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket_id: i64,
    /// Nano-USD granted and neither spent nor given back.
    pub granted: i64,
    /// How many grants there were.
    pub grants: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! A serving process, from its start until all it left open is dealt with.
//!
//! Invariant: once fenced it writes no hold; a slot has one node that is not fenced. Table `node`.

use sea_orm::entity::prelude::*;

/// A serving process, from its start until all it left open is dealt with.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "node")]
pub struct Model {
    /// Time-ordered id, new at each start.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The host it runs on, for people.
    pub name: String,
    /// What tells the ids it makes from those of others; none once it is fenced.
    #[sea_orm(unique)]
    pub slot: Option<i16>,
    /// Number of the last group it has written.
    pub batch: i64,
    /// Its holds below this id are closed.
    pub low_water: i64,
    /// Unix milliseconds, by the database.
    pub started_at: i64,
    /// Unix milliseconds, by the database.
    pub seen_at: i64,
    /// Unix milliseconds; none while it may write.
    pub fenced_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

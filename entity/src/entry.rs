//! A change of a team's wallet other than a charge.
//!
//! Invariant: never updated or deleted. Table `entry`.

use sea_orm::entity::prelude::*;

/// A change of a team's wallet other than a charge.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entry")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Whose wallet.
    pub team_id: i64,
    /// grant, adjustment, code, top_up, refund or dispute.
    pub kind: String,
    /// Nano-USD, negative takes away.
    pub amount: i64,
    /// Why, for people.
    pub reason: String,
    /// The user who did it; none for the system.
    pub actor_id: Option<i64>,
    /// The hold it corrects.
    pub hold_id: Option<i64>,
    /// Comma-separated ids of the buckets, besides the wallet, that a correction counts in, ascending; else empty.
    pub buckets: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Its number in the chain of entries.
    pub batch: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! What the nodes of one database count in a window: requests or tokens a minute of a key, a member or a team.
//!
//! Invariant: the sum of the last seven slots was at most the limit at the last grant; what was used above what was granted
//! comes on top. Table `rate`; rows of windows long empty are deleted.

use sea_orm::entity::prelude::*;

/// What the nodes of one database count in a window.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rate")]
pub struct Model {
    /// `key`, `team`, or `member-` and the team's number.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
    /// The key, the team or the user.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope_id: i64,
    /// `requests` or `tokens`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// JSON object: from a slot, the database's Unix time in tens of seconds, to what was granted in it and not given back.
    pub granted: String,
    /// The newest slot.
    pub newest: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! Who changed what.
//!
//! Invariant: never updated or deleted; no secret in it. Table `audit`.

use sea_orm::entity::prelude::*;

/// Who changed what.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The user; none for the command line.
    pub actor_id: Option<i64>,
    /// Peer address.
    pub address: String,
    /// The team concerned.
    pub team_id: Option<i64>,
    /// Verb and subject, such as key.create.
    pub action: String,
    /// Id of what was changed.
    pub target: String,
    /// JSON of before and after, without secrets.
    pub detail: String,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

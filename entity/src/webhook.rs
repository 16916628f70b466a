//! Where a team is told by machine.
//!
//! Invariant: the secret is sealed for this row and the URL's origin. Table `webhook`.

use sea_orm::entity::prelude::*;

/// Where a team is told by machine.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook")]
pub struct Model {
    /// The team.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: i64,
    /// Where.
    pub url: String,
    /// The key of the signatures, sealed.
    pub secret: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

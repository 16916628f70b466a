//! Who is written to about a team's caps, where it is not its owners.
//!
//! Invariant: an address is in lower case. Table `alert_address`.

use sea_orm::entity::prelude::*;

/// Who is written to about a team's caps, where it is not its owners.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "alert_address")]
pub struct Model {
    /// The team.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: i64,
    /// An e-mail address.
    #[sea_orm(primary_key, auto_increment = false)]
    pub email: String,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

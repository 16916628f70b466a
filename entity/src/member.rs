//! A person in a team.
//!
//! Invariant: one row per team and user. Table `member`.

use sea_orm::entity::prelude::*;

/// A person in a team.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "member")]
pub struct Model {
    /// The team.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: i64,
    /// The person.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// owner, admin, member or viewer.
    pub role: String,
    /// Nano-USD a day.
    pub cap_day: Option<i64>,
    /// Nano-USD a month.
    pub cap_month: Option<i64>,
    /// Requests a minute of all their keys.
    pub rpm: Option<i64>,
    /// Tokens a minute of all their keys.
    pub tpm: Option<i64>,
    /// Requests at once of all their keys.
    pub max_in_flight: Option<i64>,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

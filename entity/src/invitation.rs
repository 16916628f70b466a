//! An invitation into a team; a link holds its token.
//!
//! Invariant: only a keyed hash of the token is stored; of revoked and accepted at most one is set. Table `invitation`.

use sea_orm::entity::prelude::*;

/// An invitation into a team; a link holds its token.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitation")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The team.
    pub team_id: i64,
    /// HMAC-SHA-256 of the token.
    #[sea_orm(unique)]
    pub token_hash: Vec<u8>,
    /// Lower-case address of who may accept; none: whoever has the link.
    pub email: Option<String>,
    /// owner, admin, member or viewer.
    pub role: String,
    /// Nano-USD a day, for the new member.
    pub cap_day: Option<i64>,
    /// Nano-USD a month, for the new member.
    pub cap_month: Option<i64>,
    /// The user who invites.
    pub created_by: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; opens nothing since.
    pub expires_at: i64,
    /// Unix milliseconds; taken back.
    pub revoked_at: Option<i64>,
    /// Unix milliseconds; used.
    pub accepted_at: Option<i64>,
    /// The user who joined.
    pub accepted_by: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

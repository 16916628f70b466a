//! A code that a team redeems for money.
//!
//! Invariant: redeemed once at most, by the row's own update; the code itself is not in it. Table `code`.

use sea_orm::entity::prelude::*;

/// A code that a team redeems for money.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "code")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Nano-USD, above zero.
    pub amount: i64,
    /// Keyed hash of the code, in hexadecimal; unique.
    pub hash: String,
    /// The code's end, shown in lists.
    pub last_four: String,
    /// What it is for, for platform admins.
    pub note: String,
    /// Unix milliseconds; from then on it is worth nothing.
    pub expires_at: Option<i64>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The platform admin.
    pub created_by: Option<i64>,
    /// Unix milliseconds; it is worth nothing since.
    pub revoked_at: Option<i64>,
    /// Unix milliseconds.
    pub redeemed_at: Option<i64>,
    /// The user.
    pub redeemed_by: Option<i64>,
    /// Whose wallet got it.
    pub team_id: Option<i64>,
    /// The wallet's entry.
    pub entry_id: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

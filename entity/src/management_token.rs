//! A token for the management API (`mt-oh-…`).
//!
//! Invariant: only a keyed hash of the secret is stored. Table `management_token`.

use sea_orm::entity::prelude::*;

/// A token for the management API (`mt-oh-…`).
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "management_token")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Whose rights it has.
    pub user_id: i64,
    /// The eight characters after the prefix.
    #[sea_orm(unique)]
    pub public_id: String,
    /// HMAC-SHA-256 of the secret.
    pub secret_hash: Vec<u8>,
    /// Shown in lists.
    pub last_four: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub revoked_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

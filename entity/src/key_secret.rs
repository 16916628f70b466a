//! One secret of a key; a rotated key has two for the overlap.
//!
//! Invariant: only a keyed hash is stored. Table `key_secret`.

use sea_orm::entity::prelude::*;

/// One secret of a key; a rotated key has two for the overlap.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "key_secret")]
pub struct Model {
    /// The eight characters after `sk-oh-`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub public_id: String,
    /// The key it opens.
    pub key_id: i64,
    /// HMAC-SHA-256 of the secret under the pepper.
    pub secret_hash: Vec<u8>,
    /// Which pepper.
    pub pepper_version: i32,
    /// Shown in lists.
    pub last_four: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; set by rotation.
    pub expires_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

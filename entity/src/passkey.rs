//! A passkey of a user.
//!
//! Invariant: nothing in it opens anything: the private key stays with the authenticator. Table `passkey`.

use sea_orm::entity::prelude::*;

/// A passkey of a user.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "passkey")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// What its owner calls it.
    pub name: String,
    /// The authenticator's name of it.
    #[sea_orm(unique)]
    pub credential_id: Vec<u8>,
    /// Public key, in COSE form as it came.
    pub public_key: Vec<u8>,
    /// The highest signature counter that was shown; 0 where the authenticator does not count.
    pub sign_count: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds of the last sign-in.
    pub last_used_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

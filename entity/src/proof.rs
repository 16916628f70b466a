//! A link that was mailed and not used yet: whoever has it reads the mail of an address.
//!
//! Invariant: used once, by deleting the row; the link's token is stored as a keyed hash alone. Table `proof`.

use sea_orm::entity::prelude::*;

/// A link that was mailed and not used yet.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "proof")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// password, sign_up or email.
    pub purpose: String,
    /// Whose; none for who is yet to sign up.
    pub user_id: Option<i64>,
    /// The address that the link was mailed to.
    pub email: String,
    /// Of the password that a new user chose; argon2id in PHC form.
    pub password_hash: Option<String>,
    /// Keyed hash of the link's token.
    #[sea_orm(unique)]
    pub token_hash: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub expires_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

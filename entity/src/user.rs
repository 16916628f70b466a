//! A person who can sign in.
//!
//! Invariant: an e-mail address is stored in lower case and belongs to one user. Table `user`.

use sea_orm::entity::prelude::*;

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Lower-case e-mail address.
    #[sea_orm(unique)]
    pub email: String,
    /// argon2id in PHC form; empty: they have none, and sign in by an account elsewhere or a passkey.
    pub password_hash: String,
    /// Platform admin: manages accounts, models and teams.
    pub is_admin: bool,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; may not sign in since.
    pub disabled_at: Option<i64>,
    /// Unix milliseconds at which they proved the address: by a link mailed to it, or by a provider that did.
    pub email_verified_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

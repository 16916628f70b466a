//! An account elsewhere that signs a user in.
//!
//! Invariant: one account elsewhere, an issuer and a subject, belongs to one user. Table `identity`.

use sea_orm::entity::prelude::*;

/// An account elsewhere that signs a user in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "identity")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// google, github or oidc.
    pub provider: String,
    /// Who vouches: the issuer, or the address of GitHub.
    pub issuer: String,
    /// The issuer's own, lasting name of the account.
    pub subject: String,
    /// The address that the issuer told last, for people; empty where it told none.
    pub email: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds of the last sign-in.
    pub last_used_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

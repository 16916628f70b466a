//! A signed-in browser; the cookie names it.
//!
//! Invariant: a revoked or expired row opens nothing. Table `session`.

use sea_orm::entity::prelude::*;

/// A signed-in browser; the cookie names it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Who is signed in.
    pub user_id: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub last_seen_at: i64,
    /// Unix milliseconds; absolute lifetime.
    pub expires_at: i64,
    /// Unix milliseconds.
    pub revoked_at: Option<i64>,
    /// Peer address at sign-in.
    pub address: String,
    /// Client's own description, cut to 200 bytes.
    pub user_agent: String,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

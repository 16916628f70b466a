//! A pause of an account, or of one model on it, that every process on a Postgres keeps.
//!
//! Invariant: at most one row per account and model; times are the database's. Table `cooldown`.

use sea_orm::entity::prelude::*;

/// A pause of an account, or of one model on it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cooldown")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: i64,
    /// As the provider knows it; empty for the whole account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
    /// `stated`, `missing`, `guessed` or `parked`.
    pub kind: String,
    /// The last failure, or why it is parked.
    pub reason: String,
    /// Failures since the last success.
    pub failures: i32,
    /// Unix milliseconds: when it ends, or may be tried.
    pub until: i64,
    /// Unix milliseconds; another one wherever the row has changed.
    pub learnt_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

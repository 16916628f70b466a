//! A mail that was sent, waits to be sent, or was given up.
//!
//! Invariant: the body is sealed for this row, and empty once it is of no use. Table `outbox`.

use sea_orm::entity::prelude::*;

/// A mail that was sent, waits to be sent, or was given up.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// What it is for, such as invitation.
    pub kind: String,
    /// An e-mail address.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// Sealed paragraphs as JSON; empty once it was sent or is too old.
    pub body: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; not sent after it.
    pub expires_at: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// Unix milliseconds of the next try; none once it was sent or given up.
    pub next_at: Option<i64>,
    /// Unix milliseconds.
    pub sent_at: Option<i64>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

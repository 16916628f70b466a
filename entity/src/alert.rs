//! Something an operator must see.
//!
//! Invariant: one open row per kind and subject. Table `alert`.

use sea_orm::entity::prelude::*;

/// Something an operator must see.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "alert")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// price_unknown, overrun, account_parked, account_unusable, ledger_down, mail_failing.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// For people.
    pub message: String,
    /// Unix milliseconds.
    pub first_at: i64,
    /// Unix milliseconds.
    pub last_at: i64,
    /// How often.
    pub count: i64,
    /// Unix milliseconds.
    pub resolved_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

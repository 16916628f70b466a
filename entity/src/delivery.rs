//! Something to be told to a team's webhook.
//!
//! Invariant: it waits (`next_at`), was taken (`sent_at`), or was given up (neither). Table `delivery`.

use sea_orm::entity::prelude::*;

/// Something to be told to a team's webhook.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The team.
    pub team_id: i64,
    /// What happened, such as `cap.alert`.
    pub event: String,
    /// The JSON that is sent.
    pub body: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// Unix milliseconds; when it is tried.
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

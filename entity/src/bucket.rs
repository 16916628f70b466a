//! Money counted in one period of one scope.
//!
//! Invariant: posted and held equal the sums of the holds through it, leased what its leases and uncapped holds come to,
//! credit the sum of the entries. A server that is alone on its database keeps held and leased in memory. Table `bucket`.

use sea_orm::entity::prelude::*;

/// Money counted in one period of one scope.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bucket")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// team, member or key.
    pub scope: String,
    /// Team id, key id; for a member the user id.
    pub scope_id: i64,
    /// The tenant; part of the identity of a member bucket.
    pub team_id: i64,
    /// wallet, day, month or total.
    pub kind: String,
    /// Unix milliseconds; 0 for wallet and total.
    pub period_start: i64,
    /// Unix milliseconds; none for wallet and total.
    pub period_end: Option<i64>,
    /// The zone the period was cut in.
    pub time_zone: String,
    /// Nano-USD charged.
    pub posted: i64,
    /// Nano-USD charged above holds.
    pub overrun: i64,
    /// Nano-USD set aside by open holds.
    pub held: i64,
    /// Nano-USD that nodes may still spend: rights granted to them, and open holds that needed none.
    pub leased: i64,
    /// Nano-USD paid in; wallets only.
    pub credit: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

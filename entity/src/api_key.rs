//! A customer's key: its owner, limits and caps; the secrets are in `key_secret`.
//!
//! Invariant: caps and limits stay with the key through rotation. Table `api_key`.

use sea_orm::entity::prelude::*;

/// A customer's key: its owner, limits and caps; the secrets are in `key_secret`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The team that owns and pays.
    pub team_id: i64,
    /// The user whose caps also count.
    pub member_id: Option<i64>,
    /// Shown name.
    pub name: String,
    /// JSON list of patterns; empty means every model.
    pub models: String,
    /// Nano-USD a day.
    pub cap_day: Option<i64>,
    /// Nano-USD a month.
    pub cap_month: Option<i64>,
    /// Nano-USD in all.
    pub cap_total: Option<i64>,
    /// Requests a minute.
    pub rpm: Option<i64>,
    /// Tokens a minute.
    pub tpm: Option<i64>,
    /// Requests at once.
    pub max_in_flight: Option<i64>,
    /// Whether output may be cut to what the caps afford.
    pub clamp: bool,
    /// Whether tools may run at the provider.
    pub hosted_tools: bool,
    /// JSON list of CIDRs; empty means everywhere.
    pub allowed_ips: String,
    /// The only region whose accounts are asked for it.
    pub region: Option<String>,
    /// Unix milliseconds.
    pub expires_at: Option<i64>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The user who made it.
    pub created_by: i64,
    /// Unix milliseconds; can be undone.
    pub disabled_at: Option<i64>,
    /// Unix milliseconds; for good.
    pub revoked_at: Option<i64>,
    /// Unix milliseconds, to the minute.
    pub last_used_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

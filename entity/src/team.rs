//! A tenant: who owns keys and pays.
//!
//! Invariant: caps are positive nano-USD or absent. Table `team`.

use sea_orm::entity::prelude::*;

/// A tenant: who owns keys and pays.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "team")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Shown name.
    pub name: String,
    /// IANA name; periods of caps follow it.
    pub time_zone: String,
    /// Nano-USD a day.
    pub cap_day: Option<i64>,
    /// Nano-USD a month.
    pub cap_month: Option<i64>,
    /// Requests a minute.
    pub rpm: Option<i64>,
    /// Tokens a minute.
    pub tpm: Option<i64>,
    /// Whether accounts of the platform may serve it beside its own.
    pub uses_platform: bool,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; its keys are refused since.
    pub suspended_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

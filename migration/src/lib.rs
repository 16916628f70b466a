//! SeaORM migrations: one file per schema change.
//!
//! Invariant: a migration that has been released is never edited.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::{MigrationTrait, async_trait};

mod m0001_start;
mod m0002_rate;
mod m0003_cooldown;
mod m0004_details;
mod m0005_alias;
mod m0006_account_event;
mod m0007_teams;
mod m0008_mail;
mod m0008_proof;
mod m0008_second_factor;
mod m0009_billing;
mod m0010_kept;
mod m0011_identity;
mod m0012_own_accounts;
mod m0013_markup;
mod m0014_policy;
mod m0015_hosted_tools;

/// Every schema change, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_start::Migration),
            Box::new(m0002_rate::Migration),
            Box::new(m0003_cooldown::Migration),
            Box::new(m0004_details::Migration),
            Box::new(m0005_alias::Migration),
            Box::new(m0006_account_event::Migration),
            Box::new(m0007_teams::Migration),
            Box::new(m0008_mail::Migration),
            Box::new(m0009_billing::Migration),
            Box::new(m0010_kept::Migration),
            Box::new(m0008_proof::Migration),
            Box::new(m0008_second_factor::Migration),
            Box::new(m0011_identity::Migration),
            Box::new(m0012_own_accounts::Migration),
            Box::new(m0013_markup::Migration),
            Box::new(m0014_policy::Migration),
            Box::new(m0015_hosted_tools::Migration),
        ]
    }
}

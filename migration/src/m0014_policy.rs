//! By what an alias chooses among its models and their accounts.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::alias`. What there was stays balanced.

use sea_orm_migration::prelude::*;

/// Adds `policy` to `alias`.
pub struct Migration;

const TABLE: &str = "alias";
const COLUMN: &str = "policy";

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0014_policy"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = ColumnDef::new(Alias::new(COLUMN));
        column.text().not_null().default("balanced");
        let change = Table::alter().table(Alias::new(TABLE)).add_column(column).to_owned();
        manager.alter_table(change).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let change = Table::alter()
            .table(Alias::new(TABLE))
            .drop_column(Alias::new(COLUMN))
            .to_owned();
        manager.alter_table(change).await
    }
}

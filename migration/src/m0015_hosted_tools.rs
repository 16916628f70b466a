//! Whether a key's tools may run at the provider.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::api_key`. No key that there was may.

use sea_orm_migration::prelude::*;

/// Adds `hosted_tools` to `api_key`.
pub struct Migration;

const TABLE: &str = "api_key";
const COLUMN: &str = "hosted_tools";

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0015_hosted_tools"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = ColumnDef::new(Alias::new(COLUMN));
        column.boolean().not_null().default(false);
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

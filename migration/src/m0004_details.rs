//! The tokens of a hold by rarer kinds: what is written to a long-lived cache, sound and images.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::hold`. Rows from before have none.

use sea_orm_migration::prelude::*;

/// Adds `details` to `hold`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_details"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = ColumnDef::new(Alias::new("details"));
        let mut table = Table::alter();
        table.table(Alias::new("hold")).add_column(column.text().null());
        manager.alter_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::alter();
        table.table(Alias::new("hold")).drop_column(Alias::new("details"));
        manager.alter_table(table).await
    }
}

//! What nodes count together: requests and tokens a minute.
//!
//! Invariant: works alike on SQLite, where nobody uses it, and Postgres; columns are those of `entity::rate`.

use sea_orm_migration::prelude::*;

/// Creates `rate`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_rate"
    }
}

fn column(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.not_null();
    column
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut key = Index::create();
        for part in ["scope", "scope_id", "kind"] {
            key.col(Alias::new(part));
        }
        let mut table = Table::create();
        table
            .table(Alias::new("rate"))
            .col(column("scope").text())
            .col(column("scope_id").big_integer())
            .col(column("kind").text())
            .col(column("granted").text())
            .col(column("newest").big_integer())
            .primary_key(&mut key);
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Alias::new("rate")).to_owned())
            .await
    }
}

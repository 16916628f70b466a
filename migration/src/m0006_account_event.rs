//! What the health of accounts turned into, and when.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::account_event`.

use sea_orm_migration::prelude::*;

/// Creates the table `account_event`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_account_event"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name: &'static str| Alias::new(name);
        let mut key = Index::create();
        key.col(name("account_id")).col(name("id"));
        let table = Table::create()
            .table(name("account_event"))
            .col(ColumnDef::new(name("account_id")).big_integer().not_null())
            .col(ColumnDef::new(name("id")).big_integer().not_null())
            .col(ColumnDef::new(name("at")).big_integer().not_null())
            .col(ColumnDef::new(name("state")).text().not_null())
            .col(ColumnDef::new(name("reason")).text().not_null())
            .col(ColumnDef::new(name("until")).big_integer())
            .primary_key(&mut key)
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::drop().table(Alias::new("account_event")).to_owned();
        manager.drop_table(table).await
    }
}

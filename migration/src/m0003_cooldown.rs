//! Pauses of accounts, for all processes on one Postgres.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::cooldown`.

use sea_orm_migration::prelude::*;

/// Creates the table `cooldown`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_cooldown"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name: &'static str| Alias::new(name);
        let mut key = Index::create();
        key.col(name("account_id")).col(name("model"));
        let table = Table::create()
            .table(name("cooldown"))
            .col(ColumnDef::new(name("account_id")).big_integer().not_null())
            .col(ColumnDef::new(name("model")).text().not_null())
            .col(ColumnDef::new(name("kind")).text().not_null())
            .col(ColumnDef::new(name("reason")).text().not_null())
            .col(ColumnDef::new(name("failures")).integer().not_null())
            .col(ColumnDef::new(name("until")).big_integer().not_null())
            .col(ColumnDef::new(name("learnt_at")).big_integer().not_null())
            .primary_key(&mut key)
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::drop().table(Alias::new("cooldown")).to_owned();
        manager.drop_table(table).await
    }
}

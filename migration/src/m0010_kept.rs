//! Which account keeps which answer.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::kept`.

use sea_orm_migration::prelude::*;

/// Creates the table `kept`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0010_kept"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name: &'static str| Alias::new(name);
        let mut key = Index::create();
        key.col(name("team_id")).col(name("answer"));
        let table = Table::create()
            .table(name("kept"))
            .col(ColumnDef::new(name("team_id")).big_integer().not_null())
            .col(ColumnDef::new(name("answer")).text().not_null())
            .col(ColumnDef::new(name("account_id")).big_integer().not_null())
            .col(ColumnDef::new(name("created_at")).big_integer().not_null())
            .primary_key(&mut key)
            .to_owned();
        manager.create_table(table).await?;
        let mut old = Index::create();
        old.name("kept_created").table(name("kept")).col(name("created_at"));
        manager.create_index(old.to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::drop().table(Alias::new("kept")).to_owned();
        manager.drop_table(table).await
    }
}

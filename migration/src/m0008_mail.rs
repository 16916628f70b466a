//! Mails that wait to be sent.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::outbox`.

use sea_orm_migration::prelude::*;

/// Creates the table `outbox`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_mail"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name: &'static str| Alias::new(name);
        let table = Table::create()
            .table(name("outbox"))
            .col(ColumnDef::new(name("id")).big_integer().not_null().primary_key())
            .col(ColumnDef::new(name("kind")).text().not_null())
            .col(ColumnDef::new(name("recipient")).text().not_null())
            .col(ColumnDef::new(name("subject")).text().not_null())
            .col(ColumnDef::new(name("body")).binary().not_null())
            .col(ColumnDef::new(name("created_at")).big_integer().not_null())
            .col(ColumnDef::new(name("expires_at")).big_integer().not_null())
            .col(ColumnDef::new(name("attempts")).integer().not_null())
            .col(ColumnDef::new(name("next_at")).big_integer())
            .col(ColumnDef::new(name("sent_at")).big_integer())
            .col(ColumnDef::new(name("last_error")).text())
            .to_owned();
        manager.create_table(table).await?;
        let mut due = Index::create();
        due.name("outbox_due").table(name("outbox")).col(name("next_at"));
        manager.create_index(due.to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::drop().table(Alias::new("outbox")).to_owned();
        manager.drop_table(table).await
    }
}

//! Links that prove an e-mail address: for a new password, a new user, a new address.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::proof`.

use sea_orm_migration::prelude::*;

/// Creates the table `proof`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_proof"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name: &'static str| Alias::new(name);
        let table = Table::create()
            .table(name("proof"))
            .col(ColumnDef::new(name("id")).big_integer().not_null().primary_key())
            .col(ColumnDef::new(name("purpose")).text().not_null())
            .col(ColumnDef::new(name("user_id")).big_integer())
            .col(ColumnDef::new(name("email")).text().not_null())
            .col(ColumnDef::new(name("password_hash")).text())
            .col(ColumnDef::new(name("token_hash")).binary().not_null())
            .col(ColumnDef::new(name("created_at")).big_integer().not_null())
            .col(ColumnDef::new(name("expires_at")).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        let mut by_token = Index::create();
        by_token
            .name("proof_token_hash")
            .table(name("proof"))
            .col(name("token_hash"));
        manager.create_index(by_token.unique().to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::drop().table(Alias::new("proof")).to_owned();
        manager.drop_table(table).await
    }
}

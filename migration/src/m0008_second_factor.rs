//! Authenticator apps and recovery codes.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::second_factor` and `entity::recovery_code`.

use sea_orm_migration::prelude::*;

/// Creates the tables `second_factor` and `recovery_code`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_second_factor"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name: &'static str| Alias::new(name);
        let table = Table::create()
            .table(name("second_factor"))
            .col(ColumnDef::new(name("user_id")).big_integer().not_null().primary_key())
            .col(ColumnDef::new(name("secret")).binary().not_null())
            .col(ColumnDef::new(name("created_at")).big_integer().not_null())
            .col(ColumnDef::new(name("confirmed_at")).big_integer())
            .col(ColumnDef::new(name("last_step")).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        let mut key = Index::create();
        key.col(name("user_id")).col(name("code_hash"));
        let table = Table::create()
            .table(name("recovery_code"))
            .col(ColumnDef::new(name("user_id")).big_integer().not_null())
            .col(ColumnDef::new(name("code_hash")).binary().not_null())
            .primary_key(&mut key)
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["second_factor", "recovery_code"] {
            let table = Table::drop().table(Alias::new(table)).to_owned();
            manager.drop_table(table).await?;
        }
        Ok(())
    }
}

//! Accounts elsewhere that sign users in, passkeys, and who proved their address.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::identity`, `entity::passkey`,
//! `entity::spent_challenge` and `entity::user`.

use sea_orm_migration::prelude::*;

/// Creates the tables `identity`, `passkey` and `spent_challenge`, and `user.email_verified_at`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0011_identity"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name: &'static str| Alias::new(name);
        let proven = Table::alter()
            .table(name("user"))
            .add_column(ColumnDef::new(name("email_verified_at")).big_integer())
            .to_owned();
        manager.alter_table(proven).await?;
        let table = Table::create()
            .table(name("identity"))
            .col(ColumnDef::new(name("id")).big_integer().not_null().primary_key())
            .col(ColumnDef::new(name("user_id")).big_integer().not_null())
            .col(ColumnDef::new(name("provider")).text().not_null())
            .col(ColumnDef::new(name("issuer")).text().not_null())
            .col(ColumnDef::new(name("subject")).text().not_null())
            .col(ColumnDef::new(name("email")).text().not_null())
            .col(ColumnDef::new(name("created_at")).big_integer().not_null())
            .col(ColumnDef::new(name("last_used_at")).big_integer())
            .to_owned();
        manager.create_table(table).await?;
        let table = Table::create()
            .table(name("passkey"))
            .col(ColumnDef::new(name("id")).big_integer().not_null().primary_key())
            .col(ColumnDef::new(name("user_id")).big_integer().not_null())
            .col(ColumnDef::new(name("name")).text().not_null())
            .col(ColumnDef::new(name("credential_id")).binary().not_null())
            .col(ColumnDef::new(name("public_key")).binary().not_null())
            .col(ColumnDef::new(name("sign_count")).big_integer().not_null())
            .col(ColumnDef::new(name("created_at")).big_integer().not_null())
            .col(ColumnDef::new(name("last_used_at")).big_integer())
            .to_owned();
        manager.create_table(table).await?;
        let table = Table::create()
            .table(name("spent_challenge"))
            .col(ColumnDef::new(name("tag")).binary().not_null().primary_key())
            .col(ColumnDef::new(name("expires_at")).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        indexes(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["identity", "passkey", "spent_challenge"] {
            let table = Table::drop().table(Alias::new(table)).to_owned();
            manager.drop_table(table).await?;
        }
        let proven = Table::alter()
            .table(Alias::new("user"))
            .drop_column(Alias::new("email_verified_at"))
            .to_owned();
        manager.alter_table(proven).await
    }
}

async fn indexes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for (index, table, columns, is_unique) in [
        ("identity_subject", "identity", ["issuer", "subject"].as_slice(), true),
        ("identity_user", "identity", &["user_id"], false),
        ("passkey_credential", "passkey", &["credential_id"], true),
        ("passkey_user", "passkey", &["user_id"], false),
    ] {
        let mut made = Index::create();
        made.name(index).table(Alias::new(table));
        for column in columns {
            made.col(Alias::new(*column));
        }
        if is_unique {
            made.unique();
        }
        manager.create_index(made.to_owned()).await?;
    }
    Ok(())
}

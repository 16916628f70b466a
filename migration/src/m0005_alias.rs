//! Aliases of models, the name that a hold's client asked for, and the regions of keys.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::alias`, `entity::hold` and `entity::api_key`. Rows
//! from before have none.

use sea_orm_migration::prelude::*;

/// Creates `alias`; adds `asked` to `hold` and `region` to `api_key`.
pub struct Migration;

/// Tables and the columns they get.
const ADDED: [(&str, &str); 2] = [("hold", "asked"), ("api_key", "region")];

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_alias"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name: &'static str| Alias::new(name);
        let mut key = Index::create();
        key.col(name("team_id")).col(name("name"));
        let table = Table::create()
            .table(name("alias"))
            .col(ColumnDef::new(name("team_id")).big_integer().not_null())
            .col(ColumnDef::new(name("name")).text().not_null())
            .col(ColumnDef::new(name("targets")).text().not_null())
            .col(ColumnDef::new(name("on_context_too_long")).boolean().not_null())
            .col(ColumnDef::new(name("on_content_filter")).boolean().not_null())
            .col(ColumnDef::new(name("region")).text().null())
            .col(ColumnDef::new(name("replaces_model")).boolean().not_null())
            .col(ColumnDef::new(name("created_at")).big_integer().not_null())
            .col(ColumnDef::new(name("created_by")).big_integer().not_null())
            .primary_key(&mut key)
            .to_owned();
        manager.create_table(table).await?;
        for (table, column) in ADDED {
            let mut column = ColumnDef::new(name(column));
            let mut change = Table::alter();
            change.table(name(table)).add_column(column.text().null());
            manager.alter_table(change).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in ADDED {
            let mut change = Table::alter();
            change.table(Alias::new(table)).drop_column(Alias::new(column));
            manager.alter_table(change).await?;
        }
        let table = Table::drop().table(Alias::new("alias")).to_owned();
        manager.drop_table(table).await
    }
}

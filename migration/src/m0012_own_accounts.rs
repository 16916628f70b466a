//! Teams' own upstream accounts, what was asked of them, and limits of members.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of the entities of the same names.

use sea_orm_migration::prelude::*;

/// Adds columns to `account`, `team`, `hold`, `usage_hour` and `member`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0012_own_accounts"
    }
}

/// The columns, by table.
fn columns() -> [(&'static str, ColumnDef); 7] {
    let column = |name: &'static str| ColumnDef::new(Alias::new(name));
    let flag = |name: &'static str, default: bool| column(name).boolean().not_null().default(default).to_owned();
    let limit = |name: &'static str| column(name).big_integer().null().to_owned();
    [
        ("account", limit("team_id")),
        ("team", flag("uses_platform", true)),
        ("hold", flag("is_own", false)),
        (
            "usage_hour",
            column("own_posted").big_integer().not_null().default(0).to_owned(),
        ),
        ("member", limit("rpm")),
        ("member", limit("tpm")),
        ("member", limit("max_in_flight")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for (table, mut column) in columns() {
            let change = Table::alter()
                .table(Alias::new(table))
                .add_column(&mut column)
                .to_owned();
            manager.alter_table(change).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            let name = Alias::new(column.get_column_name());
            let change = Table::alter().table(Alias::new(table)).drop_column(name).to_owned();
            manager.alter_table(change).await?;
        }
        Ok(())
    }
}

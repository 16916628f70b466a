//! What is added to prices, what was charged and what it cost by day, and the invoices of payments.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of `entity::hold`, `entity::markup`, `entity::revenue_day`
//! and `entity::payment`. What was charged before had no markup, and cost what was charged. Where there are payments, teams seem to pay
//! in advance already: that is told by `0` in the setting `prepaid_since`.

use sea_orm_migration::prelude::*;

/// Adds the columns and tables, and sums up the time before.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0013_markup"
    }
}

const BEFORE: &str = "INSERT INTO revenue_day (day, node_id, team_id, account_id, model, requests, charged, cost)
SELECT hour - hour % 86400000, 0, team_id, 0, model, SUM(requests), SUM(posted), SUM(posted) FROM usage_hour
GROUP BY hour - hour % 86400000, team_id, model HAVING SUM(posted) <> 0";

const PREPAID: &str = "INSERT INTO setting (name, value) SELECT 'prepaid_since', '0'
WHERE EXISTS (SELECT 1 FROM payment) AND NOT EXISTS (SELECT 1 FROM setting WHERE name = 'prepaid_since')";

fn number(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.big_integer().not_null();
    column
}

fn text(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.text().not_null();
    column
}

fn markup() -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new("markup")).col(number("id").primary_key());
    table
        .col(number("team_id"))
        .col(text("model"))
        .col(number("basis_points"))
        .col(number("changed_at"));
    table
}

fn revenue() -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new("revenue_day"));
    for name in ["day", "node_id", "team_id", "account_id"] {
        table.col(number(name));
    }
    table.col(text("model"));
    for name in ["requests", "charged", "cost"] {
        table.col(number(name));
    }
    let mut key = Index::create();
    for name in ["day", "node_id", "team_id", "account_id", "model"] {
        key.col(Alias::new(name));
    }
    table.primary_key(&mut key);
    table
}

/// Columns that tables get: table, name, whether it is text.
const COLUMNS: [(&str, &str, bool); 3] = [
    ("hold", "markup", false),
    ("payment", "invoice", true),
    ("payment", "invoice_url", true),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, name, is_text) in COLUMNS {
            let mut column = ColumnDef::new(Alias::new(name));
            if is_text {
                column.text().null();
            } else {
                column.big_integer().not_null().default(0);
            }
            let mut alter = Table::alter();
            alter.table(Alias::new(table)).add_column(&mut column);
            manager.alter_table(alter).await?;
        }
        manager.create_table(markup()).await?;
        let mut once = Index::create();
        once.name("markup_once").table(Alias::new("markup")).unique();
        once.col(Alias::new("team_id")).col(Alias::new("model"));
        manager.create_index(once).await?;
        manager.create_table(revenue()).await?;
        manager.get_connection().execute_unprepared(BEFORE).await?;
        manager.get_connection().execute_unprepared(PREPAID).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["revenue_day", "markup"] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).to_owned())
                .await?;
        }
        for (table, name, _) in COLUMNS {
            let mut alter = Table::alter();
            alter.table(Alias::new(table)).drop_column(Alias::new(name));
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}

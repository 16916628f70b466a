//! Redeem codes, payments, what Stripe told of them, disputes and comparisons with its books.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of the entities called as the tables.

use sea_orm_migration::prelude::*;

/// Creates the tables.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0009_billing"
    }
}

/// A column: its name, whether it is text (else a number), whether it may be null.
type Spec = (&'static str, bool, bool);

/// Tables: name, the only column of the key first.
const TABLES: &[(&str, &[Spec])] = &[
    (
        "code",
        &[
            ("id", false, false),
            ("amount", false, false),
            ("hash", true, false),
            ("last_four", true, false),
            ("note", true, false),
            ("expires_at", false, true),
            ("created_at", false, false),
            ("created_by", false, true),
            ("revoked_at", false, true),
            ("redeemed_at", false, true),
            ("redeemed_by", false, true),
            ("team_id", false, true),
            ("entry_id", false, true),
        ],
    ),
    (
        "payment",
        &[
            ("id", false, false),
            ("team_id", false, false),
            ("kind", true, false),
            ("state", true, false),
            ("cents", false, false),
            ("customer", true, false),
            ("nonce", true, false),
            ("session_id", true, true),
            ("intent_id", true, true),
            ("url", true, true),
            ("receipt_url", true, true),
            ("refunded", false, false),
            ("keeps_card", false, false),
            ("actor_id", false, true),
            ("entry_id", false, true),
            ("note", true, false),
            ("created_at", false, false),
            ("changed_at", false, false),
        ],
    ),
    (
        "customer",
        &[
            ("team_id", false, false),
            ("customer", true, false),
            ("method", true, true),
            ("card", true, true),
            ("created_at", false, false),
        ],
    ),
    (
        "stripe_event",
        &[
            ("id", true, false),
            ("kind", true, false),
            ("object_id", true, false),
            ("outcome", true, false),
            ("created_at", false, false),
            ("received_at", false, false),
        ],
    ),
    (
        "dispute",
        &[
            ("id", true, false),
            ("payment_id", false, false),
            ("team_id", false, false),
            ("status", true, false),
            ("cents", false, false),
            ("taken", false, false),
            ("frozen_at", false, true),
            ("created_at", false, false),
            ("changed_at", false, false),
        ],
    ),
    (
        "auto_top_up",
        &[
            ("team_id", false, false),
            ("is_on", false, false),
            ("below", false, false),
            ("cents", false, false),
            ("max_day", false, false),
            ("note", true, false),
            ("changed_at", false, false),
        ],
    ),
    (
        "reconciliation",
        &[
            ("id", false, false),
            ("began_at", false, false),
            ("ended_at", false, false),
            ("events", false, false),
            ("payments", false, false),
            ("ours", false, false),
            ("theirs", false, false),
            ("findings", true, false),
            ("failure", true, true),
        ],
    ),
];

/// Columns of which no two rows have the same value.
const UNIQUE: &[(&str, &str)] = &[
    ("code", "hash"),
    ("payment", "nonce"),
    ("payment", "session_id"),
    ("payment", "intent_id"),
    ("customer", "customer"),
];

fn table(name: &str, columns: &[Spec]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    for (at, (name, is_text, is_null)) in columns.iter().enumerate() {
        let mut column = ColumnDef::new(Alias::new(*name));
        if *is_text {
            column.text();
        } else {
            column.big_integer();
        }
        if !is_null {
            column.not_null();
        }
        if at == 0 {
            column.primary_key();
        }
        table.col(&mut column);
    }
    table
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, columns) in TABLES {
            manager.create_table(table(name, columns)).await?;
        }
        for (table, column) in UNIQUE {
            let mut index = Index::create();
            index.name(format!("{table}_{column}")).table(Alias::new(*table));
            index.col(Alias::new(*column)).unique();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in TABLES.iter().rev() {
            manager
                .drop_table(Table::drop().table(Alias::new(*name)).to_owned())
                .await?;
        }
        Ok(())
    }
}

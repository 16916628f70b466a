//! The first schema: every table of the main job.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of the `entity` package.
//! The hot table `hold` has no secondary index: lists read it by ranges of its time-ordered key.

use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

/// Creates every table.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_start"
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Big,
    Int,
    Small,
    Text,
    Bool,
    Bytes,
}

/// One column: name, kind, whether it may be null.
type Spec = (&'static str, Kind, bool);

fn column((name, kind, nullable): Spec) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    match kind {
        Kind::Big => column.big_integer(),
        Kind::Int => column.integer(),
        Kind::Small => column.small_integer(),
        Kind::Text => column.text(),
        Kind::Bool => column.boolean(),
        Kind::Bytes => column.binary(),
    };
    if !nullable {
        column.not_null();
    }
    column
}

async fn create(manager: &SchemaManager<'_>, name: &str, key: &[&str], columns: &[Spec]) -> Result<(), DbErr> {
    let mut table = Table::create();
    table.table(Alias::new(name));
    for spec in columns {
        let mut column = column(*spec);
        if key == [spec.0] {
            column.primary_key();
            if matches!(spec.1, Kind::Big) && manager.get_database_backend() == DatabaseBackend::Sqlite {
                // Only a column of exactly this type is SQLite's row id; any other key costs a second tree.
                column.custom(Alias::new("integer"));
            }
        }
        table.col(&mut column);
    }
    if key.len() > 1 {
        let mut primary = Index::create();
        for part in key {
            primary.col(Alias::new(*part));
        }
        table.primary_key(&mut primary);
    }
    manager.create_table(table).await
}

async fn index(manager: &SchemaManager<'_>, table: &str, columns: &[&str], unique: bool) -> Result<(), DbErr> {
    let mut index = Index::create();
    index
        .name(format!("{table}_{}", columns.join("_")))
        .table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    if unique {
        index.unique();
    }
    manager.create_index(index).await
}

/// At most one open alert per kind and subject.
async fn one_open_alert(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut index = Index::create();
    index.name("alert_open").table(Alias::new("alert")).unique();
    index.col(Alias::new("kind")).col(Alias::new("subject"));
    index.and_where(Expr::col(Alias::new("resolved_at")).is_null());
    manager.create_index(index).await
}

/// Table, primary key, columns.
type TableSpec = (&'static str, &'static [&'static str], &'static [Spec]);

const TABLES: &[TableSpec] = &[
    (
        "user",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("email", Kind::Text, false),
            ("password_hash", Kind::Text, false),
            ("is_admin", Kind::Bool, false),
            ("created_at", Kind::Big, false),
            ("disabled_at", Kind::Big, true),
        ],
    ),
    (
        "team",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("name", Kind::Text, false),
            ("time_zone", Kind::Text, false),
            ("cap_day", Kind::Big, true),
            ("cap_month", Kind::Big, true),
            ("rpm", Kind::Big, true),
            ("tpm", Kind::Big, true),
            ("created_at", Kind::Big, false),
            ("suspended_at", Kind::Big, true),
        ],
    ),
    (
        "member",
        &["team_id", "user_id"],
        &[
            ("team_id", Kind::Big, false),
            ("user_id", Kind::Big, false),
            ("role", Kind::Text, false),
            ("cap_day", Kind::Big, true),
            ("cap_month", Kind::Big, true),
            ("created_at", Kind::Big, false),
        ],
    ),
    (
        "session",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("user_id", Kind::Big, false),
            ("created_at", Kind::Big, false),
            ("last_seen_at", Kind::Big, false),
            ("expires_at", Kind::Big, false),
            ("revoked_at", Kind::Big, true),
            ("address", Kind::Text, false),
            ("user_agent", Kind::Text, false),
        ],
    ),
    (
        "management_token",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("user_id", Kind::Big, false),
            ("public_id", Kind::Text, false),
            ("secret_hash", Kind::Bytes, false),
            ("last_four", Kind::Text, false),
            ("created_at", Kind::Big, false),
            ("revoked_at", Kind::Big, true),
        ],
    ),
    (
        "api_key",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("team_id", Kind::Big, false),
            ("member_id", Kind::Big, true),
            ("name", Kind::Text, false),
            ("models", Kind::Text, false),
            ("cap_day", Kind::Big, true),
            ("cap_month", Kind::Big, true),
            ("cap_total", Kind::Big, true),
            ("rpm", Kind::Big, true),
            ("tpm", Kind::Big, true),
            ("max_in_flight", Kind::Big, true),
            ("clamp", Kind::Bool, false),
            ("allowed_ips", Kind::Text, false),
            ("expires_at", Kind::Big, true),
            ("created_at", Kind::Big, false),
            ("created_by", Kind::Big, false),
            ("disabled_at", Kind::Big, true),
            ("revoked_at", Kind::Big, true),
            ("last_used_at", Kind::Big, true),
        ],
    ),
    (
        "key_secret",
        &["public_id"],
        &[
            ("public_id", Kind::Text, false),
            ("key_id", Kind::Big, false),
            ("secret_hash", Kind::Bytes, false),
            ("pepper_version", Kind::Int, false),
            ("last_four", Kind::Text, false),
            ("created_at", Kind::Big, false),
            ("expires_at", Kind::Big, true),
        ],
    ),
    (
        "account",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("label", Kind::Text, false),
            ("provider", Kind::Text, false),
            ("dialect", Kind::Text, false),
            ("base_url", Kind::Text, false),
            ("auth_scheme", Kind::Text, false),
            ("secret", Kind::Bytes, false),
            ("last_four", Kind::Text, false),
            ("priority", Kind::Int, false),
            ("weight", Kind::Int, false),
            ("region", Kind::Text, true),
            ("proxy_url", Kind::Text, true),
            ("proxy_secret", Kind::Bytes, true),
            ("every_model", Kind::Bool, false),
            ("rpm", Kind::Big, true),
            ("tpm", Kind::Big, true),
            ("max_in_flight", Kind::Big, true),
            ("created_at", Kind::Big, false),
            ("disabled_at", Kind::Big, true),
            ("parked_reason", Kind::Text, true),
            ("last_error", Kind::Text, true),
            ("last_error_at", Kind::Big, true),
        ],
    ),
    (
        "deployment",
        &["account_id", "model"],
        &[
            ("account_id", Kind::Big, false),
            ("model", Kind::Text, false),
            ("upstream_model", Kind::Text, false),
        ],
    ),
    (
        "model",
        &["id"],
        &[
            ("id", Kind::Text, false),
            ("provider", Kind::Text, false),
            ("mode", Kind::Text, false),
            ("context", Kind::Big, true),
            ("max_output", Kind::Big, true),
            ("capabilities", Kind::Text, false),
            ("dialects", Kind::Text, false),
            ("input_constant", Kind::Big, false),
            ("is_builtin", Kind::Bool, false),
            ("created_at", Kind::Big, false),
        ],
    ),
    (
        "price",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("model", Kind::Text, false),
            ("effective_at", Kind::Big, false),
            ("sheet", Kind::Text, false),
            ("created_at", Kind::Big, false),
            ("created_by", Kind::Big, true),
        ],
    ),
    (
        "bucket",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("scope", Kind::Text, false),
            ("scope_id", Kind::Big, false),
            ("team_id", Kind::Big, false),
            ("kind", Kind::Text, false),
            ("period_start", Kind::Big, false),
            ("period_end", Kind::Big, true),
            ("time_zone", Kind::Text, false),
            ("posted", Kind::Big, false),
            ("overrun", Kind::Big, false),
            ("held", Kind::Big, false),
            ("leased", Kind::Big, false),
            ("credit", Kind::Big, false),
        ],
    ),
    (
        "node",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("name", Kind::Text, false),
            ("slot", Kind::Small, true),
            ("batch", Kind::Big, false),
            ("low_water", Kind::Big, false),
            ("started_at", Kind::Big, false),
            ("seen_at", Kind::Big, false),
            ("fenced_at", Kind::Big, true),
        ],
    ),
    (
        "lease",
        &["node_id", "bucket_id"],
        &[
            ("node_id", Kind::Big, false),
            ("bucket_id", Kind::Big, false),
            ("granted", Kind::Big, false),
            ("grants", Kind::Big, false),
        ],
    ),
    (
        "carried",
        &["bucket_id"],
        &[
            ("bucket_id", Kind::Big, false),
            ("posted", Kind::Big, false),
            ("overrun", Kind::Big, false),
        ],
    ),
    (
        "hold",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("request_id", Kind::Big, false),
            ("team_id", Kind::Big, false),
            ("key_id", Kind::Big, false),
            ("member_id", Kind::Big, true),
            ("model", Kind::Text, false),
            ("operation", Kind::Text, false),
            ("is_stream", Kind::Bool, false),
            ("price_id", Kind::Big, false),
            ("buckets", Kind::Text, false),
            ("state", Kind::Small, false),
            ("held", Kind::Big, false),
            ("posted", Kind::Big, false),
            ("overrun", Kind::Big, false),
            ("input", Kind::Big, false),
            ("cache_read", Kind::Big, false),
            ("cache_write", Kind::Big, false),
            ("output", Kind::Big, false),
            ("reasoning", Kind::Big, false),
            ("outcome", Kind::Small, false),
            ("status", Kind::Small, false),
            ("attempts", Kind::Text, false),
            ("notes", Kind::Text, false),
            ("failovers", Kind::Big, false),
            ("ttft_ms", Kind::Big, true),
            ("total_ms", Kind::Big, true),
            ("started_at", Kind::Big, false),
            ("finished_at", Kind::Big, true),
            ("node_id", Kind::Big, false),
            ("batch", Kind::Big, false),
        ],
    ),
    (
        "journal",
        &["node_id", "batch"],
        &[
            ("node_id", Kind::Big, false),
            ("batch", Kind::Big, false),
            ("rows", Kind::Big, false),
            ("last", Kind::Big, false),
            ("digest", Kind::Bytes, false),
            ("hash", Kind::Bytes, false),
            ("content", Kind::Bytes, true),
        ],
    ),
    (
        "usage_hour",
        &["hour", "team_id", "key_id", "model"],
        &[
            ("hour", Kind::Big, false),
            ("team_id", Kind::Big, false),
            ("key_id", Kind::Big, false),
            ("model", Kind::Text, false),
            ("member_id", Kind::Big, true),
            ("requests", Kind::Big, false),
            ("failed", Kind::Big, false),
            ("failovers", Kind::Big, false),
            ("input", Kind::Big, false),
            ("cache_read", Kind::Big, false),
            ("cache_write", Kind::Big, false),
            ("output", Kind::Big, false),
            ("posted", Kind::Big, false),
            ("ttft_ms_sum", Kind::Big, false),
            ("ttft_count", Kind::Big, false),
        ],
    ),
    (
        "entry",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("team_id", Kind::Big, false),
            ("kind", Kind::Text, false),
            ("amount", Kind::Big, false),
            ("reason", Kind::Text, false),
            ("actor_id", Kind::Big, true),
            ("hold_id", Kind::Big, true),
            ("buckets", Kind::Text, false),
            ("created_at", Kind::Big, false),
            ("batch", Kind::Big, false),
        ],
    ),
    (
        "audit",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("created_at", Kind::Big, false),
            ("actor_id", Kind::Big, true),
            ("address", Kind::Text, false),
            ("team_id", Kind::Big, true),
            ("action", Kind::Text, false),
            ("target", Kind::Text, false),
            ("detail", Kind::Text, false),
        ],
    ),
    (
        "alert",
        &["id"],
        &[
            ("id", Kind::Big, false),
            ("kind", Kind::Text, false),
            ("subject", Kind::Text, false),
            ("message", Kind::Text, false),
            ("first_at", Kind::Big, false),
            ("last_at", Kind::Big, false),
            ("count", Kind::Big, false),
            ("resolved_at", Kind::Big, true),
        ],
    ),
    (
        "setting",
        &["name"],
        &[("name", Kind::Text, false), ("value", Kind::Text, false)],
    ),
];

/// Table, columns, unique.
const INDICES: &[(&str, &[&str], bool)] = &[
    ("user", &["email"], true),
    ("session", &["user_id"], false),
    ("management_token", &["user_id"], false),
    ("management_token", &["public_id"], true),
    ("api_key", &["team_id"], false),
    ("key_secret", &["key_id"], false),
    ("price", &["model"], false),
    ("entry", &["team_id"], false),
    ("node", &["slot"], true),
    (
        "bucket",
        &["scope", "scope_id", "team_id", "kind", "period_start"],
        true,
    ),
    ("usage_hour", &["team_id", "hour"], false),
    ("member", &["user_id"], false),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, key, columns) in TABLES {
            create(manager, name, key, columns).await?;
        }
        for (table, columns, unique) in INDICES {
            index(manager, table, columns, *unique).await?;
        }
        one_open_alert(manager).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _, _) in TABLES.iter().rev() {
            manager
                .drop_table(Table::drop().table(Alias::new(*name)).to_owned())
                .await?;
        }
        Ok(())
    }
}

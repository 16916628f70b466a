//! Invitations into teams, alerts about their caps, their webhooks, and an index that finds a team's part of the audit log.
//!
//! Invariant: works alike on SQLite and Postgres; columns are those of the entities of the same names.

use sea_orm_migration::prelude::*;

/// Creates the tables `invitation`, `cap_alert`, `alert_address`, `webhook` and `delivery`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_teams"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |name: &'static str| Alias::new(name);
        let table = Table::create()
            .table(name("invitation"))
            .col(ColumnDef::new(name("id")).big_integer().not_null().primary_key())
            .col(ColumnDef::new(name("team_id")).big_integer().not_null())
            .col(ColumnDef::new(name("token_hash")).binary().not_null())
            .col(ColumnDef::new(name("email")).text().null())
            .col(ColumnDef::new(name("role")).text().not_null())
            .col(ColumnDef::new(name("cap_day")).big_integer().null())
            .col(ColumnDef::new(name("cap_month")).big_integer().null())
            .col(ColumnDef::new(name("created_by")).big_integer().not_null())
            .col(ColumnDef::new(name("created_at")).big_integer().not_null())
            .col(ColumnDef::new(name("expires_at")).big_integer().not_null())
            .col(ColumnDef::new(name("revoked_at")).big_integer().null())
            .col(ColumnDef::new(name("accepted_at")).big_integer().null())
            .col(ColumnDef::new(name("accepted_by")).big_integer().null())
            .to_owned();
        manager.create_table(table).await?;
        let index = |text: &'static str, column: &'static str| {
            let mut index = Index::create();
            index.name(text).table(name("invitation")).col(name(column));
            index
        };
        let by_hash = index("invitation_token_hash", "token_hash").unique().to_owned();
        manager.create_index(by_hash).await?;
        manager.create_index(index("invitation_team", "team_id")).await?;
        let mut audit = Index::create();
        audit
            .name("audit_team")
            .table(name("audit"))
            .col(name("team_id"))
            .col(name("id"));
        manager.create_index(audit).await?;
        cap_alerts(manager).await?;
        webhooks(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name("audit_team").table(Alias::new("audit")).to_owned();
        manager.drop_index(index).await?;
        for table in ["delivery", "webhook", "alert_address", "cap_alert", "invitation"] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).to_owned())
                .await?;
        }
        Ok(())
    }
}

async fn cap_alerts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let name = |name: &'static str| Alias::new(name);
    let big = |column: &'static str| ColumnDef::new(name(column)).big_integer().not_null().to_owned();
    let text = |column: &'static str| ColumnDef::new(name(column)).text().not_null().to_owned();
    let mut table = Table::create();
    table.table(name("cap_alert")).col(big("id").primary_key());
    for column in ["team_id", "scope_id", "period_start", "cap", "posted", "created_at"] {
        table.col(big(column));
    }
    for column in ["scope", "name", "kind"] {
        table.col(text(column));
    }
    table.col(ColumnDef::new(name("percent")).integer().not_null());
    manager.create_table(table).await?;
    let mut once = Index::create();
    once.name("cap_alert_once").table(name("cap_alert")).unique();
    for column in ["team_id", "scope", "scope_id", "kind", "period_start", "cap", "percent"] {
        once.col(name(column));
    }
    manager.create_index(once).await?;
    let mut key = Index::create();
    key.col(name("team_id")).col(name("email"));
    let mut table = Table::create();
    table
        .table(name("alert_address"))
        .col(big("team_id"))
        .col(text("email"));
    manager.create_table(table.primary_key(&mut key).to_owned()).await
}

async fn webhooks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let name = |name: &'static str| Alias::new(name);
    let big = |column: &'static str| ColumnDef::new(name(column)).big_integer().to_owned();
    let text = |column: &'static str| ColumnDef::new(name(column)).text().to_owned();
    let mut table = Table::create();
    table
        .table(name("webhook"))
        .col(big("team_id").not_null().primary_key())
        .col(text("url").not_null())
        .col(ColumnDef::new(name("secret")).binary().not_null())
        .col(big("created_at").not_null());
    manager.create_table(table).await?;
    let mut table = Table::create();
    table
        .table(name("delivery"))
        .col(big("id").not_null().primary_key())
        .col(big("team_id").not_null())
        .col(text("event").not_null())
        .col(text("body").not_null())
        .col(big("created_at").not_null())
        .col(ColumnDef::new(name("attempts")).integer().not_null())
        .col(big("next_at").null())
        .col(big("sent_at").null())
        .col(text("last_error").null());
    manager.create_table(table).await?;
    for (index, column) in [("delivery_team", "team_id"), ("delivery_next", "next_at")] {
        let index = Index::create()
            .name(index)
            .table(name("delivery"))
            .col(name(column))
            .to_owned();
        manager.create_index(index).await?;
    }
    Ok(())
}

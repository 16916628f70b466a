//! The audit log: a team's owners and admins read their team's, platform admins read all of it.
//!
//! Invariant: nothing is written. Reads `audit`, and the names of users and teams in it.

use super::{Principal, Refusal, view};
use crate::{
    audit::{self, Filter, Recorded},
    teams::{self, Right},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Named, Page, PageQuery, Time,
    audit::{AuditFilter, AuditReads, AuditView},
};
use gateway_core::id::{self, Kind};
use serde_json::Value;
use std::collections::HashMap;

#[async_trait]
impl AuditReads for Principal {
    async fn audit(&self, team: &str, filter: AuditFilter, page: PageQuery) -> Result<Page<AuditView>, ApiError> {
        self.answer(self.read_team_audit(team, filter, &page).await)
    }

    async fn all_audit(&self, filter: AuditFilter, page: PageQuery) -> Result<Page<AuditView>, ApiError> {
        self.answer(self.read_all_audit(filter, &page).await)
    }
}

impl Principal {
    async fn read_team_audit(
        &self,
        team: &str,
        filter: AuditFilter,
        query: &PageQuery,
    ) -> Result<Page<AuditView>, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::ReadAudit)?;
        let team = teams::get(&self.app.db, &scope).await?;
        self.read_audit(Some(team.team_id), (filter, &team.time_zone), query)
            .await
    }

    async fn read_all_audit(&self, filter: AuditFilter, query: &PageQuery) -> Result<Page<AuditView>, Refusal> {
        self.admin()?;
        self.read_audit(None, (filter, "UTC"), query).await
    }

    async fn read_audit(
        &self,
        team_id: Option<i64>,
        (filter, zone): (AuditFilter, &str),
        query: &PageQuery,
    ) -> Result<Page<AuditView>, Refusal> {
        let Some(actor_id) = self.actor(filter.actor.as_deref()).await? else {
            // Nobody is called so.
            return Ok(Page {
                data: Vec::new(),
                next: None,
            });
        };
        let wanted = Filter {
            team_id,
            actor_id,
            action: filter.action,
            target: filter.target,
            from_ms: filter.from.map(|moment| moment.start(zone).0),
            until_ms: filter.to.map(|moment| moment.end(zone).0),
        };
        let after = view::after(query, Kind::Audit)?;
        let rows = audit::find(&self.app.db, &wanted, after, view::limit(query)).await?;
        let page = view::page(query, rows, |row| id::render(Kind::Audit, row.id));
        let names = self.names(&page.data).await?;
        Ok(Page {
            data: page.data.into_iter().map(|row| line(row, &names)).collect(),
            next: page.next,
        })
    }

    /// The user that a filter names by id or address: outer none, if nobody is called so; inner none, if none is named.
    async fn actor(&self, named: Option<&str>) -> Result<Option<Option<i64>>, Refusal> {
        let Some(text) = named else { return Ok(Some(None)) };
        if let Some(user_id) = id::parse(Kind::User, text) {
            return Ok(Some(Some(user_id)));
        }
        Ok(self.app.auth.user_called(text).await?.map(Some))
    }

    async fn names(&self, rows: &[Recorded]) -> Result<Names, Refusal> {
        let acting = rows.iter().filter_map(|row| row.actor.acting_as);
        let users = rows.iter().filter_map(|row| row.actor.user_id).chain(acting).collect();
        let teams: Vec<i64> = rows.iter().filter_map(|row| row.team_id).collect();
        Ok(Names {
            users: self.app.auth.emails(users).await?,
            teams: teams::names(&self.app.db, &teams).await?,
        })
    }
}

/// The names in a page of the log, by id.
struct Names {
    users: HashMap<i64, String>,
    teams: HashMap<i64, String>,
}

fn line(row: Recorded, names: &Names) -> AuditView {
    let user = |user_id: i64| Named {
        id: view::user_id(user_id),
        name: names.users.get(&user_id).cloned().unwrap_or_default(),
    };
    let part = |name: &str| row.detail.get(name).cloned().unwrap_or(Value::Null);
    AuditView {
        id: id::render(Kind::Audit, row.id),
        at: Time(row.created_at_ms),
        actor: row.actor.user_id.map(user),
        acting_as: row.actor.acting_as.map(user),
        team: row.team_id.map(|team_id| Named {
            id: view::team_id(team_id),
            name: names.teams.get(&team_id).cloned().unwrap_or_default(),
        }),
        before: part("before"),
        after: part("after"),
        address: row.actor.address,
        action: row.action,
        target: row.target,
    }
}

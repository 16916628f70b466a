//! Alerts about a team's caps: its people read them, its owners and admins say who is written to.
//!
//! Invariant: who is written to is changed by the team alone. Reads and writes what `cap_alerts` does.

use super::{Change, Principal, Refusal, view};
use crate::cap_alerts::{self, CapAlert};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Nano, Page, PageQuery, Time,
    cap_alerts::{AlertAddresses, CapAlertView, CapAlerts},
};
use gateway_core::id::{self, Kind};
use serde_json::json;

#[async_trait]
impl CapAlerts for Principal {
    async fn list_cap_alerts(&self, team: &str, page: PageQuery) -> Result<Page<CapAlertView>, ApiError> {
        self.answer(self.read_cap_alerts(team, &page).await)
    }

    async fn alert_addresses(&self, team: &str) -> Result<AlertAddresses, ApiError> {
        self.answer(self.read_alert_addresses(team).await)
    }

    async fn set_alert_addresses(&self, team: &str, new: AlertAddresses) -> Result<AlertAddresses, ApiError> {
        self.answer(self.change_alert_addresses(team, &new).await)
    }
}

impl Principal {
    async fn read_cap_alerts(&self, team: &str, query: &PageQuery) -> Result<Page<CapAlertView>, Refusal> {
        let scope = self.scope(team).await?;
        let after = view::after(query, Kind::Alert)?;
        let rows = cap_alerts::list(&self.app.db, &scope, after, view::limit(query)).await?;
        let page = view::page(query, rows, |row| id::render(Kind::Alert, row.id));
        Ok(Page {
            data: page.data.into_iter().map(shown).collect(),
            next: page.next,
        })
    }

    async fn read_alert_addresses(&self, team: &str) -> Result<AlertAddresses, Refusal> {
        let scope = self.scope(team).await?;
        let emails = cap_alerts::addresses(&self.app.db, &scope).await?;
        Ok(AlertAddresses { emails })
    }

    async fn change_alert_addresses(&self, team: &str, new: &AlertAddresses) -> Result<AlertAddresses, Refusal> {
        let scope = self.scope(team).await?;
        let (before, after) = cap_alerts::set_addresses(&self.app.db, &scope, &new.emails).await?;
        self.record(Change {
            team_id: Some(scope.team_id()),
            action: "team.alert_addresses",
            target: &view::team_id(scope.team_id()),
            before: json!({"emails": before}),
            after: json!({"emails": after}),
        })
        .await?;
        Ok(AlertAddresses { emails: after })
    }
}

fn shown(row: CapAlert) -> CapAlertView {
    let kind = match row.scope.as_str() {
        "team" => Kind::Team,
        "member" => Kind::User,
        _ => Kind::Key,
    };
    CapAlertView {
        id: id::render(Kind::Alert, row.id),
        at: Time(row.created_at),
        subject: id::render(kind, row.scope_id),
        scope: row.scope,
        name: row.name,
        period: row.kind,
        percent: row.percent,
        cap: Nano(row.cap),
        spent: Nano(row.posted),
    }
}

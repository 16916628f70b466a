//! Alerts about caps of a team, its members and keys, and who is written to about them.
//!
//! Invariant: each share of each cap is told once a period.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::{ApiError, Nano, Page, PageQuery, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A share of a cap that was spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapAlertView {
    /// The id.
    pub id: String,
    /// When it was noticed.
    pub at: Time,
    /// team, member or key.
    pub scope: String,
    /// The id of the team, the user or the key.
    pub subject: String,
    /// What it was called then.
    pub name: String,
    /// day, month or total; wallet of a prepaid balance.
    pub period: String,
    /// 50, 80 or 100; of a balance 80 where it will not last three days, 100 where it is used up.
    pub percent: i32,
    /// USD; of a balance what was paid in.
    pub cap: Nano,
    /// USD charged when it was noticed.
    pub spent: Nano,
}

/// Who is written to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertAddresses {
    /// E-mail addresses of people of the team; empty: its owners.
    pub emails: Vec<String>,
}

/// What the server offers about alerts of caps.
#[async_trait]
pub trait CapAlerts {
    /// Those of a team, newest first.
    async fn list_cap_alerts(&self, team: &str, page: PageQuery) -> Result<Page<CapAlertView>, ApiError>;
    /// Who is written to.
    async fn alert_addresses(&self, team: &str) -> Result<AlertAddresses, ApiError>;
    /// Changes that.
    async fn set_alert_addresses(&self, team: &str, new: AlertAddresses) -> Result<AlertAddresses, ApiError>;
}

/// The team's page.
#[server(prefix = "/fn", endpoint = "list_cap_alerts", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_cap_alerts(page: PageQuery) -> Result<Page<CapAlertView>, ApiError> {
    super::backend()?.list_cap_alerts(super::CURRENT_TEAM, page).await
}

/// The form's value.
#[server(prefix = "/fn", endpoint = "alert_addresses", input = leptos::server_fn::codec::GetUrl)]
pub async fn read_alert_addresses() -> Result<AlertAddresses, ApiError> {
    super::backend()?.alert_addresses(super::CURRENT_TEAM).await
}

/// The form.
#[server(prefix = "/fn", endpoint = "set_alert_addresses")]
pub async fn set_alert_addresses(#[server(default)] emails: String) -> Result<(), ApiError> {
    let typed = flash::typed([("emails", &emails)]);
    let new = AlertAddresses {
        emails: Form::words(&emails),
    };
    let result = super::backend()?.set_alert_addresses(super::CURRENT_TEAM, new).await;
    let done = result.map(|_| Done::to("/alerts").saying("Addresses saved."));
    flash::finish("/alerts", typed, done)
}

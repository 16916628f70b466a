//! Alerts: what a platform admin must see, until its cause is gone or somebody dismisses it.
//!
//! Invariant: only open alerts are listed; one that happens again after it was dismissed is a new one.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::{ApiError, Page, PageQuery, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Something a platform admin must see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertView {
    /// The id.
    pub id: String,
    /// price_unknown, overrun, account_parked, account_unusable, ledger_down, mail_failing, payment_mismatch or unreconciled.
    pub kind: String,
    /// What it is about: a model's name, an account's or a payment's id.
    pub subject: String,
    /// What happened, and what to do, for people.
    pub message: String,
    /// When it happened first.
    pub first_at: Time,
    /// When it happened last.
    pub last_at: Time,
    /// How often.
    pub count: i64,
}

/// What the server offers about alerts; admins.
#[async_trait]
pub trait Alerts {
    /// The open alerts, the latest first.
    async fn list_alerts(&self, page: PageQuery) -> Result<Page<AlertView>, ApiError>;
    /// Closes one.
    async fn dismiss_alert(&self, id: &str) -> Result<(), ApiError>;
}

/// The open alerts.
#[server(prefix = "/fn", endpoint = "list_alerts", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_alerts() -> Result<Vec<AlertView>, ApiError> {
    let page = PageQuery {
        limit: Some(200),
        after: None,
    };
    Ok(super::backend()?.list_alerts(page).await?.data)
}

/// The button that closes one.
#[server(prefix = "/fn", endpoint = "dismiss_alert")]
pub async fn dismiss_alert(id: String) -> Result<(), ApiError> {
    let result = super::backend()?.dismiss_alert(&id).await;
    flash::finish(
        "/admin/alerts",
        flash::typed([]),
        result.map(|()| Done::to("/admin/alerts").saying("Alert dismissed.")),
    )
}

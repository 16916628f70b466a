//! The webhook of a team: where it is told by machine, and what became of it.
//!
//! Invariant: the secret is told once, to who set the address.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::{ApiError, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// The webhook of a team, and its last deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookView {
    /// Where; none: nowhere.
    pub url: Option<String>,
    /// The last deliveries, newest first.
    pub deliveries: Vec<DeliveryView>,
}

/// Something told to a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// The id.
    pub id: String,
    /// What happened: `cap.alert`, `balance.low` or `test`.
    pub event: String,
    /// When.
    pub at: Time,
    /// How often it was tried.
    pub attempts: i32,
    /// waiting, sent or failed.
    pub state: String,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// Where a team is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// An address that the internet can reach.
    pub url: String,
}

/// A webhook just set, with the secret that signs: the only time it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookMade {
    /// Where.
    pub url: String,
    /// `whsec_…`.
    pub secret: String,
}

/// What the server offers about webhooks; owners and admins of the team.
#[async_trait]
pub trait Webhooks {
    /// That of a team.
    async fn webhook(&self, team: &str) -> Result<WebhookView, ApiError>;
    /// Sets it; the secret is another each time.
    async fn set_webhook(&self, team: &str, new: NewWebhook) -> Result<WebhookMade, ApiError>;
    /// Removes it.
    async fn remove_webhook(&self, team: &str) -> Result<(), ApiError>;
    /// Sends a test.
    async fn test_webhook(&self, team: &str) -> Result<(), ApiError>;
}

/// The team's page.
#[server(prefix = "/fn", endpoint = "webhook", input = leptos::server_fn::codec::GetUrl)]
pub async fn webhook() -> Result<WebhookView, ApiError> {
    super::backend()?.webhook(super::CURRENT_TEAM).await
}

/// The form.
#[server(prefix = "/fn", endpoint = "set_webhook")]
pub async fn set_webhook(#[server(default)] url: String) -> Result<(), ApiError> {
    let typed = flash::typed([("url", &url)]);
    let result = super::backend()?
        .set_webhook(super::CURRENT_TEAM, NewWebhook { url })
        .await;
    let done = result.map(|made| Done::to("/alerts").revealing(made.secret));
    flash::finish("/alerts", typed, done)
}

/// The button that removes it.
#[server(prefix = "/fn", endpoint = "remove_webhook")]
pub async fn remove_webhook() -> Result<(), ApiError> {
    let result = super::backend()?.remove_webhook(super::CURRENT_TEAM).await;
    let done = result.map(|()| Done::to("/alerts").saying("Webhook removed."));
    flash::finish("/alerts", flash::typed([]), done)
}

/// The button that sends a test.
#[server(prefix = "/fn", endpoint = "test_webhook")]
pub async fn test_webhook() -> Result<(), ApiError> {
    let result = super::backend()?.test_webhook(super::CURRENT_TEAM).await;
    let done = result.map(|()| Done::to("/alerts").saying("A test is on its way. Look again in a moment."));
    flash::finish("/alerts", flash::typed([]), done)
}

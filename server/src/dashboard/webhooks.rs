//! The webhook of a team, for its owners and admins.
//!
//! Invariant: its secret is in the answer to who set it, once, and in no audit record. Reads and writes what `webhooks` does.

use super::{Change, Principal, Refusal, view};
use crate::{teams::TeamScope, webhooks::Delivery};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Time,
    webhooks::{DeliveryView, NewWebhook, WebhookMade, WebhookView, Webhooks},
};
use gateway_core::id::{self, Kind};
use serde_json::{Value, json};

/// Deliveries shown.
const SHOWN: u64 = 20;

#[async_trait]
impl Webhooks for Principal {
    async fn webhook(&self, team: &str) -> Result<WebhookView, ApiError> {
        self.answer(self.read_webhook(team).await)
    }

    async fn set_webhook(&self, team: &str, new: NewWebhook) -> Result<WebhookMade, ApiError> {
        self.answer(self.change_webhook(team, &new).await)
    }

    async fn remove_webhook(&self, team: &str) -> Result<(), ApiError> {
        self.answer(self.end_webhook(team).await)
    }

    async fn test_webhook(&self, team: &str) -> Result<(), ApiError> {
        self.answer(self.try_webhook(team).await)
    }
}

impl Principal {
    async fn read_webhook(&self, team: &str) -> Result<WebhookView, Refusal> {
        let scope = self.scope(team).await?;
        let url = self.app.webhooks.url(&scope).await?;
        let rows = self.app.webhooks.deliveries(&scope, SHOWN).await?;
        Ok(WebhookView {
            url,
            deliveries: rows.into_iter().map(shown).collect(),
        })
    }

    async fn change_webhook(&self, team: &str, new: &NewWebhook) -> Result<WebhookMade, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(crate::teams::Right::ManageTeam)?;
        self.demand_confirmed()?;
        let before = self.app.webhooks.url(&scope).await?;
        let secret = self.app.webhooks.set(&scope, &new.url, self.now_ms()).await?;
        let url = self.app.webhooks.url(&scope).await?.unwrap_or_default();
        self.record_webhook(&scope, "webhook.set", (json!({"url": before}), json!({"url": url})))
            .await?;
        Ok(WebhookMade { url, secret })
    }

    async fn end_webhook(&self, team: &str) -> Result<(), Refusal> {
        let scope = self.scope(team).await?;
        let url = self.app.webhooks.remove(&scope).await?;
        self.record_webhook(&scope, "webhook.remove", (json!({"url": url}), Value::Null))
            .await
    }

    async fn try_webhook(&self, team: &str) -> Result<(), Refusal> {
        let scope = self.scope(team).await?;
        Ok(self.app.webhooks.test(&scope, self.now_ms()).await?)
    }

    async fn record_webhook(
        &self,
        scope: &TeamScope,
        action: &'static str,
        (before, after): (Value, Value),
    ) -> Result<(), Refusal> {
        self.record(Change {
            team_id: Some(scope.team_id()),
            action,
            target: &view::team_id(scope.team_id()),
            before,
            after,
        })
        .await
    }
}

fn shown(row: Delivery) -> DeliveryView {
    let state = match (row.sent_at, row.next_at) {
        (Some(_), _) => "sent",
        (None, Some(_)) => "waiting",
        (None, None) => "failed",
    };
    DeliveryView {
        id: id::render(Kind::Delivery, row.id),
        event: row.event,
        at: Time(row.created_at),
        attempts: row.attempts,
        state: state.to_owned(),
        error: row.last_error,
    }
}

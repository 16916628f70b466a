//! The sample alerts about caps, and the webhook that is told.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{MINUTE, NOW, Sample, cents, refused};
use async_trait::async_trait;
use frontend::api::cap_alerts::{AlertAddresses, CapAlertView, CapAlerts};
use frontend::api::webhooks::{DeliveryView, NewWebhook, WebhookMade, WebhookView, Webhooks};
use frontend::api::{ApiError, Page, PageQuery, Time};

fn alert(minutes: i64, name: &str, percent: i32) -> CapAlertView {
    CapAlertView {
        id: format!("alr_{minutes}"),
        at: Time(NOW - minutes * MINUTE),
        scope: "key".to_owned(),
        subject: "key_1".to_owned(),
        name: name.to_owned(),
        period: "day".to_owned(),
        percent,
        cap: cents(500),
        spent: cents(i64::from(percent) * 5),
    }
}

#[async_trait]
impl CapAlerts for Sample {
    async fn list_cap_alerts(&self, _: &str, _: PageQuery) -> Result<Page<CapAlertView>, ApiError> {
        Ok(self.some(vec![
            alert(4, "ci-agents", 100),
            alert(50, "laptop", 80),
            alert(90, "ci-agents", 50),
        ]))
    }

    async fn alert_addresses(&self, _: &str) -> Result<AlertAddresses, ApiError> {
        Ok(AlertAddresses {
            emails: vec!["ops@harbor-robotics.io".to_owned()],
        })
    }

    async fn set_alert_addresses(&self, _: &str, _: AlertAddresses) -> Result<AlertAddresses, ApiError> {
        refused()
    }
}

fn delivery(minutes: i64, state: &str, error: Option<&str>) -> DeliveryView {
    DeliveryView {
        id: format!("dlv_{minutes}"),
        event: "cap.alert".to_owned(),
        at: Time(NOW - minutes * MINUTE),
        attempts: 1,
        state: state.to_owned(),
        error: error.map(str::to_owned),
    }
}

#[async_trait]
impl Webhooks for Sample {
    async fn webhook(&self, _: &str) -> Result<WebhookView, ApiError> {
        Ok(WebhookView {
            url: Some("https://harbor-robotics.io/hooks/ourhub".to_owned()),
            deliveries: vec![
                delivery(4, "waiting", Some("The address answered 502.")),
                delivery(50, "sent", None),
            ],
        })
    }

    async fn set_webhook(&self, _: &str, _: NewWebhook) -> Result<WebhookMade, ApiError> {
        refused()
    }

    async fn remove_webhook(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }

    async fn test_webhook(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }
}

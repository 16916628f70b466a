//! The sample alerts, one of each kind.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{MINUTE, NOW, Sample, refused};
use async_trait::async_trait;
use frontend::api::alerts::{AlertView, Alerts};
use frontend::api::{ApiError, Page, PageQuery, Time};

#[async_trait]
impl Alerts for Sample {
    async fn list_alerts(&self, _: PageQuery) -> Result<Page<AlertView>, ApiError> {
        self.demand_admin()?;
        let alert = |id: &str, kind: &str, subject: &str, message: &str, count| AlertView {
            id: id.to_owned(),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            message: message.to_owned(),
            first_at: Time(NOW - 90 * MINUTE),
            last_at: Time(NOW - 4 * MINUTE),
            count,
        };
        Ok(self.some(vec![
            alert(
                "alr_1",
                "account_parked",
                "acc_4",
                "DeepSeek main is out of service: its credit at the provider is used up. “Insufficient Balance”",
                1,
            ),
            alert(
                "alr_2",
                "price_unknown",
                "house-model",
                "Calls of house-model are refused, because it has no price. Add one under Models & prices.",
                212,
            ),
            alert(
                "alr_3",
                "overrun",
                "gemini-3-pro",
                "A call of gemini-3-pro cost $0.41, but at most $0.38 was expected of it. Check its context and maximum \
                 output under Models & prices.",
                2,
            ),
        ]))
    }

    async fn dismiss_alert(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }
}

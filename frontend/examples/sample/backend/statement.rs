//! The sample team's statement.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, cents};
use async_trait::async_trait;
use frontend::api::billing::LedgerLine;
use frontend::api::statement::{ChargesView, StatementView, Statements};
use frontend::api::{ApiError, Nano, Time};

#[async_trait]
impl Statements for Sample {
    async fn statement(&self, _: &str, month: Option<&str>) -> Result<StatementView, ApiError> {
        let charges = |of: &str, nano| ChargesView {
            of: of.to_owned(),
            requests: 1_421,
            charged: Nano(nano),
        };
        let some = self.has_data();
        Ok(StatementView {
            team: "Harbor Robotics".to_owned(),
            month: month.unwrap_or("2026-11").to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            from: Time(NOW - 19 * DAY),
            to: Time(NOW + 11 * DAY),
            opening: cents(12_000),
            entered: cents(10_000),
            charged: Nano(45_284_139_077),
            closing: Nano(174_715_860_923),
            days: [
                charges("2026-11-19", 23_442_712_035),
                charges("2026-11-20", 21_841_427_042),
            ][..if some { 2 } else { 0 }]
                .to_vec(),
            models: [charges("claude-opus-4.5", 45_284_139_077)][..usize::from(some)].to_vec(),
            entries: [LedgerLine {
                id: "ent_2".to_owned(),
                at: Time(NOW - DAY),
                kind: "top_up".to_owned(),
                amount: cents(10_000),
                reason: "Payment pay_1".to_owned(),
                actor: None,
                request: None,
            }][..usize::from(some)]
                .to_vec(),
        })
    }
}

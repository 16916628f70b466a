//! The sample team's wallet.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{MINUTE, NOW, Sample, cents, refused};
use async_trait::async_trait;
use frontend::api::billing::{BalanceView, Billing, LedgerFilter, LedgerLine, NewAdjustment, NewGrant};
use frontend::api::{ApiError, Nano, Page, PageQuery, Time};

#[async_trait]
impl Billing for Sample {
    async fn balance(&self, _: &str) -> Result<BalanceView, ApiError> {
        Ok(BalanceView {
            prepaid: true,
            balance: cents(18_421),
            held: cents(126),
            entries: cents(60_000),
            posted: cents(41_579),
            per_day: cents(2_060),
        })
    }

    async fn ledger(&self, _: &str, _: LedgerFilter, _: PageQuery) -> Result<Page<LedgerLine>, ApiError> {
        let line = |id: &str, kind: &str, nano, reason: &str, actor: Option<&str>| LedgerLine {
            id: id.to_owned(),
            at: Time(NOW - 20 * MINUTE),
            kind: kind.to_owned(),
            amount: Nano(nano),
            reason: reason.to_owned(),
            actor: actor.map(str::to_owned),
            request: (kind != "grant").then(|| "req_01KANX7C9W40".to_owned()),
        };
        Ok(self.some(vec![
            line("req_01KANX7C9W40", "charge", -70_871_750, "claude-opus-4.5", None),
            line(
                "ent_2",
                "grant",
                100_000_000_000,
                "Welcome credit",
                Some("mira@harbor-robotics.io"),
            ),
            line(
                "ent_1",
                "adjustment",
                31_710_000,
                "Estimate corrected, 2,114 tokens less",
                None,
            ),
        ]))
    }

    async fn grant(&self, _: &str, _: NewGrant) -> Result<LedgerLine, ApiError> {
        refused()
    }

    async fn adjust(&self, _: &str, _: &str, _: NewAdjustment) -> Result<LedgerLine, ApiError> {
        refused()
    }
}

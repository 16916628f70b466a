//! The sample codes, one in each state.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, cents, named, refused};
use async_trait::async_trait;
use frontend::api::billing::LedgerLine;
use frontend::api::codes::{CodeView, Codes, CodesMade, NewCodes, NewRedemption};
use frontend::api::{ApiError, Page, PageQuery, Time};

#[async_trait]
impl Codes for Sample {
    async fn list_codes(&self, _: PageQuery) -> Result<Page<CodeView>, ApiError> {
        self.demand_admin()?;
        let code = |id: &str, state: &str, note: &str| CodeView {
            id: id.to_owned(),
            amount: cents(2_500),
            last_four: "7KQ2".to_owned(),
            note: note.to_owned(),
            state: state.to_owned(),
            created_at: Time(NOW - 3 * DAY),
            expires_at: Some(Time(NOW + 30 * DAY)),
            redeemed_at: (state == "redeemed").then_some(Time(NOW - DAY)),
            team: (state == "redeemed").then(|| named("team_1", "Harbor Robotics")),
        };
        Ok(self.some(vec![
            code("code_4", "open", "Spring meet-up"),
            code("code_3", "redeemed", "Spring meet-up"),
            code("code_2", "revoked", ""),
            code("code_1", "expired", "Last year’s fair"),
        ]))
    }

    async fn create_codes(&self, _: NewCodes) -> Result<CodesMade, ApiError> {
        refused()
    }

    async fn revoke_code(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }

    async fn redeem(&self, _: &str, _: NewRedemption) -> Result<LedgerLine, ApiError> {
        refused()
    }
}

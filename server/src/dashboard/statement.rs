//! The monthly statement, for everyone in the team.
//!
//! Invariant: months and days are those of the team's time zone. Reads what `billing` reads.

use super::{Principal, Refusal, billing::line_view};
use crate::{
    billing::{self, Charges},
    teams::{self, Right},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Time,
    statement::{ChargesView, StatementView, Statements},
};
use jiff::{Timestamp, tz::TimeZone};

#[async_trait]
impl Statements for Principal {
    async fn statement(&self, team: &str, month: Option<&str>) -> Result<StatementView, ApiError> {
        self.answer(self.read_statement(team, month).await)
    }
}

impl Principal {
    async fn read_statement(&self, team: &str, month: Option<&str>) -> Result<StatementView, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        let row = teams::get(&self.app.db, &scope).await?;
        let month = month.map_or_else(|| month_of(self.now_ms(), &row.time_zone), str::to_owned);
        let found = billing::statement(&self.app.db, &scope, &month, &row.time_zone).await?;
        let emails = self.emails(&scope).await?;
        let charges = |all: Vec<Charges>| all.into_iter().map(charges_view).collect();
        Ok(StatementView {
            team: row.name,
            month: found.month,
            time_zone: row.time_zone,
            from: Time(found.from_ms),
            to: Time(found.to_ms),
            opening: found.opening,
            entered: found.entered,
            charged: found.charged,
            closing: found.closing,
            days: charges(found.days),
            models: charges(found.models),
            entries: found.entries.into_iter().map(|line| line_view(line, &emails)).collect(),
        })
    }
}

fn charges_view(charges: Charges) -> ChargesView {
    ChargesView {
        of: charges.of,
        requests: charges.requests,
        charged: charges.charged,
    }
}

/// The month that it is in `zone`, such as `2026-11`.
fn month_of(now_ms: i64, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let date = now.to_zoned(zone).date();
    format!("{:04}-{:02}", date.year(), date.month())
}

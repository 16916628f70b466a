//! The sample revenue of two months, and a markup of each kind.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, cents, named, refused};
use async_trait::async_trait;
use frontend::api::revenue::{MarginLine, MarkupView, NewMarkup, RevenueMonth, RevenueView, Revenues};
use frontend::api::{ApiError, Named, Nano, Page, Time};

fn line(of: Named, charged: i64, cost: i64) -> MarginLine {
    MarginLine {
        of,
        requests: charged / 3,
        charged: cents(charged),
        cost: cents(cost),
        margin: cents(charged - cost),
    }
}

fn month(month: &str, charged: i64, cost: i64) -> RevenueMonth {
    RevenueMonth {
        month: month.to_owned(),
        requests: charged / 3,
        charged: cents(charged),
        corrected: cents(120),
        cost: cents(cost),
        margin: cents(charged - cost - 120),
    }
}

#[async_trait]
impl Revenues for Sample {
    async fn revenue(&self, asked: Option<&str>) -> Result<RevenueView, ApiError> {
        self.demand_admin()?;
        if !self.has_data() {
            return Ok(RevenueView {
                shown: RevenueMonth {
                    corrected: Nano::ZERO,
                    margin: Nano::ZERO,
                    ..month("2026-11", 0, 0)
                },
                models: Vec::new(),
                accounts: Vec::new(),
                months: Vec::new(),
            });
        }
        Ok(RevenueView {
            shown: month(asked.unwrap_or("2026-11"), 41_230, 35_850),
            models: vec![
                line(named("", "claude-sonnet-5"), 30_110, 26_180),
                line(named("", "gpt-6-luna"), 11_120, 9_670),
            ],
            accounts: vec![
                line(named("acc_1", "Anthropic, Frankfurt"), 30_110, 26_180),
                line(named("acc_2", "OpenAI main"), 10_020, 8_710),
                line(named("", "An account that is gone"), 1_100, 960),
            ],
            months: vec![month("2026-11", 41_230, 35_850), month("2026-10", 28_900, 25_130)],
        })
    }

    async fn list_markups(&self) -> Result<Page<MarkupView>, ApiError> {
        self.demand_admin()?;
        let markup = |id: &str, team: Option<Named>, model: Option<&str>, percent: &str| MarkupView {
            id: id.to_owned(),
            team,
            model: model.map(str::to_owned),
            percent: percent.to_owned(),
            changed_at: Time(NOW - 3 * DAY),
        };
        let team = || Some(named("team_1", "Harbor Robotics"));
        Ok(self.some(vec![
            markup("mku_1", None, None, "15"),
            markup("mku_2", None, Some("gpt-6-luna"), "12.5"),
            markup("mku_3", team(), None, "-2.5"),
            markup("mku_4", team(), Some("claude-sonnet-5"), "0"),
        ]))
    }

    async fn set_markup(&self, _: NewMarkup) -> Result<MarkupView, ApiError> {
        refused()
    }

    async fn delete_markup(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }
}

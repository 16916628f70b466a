//! What the sample team used: overview, requests, receipts.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, MINUTE, NOW, Sample, cents, named, spend};
use async_trait::async_trait;
use frontend::api::billing::LedgerLine;
use frontend::api::usage::{
    AttemptView, ChargeLine, DayBar, GroupBy, HoldLine, MarginView, Overview, Receipt, RequestFilter, RequestRow,
    UsageGroup, UsageReads,
};
use frontend::api::{ApiError, Code, Moment, Named, Nano, Page, PageQuery, Time};
use gateway_core::usage::Usage;

fn request(at: usize, team: bool) -> RequestRow {
    const MODELS: [&str; 4] = [
        "claude-opus-4.5",
        "gpt-6-luna",
        "gemini-3-pro",
        "vendor/a-model-with-a-long-name",
    ];
    const OUTCOMES: [&str; 5] = ["ok", "ok", "ok", "upstream_failed", "hung_up"];
    let outcome = OUTCOMES[at % OUTCOMES.len()];
    RequestRow {
        id: format!("req_01KANX7C9W4{at}"),
        team: team.then(|| named("team_1", "Harbor Robotics")),
        started_at: Time(NOW - i64::try_from(at).unwrap_or(0) * 13_000),
        model: MODELS[at % MODELS.len()].to_owned(),
        answered_by: None,
        key: named("key_1", "ci-agents"),
        member: None,
        operation: "chat".to_owned(),
        is_stream: true,
        outcome: outcome.to_owned(),
        status: Some(if outcome == "upstream_failed" { 502 } else { 200 }),
        attempts: u32::try_from(at % 3 + 1).unwrap_or(1),
        usage: Usage {
            input: 1_843,
            cache_read: 24_576,
            cache_write: 3_071,
            output: 1_207,
            ..Usage::default()
        },
        held: Nano(398_550_000),
        charged: if outcome == "upstream_failed" {
            Nano::ZERO
        } else {
            Nano(70_871_750)
        },
        own_counted: Nano::ZERO,
        is_estimate: outcome == "hung_up",
        ttft_ms: Some(970),
        total_ms: Some(9_594),
    }
}

fn attempt(account: &str, outcome: &str, status: u16, (started_ms, took_ms): (i64, i64), note: &str) -> AttemptView {
    AttemptView {
        provider: "anthropic".to_owned(),
        model: None,
        account: account.to_owned(),
        outcome: outcome.to_owned(),
        status: Some(status),
        started_ms,
        took_ms,
        ttft_ms: None,
        note: note.to_owned(),
    }
}

fn receipt(is_admin: bool) -> Receipt {
    let line = |kind: &str, tokens, price: &str, amount: &str| ChargeLine {
        kind: kind.to_owned(),
        tokens,
        price: price.to_owned(),
        amount: amount.to_owned(),
    };
    Receipt {
        row: RequestRow {
            attempts: 2,
            ..request(0, is_admin)
        },
        trail: vec![
            attempt(
                "Anthropic, account 1",
                "rate_limited",
                429,
                (2, 180),
                "Rests for 38 s, as it asked.",
            ),
            attempt("Anthropic, account 2", "ok", 200, (182, 9_412), "Answered."),
        ],
        lines: vec![
            line("input", 1_843, "5.00", "0.009215"),
            line("cache_read", 24_576, "0.50", "0.012288"),
            line("cache_write", 3_071, "6.25", "0.01919375"),
            line("output", 1_207, "25.00", "0.030175"),
        ],
        price_since: Some(Time(NOW - 17 * DAY)),
        holds: vec![HoldLine {
            at: Time(NOW),
            ended_at: Some(Time(NOW + 9_594)),
            state: "estimated".to_owned(),
            id: "req_01KANX7C9W40".to_owned(),
            held: Nano(398_550_000),
            posted: Nano(70_871_750),
            overrun: Nano::ZERO,
            charged: Nano(40_000_000),
            is_own: false,
            estimate: "the upstream reported no usage".to_owned(),
            against: vec!["key on 20 Nov".to_owned(), "team in November 2026".to_owned()],
        }],
        adjustments: vec![LedgerLine {
            id: "ent_1".to_owned(),
            at: Time(NOW + 5 * MINUTE),
            kind: "adjustment".to_owned(),
            amount: Nano(30_871_750),
            reason: "The provider’s invoice has 1,207 tokens less".to_owned(),
            actor: Some("mira@harbor-robotics.io".to_owned()),
            request: Some("req_01KANX7C9W40".to_owned()),
        }],
        notes: vec!["max_tokens was not sent, so 8,192 was set: without a bound there is no hold.".to_owned()],
        margin: is_admin.then(|| MarginView {
            markup: "12.5".to_owned(),
            cost: Nano(12_345_678),
        }),
    }
}

fn group(label: &str, dollars: i64) -> UsageGroup {
    UsageGroup {
        group: label.to_owned(),
        label: label.to_owned(),
        requests: 18_204,
        failed: 3,
        failovers: 412,
        usage: Usage::default(),
        charged: cents(dollars * 100),
        own_counted: Nano::ZERO,
    }
}

#[async_trait]
impl UsageReads for Sample {
    async fn overview(&self, _: &str) -> Result<Overview, ApiError> {
        let bar = |at: i64| DayBar {
            day: if at < 10 {
                format!("2026-10-{:02}", at + 22)
            } else {
                format!("2026-11-{:02}", at - 9)
            },
            charged: [
                (at * 7) % 11 * 100 + 400,
                (at * 5) % 7 * 80 + 200,
                (at * 3) % 5 * 90,
                40,
            ]
            .map(cents)
            .to_vec(),
        };
        Ok(Overview {
            day: spend(2_184, 126, Some(6_000)),
            month: spend(41_237, 126, Some(100_000)),
            requests: 48_216,
            failed: 3,
            failovers: 1_307,
            ttft_ms: Some(640),
            series: ["claude-opus-4.5", "gpt-6-luna", "gemini-3-pro", "others"]
                .map(str::to_owned)
                .to_vec(),
            bars: (0..30).map(bar).collect(),
            by_key: vec![
                group("ci-agents", 161),
                group("support-bot", 106),
                group("claude-code-mira", 68),
            ],
            by_member: vec![group("Services, no member", 279), group("mira@harbor-robotics.io", 68)],
            latest: (0..5).map(|at| request(at, false)).collect(),
        })
    }

    async fn usage(
        &self,
        _: &str,
        _: Option<Moment>,
        _: Option<Moment>,
        _: GroupBy,
    ) -> Result<Vec<UsageGroup>, ApiError> {
        Ok(vec![group("ci-agents", 161)])
    }

    async fn requests(&self, _: &str, filter: RequestFilter, _: PageQuery) -> Result<Page<RequestRow>, ApiError> {
        let rows = if filter.model.is_some() || filter.key.is_some() {
            0
        } else {
            12
        };
        let page = self.some((0..rows).map(|at| request(at, false)).collect());
        let next = (!page.data.is_empty()).then(|| "12".to_owned());
        Ok(Page { next, ..page })
    }

    async fn people(&self, _: &str) -> Result<Vec<Named>, ApiError> {
        Ok(vec![
            named("user_1", "mira@harbor-robotics.io"),
            named("user_2", "jonas@harbor-robotics.io"),
        ])
    }

    async fn receipt(&self, _: &str, id: &str) -> Result<Receipt, ApiError> {
        known(id)?;
        Ok(receipt(false))
    }

    async fn all_requests(&self, _: RequestFilter, _: PageQuery) -> Result<Page<RequestRow>, ApiError> {
        self.demand_admin()?;
        Ok(self.some((0..12).map(|at| request(at, true)).collect()))
    }

    async fn any_receipt(&self, id: &str) -> Result<Receipt, ApiError> {
        self.demand_admin()?;
        known(id)?;
        Ok(receipt(true))
    }
}

/// Whether the sample has the request `id`.
fn known(id: &str) -> Result<(), ApiError> {
    if id.starts_with("req_") {
        Ok(())
    } else {
        Err(ApiError::new(Code::NotFound))
    }
}

//! A backend with sample data and no server behind it: what the pages are drawn with in their tests, and by
//! `cargo run -p frontend --example sample --features ssr`.
//!
//! Invariant: nothing here is changed by a call. Pure.

use async_trait::async_trait;
use frontend::api::accounts::{
    AccountPatch, AccountView, Accounts, DeploymentView, ModelEntry, NewAccount, PresetView, TestView,
};
use frontend::api::alerts::{AlertView, Alerts};
use frontend::api::billing::{BalanceView, Billing, LedgerLine, NewAdjustment, NewGrant};
use frontend::api::keys::{KeyPatch, KeyView, KeyWithSecret, Keys, NewKey, Spend};
use frontend::api::models::{ModelView, Models, NewModel, NewPrice, Prices};
use frontend::api::session::{SessionView, Sessions, SetCookie, SignedIn};
use frontend::api::team::{MemberPatch, MemberView, TeamPatch, TeamView, Teams};
use frontend::api::usage::{
    AttemptView, ChargeLine, DayBar, GroupBy, HoldLine, Overview, Receipt, RequestFilter, RequestRow, UsageGroup,
    UsageReads,
};
use frontend::api::{ApiError, Code, Named, Nano, Page, PageQuery, Time};
use gateway_core::usage::Usage;

/// 20 Nov 2026, 14:02:07 in Berlin.
const NOW: i64 = 1_795_179_727_418;
const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

/// Who looks at the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody is signed in.
    Visitor,
    /// A platform admin on the first day: nothing is there yet.
    FirstAdmin,
    /// A member of a team, without rights to manage it.
    Member,
    /// The owner of a team, platform admin too.
    Admin,
}

/// The backend of one request.
pub struct Sample {
    /// Who looks.
    pub who: Who,
}

impl Sample {
    fn has_data(&self) -> bool {
        self.who != Who::FirstAdmin
    }

    fn demand_admin(&self) -> Result<(), ApiError> {
        match self.who {
            Who::Visitor => Err(ApiError::new(Code::Unauthenticated)),
            Who::Member => Err(ApiError::new(Code::Forbidden)),
            Who::FirstAdmin | Who::Admin => Ok(()),
        }
    }

    fn some<T>(&self, rows: Vec<T>) -> Page<T> {
        let data = if self.has_data() { rows } else { Vec::new() };
        Page { data, next: None }
    }
}

/// Every act is refused: there is nothing to change.
fn refused<T>() -> Result<T, ApiError> {
    let error = ApiError::because(Code::Unavailable, "These are sample pages. Nothing was changed.");
    Err(ApiError {
        request_id: "req_01KANZ4Q".to_owned(),
        ..error
    })
}

fn cents(cents: i64) -> Nano {
    Nano(cents * 10_000_000)
}

fn spend(posted: i64, held: i64, cap: Option<i64>) -> Spend {
    Spend {
        posted: cents(posted),
        held: cents(held),
        cap: cap.map(cents),
        resets_at: Some(Time(NOW + DAY / 2)),
    }
}

fn named(id: &str, name: &str) -> Named {
    Named {
        id: id.to_owned(),
        name: name.to_owned(),
    }
}

fn key_view(id: &str, name: &str, state: &str, (day, month): (Spend, Spend)) -> KeyView {
    KeyView {
        id: id.to_owned(),
        name: name.to_owned(),
        member: (id == "key_3").then(|| named("user_1", "mira@harbor-robotics.io")),
        last_four: vec!["vT9x".to_owned()],
        models: if id == "key_2" {
            vec!["gpt-5-mini".to_owned(), "gemini-3-*".to_owned()]
        } else {
            Vec::new()
        },
        rpm: Some(60),
        tpm: None,
        max_in_flight: None,
        clamp: true,
        allowed_ips: Vec::new(),
        expires_at: None,
        created_at: Time(NOW - 40 * DAY),
        last_used_at: Some(Time(NOW - 3 * MINUTE)),
        state: state.to_owned(),
        cap_day: day.cap,
        cap_month: month.cap,
        cap_total: None,
        day,
        month,
        total: spend(20_000, 0, None),
    }
}

fn keys() -> Vec<KeyView> {
    vec![
        key_view(
            "key_1",
            "ci-agents",
            "active",
            (spend(1_106, 60, Some(1_200)), spend(16_118, 60, Some(40_000))),
        ),
        key_view(
            "key_2",
            "support-bot",
            "active",
            (spend(584, 45, Some(1_500)), spend(10_602, 45, Some(30_000))),
        ),
        key_view(
            "key_3",
            "claude-code-mira",
            "active",
            (spend(194, 0, None), spend(6_877, 0, None)),
        ),
        key_view(
            "key_4",
            "jonas-laptop",
            "active",
            (spend(300, 0, Some(300)), spend(4_140, 0, Some(6_000))),
        ),
        key_view(
            "key_5",
            "hackweek",
            "disabled",
            (spend(0, 0, Some(500)), spend(1_211, 0, None)),
        ),
    ]
}

fn request(at: usize, team: bool) -> RequestRow {
    const MODELS: [&str; 4] = [
        "claude-opus-4.5",
        "gpt-5-mini",
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
            reasoning: 0,
        },
        held: Nano(398_550_000),
        charged: if outcome == "upstream_failed" {
            Nano::ZERO
        } else {
            Nano(70_871_750)
        },
        is_estimate: outcome == "hung_up",
        ttft_ms: Some(970),
        total_ms: Some(9_594),
    }
}

fn attempt(account: &str, outcome: &str, status: u16, (started_ms, took_ms): (i64, i64), note: &str) -> AttemptView {
    AttemptView {
        provider: "anthropic".to_owned(),
        account: account.to_owned(),
        outcome: outcome.to_owned(),
        status: Some(status),
        started_ms,
        took_ms,
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
    }
}

fn team_view(id: &str, name: &str, balance: i64, suspended: bool) -> TeamView {
    TeamView {
        id: id.to_owned(),
        name: name.to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        cap_day: Some(cents(6_000)),
        cap_month: Some(cents(100_000)),
        rpm: None,
        tpm: None,
        created_at: Time(NOW - 120 * DAY),
        suspended_at: suspended.then_some(Time(NOW - DAY)),
        members: 5,
        balance: cents(balance),
        month: spend(41_237, 126, Some(100_000)),
    }
}

fn member(id: &str, email: &str, role: &str, month: Spend) -> MemberView {
    MemberView {
        user_id: id.to_owned(),
        email: email.to_owned(),
        role: role.to_owned(),
        cap_day: None,
        cap_month: month.cap,
        day: spend(194, 0, None),
        month,
        created_at: Time(NOW - 90 * DAY),
    }
}

fn account_view(id: &str, label: &str, provider: &str, state: &str) -> AccountView {
    let (until, reason) = match state {
        "cooling" => (Some(Time(NOW + 24_000)), Some("429, as it asked")),
        "parked" => (
            Some(Time(NOW + 4 * MINUTE)),
            Some("The provider answered “Insufficient Balance”."),
        ),
        _ => (None, None),
    };
    AccountView {
        id: id.to_owned(),
        label: label.to_owned(),
        provider: provider.to_owned(),
        dialect: "chat".to_owned(),
        base_url: "https://api.openai.com/v1".to_owned(),
        last_four: "9QAA".to_owned(),
        auth_scheme: "bearer".to_owned(),
        priority: 0,
        weight: 100,
        region: None,
        proxy_url: None,
        models: match id {
            "acc_2" => vec![ModelEntry::One(DeploymentView {
                model: "gpt-5".to_owned(),
                upstream_model: Some("my-deployment".to_owned()),
            })],
            _ => vec![ModelEntry::Pattern("*".to_owned())],
        },
        rpm: None,
        tpm: None,
        max_in_flight: None,
        in_flight: if state == "ready" { 11 } else { 0 },
        state: state.to_owned(),
        until,
        reason: reason.map(str::to_owned),
        last_error: reason.map(|_| "429 rate_limit_error".to_owned()),
        last_error_at: reason.map(|_| Time(NOW - 14_000)),
        created_at: Time(NOW - 30 * DAY),
    }
}

fn accounts() -> Vec<AccountView> {
    vec![
        account_view("acc_1", "OpenAI main", "openai", "ready"),
        account_view("acc_2", "OpenAI research", "openai", "cooling"),
        account_view("acc_3", "Groq", "groq", "probing"),
        account_view("acc_4", "DeepSeek main", "deepseek", "parked"),
        account_view("acc_5", "Ollama", "ollama", "disabled"),
    ]
}

fn preset(id: &str, name: &str, base_url: &str, needs_key: bool) -> PresetView {
    PresetView {
        id: id.to_owned(),
        name: name.to_owned(),
        dialect: "chat".to_owned(),
        base_url: base_url.to_owned(),
        needs_key,
    }
}

fn model(id: &str, provider: &str, prices: Option<(&str, &str)>, is_served: bool) -> ModelView {
    ModelView {
        id: id.to_owned(),
        provider: provider.to_owned(),
        mode: "chat".to_owned(),
        context: Some(400_000),
        max_output: Some(128_000),
        capabilities: vec!["tools".to_owned(), "vision".to_owned(), "structured_output".to_owned()],
        prices: prices.map(|(input, output)| Prices {
            input: input.to_owned(),
            output: output.to_owned(),
            cache_read: Some("0.028".to_owned()),
            cache_write: None,
        }),
        price_since: prices.map(|_| Time(NOW - 60 * DAY)),
        next_price: (id == "gpt-5-mini").then(|| {
            let prices = Prices {
                input: "0.2".to_owned(),
                output: "1.8".to_owned(),
                ..Prices::default()
            };
            (Time(NOW + 9 * DAY), prices)
        }),
        long_context_from: None,
        is_served,
        is_builtin: id != "house-model",
    }
}

#[async_trait]
impl Sessions for Sample {
    async fn session(&self) -> Result<Option<SessionView>, ApiError> {
        let is_member = self.who == Who::Member;
        Ok((self.who != Who::Visitor).then(|| SessionView {
            user_id: "user_1".to_owned(),
            email: "mira@harbor-robotics.io".to_owned(),
            is_admin: !is_member,
            team_id: "team_1".to_owned(),
            team_name: "Harbor Robotics".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            role: if is_member { "member" } else { "owner" }.to_owned(),
            has_accounts: self.has_data(),
            key_count: if self.has_data() { 5 } else { 0 },
            alerts: if self.who == Who::Admin { 3 } else { 0 },
            now: Time(NOW),
        }))
    }

    async fn sign_up(&self, _: String, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn log_in(&self, _: String, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn log_out(&self) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn confirm(&self, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn change_password(&self, _: String, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn list_sessions(&self) -> Result<Vec<SignedIn>, ApiError> {
        let browser = |id: &str, user_agent: &str, is_current| SignedIn {
            id: id.to_owned(),
            created_at: Time(NOW - DAY),
            last_seen_at: Time(NOW - 2 * MINUTE),
            address: "203.0.113.24".to_owned(),
            user_agent: user_agent.to_owned(),
            is_current,
        };
        let long =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
        Ok(vec![
            browser("ses_1", long, true),
            browser("ses_2", "Firefox on Android", false),
        ])
    }

    async fn end_session(&self, _: String) -> Result<(), ApiError> {
        refused()
    }

    fn seal(&self, text: &str) -> Result<String, ApiError> {
        Ok(text.bytes().map(|byte| format!("{byte:02x}")).collect())
    }

    fn keep(&self, text: &str) -> Result<String, ApiError> {
        self.seal(text)
    }

    fn kept(&self, sealed: &str) -> Option<String> {
        self.open(sealed)
    }

    fn open(&self, sealed: &str) -> Option<String> {
        let bytes: Option<Vec<u8>> = (0..sealed.len() / 2)
            .map(|at| u8::from_str_radix(sealed.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        String::from_utf8(bytes?).ok()
    }

    async fn redeem_setup(&self, _: String) -> Result<(), ApiError> {
        refused()
    }
}

#[async_trait]
impl Keys for Sample {
    async fn list_keys(&self, _: &str, _: PageQuery) -> Result<Page<KeyView>, ApiError> {
        Ok(self.some(keys()))
    }

    async fn key(&self, _: &str, id: &str) -> Result<KeyView, ApiError> {
        keys()
            .into_iter()
            .find(|key| key.id == id)
            .ok_or_else(|| ApiError::new(Code::NotFound))
    }

    async fn create_key(&self, _: &str, new: NewKey) -> Result<KeyWithSecret, ApiError> {
        let view = KeyView {
            name: new.name,
            ..keys().remove(0)
        };
        Ok(KeyWithSecret {
            key: "sk-oh-7Qm2fKx1BvWc8RtYpLd4NhZs0JgAe6UiOv3TqMb5EkvT9x".to_owned(),
            view,
        })
    }

    async fn update_key(&self, _: &str, _: &str, _: KeyPatch) -> Result<KeyView, ApiError> {
        refused()
    }

    async fn rotate_key(&self, _: &str, _: &str, _: Option<u32>) -> Result<KeyWithSecret, ApiError> {
        refused()
    }

    async fn revoke_key(&self, _: &str, _: &str) -> Result<(), ApiError> {
        refused()
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
            series: ["claude-opus-4.5", "gpt-5-mini", "gemini-3-pro", "others"]
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

    async fn usage(&self, _: &str, _: Option<Time>, _: Option<Time>, _: GroupBy) -> Result<Vec<UsageGroup>, ApiError> {
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

    async fn receipt(&self, _: &str, _: &str) -> Result<Receipt, ApiError> {
        Ok(receipt(false))
    }

    async fn all_requests(&self, _: RequestFilter, _: PageQuery) -> Result<Page<RequestRow>, ApiError> {
        self.demand_admin()?;
        Ok(self.some((0..12).map(|at| request(at, true)).collect()))
    }

    async fn any_receipt(&self, _: &str) -> Result<Receipt, ApiError> {
        self.demand_admin()?;
        Ok(receipt(true))
    }
}

#[async_trait]
impl Billing for Sample {
    async fn balance(&self, _: &str) -> Result<BalanceView, ApiError> {
        Ok(BalanceView {
            prepaid: true,
            balance: cents(18_421),
            held: cents(126),
            entries: cents(60_000),
            posted: cents(41_579),
        })
    }

    async fn ledger(&self, _: &str, _: PageQuery) -> Result<Page<LedgerLine>, ApiError> {
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

#[async_trait]
impl Teams for Sample {
    async fn list_teams(&self, _: PageQuery) -> Result<Page<TeamView>, ApiError> {
        self.demand_admin()?;
        Ok(Page {
            data: vec![
                team_view("team_1", "Harbor Robotics", 18_421, false),
                team_view("team_2", "Mira’s side projects", -12, true),
            ],
            next: None,
        })
    }

    async fn team(&self, _: &str) -> Result<TeamView, ApiError> {
        Ok(team_view("team_1", "Harbor Robotics", 18_421, false))
    }

    async fn update_team(&self, _: &str, _: TeamPatch) -> Result<TeamView, ApiError> {
        refused()
    }

    async fn list_members(&self, _: &str, _: PageQuery) -> Result<Page<MemberView>, ApiError> {
        Ok(Page {
            data: vec![
                member(
                    "user_1",
                    "mira@harbor-robotics.io",
                    "owner",
                    spend(6_877, 0, Some(25_000)),
                ),
                member("user_2", "jonas@harbor-robotics.io", "member", spend(4_140, 0, None)),
            ],
            next: None,
        })
    }

    async fn update_member(&self, _: &str, _: &str, _: MemberPatch) -> Result<MemberView, ApiError> {
        refused()
    }
}

#[async_trait]
impl Accounts for Sample {
    async fn presets(&self) -> Result<Vec<PresetView>, ApiError> {
        self.demand_admin()?;
        Ok(vec![
            preset("openai", "OpenAI", "https://api.openai.com/v1", true),
            preset("deepseek", "DeepSeek", "https://api.deepseek.com/v1", true),
            preset("groq", "Groq", "https://api.groq.com/openai/v1", true),
            preset("ollama", "Ollama", "http://127.0.0.1:11434/v1", false),
            preset("custom", "Other", "", true),
        ])
    }

    async fn list_accounts(&self, _: PageQuery) -> Result<Page<AccountView>, ApiError> {
        self.demand_admin()?;
        Ok(self.some(accounts()))
    }

    async fn account(&self, id: &str) -> Result<AccountView, ApiError> {
        self.demand_admin()?;
        accounts()
            .into_iter()
            .find(|account| account.id == id)
            .ok_or_else(|| ApiError::new(Code::NotFound))
    }

    async fn create_account(&self, _: NewAccount) -> Result<AccountView, ApiError> {
        refused()
    }

    async fn update_account(&self, _: &str, _: AccountPatch) -> Result<AccountView, ApiError> {
        refused()
    }

    async fn delete_account(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }

    async fn test_account(&self, _: &str) -> Result<TestView, ApiError> {
        let message = "The provider accepted the key.".to_owned();
        Ok(TestView {
            ok: true,
            latency_ms: 440,
            message,
            models: 61,
        })
    }

    async fn test_draft(&self, _: NewAccount) -> Result<TestView, ApiError> {
        refused()
    }
}

#[async_trait]
impl Models for Sample {
    async fn list_models(&self, _: PageQuery) -> Result<Page<ModelView>, ApiError> {
        let is_served = self.has_data();
        Ok(Page {
            data: vec![
                model("claude-opus-4.5", "anthropic", Some(("5", "25")), is_served),
                model("gpt-5-mini", "openai", Some(("0.25", "2")), is_served),
                model("gemini-3-pro", "google", Some(("2", "12")), is_served),
                model("vendor/a-model-with-a-long-name", "vendor", Some(("0.5", "1.5")), false),
                model("house-model", "", None, is_served),
            ],
            next: None,
        })
    }

    async fn create_model(&self, _: NewModel) -> Result<ModelView, ApiError> {
        refused()
    }

    async fn add_price(&self, _: &str, _: NewPrice) -> Result<ModelView, ApiError> {
        refused()
    }
}

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

//! The sample upstream accounts, one in each state.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, MINUTE, NOW, Sample, refused};
use async_trait::async_trait;
use frontend::api::accounts::{
    AccountPatch, AccountView, Accounts, DeploymentView, ModelEntry, NewAccount, PresetView, TestView, TurnView, Whose,
};
use frontend::api::{ApiError, Code, Page, PageQuery, Time};

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
        history: history(reason.is_some()),
    }
}

fn history(is_ill: bool) -> Vec<TurnView> {
    let turn = |ago, state: &str, reason: &str, pause: Option<i64>| TurnView {
        at: Time(NOW - ago),
        state: state.to_owned(),
        reason: reason.to_owned(),
        until: pause.map(|pause| Time(NOW - ago + pause)),
    };
    let limit = "It is at its limit.";
    let mut turns = vec![
        turn(30 * MINUTE, "ready", "", None),
        turn(31 * MINUTE, "cooling", limit, Some(MINUTE)),
    ];
    if is_ill {
        turns.insert(0, turn(14_000, "cooling", limit, Some(38_000)));
    }
    turns
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
        base_url_example: String::new(),
        key_hint: String::new(),
        needs_key,
    }
}

impl Sample {
    fn demand_manager(&self, whose: Whose<'_>) -> Result<(), ApiError> {
        match whose {
            Whose::Platform => self.demand_admin(),
            Whose::Team(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Accounts for Sample {
    async fn presets(&self, whose: Whose<'_>) -> Result<Vec<PresetView>, ApiError> {
        self.demand_manager(whose)?;
        Ok(vec![
            preset("openai", "OpenAI", "https://api.openai.com/v1", true),
            preset("deepseek", "DeepSeek", "https://api.deepseek.com/v1", true),
            preset("groq", "Groq", "https://api.groq.com/openai/v1", true),
            preset("ollama", "Ollama", "http://127.0.0.1:11434/v1", false),
            preset("custom", "Other", "", true),
        ])
    }

    async fn list_accounts(&self, whose: Whose<'_>, _: PageQuery) -> Result<Page<AccountView>, ApiError> {
        self.demand_manager(whose)?;
        Ok(self.some(accounts()))
    }

    async fn account(&self, whose: Whose<'_>, id: &str) -> Result<AccountView, ApiError> {
        self.demand_manager(whose)?;
        accounts()
            .into_iter()
            .find(|account| account.id == id)
            .ok_or_else(|| ApiError::new(Code::NotFound))
    }

    async fn create_account(&self, _: Whose<'_>, _: NewAccount) -> Result<AccountView, ApiError> {
        refused()
    }

    async fn update_account(&self, _: Whose<'_>, _: &str, _: AccountPatch) -> Result<AccountView, ApiError> {
        refused()
    }

    async fn delete_account(&self, _: Whose<'_>, _: &str) -> Result<(), ApiError> {
        refused()
    }

    async fn test_account(&self, _: Whose<'_>, _: &str) -> Result<TestView, ApiError> {
        let message = "The provider accepted the key.".to_owned();
        Ok(TestView {
            ok: true,
            latency_ms: 440,
            message,
            models: 61,
        })
    }

    async fn test_draft(&self, _: Whose<'_>, _: NewAccount) -> Result<TestView, ApiError> {
        refused()
    }
}

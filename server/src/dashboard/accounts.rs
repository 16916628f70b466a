//! Upstream accounts: platform admins only.
//!
//! Invariant: a secret goes in and never comes out; audit records name what changed, not the secret. Reads and writes what
//! `accounts` does.

mod shapes;

use super::{Change, Principal, Refusal, view};
use crate::accounts::{Account, TestOutcome};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Page, PageQuery,
    accounts::{AccountPatch, AccountView, Accounts, NewAccount, PresetView, TestView},
};
use gateway_core::{
    catalog,
    id::{self, Kind},
};
use serde_json::{Value, json};

#[async_trait]
impl Accounts for Principal {
    async fn presets(&self) -> Result<Vec<PresetView>, ApiError> {
        self.answer(
            self.admin()
                .map(|_| catalog::presets().iter().map(preset_view).collect()),
        )
    }

    async fn list_accounts(&self, page: PageQuery) -> Result<Page<AccountView>, ApiError> {
        self.answer(self.read_accounts(&page).await)
    }

    async fn account(&self, id: &str) -> Result<AccountView, ApiError> {
        self.answer(self.read_account(id).await)
    }

    async fn create_account(&self, new: NewAccount) -> Result<AccountView, ApiError> {
        self.answer(self.add_account(new).await)
    }

    async fn update_account(&self, id: &str, change: AccountPatch) -> Result<AccountView, ApiError> {
        self.answer(self.change_account(id, change).await)
    }

    async fn delete_account(&self, id: &str) -> Result<(), ApiError> {
        self.answer(self.remove_account(id).await)
    }

    async fn test_account(&self, id: &str) -> Result<TestView, ApiError> {
        self.answer(self.try_account(id).await)
    }

    async fn test_draft(&self, new: NewAccount) -> Result<TestView, ApiError> {
        self.answer(self.try_draft(new).await)
    }
}

impl Principal {
    async fn read_accounts(&self, query: &PageQuery) -> Result<Page<AccountView>, Refusal> {
        self.admin()?;
        let after = view::after_place(query, Kind::Account)?;
        let place = |account: &Account| (i64::from(account.standing.priority), account.id);
        let mut accounts = self.app.fleet.list().await?;
        accounts.retain(|account| after.is_none_or(|after| place(account) > after));
        let page = view::page(query, accounts, |account| view::place(Kind::Account, place(account)));
        let views = page
            .data
            .into_iter()
            .map(|account| shapes::view(account, self.now_ms()));
        Ok(Page {
            data: views.collect(),
            next: page.next,
        })
    }

    async fn read_account(&self, id: &str) -> Result<AccountView, Refusal> {
        self.admin()?;
        let account = self.app.fleet.get(super::parse(Kind::Account, id)?).await?;
        let history = self.app.fleet.history(account.id).await?;
        Ok(AccountView {
            history: history.into_iter().map(shapes::turn).collect(),
            ..shapes::view(account, self.now_ms())
        })
    }

    async fn add_account(&self, new: NewAccount) -> Result<AccountView, Refusal> {
        self.admin()?;
        self.demand_confirmed()?;
        let account = self.app.fleet.create(&shapes::new(new)?).await?;
        self.record_account(&account, "account.create", Value::Null).await?;
        Ok(shapes::view(account, self.now_ms()))
    }

    async fn change_account(&self, id: &str, change: AccountPatch) -> Result<AccountView, Refusal> {
        self.admin()?;
        let account_id = super::parse(Kind::Account, id)?;
        let before = self.app.fleet.get(account_id).await?;
        if change.secret.is_some() {
            self.demand_confirmed()?;
        }
        let account = self.app.fleet.update(account_id, shapes::change(change)?).await?;
        self.record_account(&account, "account.update", noted(&before)).await?;
        Ok(shapes::view(account, self.now_ms()))
    }

    async fn remove_account(&self, id: &str) -> Result<(), Refusal> {
        self.admin()?;
        let account_id = super::parse(Kind::Account, id)?;
        let before = self.app.fleet.get(account_id).await?;
        self.app.fleet.delete(account_id).await?;
        self.record(Change {
            action: "account.delete",
            target: id,
            before: noted(&before),
            ..Change::default()
        })
        .await
    }

    async fn try_account(&self, id: &str) -> Result<TestView, Refusal> {
        self.admin()?;
        let outcome = self.app.fleet.test(super::parse(Kind::Account, id)?).await?;
        Ok(test_view(outcome))
    }

    async fn try_draft(&self, new: NewAccount) -> Result<TestView, Refusal> {
        self.admin()?;
        let outcome = self.app.fleet.test_draft(&shapes::new(new)?).await?;
        Ok(test_view(outcome))
    }

    async fn record_account(&self, account: &Account, action: &'static str, before: Value) -> Result<(), Refusal> {
        let target = id::render(Kind::Account, account.id);
        self.record(Change {
            action,
            target: &target,
            before,
            after: noted(account),
            ..Change::default()
        })
        .await
    }
}

/// What the audit log says of an account.
fn noted(account: &Account) -> Value {
    json!({
        "label": account.label,
        "provider": account.provider,
        "base_url": account.base_url,
        "last_four": account.last_four,
        "auth_scheme": account.auth_scheme,
        "proxy_url": account.proxy_url,
        "priority": account.standing.priority,
        "weight": account.standing.weight,
        "region": account.standing.region,
        "models": shapes::entries(account.models.clone()),
        "rpm": account.grants.rpm,
        "tpm": account.grants.tpm,
        "max_in_flight": account.grants.max_in_flight,
        "is_disabled": account.times.disabled_at.is_some(),
    })
}

fn test_view(outcome: TestOutcome) -> TestView {
    TestView {
        ok: outcome.ok,
        latency_ms: outcome.latency_ms,
        message: outcome.message,
        models: outcome.models.len() as u64,
    }
}

fn preset_view(preset: &catalog::Preset) -> PresetView {
    PresetView {
        id: preset.id.to_owned(),
        name: preset.name.to_owned(),
        dialect: preset
            .dialects
            .first()
            .map_or("chat", |dialect| dialect.as_str())
            .to_owned(),
        base_url: preset.base_url.to_owned(),
        base_url_example: preset.base_url_example.to_owned(),
        needs_key: preset.needs_key,
        key_hint: preset.key_hint.to_owned(),
    }
}

//! Upstream accounts: the platform's for platform admins only, a team's own for its owners and admins.
//!
//! Invariant: a secret goes in and never comes out; audit records name what changed, not the secret. Reads and writes what
//! `accounts` does.

mod shapes;

use super::{Change, Principal, Refusal, view};
use crate::{
    accounts::{Account, Fleet, TestOutcome},
    teams::Right,
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Page, PageQuery,
    accounts::{AccountPatch, AccountView, Accounts, NewAccount, PresetView, TestView, Whose},
};
use gateway_core::{
    catalog,
    id::{self, Kind},
};
use serde_json::{Value, json};

#[async_trait]
impl Accounts for Principal {
    async fn presets(&self, whose: Whose<'_>) -> Result<Vec<PresetView>, ApiError> {
        self.answer(self.read_presets(whose).await)
    }

    async fn list_accounts(&self, whose: Whose<'_>, page: PageQuery) -> Result<Page<AccountView>, ApiError> {
        self.answer(self.read_accounts(whose, &page).await)
    }

    async fn account(&self, whose: Whose<'_>, id: &str) -> Result<AccountView, ApiError> {
        self.answer(self.read_account(whose, id).await)
    }

    async fn create_account(&self, whose: Whose<'_>, new: NewAccount) -> Result<AccountView, ApiError> {
        self.answer(self.add_account(whose, new).await)
    }

    async fn update_account(&self, whose: Whose<'_>, id: &str, change: AccountPatch) -> Result<AccountView, ApiError> {
        self.answer(self.change_account(whose, id, change).await)
    }

    async fn delete_account(&self, whose: Whose<'_>, id: &str) -> Result<(), ApiError> {
        self.answer(self.remove_account(whose, id).await)
    }

    async fn test_account(&self, whose: Whose<'_>, id: &str) -> Result<TestView, ApiError> {
        self.answer(self.try_account(whose, id).await)
    }

    async fn test_draft(&self, whose: Whose<'_>, new: NewAccount) -> Result<TestView, ApiError> {
        self.answer(self.try_draft(whose, new).await)
    }
}

impl Principal {
    /// The accounts that are meant, of whoever may manage them.
    async fn fleet_of(&self, whose: Whose<'_>) -> Result<Fleet, Refusal> {
        match whose {
            Whose::Platform => {
                self.admin()?;
                Ok(self.app.fleet.clone())
            }
            Whose::Team(team) => {
                let scope = self.scope(team).await?;
                scope.demand(Right::ManageAccounts)?;
                Ok(self.app.fleet.of(Some(scope.team_id())))
            }
        }
    }

    async fn read_presets(&self, whose: Whose<'_>) -> Result<Vec<PresetView>, Refusal> {
        let fleet = self.fleet_of(whose).await?;
        let mine = catalog::presets()
            .iter()
            .filter(|preset| fleet.may_be_at(preset.base_url));
        Ok(mine.map(preset_view).collect())
    }

    async fn read_accounts(&self, whose: Whose<'_>, query: &PageQuery) -> Result<Page<AccountView>, Refusal> {
        let fleet = self.fleet_of(whose).await?;
        let after = view::after_place(query, Kind::Account)?;
        let place = |account: &Account| (i64::from(account.standing.priority), account.id);
        let mut accounts = fleet.list().await?;
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

    async fn read_account(&self, whose: Whose<'_>, id: &str) -> Result<AccountView, Refusal> {
        let fleet = self.fleet_of(whose).await?;
        let account = fleet.get(super::parse(Kind::Account, id)?).await?;
        let history = fleet.history(account.id).await?;
        Ok(AccountView {
            history: history.into_iter().map(shapes::turn).collect(),
            ..shapes::view(account, self.now_ms())
        })
    }

    async fn add_account(&self, whose: Whose<'_>, new: NewAccount) -> Result<AccountView, Refusal> {
        let fleet = self.fleet_of(whose).await?;
        self.demand_confirmed()?;
        let account = fleet.create(&shapes::new(new)?).await?;
        self.record_account(&fleet, (&account, "account.create"), Value::Null)
            .await?;
        Ok(shapes::view(account, self.now_ms()))
    }

    async fn change_account(&self, whose: Whose<'_>, id: &str, change: AccountPatch) -> Result<AccountView, Refusal> {
        let fleet = self.fleet_of(whose).await?;
        let account_id = super::parse(Kind::Account, id)?;
        let before = fleet.get(account_id).await?;
        if change.secret.is_some() {
            self.demand_confirmed()?;
        }
        let account = fleet.update(account_id, shapes::change(change)?).await?;
        self.record_account(&fleet, (&account, "account.update"), noted(&before))
            .await?;
        Ok(shapes::view(account, self.now_ms()))
    }

    async fn remove_account(&self, whose: Whose<'_>, id: &str) -> Result<(), Refusal> {
        let fleet = self.fleet_of(whose).await?;
        let account_id = super::parse(Kind::Account, id)?;
        let before = fleet.get(account_id).await?;
        self.demand_confirmed()?;
        fleet.delete(account_id).await?;
        self.record(Change {
            team_id: fleet.owner(),
            action: "account.delete",
            target: id,
            before: noted(&before),
            ..Change::default()
        })
        .await
    }

    async fn try_account(&self, whose: Whose<'_>, id: &str) -> Result<TestView, Refusal> {
        let fleet = self.fleet_of(whose).await?;
        let outcome = fleet.test(super::parse(Kind::Account, id)?).await?;
        Ok(test_view(outcome))
    }

    async fn try_draft(&self, whose: Whose<'_>, new: NewAccount) -> Result<TestView, Refusal> {
        let fleet = self.fleet_of(whose).await?;
        let outcome = fleet.test_draft(&shapes::new(new)?).await?;
        Ok(test_view(outcome))
    }

    async fn record_account(
        &self,
        fleet: &Fleet,
        (account, action): (&Account, &'static str),
        before: Value,
    ) -> Result<(), Refusal> {
        let target = id::render(Kind::Account, account.id);
        self.record(Change {
            team_id: fleet.owner(),
            action,
            target: &target,
            before,
            after: noted(account),
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

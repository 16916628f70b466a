//! Upstream accounts: credentials at providers. The platform's are managed by platform admins, a team's own by its owners and admins.
//!
//! Invariant: a secret goes in and never comes out; only its last four characters do.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::form::Form;
use super::{ApiError, Page, PageQuery, Time, patch};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Whose accounts are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// The platform's.
    Platform,
    /// Those of a team: its id, or [`CURRENT_TEAM`](super::CURRENT_TEAM).
    Team(&'a str),
}

impl Whose<'static> {
    /// Those of the team that is shown.
    pub const SHOWN: Self = Self::Team(super::CURRENT_TEAM);

    /// Those that `word` in a form means.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        if word == Self::SHOWN.word() {
            Self::SHOWN
        } else {
            Self::Platform
        }
    }
}

impl Whose<'_> {
    /// What stands for them in a form.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Team(_) => "team",
        }
    }

    /// The page that lists them.
    #[must_use]
    pub const fn root(self) -> &'static str {
        match self {
            Self::Platform => "/admin/accounts",
            Self::Team(_) => "/team/accounts",
        }
    }
}

/// One model an account serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentView {
    /// The name a customer asks for.
    pub model: String,
    /// The name the provider knows; the same when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_model: Option<String>,
}

/// An element of an account's `models`: `"*"` or a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ModelEntry {
    /// `"*"`: every model, by its own name; at a maker's own address, those it makes.
    Pattern(String),
    /// One model.
    One(DeploymentView),
}

/// An upstream account, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// The id.
    pub id: String,
    /// Shown to admins.
    pub label: String,
    /// Preset id.
    pub provider: String,
    /// The wire protocol it speaks.
    pub dialect: String,
    /// Where it is.
    pub base_url: String,
    /// The last four characters of the secret; empty where there is none.
    pub last_four: String,
    /// How the key is sent: `bearer`, or the header that carries it alone.
    pub auth_scheme: String,
    /// Lower goes first.
    pub priority: i32,
    /// Share among equals.
    pub weight: i32,
    /// Region tag.
    pub region: Option<String>,
    /// Proxy, its password left out.
    pub proxy_url: Option<String>,
    /// `["*"]` or the models it serves.
    pub models: Vec<ModelEntry>,
    /// Requests a minute the provider grants.
    pub rpm: Option<i64>,
    /// Tokens a minute the provider grants.
    pub tpm: Option<i64>,
    /// Requests at once.
    pub max_in_flight: Option<i64>,
    /// Requests running now.
    pub in_flight: u64,
    /// ready, cooling, probing, parked or disabled.
    pub state: String,
    /// When it is tried again.
    pub until: Option<Time>,
    /// Why it is cooling or parked, for people.
    pub reason: Option<String>,
    /// The last failure, scrubbed.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Time>,
    /// When it was added.
    pub created_at: Time,
    /// What its health turned into, the latest first; of one account alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<TurnView>,
}

/// What the health of an account turned into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnView {
    /// When.
    pub at: Time,
    /// ready, cooling or parked.
    pub state: String,
    /// Why, for people; empty where it is ready.
    pub reason: String,
    /// When it was to be tried again.
    pub until: Option<Time>,
}

/// A new account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Shown to admins.
    pub label: String,
    /// Preset id.
    pub provider: String,
    /// The wire protocol; the preset's when absent.
    #[serde(default)]
    pub dialect: Option<String>,
    /// The preset's when absent.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The key at the provider; none when empty.
    #[serde(default, deserialize_with = "patch::optional")]
    pub secret: String,
    /// How the key is sent: `bearer`, which it is when absent, or the header that carries it alone.
    #[serde(default)]
    pub auth_scheme: Option<String>,
    /// Lower goes first; 0 when absent.
    #[serde(default)]
    pub priority: Option<i32>,
    /// 1 to 1000; 100 when absent.
    #[serde(default)]
    pub weight: Option<i32>,
    /// Region tag.
    #[serde(default)]
    pub region: Option<String>,
    /// http, https or socks5 proxy.
    #[serde(default)]
    pub proxy_url: Option<String>,
    /// `["*"]` or models; every model when empty.
    #[serde(default, deserialize_with = "patch::optional")]
    pub models: Vec<ModelEntry>,
    /// Requests a minute the provider grants.
    #[serde(default)]
    pub rpm: Option<i64>,
    /// Tokens a minute the provider grants.
    #[serde(default)]
    pub tpm: Option<i64>,
    /// Requests at once.
    #[serde(default)]
    pub max_in_flight: Option<i64>,
}

/// What to change of an account; null clears what can be without a value. A new scheme, host, port or proxy demands the secret anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountPatch {
    /// Shown to admins.
    #[serde(deserialize_with = "patch::required")]
    pub label: Option<String>,
    /// Where it is.
    #[serde(deserialize_with = "patch::required")]
    pub base_url: Option<String>,
    /// A new key at the provider.
    #[serde(deserialize_with = "patch::required")]
    pub secret: Option<String>,
    /// How the key is sent; null means `bearer`.
    #[serde(deserialize_with = "patch::present")]
    pub auth_scheme: Option<Option<String>>,
    /// Lower goes first; null means 0.
    #[serde(deserialize_with = "patch::present")]
    pub priority: Option<Option<i32>>,
    /// Share among equals; null means 100.
    #[serde(deserialize_with = "patch::present")]
    pub weight: Option<Option<i32>>,
    /// Region tag.
    #[serde(deserialize_with = "patch::present")]
    pub region: Option<Option<String>>,
    /// Proxy.
    #[serde(deserialize_with = "patch::present")]
    pub proxy_url: Option<Option<String>>,
    /// `["*"]` or models; null means every model.
    #[serde(deserialize_with = "patch::or_default")]
    pub models: Option<Vec<ModelEntry>>,
    /// Requests a minute.
    #[serde(deserialize_with = "patch::present")]
    pub rpm: Option<Option<i64>>,
    /// Tokens a minute.
    #[serde(deserialize_with = "patch::present")]
    pub tpm: Option<Option<i64>>,
    /// Requests at once.
    #[serde(deserialize_with = "patch::present")]
    pub max_in_flight: Option<Option<i64>>,
    /// Off (true) or on again (false).
    #[serde(deserialize_with = "patch::required")]
    pub disabled: Option<bool>,
}

/// How a test of an account went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestView {
    /// Whether the provider accepted the key.
    pub ok: bool,
    /// How long it took, in milliseconds.
    pub latency_ms: i64,
    /// What happened, and what to do.
    pub message: String,
    /// How many models the provider lists.
    pub models: u64,
}

/// A provider known by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresetView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The wire protocol it speaks.
    pub dialect: String,
    /// Where it is; empty where only the operator knows.
    pub base_url: String,
    /// What its address looks like, where only the operator knows it.
    pub base_url_example: String,
    /// Whether it needs a key.
    pub needs_key: bool,
    /// What its key looks like, where that needs saying.
    pub key_hint: String,
}

/// What the server offers about accounts.
#[async_trait]
pub trait Accounts {
    /// The providers known by name that an account may be at.
    async fn presets(&self, whose: Whose<'_>) -> Result<Vec<PresetView>, ApiError>;
    /// The accounts, by priority.
    async fn list_accounts(&self, whose: Whose<'_>, page: PageQuery) -> Result<Page<AccountView>, ApiError>;
    /// One account.
    async fn account(&self, whose: Whose<'_>, id: &str) -> Result<AccountView, ApiError>;
    /// Adds one.
    async fn create_account(&self, whose: Whose<'_>, new: NewAccount) -> Result<AccountView, ApiError>;
    /// Changes one.
    async fn update_account(&self, whose: Whose<'_>, id: &str, change: AccountPatch) -> Result<AccountView, ApiError>;
    /// Removes one.
    async fn delete_account(&self, whose: Whose<'_>, id: &str) -> Result<(), ApiError>;
    /// Asks the provider with the stored key.
    async fn test_account(&self, whose: Whose<'_>, id: &str) -> Result<TestView, ApiError>;
    /// Asks the provider before saving.
    async fn test_draft(&self, whose: Whose<'_>, new: NewAccount) -> Result<TestView, ApiError>;
}

/// The preset of which only the operator knows where it is and how the key is sent.
pub const OWN: &str = "custom";

/// The fields of the account form, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountForm {
    /// Whose it is, as [`Whose::parse`] reads it.
    pub whose: String,
    /// Shown to admins.
    pub label: String,
    /// Preset id.
    pub provider: String,
    /// Where it is; the preset's when empty.
    pub base_url: String,
    /// The key at the provider; left out when the form is shown again.
    #[serde(skip_serializing)]
    pub secret: String,
    /// How the key is sent; for presets that do not know it.
    pub auth_scheme: String,
    /// Lower goes first.
    pub priority: String,
    /// Share among equals.
    pub weight: String,
    /// Region tag.
    pub region: String,
    /// Proxy.
    pub proxy_url: String,
    /// Models, one a line, `name` or `name = upstream name`; empty or `*` means every model.
    pub models: String,
    /// Requests a minute.
    pub rpm: String,
    /// Tokens a minute.
    pub tpm: String,
    /// Requests at once.
    pub max_in_flight: String,
    /// A key typed before, sealed; it counts where `secret` is empty.
    pub kept: String,
    /// `test` to ask the provider and save nothing, else save.
    #[serde(skip_serializing)]
    pub intent: String,
}

fn read_models(typed: &str) -> Vec<ModelEntry> {
    let lines = typed.split(['\n', ',']).map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| match line.split_once('=') {
            Some((model, upstream)) => ModelEntry::One(DeploymentView {
                model: model.trim().to_owned(),
                upstream_model: Some(upstream.trim().to_owned()),
            }),
            None if line == "*" => ModelEntry::Pattern("*".to_owned()),
            None => ModelEntry::One(DeploymentView {
                model: line.to_owned(),
                upstream_model: None,
            }),
        })
        .collect()
}

impl AccountForm {
    /// The new account that was typed.
    ///
    /// # Errors
    /// [`super::Code::Invalid`] naming every wrong field.
    pub fn parse(&self) -> Result<NewAccount, ApiError> {
        let mut form = Form::new();
        let text = |typed: &str| Some(typed.trim().to_owned()).filter(|text| !text.is_empty());
        let priority = text(&self.priority).map(|typed| typed.parse::<i32>());
        if let Some(Err(_)) = priority {
            form.reject(
                "priority",
                format!("“{}” is not a number. Write digits only, for example 0.", self.priority),
            );
        }
        let weight = form
            .count("weight", &self.weight)
            .and_then(|weight| i32::try_from(weight).ok());
        let new = NewAccount {
            label: form.text("label", &self.label),
            provider: form.text("provider", &self.provider),
            dialect: None,
            base_url: text(&self.base_url),
            secret: self.secret.trim().to_owned(),
            auth_scheme: text(&self.auth_scheme),
            priority: priority.and_then(Result::ok),
            weight,
            region: text(&self.region),
            proxy_url: text(&self.proxy_url),
            models: read_models(&self.models),
            rpm: form.count("rpm", &self.rpm),
            tpm: form.count("tpm", &self.tpm),
            max_in_flight: form.count("max_in_flight", &self.max_in_flight),
        };
        form.finish(new)
    }

    /// The same as a change of every field; an empty secret keeps the stored one.
    ///
    /// # Errors
    /// [`super::Code::Invalid`] naming every wrong field.
    pub fn parse_patch(&self) -> Result<AccountPatch, ApiError> {
        let new = self.parse()?;
        Ok(AccountPatch {
            label: Some(new.label),
            base_url: new.base_url,
            secret: Some(new.secret).filter(|secret| !secret.is_empty()),
            // Only the form of a preset that does not know it has the field, where empty means the ordinary way.
            auth_scheme: (self.provider == OWN || new.auth_scheme.is_some()).then_some(new.auth_scheme),
            priority: Some(new.priority),
            weight: Some(new.weight),
            region: Some(new.region),
            proxy_url: Some(new.proxy_url),
            models: Some(new.models),
            rpm: Some(new.rpm),
            tpm: Some(new.tpm),
            max_in_flight: Some(new.max_in_flight),
            disabled: None,
        })
    }
}

/// The presets.
#[server(prefix = "/fn", endpoint = "presets", input = leptos::server_fn::codec::GetUrl)]
pub async fn presets(whose: String) -> Result<Vec<PresetView>, ApiError> {
    super::backend()?.presets(Whose::parse(&whose)).await
}

/// The accounts.
#[server(prefix = "/fn", endpoint = "list_accounts", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_accounts(whose: String) -> Result<Vec<AccountView>, ApiError> {
    let page = PageQuery {
        limit: Some(200),
        after: None,
    };
    let listed = super::backend()?.list_accounts(Whose::parse(&whose), page).await?;
    Ok(listed.data)
}

/// One account.
#[server(prefix = "/fn", endpoint = "account", input = leptos::server_fn::codec::GetUrl)]
pub async fn account(whose: String, id: String) -> Result<AccountView, ApiError> {
    super::backend()?.account(Whose::parse(&whose), &id).await
}

#[cfg(feature = "ssr")]
impl AccountForm {
    /// Where the key is sent: a kept one is good for there alone.
    fn place(&self) -> String {
        format!(
            "{} {} {} {}",
            Whose::parse(&self.whose).word(),
            self.provider,
            self.base_url.trim(),
            self.proxy_url.trim()
        )
    }

    /// Takes up the key that was kept where none was typed, and keeps the one there is for when the form is shown again.
    fn recall(&mut self, backend: &dyn super::Backend) -> Result<(), ApiError> {
        let typed = self.secret.trim();
        if !typed.is_empty() {
            self.kept = backend.keep(&format!("{}\n{typed}", self.place()))?;
        } else if !self.kept.is_empty() {
            let opened = backend.kept(&std::mem::take(&mut self.kept));
            let found = opened.and_then(|text| {
                let (place, secret) = text.split_once('\n')?;
                (place == self.place()).then(|| secret.to_owned())
            });
            let Some(secret) = found else {
                let gone = "The key typed before is kept for 15 minutes, and for one address. Paste it again.";
                return Err(ApiError::field("secret", gone));
            };
            self.kept = backend.keep(&format!("{}\n{secret}", self.place()))?;
            self.secret = secret;
        }
        Ok(())
    }
}

/// The form of a new account: tests what is typed, or saves it.
#[server(prefix = "/fn", endpoint = "create_account")]
pub async fn create_account(
    #[server(flatten)]
    #[server(default)]
    form: AccountForm,
) -> Result<(), ApiError> {
    let mut form = form;
    let whose = Whose::parse(&form.whose);
    let page = format!("{}/new/{}", whose.root(), form.provider);
    let backend = super::backend()?;
    let parsed = form.recall(&*backend).and_then(|()| form.parse());
    let done = match parsed {
        Ok(new) if form.intent == "test" => {
            let tested = backend.test_draft(whose, new).await;
            tested.map(|test| Done::to(page.clone()).tested(test).keeping(flash::typed_form(&form)))
        }
        Ok(new) => backend
            .create_account(whose, new)
            .await
            .map(|view| Done::to(whose.root()).saying(format!("Account {} added.", view.label))),
        Err(error) => Err(error),
    };
    flash::finish(&page, flash::typed_form(&form), done)
}

/// The edit form.
#[server(prefix = "/fn", endpoint = "update_account")]
pub async fn update_account(
    id: String,
    #[server(flatten)]
    #[server(default)]
    form: AccountForm,
) -> Result<(), ApiError> {
    let mut form = form;
    let whose = Whose::parse(&form.whose);
    let page = format!("{}/{id}", whose.root());
    let backend = super::backend()?;
    let parsed = form.recall(&*backend).and_then(|()| form.parse_patch());
    let result = match parsed {
        Ok(change) => backend.update_account(whose, &id, change).await,
        Err(error) => Err(error),
    };
    let done = result.map(|view| Done::to(whose.root()).saying(format!("Account {} saved.", view.label)));
    flash::finish(&page, flash::typed_form(&form), done)
}

/// The test button.
#[server(prefix = "/fn", endpoint = "test_account")]
pub async fn test_account(#[server(default)] whose: String, id: String) -> Result<(), ApiError> {
    let whose = Whose::parse(&whose);
    let page = format!("{}/{id}", whose.root());
    let result = super::backend()?.test_account(whose, &id).await;
    flash::finish(
        &page,
        flash::typed([]),
        result.map(|test| Done::to(page.clone()).tested(test)),
    )
}

/// The switch.
#[server(prefix = "/fn", endpoint = "set_account_disabled")]
pub async fn set_account_disabled(
    #[server(default)] whose: String,
    id: String,
    disabled: bool,
) -> Result<(), ApiError> {
    let whose = Whose::parse(&whose);
    let change = AccountPatch {
        disabled: Some(disabled),
        ..AccountPatch::default()
    };
    let result = super::backend()?.update_account(whose, &id, change).await;
    let verb = if disabled { "disabled" } else { "enabled" };
    let done = result.map(|view| Done::to(whose.root()).saying(format!("Account {} {verb}.", view.label)));
    flash::finish(whose.root(), flash::typed([]), done)
}

/// The delete form.
#[server(prefix = "/fn", endpoint = "delete_account")]
pub async fn delete_account(#[server(default)] whose: String, id: String) -> Result<(), ApiError> {
    let whose = Whose::parse(&whose);
    let result = super::backend()?.delete_account(whose, &id).await;
    flash::finish(
        whose.root(),
        flash::typed([]),
        result.map(|()| Done::to(whose.root()).saying("Account deleted.")),
    )
}

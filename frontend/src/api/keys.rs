//! A team's API keys: what they may do, what they spent, and their secrets, shown once.
//!
//! Invariant: a secret is in the answer to create and rotate only.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::form::Form;
use super::{ApiError, Moment, Named, Nano, Page, PageQuery, Time, patch};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Money spent in one period, against its cap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// Charged so far.
    pub posted: Nano,
    /// Set aside by running requests.
    pub held: Nano,
    /// The cap; none where there is none.
    pub cap: Option<Nano>,
    /// When the period ends.
    pub resets_at: Option<Time>,
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// The id.
    pub id: String,
    /// Shown name.
    pub name: String,
    /// Whose caps also count; none for a key of the team's.
    pub member: Option<Named>,
    /// The last four characters of its secrets, newest first.
    pub last_four: Vec<String>,
    /// Patterns of model names; empty means every model.
    pub models: Vec<String>,
    /// The only region whose accounts are asked for it.
    pub region: Option<String>,
    /// Requests a minute.
    pub rpm: Option<i64>,
    /// Tokens a minute.
    pub tpm: Option<i64>,
    /// Requests at once.
    pub max_in_flight: Option<i64>,
    /// Whether output may be cut to what the caps afford.
    pub clamp: bool,
    /// Whether the provider may search the web and run its tools.
    pub hosted_tools: bool,
    /// Addresses that may use it; empty means everywhere.
    pub allowed_ips: Vec<String>,
    /// When it stops working.
    pub expires_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Time>,
    /// active, disabled, expired or revoked.
    pub state: String,
    /// The daily cap.
    pub cap_day: Option<Nano>,
    /// The monthly cap.
    pub cap_month: Option<Nano>,
    /// The cap of its whole life.
    pub cap_total: Option<Nano>,
    /// Today's spend.
    pub day: Spend,
    /// This month's spend.
    pub month: Spend,
    /// Spend in all.
    pub total: Spend,
}

/// A key just made or rotated, with its secret: the only time it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWithSecret {
    /// The secret, `sk-oh-…`.
    pub key: String,
    /// The rest of it.
    #[serde(flatten)]
    pub view: KeyView,
}

/// What a new key is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Shown name.
    pub name: String,
    /// The id of the user whose caps also count.
    #[serde(default)]
    pub member: Option<String>,
    /// Patterns of model names, such as `gpt-*`; empty means every model.
    #[serde(default, deserialize_with = "patch::optional")]
    pub models: Vec<String>,
    /// The only region whose accounts are asked for it, such as `eu`.
    #[serde(default)]
    pub region: Option<String>,
    /// USD a day.
    #[serde(default)]
    pub cap_day: Option<Nano>,
    /// USD a month.
    #[serde(default)]
    pub cap_month: Option<Nano>,
    /// USD in all.
    #[serde(default)]
    pub cap_total: Option<Nano>,
    /// Requests a minute.
    #[serde(default)]
    pub rpm: Option<i64>,
    /// Tokens a minute.
    #[serde(default)]
    pub tpm: Option<i64>,
    /// Requests at once.
    #[serde(default)]
    pub max_in_flight: Option<i64>,
    /// Whether output may be cut to what the caps afford; true when absent.
    #[serde(default)]
    pub clamp: Option<bool>,
    /// Whether the provider may search the web and run its tools; false when absent.
    #[serde(default)]
    pub hosted_tools: Option<bool>,
    /// When it stops working; of a day, at its end.
    #[serde(default)]
    pub expires_at: Option<Moment>,
    /// CIDRs that may use it; empty means everywhere.
    #[serde(default, deserialize_with = "patch::optional")]
    pub allowed_ips: Vec<String>,
}

/// What to change of a key; null clears what can be without a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyPatch {
    /// Shown name.
    #[serde(deserialize_with = "patch::required")]
    pub name: Option<String>,
    /// Patterns of model names; null allows every model.
    #[serde(deserialize_with = "patch::or_default")]
    pub models: Option<Vec<String>>,
    /// The only region whose accounts are asked for it.
    #[serde(deserialize_with = "patch::present")]
    pub region: Option<Option<String>>,
    /// The id of the user whose caps also count.
    #[serde(deserialize_with = "patch::present")]
    pub member: Option<Option<String>>,
    /// USD a day.
    #[serde(deserialize_with = "patch::present")]
    pub cap_day: Option<Option<Nano>>,
    /// USD a month.
    #[serde(deserialize_with = "patch::present")]
    pub cap_month: Option<Option<Nano>>,
    /// USD in all.
    #[serde(deserialize_with = "patch::present")]
    pub cap_total: Option<Option<Nano>>,
    /// Requests a minute.
    #[serde(deserialize_with = "patch::present")]
    pub rpm: Option<Option<i64>>,
    /// Tokens a minute.
    #[serde(deserialize_with = "patch::present")]
    pub tpm: Option<Option<i64>>,
    /// Requests at once.
    #[serde(deserialize_with = "patch::present")]
    pub max_in_flight: Option<Option<i64>>,
    /// Whether output may be cut to what the caps afford; null means true.
    #[serde(deserialize_with = "patch::present")]
    pub clamp: Option<Option<bool>>,
    /// Whether the provider may search the web and run its tools; null means false.
    #[serde(deserialize_with = "patch::present")]
    pub hosted_tools: Option<Option<bool>>,
    /// When it stops working; of a day, at its end.
    #[serde(deserialize_with = "patch::present")]
    pub expires_at: Option<Option<Moment>>,
    /// CIDRs that may use it; null allows everywhere.
    #[serde(deserialize_with = "patch::or_default")]
    pub allowed_ips: Option<Vec<String>>,
    /// Off (true) or on again (false).
    #[serde(deserialize_with = "patch::required")]
    pub disabled: Option<bool>,
}

/// What the server offers about keys.
#[async_trait]
pub trait Keys {
    /// The team's keys, newest first.
    async fn list_keys(&self, team: &str, page: PageQuery) -> Result<Page<KeyView>, ApiError>;
    /// One key.
    async fn key(&self, team: &str, id: &str) -> Result<KeyView, ApiError>;
    /// Makes a key.
    async fn create_key(&self, team: &str, new: NewKey) -> Result<KeyWithSecret, ApiError>;
    /// Changes a key.
    async fn update_key(&self, team: &str, id: &str, change: KeyPatch) -> Result<KeyView, ApiError>;
    /// A second secret; the ones before work for `overlap_s` more seconds (24 h when none).
    async fn rotate_key(&self, team: &str, id: &str, overlap_s: Option<u32>) -> Result<KeyWithSecret, ApiError>;
    /// Ends a key for good.
    async fn revoke_key(&self, team: &str, id: &str) -> Result<(), ApiError>;
}

/// The fields of the key form, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyForm {
    /// Shown name.
    pub name: String,
    /// User id or empty.
    pub member: String,
    /// Patterns separated by commas, spaces or lines.
    pub models: String,
    /// The tag of a region or empty.
    pub region: String,
    /// USD a day.
    pub cap_day: String,
    /// USD a month.
    pub cap_month: String,
    /// USD in all.
    pub cap_total: String,
    /// Requests a minute.
    pub rpm: String,
    /// Tokens a minute.
    pub tpm: String,
    /// Requests at once.
    pub max_in_flight: String,
    /// `on` where output may be cut.
    pub clamp: String,
    /// `on` where tools may run at the provider.
    pub hosted_tools: String,
    /// A date.
    pub expires_at: String,
    /// CIDRs separated by commas, spaces or lines.
    pub allowed_ips: String,
}

impl KeyForm {
    /// The new key that was typed.
    ///
    /// # Errors
    /// [`super::Code::Invalid`] naming every wrong field.
    pub fn parse(&self) -> Result<NewKey, ApiError> {
        let mut form = Form::new();
        let new = NewKey {
            name: form.text("name", &self.name),
            member: Some(self.member.trim().to_owned()).filter(|id| !id.is_empty()),
            models: Form::words(&self.models),
            region: Some(self.region.trim().to_owned()).filter(|region| !region.is_empty()),
            cap_day: form.money("cap_day", &self.cap_day),
            cap_month: form.money("cap_month", &self.cap_month),
            cap_total: form.money("cap_total", &self.cap_total),
            rpm: form.count("rpm", &self.rpm),
            tpm: form.count("tpm", &self.tpm),
            max_in_flight: form.count("max_in_flight", &self.max_in_flight),
            clamp: Some(!self.clamp.is_empty()),
            hosted_tools: Some(!self.hosted_tools.is_empty()),
            expires_at: form.moment("expires_at", &self.expires_at),
            allowed_ips: Form::words(&self.allowed_ips),
        };
        form.finish(new)
    }

    /// The same as a change of every field.
    ///
    /// # Errors
    /// [`super::Code::Invalid`] naming every wrong field.
    pub fn parse_patch(&self) -> Result<KeyPatch, ApiError> {
        let new = self.parse()?;
        Ok(KeyPatch {
            name: Some(new.name),
            models: Some(new.models),
            region: Some(new.region),
            member: Some(new.member),
            cap_day: Some(new.cap_day),
            cap_month: Some(new.cap_month),
            cap_total: Some(new.cap_total),
            rpm: Some(new.rpm),
            tpm: Some(new.tpm),
            max_in_flight: Some(new.max_in_flight),
            clamp: Some(new.clamp),
            hosted_tools: Some(new.hosted_tools),
            expires_at: Some(new.expires_at),
            allowed_ips: Some(new.allowed_ips),
            disabled: None,
        })
    }
}

/// The team's keys.
#[server(prefix = "/fn", endpoint = "list_keys", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_keys() -> Result<Vec<KeyView>, ApiError> {
    let page = PageQuery {
        limit: Some(200),
        after: None,
    };
    Ok(super::backend()?.list_keys(super::CURRENT_TEAM, page).await?.data)
}

/// One key.
#[server(prefix = "/fn", endpoint = "key", input = leptos::server_fn::codec::GetUrl)]
pub async fn key(id: String) -> Result<KeyView, ApiError> {
    super::backend()?.key(super::CURRENT_TEAM, &id).await
}

/// The key form.
#[server(prefix = "/fn", endpoint = "create_key")]
pub async fn create_key(
    #[server(flatten)]
    #[server(default)]
    form: KeyForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let result = match form.parse() {
        Ok(new) => backend.create_key(super::CURRENT_TEAM, new).await,
        Err(error) => Err(error),
    };
    let done = result.map(|made| Done::to(format!("/keys/{}/created", made.view.id)).showing(made));
    flash::finish("/keys/new", flash::typed_form(&form), done)
}

/// The edit form.
#[server(prefix = "/fn", endpoint = "update_key")]
pub async fn update_key(
    id: String,
    #[server(flatten)]
    #[server(default)]
    form: KeyForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let result = match form.parse_patch() {
        Ok(change) => backend.update_key(super::CURRENT_TEAM, &id, change).await,
        Err(error) => Err(error),
    };
    let done = result.map(|view| Done::to("/keys").saying(format!("Key {} saved.", view.name)));
    flash::finish(&format!("/keys/{id}"), flash::typed_form(&form), done)
}

/// The switch.
#[server(prefix = "/fn", endpoint = "set_key_disabled")]
pub async fn set_key_disabled(id: String, disabled: bool) -> Result<(), ApiError> {
    let change = KeyPatch {
        disabled: Some(disabled),
        ..KeyPatch::default()
    };
    let result = super::backend()?.update_key(super::CURRENT_TEAM, &id, change).await;
    let verb = if disabled { "disabled" } else { "enabled" };
    let done = result.map(|view| Done::to("/keys").saying(format!("Key {} {verb}.", view.name)));
    flash::finish("/keys", flash::typed([]), done)
}

/// The rotate form.
#[server(prefix = "/fn", endpoint = "rotate_key")]
pub async fn rotate_key(id: String) -> Result<(), ApiError> {
    let result = super::backend()?.rotate_key(super::CURRENT_TEAM, &id, None).await;
    let done = result.map(|made| Done::to(format!("/keys/{}/created", made.view.id)).showing(made));
    flash::finish("/keys", flash::typed([]), done)
}

/// The revoke form.
#[server(prefix = "/fn", endpoint = "revoke_key")]
pub async fn revoke_key(id: String) -> Result<(), ApiError> {
    let result = super::backend()?.revoke_key(super::CURRENT_TEAM, &id).await;
    flash::finish(
        "/keys",
        flash::typed([]),
        result.map(|()| Done::to("/keys").saying("Key revoked.")),
    )
}

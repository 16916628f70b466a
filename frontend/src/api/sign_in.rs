//! What signs somebody in besides a password: accounts elsewhere and passkeys.
//!
//! Invariant: no secret is in what is told; a passkey's options and answers pass through as the browser writes them.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::session::SetCookie;
use super::{ApiError, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
#[cfg(feature = "ssr")]
use std::collections::BTreeMap;

/// A service that may vouch for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderView {
    /// As it stands in addresses.
    pub id: String,
    /// As it stands on buttons.
    pub label: String,
}

/// An account elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityView {
    /// The id.
    pub id: String,
    /// The service, as it stands in addresses.
    pub provider: String,
    /// The service, as people know it.
    pub label: String,
    /// The address there; may be empty.
    pub email: String,
    /// Whether it may say that it is them before something grave.
    pub confirms: bool,
    /// When it was linked.
    pub created_at: Time,
    /// When it last signed in.
    pub last_used_at: Option<Time>,
}

/// A passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyView {
    /// The id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
    /// When it last signed in.
    pub last_used_at: Option<Time>,
}

/// What signs somebody in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaysInView {
    /// Whether there is a password.
    pub has_password: bool,
    /// The services that could be linked.
    pub providers: Vec<ProviderView>,
    /// The accounts there that are.
    pub identities: Vec<IdentityView>,
    /// The passkeys.
    pub passkeys: Vec<PasskeyView>,
}

/// What the server offers about them.
#[async_trait]
pub trait SignIns {
    /// The services that are configured.
    fn providers(&self) -> Vec<ProviderView>;
    /// What signs in who asks.
    async fn ways_in(&self) -> Result<WaysInView, ApiError>;
    /// Unlinks an account elsewhere.
    async fn unlink(&self, id: String) -> Result<(), ApiError>;
    /// The cookie that is kept on the way to a service and back.
    fn away_cookie_name(&self) -> &'static str;
    /// Signs in, by a code of the second factor, for whom a service vouched; `kept` is the cookie's value.
    async fn finish_log_in(&self, kept: Option<String>, code: String) -> Result<SetCookie, ApiError>;
    /// What a browser is asked with to `create`, `log_in` or `confirm`, as JSON; none where this address has no passkeys.
    async fn passkey_options(&self, purpose: &str) -> Result<Option<String>, ApiError>;
    /// Keeps a new passkey.
    async fn add_passkey(&self, name: String, answer: String) -> Result<(), ApiError>;
    /// Forgets one.
    async fn remove_passkey(&self, id: String) -> Result<(), ApiError>;
    /// Signs in by one.
    async fn log_in_by_passkey(&self, answer: String) -> Result<SetCookie, ApiError>;
    /// Signs in anew by one of who is signed in already; see [`super::session::Sessions::confirm`].
    async fn confirm_by_passkey(&self, answer: String) -> Result<SetCookie, ApiError>;
}

/// The form with the code, behind a service that vouched.
#[server(prefix = "/fn", endpoint = "finish_log_in")]
pub async fn finish_log_in(#[server(default)] code: String) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let kept = flash::cookie(backend.away_cookie_name());
    let result = backend.finish_log_in(kept, code).await;
    let done = result.map(|cookie| Done::to("/overview").with_cookie(cookie));
    flash::finish("/login/code", flash::typed([]), done)
}

/// The button that unlinks an account elsewhere.
#[server(prefix = "/fn", endpoint = "unlink")]
pub async fn unlink(#[server(default)] id: String) -> Result<(), ApiError> {
    let result = super::backend()?.unlink(id).await;
    let done = Done::to("/settings/security").saying("Unlinked: that account does not sign you in any more.");
    flash::finish("/settings/security", flash::typed([]), result.map(|()| done))
}

/// The form of a new passkey.
#[server(prefix = "/fn", endpoint = "add_passkey")]
pub async fn add_passkey(#[server(default)] name: String, #[server(default)] answer: String) -> Result<(), ApiError> {
    let typed = flash::typed([("name", &name)]);
    let result = super::backend()?.add_passkey(name, answer).await;
    let done = Done::to("/settings/security").saying("Passkey added. Log in with it next time.");
    flash::finish("/settings/security", typed, result.map(|()| done))
}

/// The button that forgets one.
#[server(prefix = "/fn", endpoint = "remove_passkey")]
pub async fn remove_passkey(#[server(default)] id: String) -> Result<(), ApiError> {
    let result = super::backend()?.remove_passkey(id).await;
    let done = Done::to("/settings/security").saying("Passkey removed. Delete it in your browser or device, too.");
    flash::finish("/settings/security", flash::typed([]), result.map(|()| done))
}

/// The log-in by a passkey.
#[server(prefix = "/fn", endpoint = "log_in_by_passkey")]
pub async fn log_in_by_passkey(#[server(default)] answer: String) -> Result<(), ApiError> {
    let result = super::backend()?.log_in_by_passkey(answer).await;
    let done = result.map(|cookie| Done::to("/overview").with_cookie(cookie));
    flash::finish("/login", flash::typed([]), done)
}

/// The passkey once more, before something grave; see [`super::session::confirm`].
#[server(prefix = "/fn", endpoint = "confirm_by_passkey")]
pub async fn confirm_by_passkey(
    #[server(default)] answer: String,
    #[server(default)] to: String,
    #[server(default)] typed: String,
) -> Result<(), ApiError> {
    let typed: BTreeMap<String, String> = serde_json::from_str(&typed).unwrap_or_default();
    let result = super::backend()?.confirm_by_passkey(answer).await;
    let done = Done::to(flash::own_page(&to))
        .keeping(typed.clone())
        .saying(super::session::confirmed(&typed));
    let page = flash::confirm_page(flash::own_page(&to));
    flash::finish(&page, typed, result.map(|cookie| done.with_cookie(cookie)))
}

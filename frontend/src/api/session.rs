//! Signing up, logging in and out, and who is signed in.
//!
//! Invariant: passwords pass through and are never kept; the cookie's text is made by the server alone.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::{ApiError, Nano, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
#[cfg(feature = "ssr")]
use std::collections::BTreeMap;

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// The user's id.
    pub user_id: String,
    /// The user's e-mail address.
    pub email: String,
    /// Whether platform pages are shown.
    pub is_admin: bool,
    /// The address of the platform admin who acts as them.
    pub acting_for: Option<String>,
    /// The teams they are in, oldest first.
    pub teams: Vec<TeamChoice>,
    /// Whether they may make another.
    pub may_make_teams: bool,
    /// The team that this browser showed is not theirs any more, or they have none: what follows about a team is empty.
    pub is_astray: bool,
    /// The team's id.
    pub team_id: String,
    /// The team's name.
    pub team_name: String,
    /// The team's IANA time zone.
    pub time_zone: String,
    /// owner, admin, member or viewer.
    pub role: String,
    /// Whether the platform has an upstream account yet.
    pub has_accounts: bool,
    /// Keys that can be used now.
    pub key_count: u64,
    /// Open alerts; only platform admins have any.
    pub alerts: u64,
    /// Whether payments are taken.
    pub takes_payments: bool,
    /// The balance, where calls need one and it lasts for less than three days at the pace of the last seven.
    pub low_balance: Option<Nano>,
    /// The server's clock.
    pub now: Time,
}

/// A team that can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamChoice {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// owner, admin, member or viewer.
    pub role: String,
}

/// One signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The session's id.
    pub id: String,
    /// When it began.
    pub created_at: Time,
    /// When it was last used.
    pub last_seen_at: Time,
    /// From where.
    pub address: String,
    /// The browser's own description.
    pub user_agent: String,
    /// Whether it is the one asking.
    pub is_current: bool,
}

/// The `Set-Cookie` header that a log-in or log-out answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie(pub String);

/// What the server offers about sessions.
#[async_trait]
pub trait Sessions {
    /// Who is asking; none when nobody is signed in.
    async fn session(&self) -> Result<Option<SessionView>, ApiError>;
    /// Makes a user with a team and signs in; none where the address is to be proven first, by a mailed link.
    async fn sign_up(&self, email: String, password: String) -> Result<Option<SetCookie>, ApiError>;
    /// Signs in; `code` is empty or one of the second factor.
    async fn log_in(&self, email: String, password: String, code: String) -> Result<SetCookie, ApiError>;
    /// Ends the session.
    async fn log_out(&self) -> Result<SetCookie, ApiError>;
    /// Signs in anew with the password, or a code, of who is signed in already; grave changes demand that one was entered lately.
    async fn confirm(&self, password: String, code: String) -> Result<SetCookie, ApiError>;
    /// Changes the password and ends every session; the cookie opens a new one.
    async fn change_password(&self, current: String, new: String) -> Result<SetCookie, ApiError>;
    /// The browsers signed in.
    async fn list_sessions(&self) -> Result<Vec<SignedIn>, ApiError>;
    /// Ends one of them.
    async fn end_session(&self, id: String) -> Result<(), ApiError>;
    /// `text` sealed for this browser, for a cookie of a minute.
    fn seal(&self, text: &str) -> Result<String, ApiError>;
    /// What was sealed, if it was sealed here and is not old.
    fn open(&self, sealed: &str) -> Option<String>;
    /// `text` sealed for this browser, for a form that is sent again within minutes.
    fn keep(&self, text: &str) -> Result<String, ApiError>;
    /// What was kept, if it was kept here and is not old.
    fn kept(&self, sealed: &str) -> Option<String>;
    /// Makes whoever is signed in platform admin, by the one-time link of the first start.
    async fn redeem_setup(&self, token: String) -> Result<(), ApiError>;
}

/// Who is signed in, for pages.
#[server(prefix = "/fn", endpoint = "session", input = leptos::server_fn::codec::GetUrl)]
pub async fn current_session() -> Result<Option<SessionView>, ApiError> {
    super::backend()?.session().await
}

/// The browsers signed in.
#[server(prefix = "/fn", endpoint = "list_sessions", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_sessions() -> Result<Vec<SignedIn>, ApiError> {
    super::backend()?.list_sessions().await
}

/// The sign-up form.
#[server(prefix = "/fn", endpoint = "sign_up")]
pub async fn sign_up(#[server(default)] email: String, #[server(default)] password: String) -> Result<(), ApiError> {
    let typed = flash::typed([("email", &email)]);
    let result = super::backend()?.sign_up(email, password).await;
    let result = result.map(|cookie| match cookie {
        Some(cookie) => Done::to("/overview").with_cookie(cookie),
        None => Done::to("/signup").saying("A mail with a link is on its way to you. Open it to go on."),
    });
    flash::finish("/signup", typed, result)
}

/// The log-in form.
#[server(prefix = "/fn", endpoint = "log_in")]
pub async fn log_in(
    #[server(default)] email: String,
    #[server(default)] password: String,
    #[server(default)] code: String,
) -> Result<(), ApiError> {
    let typed = flash::typed([("email", &email)]);
    let result = super::backend()?.log_in(email, password, code).await;
    flash::finish(
        "/login",
        typed,
        result.map(|cookie| Done::to("/overview").with_cookie(cookie)),
    )
}

/// The form that asks for the password once more; `typed` is what was typed on the page `to`, as JSON.
#[server(prefix = "/fn", endpoint = "confirm")]
pub async fn confirm(
    #[server(default)] password: String,
    #[server(default)] code: String,
    #[server(default)] to: String,
    #[server(default)] typed: String,
) -> Result<(), ApiError> {
    let typed: BTreeMap<String, String> = serde_json::from_str(&typed).unwrap_or_default();
    let result = super::backend()?.confirm(password, code).await;
    let done = Done::to(flash::own_page(&to))
        .keeping(typed.clone())
        .saying(confirmed(&typed));
    let page = flash::confirm_page(flash::own_page(&to));
    flash::finish(&page, typed, result.map(|cookie| done.with_cookie(cookie)))
}

/// What is said once it is them.
#[cfg(feature = "ssr")]
pub(super) fn confirmed(typed: &BTreeMap<String, String>) -> &'static str {
    if typed.is_empty() {
        "It is you. Now do it again."
    } else {
        "It is you. What you typed is still here: send it again."
    }
}

/// The log-out button.
#[server(prefix = "/fn", endpoint = "log_out")]
pub async fn log_out() -> Result<(), ApiError> {
    let result = super::backend()?.log_out().await;
    flash::finish(
        "/overview",
        flash::typed([]),
        result.map(|cookie| Done::to("/login").with_cookie(cookie)),
    )
}

/// The password form.
#[server(prefix = "/fn", endpoint = "change_password")]
pub async fn change_password(
    #[server(default)] current: String,
    #[server(default)] new: String,
) -> Result<(), ApiError> {
    let result = super::backend()?.change_password(current, new).await;
    let done = Done::to("/settings/security").saying("Password changed. Other browsers were signed out.");
    flash::finish(
        "/settings/security",
        flash::typed([]),
        result.map(|cookie| done.with_cookie(cookie)),
    )
}

/// The button that ends one.
#[server(prefix = "/fn", endpoint = "end_session")]
pub async fn end_session(#[server(default)] id: String) -> Result<(), ApiError> {
    let result = super::backend()?.end_session(id).await;
    flash::finish(
        "/settings/sessions",
        flash::typed([]),
        result.map(|()| Done::to("/settings/sessions").saying("Browser signed out.")),
    )
}

/// The form behind the first start's link.
#[server(prefix = "/fn", endpoint = "redeem_setup")]
pub async fn redeem_setup(#[server(default)] token: String) -> Result<(), ApiError> {
    let result = super::backend()?.redeem_setup(token).await;
    flash::finish(
        "/setup",
        flash::typed([]),
        result.map(|()| Done::to("/overview").saying("You are platform admin.")),
    )
}

//! One's own account: a forgotten password, the address, other browsers, management tokens.
//!
//! Invariant: passwords and tokens of links pass through and are never kept; whether an address is known is told by no answer.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::session::SetCookie;
use super::{ApiError, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A management token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// The id.
    pub id: String,
    /// The end of its text.
    pub last_four: String,
    /// When it was made.
    pub created_at: Time,
}

/// What the server offers about one's own account.
#[async_trait]
pub trait Profiles {
    /// Mails a link to a new password, if somebody has this address.
    async fn ask_reset(&self, email: String) -> Result<(), ApiError>;
    /// Sets a password by such a link.
    async fn reset_password(&self, token: String, new: String) -> Result<(), ApiError>;
    /// Finishes a sign-up by its link and the password chosen then.
    async fn finish_sign_up(&self, token: String, password: String) -> Result<SetCookie, ApiError>;
    /// Mails a link to the address that is to be used from now on.
    async fn ask_email(&self, email: String) -> Result<(), ApiError>;
    /// Uses the address of such a link.
    async fn confirm_email(&self, token: String) -> Result<(), ApiError>;
    /// Ends every session but the one asking.
    async fn end_other_sessions(&self) -> Result<(), ApiError>;
    /// The management tokens.
    async fn list_tokens(&self) -> Result<Vec<TokenView>, ApiError>;
    /// Makes one; its text, shown once.
    async fn create_token(&self) -> Result<String, ApiError>;
    /// Revokes one for good.
    async fn revoke_token(&self, id: String) -> Result<(), ApiError>;
    /// Everything that is kept of who asks, as JSON.
    async fn export_self(&self) -> Result<String, ApiError>;
    /// Deletes who asks; `email` is their address, typed once more.
    async fn delete_self(&self, email: String) -> Result<SetCookie, ApiError>;
}

/// The management tokens.
#[server(prefix = "/fn", endpoint = "list_tokens", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_tokens() -> Result<Vec<TokenView>, ApiError> {
    super::backend()?.list_tokens().await
}

/// The form for who forgot their password.
#[server(prefix = "/fn", endpoint = "ask_reset")]
pub async fn ask_reset(#[server(default)] email: String) -> Result<(), ApiError> {
    let typed = flash::typed([("email", &email)]);
    let result = super::backend()?.ask_reset(email).await;
    let sent = "If somebody signed up with this address, a mail with a link is on its way to it.";
    flash::finish("/forgot", typed, result.map(|()| Done::to("/forgot").saying(sent)))
}

/// The form behind that link.
#[server(prefix = "/fn", endpoint = "reset_password")]
pub async fn reset_password(
    #[server(default)] token: String,
    #[server(default)] password: String,
) -> Result<(), ApiError> {
    let page = with_token("/reset", &token);
    let result = super::backend()?.reset_password(token, password).await;
    let done = Done::to("/login").saying("Password changed. Log in with the new one.");
    flash::finish(&page, flash::typed([]), result.map(|()| done))
}

/// The form behind the link that finishes a sign-up.
#[server(prefix = "/fn", endpoint = "finish_sign_up")]
pub async fn finish_sign_up(
    #[server(default)] token: String,
    #[server(default)] password: String,
) -> Result<(), ApiError> {
    let page = with_token("/verify", &token);
    let result = super::backend()?.finish_sign_up(token, password).await;
    let result = result.map(|cookie| Done::to("/overview").with_cookie(cookie));
    flash::finish(&page, flash::typed([]), result)
}

/// The form with the new address.
#[server(prefix = "/fn", endpoint = "ask_email")]
pub async fn ask_email(#[server(default)] email: String) -> Result<(), ApiError> {
    let typed = flash::typed([("email", &email)]);
    let sent = format!(
        "A mail is on its way to {}. Open its link in this browser.",
        email.trim()
    );
    let result = super::backend()?.ask_email(email).await;
    let done = Done::to("/settings/profile").saying(sent);
    flash::finish("/settings/profile", typed, result.map(|()| done))
}

/// The form behind that link.
#[server(prefix = "/fn", endpoint = "confirm_email")]
pub async fn confirm_email(#[server(default)] token: String) -> Result<(), ApiError> {
    let page = with_token("/settings/email", &token);
    let result = super::backend()?.confirm_email(token).await;
    let done = Done::to("/settings/profile").saying("You log in with the new address from now on.");
    flash::finish(&page, flash::typed([]), result.map(|()| done))
}

/// The button that ends all others.
#[server(prefix = "/fn", endpoint = "end_other_sessions")]
pub async fn end_other_sessions() -> Result<(), ApiError> {
    let result = super::backend()?.end_other_sessions().await;
    let done = Done::to("/settings/sessions").saying("All other browsers were signed out.");
    flash::finish("/settings/sessions", flash::typed([]), result.map(|()| done))
}

/// The button that makes a management token.
#[server(prefix = "/fn", endpoint = "create_token")]
pub async fn create_token() -> Result<(), ApiError> {
    let result = super::backend()?.create_token().await;
    let result = result.map(|token| Done::to("/settings/security").revealing(token));
    flash::finish("/settings/security", flash::typed([]), result)
}

/// The button that revokes one.
#[server(prefix = "/fn", endpoint = "revoke_token")]
pub async fn revoke_token(#[server(default)] id: String) -> Result<(), ApiError> {
    let result = super::backend()?.revoke_token(id).await;
    let done = Done::to("/settings/security").saying("Token revoked.");
    flash::finish("/settings/security", flash::typed([]), result.map(|()| done))
}

/// The form that deletes the account.
#[server(prefix = "/fn", endpoint = "delete_self")]
pub async fn delete_self(#[server(default)] email: String) -> Result<(), ApiError> {
    let typed = flash::typed([("email", &email)]);
    let result = super::backend()?.delete_self(email).await;
    let result = result.map(|cookie| Done::to("/").with_cookie(cookie));
    flash::finish("/settings/delete", typed, result)
}

/// `page` with the token of a link, as it was opened.
#[cfg(feature = "ssr")]
fn with_token(page: &str, token: &str) -> String {
    format!("{page}?token={}", leptos_router::location::Url::escape(token))
}

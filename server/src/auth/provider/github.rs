//! GitHub, which speaks OAuth but no OpenID Connect: a token, then who it is for and which addresses it has proven.
//!
//! Invariant: only the address counts that is both its first and proven. Calls GitHub. Wire facts: GitHub's "Authorizing OAuth apps" and
//! the REST API's users and emails.

use super::{Provider, ProviderError, ProviderKind, Ticket, Vouched, call::Caller};
use crate::auth::email;
use reqwest::Url;
use serde::Deserialize;

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
}

#[derive(Deserialize)]
struct Address {
    email: String,
    #[serde(default)]
    primary: bool,
    #[serde(default)]
    verified: bool,
}

pub(super) fn authorize_url(provider: &Provider) -> Result<Url, ProviderError> {
    Url::parse(&format!("{}/login/oauth/authorize", provider.issuer)).map_err(|_| ProviderError::Unknown)
}

/// For whom `code` was given.
pub(super) async fn hear(
    caller: &Caller,
    provider: &Provider,
    ticket: &Ticket,
    code: &str,
) -> Result<Vouched, ProviderError> {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", provider.client_id.as_str()),
        ("client_secret", provider.client_secret.expose()),
        ("code", code),
        ("redirect_uri", &ticket.callback),
        ("code_verifier", &ticket.verifier),
    ];
    let url = caller.url(provider, &format!("{}/login/oauth/access_token", provider.issuer))?;
    let token: Token = caller.post(provider, url, &form, false).await?;
    let bearer = Some(token.access_token.as_str());
    let api = |path: &str| caller.url(provider, &format!("{}{path}", provider.api));
    let account: Account = caller.get(provider, api("/user")?, bearer).await?;
    let addresses: Vec<Address> = caller.get(provider, api("/user/emails")?, bearer).await?;
    let first = addresses.into_iter().find(|address| address.primary);
    Ok(Vouched {
        provider: ProviderKind::Github,
        issuer: provider.issuer.clone(),
        subject: account.id.to_string(),
        is_verified: first.as_ref().is_some_and(|address| address.verified),
        is_authority: true,
        is_anew: false,
        email: first
            .map(|address| email::normalize(&address.email))
            .unwrap_or_default(),
    })
}

//! An issuer of OpenID Connect: what it says of itself, its keys, and the exchange of a code.
//!
//! Invariant: an issuer is who it was configured as, letter for letter; what it told is asked for anew after a while, and its keys
//! at once when one is named that is not known. Calls the issuer. Wire facts: OpenID Connect Core and Discovery 1.0.

use super::{Provider, ProviderError, ProviderKind, Returned, Ticket, Vouched, call::Caller, token};
use crate::{auth::email, clock, guard::Guard};
use jsonwebtoken::jwk::Jwk;
use parking_lot::Mutex;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

/// How long what an issuer told is used, in milliseconds.
const FRESH_MS: i64 = 10 * 60_000;

/// What an issuer says of itself.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    #[serde(default)]
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Value,
}

/// Something told at a time.
struct Dated<T> {
    told: Arc<T>,
    at_ms: i64,
}

/// What is known of issuers.
pub(in crate::auth) struct Issuers {
    pub(super) caller: Caller,
    discovered: Mutex<HashMap<ProviderKind, Dated<Discovery>>>,
    keys: Mutex<HashMap<ProviderKind, Dated<Vec<Jwk>>>>,
}

impl Issuers {
    pub(super) fn new(guard: Guard) -> Self {
        Self {
            caller: Caller::new(guard),
            discovered: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    /// Where the issuer asks people.
    pub(super) async fn authorize_url(&self, provider: &Provider) -> Result<Url, ProviderError> {
        let about = self.discover(provider).await?;
        let may_be_plain = provider.is_plain();
        let url = Url::parse(&about.authorization_endpoint).ok();
        let url = url.filter(|url| url.scheme() == "https" || may_be_plain && url.scheme() == "http");
        url.ok_or_else(|| provider.invalid("it names no address to ask people at"))
    }

    /// For whom the code in `returned` was given.
    pub(super) async fn hear(
        &self,
        provider: &Provider,
        ticket: &Ticket,
        returned: &Returned,
        now_ms: i64,
    ) -> Result<Vouched, ProviderError> {
        let about = self.discover(provider).await?;
        let is_due = about.authorization_response_iss_parameter_supported;
        match &returned.iss {
            Some(issuer) if *issuer != provider.issuer => return Err(provider.invalid("another issuer answered")),
            None if is_due => return Err(provider.invalid("it does not say who answers")),
            _ => {}
        }
        let tokens = self.exchange(provider, &about, ticket, &returned.code).await?;
        let claims = self.open(provider, &about, ticket, (&tokens.id_token, now_ms)).await?;
        let is_told = claims.email.is_some() && !claims.email_verified.is_null();
        let (email, is_verified) = match (&about.userinfo_endpoint, &tokens.access_token) {
            (Some(at), Some(bearer)) if !is_told => self.look_up(provider, (at, bearer), &claims).await?,
            _ => (claims.email.clone(), token::is_true(&claims.email_verified)),
        };
        let email = email.map(|email| email::normalize(&email));
        Ok(Vouched {
            provider: provider.kind,
            issuer: provider.issuer.clone(),
            is_verified: is_verified && email.is_some(),
            is_authority: provider.kind != ProviderKind::Google
                || email.as_deref().is_some_and(|email| runs(&claims, email)),
            is_anew: ticket.is_anew && claims.auth_time.is_some(),
            email: email.unwrap_or_default(),
            subject: claims.sub,
        })
    }

    /// The address of whom `claims` are about, and whether it is proven, where they do not say both.
    async fn look_up(
        &self,
        provider: &Provider,
        (at, bearer): (&str, &str),
        claims: &token::Claims,
    ) -> Result<(Option<String>, bool), ProviderError> {
        let url = self.caller.url(provider, at)?;
        let info: UserInfo = self.caller.get(provider, url, Some(bearer)).await?;
        if info.sub != claims.sub {
            return Err(provider.invalid("it is about somebody else"));
        }
        let is_proven = token::is_true(&info.email_verified);
        match &claims.email {
            None => Ok((info.email, is_proven)),
            // What is said of another address proves nothing of this one.
            Some(signed) => Ok((Some(signed.clone()), is_proven && info.email.as_ref() == Some(signed))),
        }
    }

    async fn exchange(
        &self,
        provider: &Provider,
        about: &Discovery,
        ticket: &Ticket,
        code: &str,
    ) -> Result<Tokens, ProviderError> {
        let methods = about.token_endpoint_auth_methods_supported.as_deref();
        // What is not said means basic.
        let is_basic = methods.is_none_or(|methods| methods.iter().all(|method| method != "client_secret_post"));
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", ticket.callback.as_str()),
            ("code_verifier", &ticket.verifier),
        ];
        if !is_basic {
            form.push(("client_id", &provider.client_id));
            form.push(("client_secret", provider.client_secret.expose()));
        }
        let url = self.caller.url(provider, &about.token_endpoint)?;
        self.caller.post(provider, url, &form, is_basic).await
    }

    /// What the signed statement says, once it holds; where its key is not known, the keys are asked for anew.
    async fn open(
        &self,
        provider: &Provider,
        about: &Discovery,
        ticket: &Ticket,
        (text, now_ms): (&str, i64),
    ) -> Result<token::Claims, ProviderError> {
        let expected = token::Expected {
            provider,
            nonce: &ticket.nonce,
            is_anew: ticket.is_anew,
            now_s: now_ms / 1_000,
        };
        let header = expected.header(text)?;
        let known = self.keys(provider, about, false).await?;
        let keys = match token::find_key(&known, &header) {
            Some(_) => known,
            None => self.keys(provider, about, true).await?,
        };
        let key = token::find_key(&keys, &header).ok_or_else(|| provider.invalid("no key of its is known for it"))?;
        expected.open(text, &header, key)
    }

    async fn discover(&self, provider: &Provider) -> Result<Arc<Discovery>, ProviderError> {
        if let Some(told) = fresh(&self.discovered, provider.kind) {
            return Ok(told);
        }
        let base = provider.issuer.trim_end_matches('/');
        let url = self
            .caller
            .url(provider, &format!("{base}/.well-known/openid-configuration"))?;
        let about: Discovery = self.caller.get(provider, url, None).await?;
        if about.issuer != provider.issuer {
            return Err(provider.invalid("it calls itself by another name than it is configured with"));
        }
        Ok(keep(&self.discovered, provider.kind, about))
    }

    async fn keys(&self, provider: &Provider, about: &Discovery, anew: bool) -> Result<Arc<Vec<Jwk>>, ProviderError> {
        if let Some(told) = fresh(&self.keys, provider.kind).filter(|_| !anew) {
            return Ok(told);
        }
        let url = self.caller.url(provider, &about.jwks_uri)?;
        let told: Keys = self.caller.get(provider, url, None).await?;
        // Keys of kinds that are not known here are none of ours.
        let keys = told.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        Ok(keep(&self.keys, provider.kind, keys.collect()))
    }
}

/// Whether Google runs the mailbox `email` of whom `claims` are about; of any other it was told once that it is theirs.
fn runs(claims: &token::Claims, email: &str) -> bool {
    let domain = email.rsplit('@').next().unwrap_or_default();
    domain == "gmail.com" || claims.hd.as_ref().is_some_and(|hosted| hosted.to_lowercase() == domain)
}

fn fresh<T>(kept: &Mutex<HashMap<ProviderKind, Dated<T>>>, kind: ProviderKind) -> Option<Arc<T>> {
    let now_ms = clock::now_ms();
    let kept = kept.lock();
    let found = kept.get(&kind).filter(|dated| now_ms - dated.at_ms < FRESH_MS);
    found.map(|dated| Arc::clone(&dated.told))
}

fn keep<T>(kept: &Mutex<HashMap<ProviderKind, Dated<T>>>, kind: ProviderKind, told: T) -> Arc<T> {
    let told = Arc::new(told);
    let dated = Dated {
        told: Arc::clone(&told),
        at_ms: clock::now_ms(),
    };
    kept.lock().insert(kind, dated);
    told
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn google_speaks_for_mailboxes_that_it_runs() {
        for (hosted, email, is_run) in [
            (None, "mara@gmail.com", true),
            (None, "mara@outlook.com", false),
            (Some("example.com"), "mara@example.com", true),
            (Some("example.com"), "mara@other.example", false),
            (None, "mara@gmail.com.example", false),
        ] {
            let claims = json!({"sub": "s", "aud": "a", "iat": 0, "hd": hosted});
            let claims = serde_json::from_value(claims).unwrap();
            assert_eq!(runs(&claims, email), is_run, "{hosted:?} {email}");
        }
    }
}

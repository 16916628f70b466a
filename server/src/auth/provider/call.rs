//! Calling a service: short, whole, and to public addresses or the operator's networks alone.
//!
//! Invariant: no redirect is followed, no proxy of the environment is used, and at most [`BODY_MAX`] bytes are read. Calls the network.

use super::{Provider, ProviderError, word};
use crate::guard::Guard;
use reqwest::{
    Client, RequestBuilder, Url,
    header::{ACCEPT, USER_AGENT},
    redirect,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{sync::OnceLock, time::Duration};

/// How long a service may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const BODY_MAX: usize = 256 << 10;

/// What calls services.
pub(in crate::auth) struct Caller {
    guard: Guard,
    /// Made when somebody first signs in so.
    client: OnceLock<Client>,
}

impl Caller {
    pub(super) const fn new(guard: Guard) -> Self {
        Self {
            guard,
            client: OnceLock::new(),
        }
    }

    /// The address `text` that `provider` told, where it may be called.
    pub(super) fn url(&self, provider: &Provider, text: &str) -> Result<Url, ProviderError> {
        let told = self.guard.told_url(text, provider.is_plain());
        told.map_err(|_| provider.invalid("it names an address that may not be called"))
    }

    /// What stands at `url`, for who has the token `bearer`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        provider: &Provider,
        url: Url,
        bearer: Option<&str>,
    ) -> Result<T, ProviderError> {
        let mut request = self.client(provider)?.get(url);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        let (status, body) = send(provider, request).await?;
        if status != 200 {
            return Err(provider.down(format!("status {status}")));
        }
        read(provider, &body)
    }

    /// What a form sent to `url` is answered with; `shape` sets how we say who we are.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        provider: &Provider,
        url: Url,
        form: &[(&str, &str)],
        is_basic: bool,
    ) -> Result<T, ProviderError> {
        let body = Url::parse_with_params("form:x", form).map_err(|_| provider.invalid("it cannot be answered"))?;
        let mut request = self
            .client(provider)?
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.query().unwrap_or_default().to_owned());
        if is_basic {
            let (id, secret) = (escaped(&provider.client_id), escaped(provider.client_secret.expose()));
            request = request.basic_auth(id, Some(secret));
        }
        let (status, body) = send(provider, request).await?;
        // GitHub refuses with status 200.
        let told = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        match told.get("error").and_then(Value::as_str) {
            Some(error) if status < 500 => Err(super::refused(provider, error)),
            None if status == 200 => read(provider, &body),
            _ => Err(provider.down(format!("status {status}"))),
        }
    }

    fn client(&self, provider: &Provider) -> Result<&Client, ProviderError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // Fails where a provider of cryptography is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .timeout(ANSWER_TIME)
            .connect_timeout(CONNECT_TIME)
            .dns_resolver(self.guard.clone())
            .build()
            .map_err(|error| provider.down(error.without_url().to_string()))?;
        Ok(self.client.get_or_init(|| made))
    }
}

async fn send(provider: &Provider, request: RequestBuilder) -> Result<(u16, Vec<u8>), ProviderError> {
    let lost = |error: reqwest::Error| match error.is_timeout() {
        true => provider.down("no answer within 10 s"),
        false => provider.down(word(&error.without_url().to_string())),
    };
    let request = request.header(ACCEPT, "application/json").header(USER_AGENT, "OurHub");
    let mut response = request.send().await.map_err(lost)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(lost)? {
        if body.len() + piece.len() > BODY_MAX {
            return Err(provider.invalid("it is too long"));
        }
        body.extend_from_slice(&piece);
    }
    Ok((status, body))
}

fn read<T: DeserializeOwned>(provider: &Provider, body: &[u8]) -> Result<T, ProviderError> {
    serde_json::from_slice(body).map_err(|_| provider.invalid("it cannot be read"))
}

/// `text` as RFC 6749 2.3.1 wants ids and secrets in a header.
fn escaped(text: &str) -> String {
    let pair = Url::parse_with_params("form:x", [("", text)]);
    let query = pair
        .ok()
        .and_then(|url| url.query().map(str::to_owned))
        .unwrap_or_default();
    query.trim_start_matches('=').to_owned()
}

//! Stripe, as far as we ask it: one call at a time, each once.
//!
//! Invariant: a secret of ours is never empty and in no log; an answer that did not come says nothing about what was done.
//! Requests are those of `async-stripe`; they travel with our own client, so that one set of time-outs holds, no proxy of the
//! environment is used and what comes back is read for the few fields that count. Reads and writes the network.

mod objects;
mod signature;

pub use objects::{Charge, Dispute, Event, Id, Intent, Invoice, PaymentMethod, Session};
pub use signature::{SignatureError, WebhookSecret};

use crate::secrets::Secret;
use reqwest::{Method, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use std::{fmt, time::Duration};
use stripe_client_core::{RequestBuilder, StripeMethod};

/// Where Stripe is, unless a stand-in is named.
const API_BASE: &str = "https://api.stripe.com";
/// How long a call may take in all.
const CALL_WITHIN: Duration = Duration::from_secs(20);
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 4 << 20;
/// The fewest characters of a secret key.
const KEY_MIN: usize = 12;

/// What Stripe is reached with.
#[derive(Clone)]
pub struct Settings {
    secret_key: Secret,
    /// What its webhooks are signed with.
    pub webhook: WebhookSecret,
    makes_invoices: bool,
    api_base: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("api_base", &self.api_base)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// What was typed, made whole: the secret key, the webhook's secret, and another address than Stripe's, for stand-ins.
    ///
    /// # Errors
    /// The setting that is wrong, and what would be right.
    pub fn new(
        secret_key: &str,
        webhook_secret: &str,
        api_base: Option<&str>,
    ) -> Result<Self, (&'static str, &'static str)> {
        let key = secret_key.trim();
        let is_key = ["sk_", "rk_"].iter().any(|prefix| key.starts_with(prefix))
            && key.len() >= KEY_MIN
            && key.bytes().all(|letter| letter.is_ascii_graphic());
        if !is_key {
            let wanted = "this is not a secret key; copy one that begins with sk_ or rk_ from Stripe's dashboard, under API keys";
            return Err(("OURHUB_STRIPE_SECRET_KEY", wanted));
        }
        let webhook =
            WebhookSecret::parse(webhook_secret).map_err(|wanted| ("OURHUB_STRIPE_WEBHOOK_SECRET", wanted))?;
        let api_base = api_base.unwrap_or(API_BASE).trim().trim_end_matches('/').to_owned();
        if !is_safe(&api_base) {
            let wanted = "write an address such as https://api.stripe.com, or http://127.0.0.1:4000 for a stand-in on this machine";
            return Err(("OURHUB_STRIPE_API_BASE", wanted));
        }
        Ok(Self {
            secret_key: Secret::new(key.to_owned()),
            webhook,
            makes_invoices: true,
            api_base,
        })
    }
}

impl Settings {
    /// The same, with whether each payment through Checkout gets an invoice, for which Stripe takes a fee.
    #[must_use]
    pub fn with_invoices(self, makes_invoices: bool) -> Self {
        Self { makes_invoices, ..self }
    }
}

/// Whether the secret key may be sent to `base`: over TLS, or to this machine.
fn is_safe(base: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(base) else {
        return false;
    };
    let is_plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    is_plain && (url.scheme() == "https" || url.scheme() == "http" && is_here)
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// No answer, or none that says whether it was done: look it up before it is asked for again.
    #[error("Stripe did not answer: {0}")]
    Unknown(String),
    /// Refused: nothing was done.
    #[error("Stripe refused with status {status}, {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Stripe's own code, such as `card_declined`; else the type of error.
        code: String,
        /// Stripe's own words, for people.
        message: String,
    },
}

impl StripeError {
    /// Why nothing was done, for people; none where that is not known.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Unknown(_) => None,
            // What is said of the card is for its holder, anything else for the operator.
            Self::Refused {
                status: 402, message, ..
            } => Some(message),
            Self::Refused { .. } => Some("Stripe refused it."),
        }
    }

    /// The same, where a word of Stripe's, or of whoever stands between, repeats the `key` it was asked with.
    fn without(self, key: &Secret) -> Self {
        let clean = |text: String| text.replace(key.expose(), "[key]");
        match self {
            Self::Unknown(cause) => Self::Unknown(clean(cause)),
            Self::Refused { status, code, message } => Self::Refused {
                status,
                code: clean(code),
                message: clean(message),
            },
        }
    }

    /// Whether there is no such object.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// What Stripe says when it refuses.
#[derive(Deserialize)]
struct Refusal {
    error: RefusalBody,
}

#[derive(Deserialize)]
struct RefusalBody {
    code: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

/// A page of a list.
#[derive(Deserialize)]
pub struct List<T> {
    /// The objects, newest first.
    pub data: Vec<T>,
    /// Whether older ones follow.
    #[serde(default)]
    pub has_more: bool,
}

/// The handle on Stripe.
pub struct Stripe {
    settings: Settings,
    http: reqwest::Client,
}

impl Stripe {
    /// A handle with `settings`.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        // Fails where it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_WITHIN)
            .timeout(CALL_WITHIN)
            .build()?;
        Ok(Self { settings, http })
    }

    /// What webhooks are signed with.
    #[must_use]
    pub const fn webhook(&self) -> &WebhookSecret {
        &self.settings.webhook
    }

    /// Whether payments get invoices.
    #[must_use]
    pub const fn makes_invoices(&self) -> bool {
        self.settings.makes_invoices
    }

    /// Asks `request` once. With an `idempotency` key, asking again with the same key does nothing new.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn call<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        idempotency: Option<&str>,
    ) -> Result<T, StripeError> {
        let mut address = format!("{}/v1{}", self.settings.api_base, request.path);
        if let Some(query) = &request.query {
            address.push('?');
            address.push_str(query);
        }
        let method = match request.method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let mut call = self
            .http
            .request(method, address)
            .bearer_auth(self.settings.secret_key.expose())
            .header("stripe-version", stripe_shared::version::VERSION.as_str());
        if let Some(key) = idempotency {
            call = call.header("idempotency-key", key);
        }
        if let Some(body) = request.body {
            call = call
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body);
        }
        let unknown = |error: reqwest::Error| StripeError::Unknown(error.without_url().to_string());
        let mut response = call.send().await.map_err(unknown)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unknown)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(StripeError::Unknown("the answer is too long".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        let outcome = read(status, &body);
        outcome.map_err(|error| error.without(&self.settings.secret_key))
    }

    /// The object at `path`, as it is now.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, StripeError> {
        self.call(RequestBuilder::new(StripeMethod::Get, path), None).await
    }
}

fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, StripeError> {
    if status.is_success() {
        // What is done is done, whether or not it can be read.
        return serde_json::from_slice(body).map_err(|error| StripeError::Unknown(format!("unreadable: {error}")));
    }
    // A conflict is another call with the same key under way, a server's error may come after the deed. A key that is not
    // accepted is the operator's: it says nothing of what was asked for, which is asked for again once the key is right.
    let others = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::CONFLICT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    let is_unknown = status.is_server_error() || others.contains(&status);
    let told = serde_json::from_slice::<Refusal>(body).ok().map(|told| told.error);
    if is_unknown || !status.is_client_error() {
        return Err(StripeError::Unknown(format!("status {status}")));
    }
    let (code, message) = told.map_or((None, None), |told| (told.code.or(told.kind), told.message));
    Err(StripeError::Refused {
        status: status.as_u16(),
        code: code.unwrap_or_default(),
        message: message.unwrap_or_default(),
    })
}

/// An id of Stripe's, if `text` looks like one: it goes into a path.
#[must_use]
pub fn id(text: &str) -> Option<&str> {
    let is_id = (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == b'_' || letter == b'-');
    is_id.then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WEBHOOK: &str = "whsec_0123456789abcdef";

    #[test]
    fn secrets_are_whole_and_stay_secret() {
        let good = Settings::new("sk_test_4242424242", WEBHOOK, None).unwrap();
        assert!(!format!("{good:?}").contains("4242") && !format!("{good:?}").contains("whsec"));
        for (key, webhook, base, setting) in [
            ("", WEBHOOK, None, "OURHUB_STRIPE_SECRET_KEY"),
            ("pk_test_4242424242", WEBHOOK, None, "OURHUB_STRIPE_SECRET_KEY"),
            ("sk_test_4242 424242", WEBHOOK, None, "OURHUB_STRIPE_SECRET_KEY"),
            ("sk_test_4242424242", "", None, "OURHUB_STRIPE_WEBHOOK_SECRET"),
            ("sk_test_4242424242", "   ", None, "OURHUB_STRIPE_WEBHOOK_SECRET"),
            (
                "sk_test_4242424242",
                "whsec_short",
                None,
                "OURHUB_STRIPE_WEBHOOK_SECRET",
            ),
            (
                "sk_test_4242424242",
                WEBHOOK,
                Some("http://stripe.example.com"),
                "OURHUB_STRIPE_API_BASE",
            ),
            (
                "sk_test_4242424242",
                WEBHOOK,
                Some("https://a:b@example.com"),
                "OURHUB_STRIPE_API_BASE",
            ),
            ("sk_test_4242424242", WEBHOOK, Some("nowhere"), "OURHUB_STRIPE_API_BASE"),
        ] {
            assert_eq!(
                Settings::new(key, webhook, base).unwrap_err().0,
                setting,
                "{key} {webhook} {base:?}"
            );
        }
    }

    #[test]
    fn an_answer_that_is_not_a_refusal_says_nothing_about_the_deed() {
        let told = br#"{"error": {"type": "card_error", "code": "card_declined", "message": "No."}}"#;
        for (status, is_refusal) in [
            (402, true),
            (404, true),
            (401, false),
            (403, false),
            (409, false),
            (429, false),
            (500, false),
            (302, false),
        ] {
            let error = read::<Session>(StatusCode::from_u16(status).unwrap(), told)
                .err()
                .unwrap();
            assert_eq!(matches!(error, StripeError::Refused { .. }), is_refusal, "{status}");
        }
        assert!(matches!(
            read::<Session>(StatusCode::OK, b"{"),
            Err(StripeError::Unknown(_))
        ));
    }

    #[test]
    fn words_that_repeat_the_key_are_told_without_it() {
        let key = Secret::new("sk_test_4242424242".to_owned());
        let told = br#"{"error": {"type": "no sk_test_4242424242", "message": "Bearer sk_test_4242424242 is wrong."}}"#;
        let error = read::<Session>(StatusCode::BAD_REQUEST, told).err().unwrap();
        let text = error.without(&key).to_string();
        assert!(
            text.contains("Bearer [key] is wrong.") && !text.contains("4242"),
            "{text}"
        );
    }

    #[test]
    fn only_ids_go_into_paths() {
        assert_eq!(id("cs_test_a1B2"), Some("cs_test_a1B2"));
        for wrong in ["", "cs/../refunds", "a b", "é", &"a".repeat(256)] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }
}

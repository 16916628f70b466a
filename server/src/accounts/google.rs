//! Google's service accounts: a signed statement, exchanged for an access token that is used until shortly before its end.
//!
//! Invariant: the private key signs and never leaves; a statement goes to Google's token endpoint only, or to this machine where the
//! operator allows it; of one account one token is fetched at a time. Reads the clock; calls the token endpoint through the
//! account's proxy. Wire facts: RFC 7523 and Google's "Using OAuth 2.0 for server to server applications".

use super::{client::Client, guard::Guard};
use crate::{clock, secrets::Secret};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::StreamExt as _;
use gateway_core::{dialect::scrub, retry::Fault};
use parking_lot::RwLock;
use reqwest::{
    Method, Request, Url,
    header::{CONTENT_TYPE, HeaderValue},
};
use rustls::{
    SignatureScheme,
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    sign::SigningKey,
};
use serde::Deserialize;
use serde_json::json;
use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
/// How long a statement holds, in seconds; Google takes no longer one.
const STATEMENT_S: i64 = 3_600;
/// How long before its end a token is replaced.
const EARLY_MS: i64 = 300_000;
/// How long before its end a token is still used while another request fetches the next one.
const LATE_MS: i64 = 30_000;
const PATIENCE: Duration = Duration::from_secs(10);
const BODY_MAX: usize = 64 << 10;
const MESSAGE_MAX: usize = 300;

/// Why a request cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unsendable {
    message: String,
    fault: Fault,
}

impl Unsendable {
    pub(super) fn new(message: impl Into<String>, fault: Fault) -> Self {
        Self {
            message: message.into(),
            fault,
        }
    }

    /// What it means for the account.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}

/// The parts of a service account's key file that are needed.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    token_uri: Option<String>,
}

/// Why a key file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyFileError {
    #[error("Paste the whole JSON file of a service account's key, from {{ to }}.")]
    NotAKeyFile,
    #[error("The private key in the JSON file cannot be read. Paste the file as Google made it.")]
    Key,
    #[error("The token_uri in the JSON file is not Google's: https://oauth2.googleapis.com/token.")]
    TokenUri,
}

/// A service account, with its token.
pub(super) struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    key: Arc<dyn SigningKey>,
    token_uri: Url,
    held: RwLock<Option<Token>>,
    /// Held while a token is fetched.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Token {
    bearer: HeaderValue,
    end_ms: i64,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServiceAccount(…)")
    }
}

impl ServiceAccount {
    /// The account whose key file is `text`.
    pub(super) fn parse(text: &str, guard: &Guard) -> Result<Self, KeyFileError> {
        let file: KeyFile = serde_json::from_str(text).map_err(|_| KeyFileError::NotAKeyFile)?;
        let der = PrivateKeyDer::from_pem_slice(file.private_key.as_bytes()).map_err(|_| KeyFileError::Key)?;
        let key = any_supported_type(&der).map_err(|_| KeyFileError::Key)?;
        key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
            .ok_or(KeyFileError::Key)?;
        Ok(Self {
            email: file.client_email,
            key_id: file.private_key_id,
            key,
            token_uri: token_uri(file.token_uri.as_deref().unwrap_or(TOKEN_URI), guard)?,
            held: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// The value of the header `authorization`, with a token that holds for a while.
    pub(super) async fn bearer(&self, client: &Client) -> Result<HeaderValue, Unsendable> {
        if let Some(bearer) = self.held(EARLY_MS) {
            return Ok(bearer);
        }
        let _fetching = match (self.fetching.try_lock(), self.held(LATE_MS)) {
            (Ok(fetching), _) => fetching,
            (Err(_), Some(bearer)) => return Ok(bearer),
            (Err(_), None) => self.fetching.lock().await,
        };
        if let Some(bearer) = self.held(EARLY_MS) {
            return Ok(bearer);
        }
        match tokio::time::timeout(PATIENCE, self.fetch(client)).await {
            Ok(Ok(token)) => {
                let bearer = token.bearer.clone();
                *self.held.write() = Some(token);
                Ok(bearer)
            }
            // The old one may hold a little longer.
            Ok(Err(reason)) => self.held(LATE_MS).ok_or(reason),
            Err(_) => self
                .held(LATE_MS)
                .ok_or_else(|| Unsendable::new("Google's token endpoint did not answer within 10 s.", Fault::TimedOut)),
        }
    }

    /// The token, where it still holds for `least_ms`.
    fn held(&self, least_ms: i64) -> Option<HeaderValue> {
        let held = self.held.read();
        let token = held
            .as_ref()
            .filter(|token| token.end_ms - least_ms > clock::now_ms())?;
        Some(token.bearer.clone())
    }

    async fn fetch(&self, client: &Client) -> Result<Token, Unsendable> {
        let unreachable = |_| Unsendable::new("There is no connection to Google's token endpoint.", Fault::Unreachable);
        let now_ms = clock::now_ms();
        let mut request = Request::new(Method::POST, self.token_uri.clone());
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        let statement = self.statement(now_ms / 1_000)?;
        *request.body_mut() = Some(format!("grant_type={GRANT}&assertion={statement}").into());
        let client = client.here().map_err(unreachable)?;
        let response = client.execute(request).await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let mut pieces = response.bytes_stream();
        let mut body = Vec::new();
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(unreachable)?);
            if body.len() > BODY_MAX {
                break;
            }
        }
        if status == 200 {
            token(&body, now_ms)
        } else {
            Err(refused(status, &body, &statement))
        }
    }

    /// What is exchanged for a token: who asks, for what, and until when, signed.
    fn statement(&self, now_s: i64) -> Result<String, Unsendable> {
        let wrong = || Unsendable::new("The private key of the service account cannot sign.", Fault::BadKey);
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        if let Some(id) = &self.key_id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri.as_str(),
            "iat": now_s,
            "exp": now_s + STATEMENT_S,
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
        let signature = signer
            .and_then(|signer| signer.sign(signed.as_bytes()).ok())
            .ok_or_else(wrong)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Google's endpoint, or one of this machine that the operator allows.
fn token_uri(text: &str, guard: &Guard) -> Result<Url, KeyFileError> {
    let url = Url::parse(text).map_err(|_| KeyFileError::TokenUri)?;
    let address = url.host_str().and_then(|host| host.parse::<IpAddr>().ok());
    let is_here = address.is_some_and(|address| address.is_loopback() && guard.permits(address));
    if text == TOKEN_URI || is_here {
        Ok(url)
    } else {
        Err(KeyFileError::TokenUri)
    }
}

fn token(body: &[u8], now_ms: i64) -> Result<Token, Unsendable> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
        expires_in: i64,
    }
    let unreadable = || Unsendable::new("Google's token endpoint answered without a token.", Fault::Upstream);
    let granted: Granted = serde_json::from_slice(body).map_err(|_| unreadable())?;
    // Google pads some tokens with dots, which are none of the token's business.
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", granted.access_token.trim_end_matches('.')))
        .map_err(|_| unreadable())?;
    bearer.set_sensitive(true);
    Ok(Token {
        bearer,
        end_ms: now_ms.saturating_add(granted.expires_in.clamp(0, STATEMENT_S) * 1_000),
    })
}

fn refused(status: u16, body: &[u8], statement: &str) -> Unsendable {
    #[derive(Default, Deserialize)]
    struct Said {
        #[serde(default)]
        error: String,
        #[serde(default)]
        error_description: String,
    }
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    let words = scrub(&format!("{} {}", said.error, said.error_description), &[statement]);
    let words: String = words.trim().chars().take(MESSAGE_MAX).collect();
    match status {
        400 | 401 | 403 => Unsendable::new(
            format!("Google gives the service account no token. It says: “{words}”"),
            Fault::BadKey,
        ),
        429 => Unsendable::new(
            "Google's token endpoint limits the service account.",
            Fault::RateLimited,
        ),
        _ => Unsendable::new(
            format!("Google's token endpoint answered with status {status}."),
            Fault::Upstream,
        ),
    }
}

/// A secret as it is kept: the key file on one line.
pub(super) fn compact(secret: &Secret) -> Secret {
    match serde_json::from_str::<serde_json::Value>(secret.expose()) {
        Ok(value) => Secret::new(value.to_string()),
        Err(_) => secret.clone(),
    }
}

//! Services elsewhere that say who somebody is: Google, GitHub, and any issuer that speaks OpenID Connect.
//!
//! Invariant: an answer counts only for the browser that asked, once, and only from the service that was asked; what a service says
//! is checked whole before anything is looked up here. Reads the configuration; calls the services.

mod call;
mod github;
mod oidc;
mod settings;
mod token;

pub use settings::{Provider, ProviderKind, SettingError};

use super::{Auth, AuthError, Visitor, credential::random_base62};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oidc::Issuers;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Characters of a state, a nonce and a verifier: 256 bits or more.
const RANDOM: usize = 48;
/// The longest code that is passed on, in bytes.
const CODE_MAX: usize = 4_096;

/// What the browser keeps, sealed, while it is away at the service.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ticket {
    /// Who was asked.
    pub provider: ProviderKind,
    state: String,
    nonce: String,
    verifier: String,
    /// Where the service leads the browser back to.
    callback: String,
    /// Whether somebody was to log in there anew.
    is_anew: bool,
}

/// What a browser brings back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Returned {
    /// To be exchanged, once.
    pub code: String,
    /// What it was sent away with.
    pub state: String,
    /// Why there is no code.
    pub error: String,
    /// Who answers (RFC 9207), where it says so.
    pub iss: Option<String>,
}

/// Whom a service vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// The service.
    pub provider: ProviderKind,
    /// Who vouches.
    pub issuer: String,
    /// The issuer's own, lasting name of the account.
    pub subject: String,
    /// The address, in lower case; empty where none was told.
    pub email: String,
    /// Whether the issuer has proven that address.
    pub is_verified: bool,
    /// Whether the address is still theirs, as far as the issuer can know: it runs the mailbox, or is trusted with any.
    pub is_authority: bool,
    /// Whether they logged in there just now, as they were asked to.
    pub is_anew: bool,
}

/// Why a service signs nobody in.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No such service is configured.
    #[error("no such provider is configured")]
    Unknown,
    /// The browser did not ask for this, or too long ago.
    #[error("the answer fits no question of this browser")]
    Stray,
    /// Somebody pressed “Cancel” there.
    #[error("{0} was told not to")]
    Denied(String),
    /// The service took the question or the code for wrong or old.
    #[error("{label} refused: {reason}")]
    Refused {
        /// The service.
        label: String,
        /// Its word for it, for the log.
        reason: String,
    },
    /// The service does not answer, or not in time.
    #[error("{label} does not answer: {reason}")]
    Down {
        /// The service.
        label: String,
        /// What happened, for the log.
        reason: String,
    },
    /// What it says does not hold.
    #[error("the answer of {label} does not hold: {reason}")]
    Invalid {
        /// The service.
        label: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It has not proven the address.
    #[error("{0} has not proven the address")]
    Unverified(String),
}

/// The services that are configured, and what they told of themselves.
pub(super) struct Providers {
    list: Vec<Provider>,
    issuers: Issuers,
}

impl Providers {
    pub(super) fn new(list: Vec<Provider>, guard: crate::guard::Guard) -> Self {
        Self {
            list,
            issuers: Issuers::new(guard),
        }
    }

    fn find(&self, kind: ProviderKind) -> Result<&Provider, ProviderError> {
        let found = self.list.iter().find(|provider| provider.kind == kind);
        found.ok_or(ProviderError::Unknown)
    }
}

impl Auth {
    /// The services that are configured, in the order in which they are shown.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.0.providers.list
    }

    /// The service `kind` as people know it.
    #[must_use]
    pub fn provider_label(&self, kind: ProviderKind) -> String {
        let found = self.0.providers.find(kind).ok();
        found.map_or_else(|| kind.name().to_owned(), |provider| provider.label.clone())
    }

    /// Where a browser is to go to be vouched for, and what it keeps meanwhile; it comes back to `callback`. With `is_anew`
    /// somebody is to log in there once more, where the service can be asked to.
    ///
    /// # Errors
    /// [`AuthError::Provider`], [`AuthError::Hashing`].
    pub async fn ask_provider(
        &self,
        kind: ProviderKind,
        callback: &str,
        is_anew: bool,
    ) -> Result<(String, Ticket), AuthError> {
        let providers = &self.0.providers;
        let provider = providers.find(kind)?;
        let ticket = Ticket {
            provider: kind,
            state: random_base62(RANDOM)?,
            nonce: random_base62(RANDOM)?,
            verifier: random_base62(RANDOM)?,
            callback: callback.to_owned(),
            is_anew,
        };
        let mut url = match kind {
            ProviderKind::Github => github::authorize_url(provider)?,
            ProviderKind::Google | ProviderKind::Oidc => providers.issuers.authorize_url(provider).await?,
        };
        add_question(&mut url, provider, &ticket);
        Ok((url.into(), ticket))
    }

    /// For whom the service vouches that `ticket` was kept for.
    ///
    /// # Errors
    /// [`AuthError::Provider`], [`AuthError::Throttled`].
    pub async fn hear_provider(
        &self,
        ticket: &Ticket,
        returned: &Returned,
        visitor: &Visitor,
    ) -> Result<Vouched, AuthError> {
        let providers = &self.0.providers;
        let provider = providers.find(ticket.provider)?;
        if !bool::from(ticket.state.as_bytes().ct_eq(returned.state.as_bytes())) {
            return Err(ProviderError::Stray.into());
        }
        let attempt = self.count_attempt(&format!("provider {}", ticket.state), visitor)?;
        if !returned.error.is_empty() {
            return Err(refused(provider, &returned.error).into());
        }
        if returned.code.is_empty() || returned.code.len() > CODE_MAX {
            return Err(provider.invalid("there is no code in it").into());
        }
        let vouched = match provider.kind {
            ProviderKind::Github => github::hear(&providers.issuers.caller, provider, ticket, &returned.code).await?,
            ProviderKind::Google | ProviderKind::Oidc => {
                providers
                    .issuers
                    .hear(provider, ticket, returned, visitor.now_ms)
                    .await?
            }
        };
        self.give_back(attempt);
        Ok(vouched)
    }
}

/// What OAuth 2.0 with PKCE (RFC 7636) asks with.
fn add_question(url: &mut Url, provider: &Provider, ticket: &Ticket) {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(ticket.verifier.as_bytes()));
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &ticket.callback)
        .append_pair("scope", provider.scope())
        .append_pair("state", &ticket.state)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if provider.kind != ProviderKind::Github {
        query.append_pair("nonce", &ticket.nonce);
    }
    let prompt = match provider.kind {
        ProviderKind::Github => None,
        // It has no prompt that demands a password.
        ProviderKind::Google => Some("select_account"),
        ProviderKind::Oidc => Some("login"),
    };
    if let Some(prompt) = prompt.filter(|_| ticket.is_anew) {
        query.append_pair("prompt", prompt).append_pair("max_age", "0");
    }
}

fn refused(provider: &Provider, error: &str) -> ProviderError {
    if error == "access_denied" {
        return ProviderError::Denied(provider.label.clone());
    }
    ProviderError::Refused {
        label: provider.label.clone(),
        reason: code_of(error),
    }
}

/// The error code `text` as RFC 6749 and its kin write them; of anything else nothing is kept, as it may repeat what was sent.
fn code_of(text: &str) -> String {
    let is_code = text.len() <= 40 && text.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_');
    let kept = if is_code { text } else { "a code that is not known" };
    kept.to_owned()
}

/// What went wrong on the way, short enough for a log.
fn word(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|letter| letter.is_ascii_graphic() || *letter == ' ');
    kept.take(80).collect()
}

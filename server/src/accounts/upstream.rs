//! An account as it is called: opened, with its client, its addresses and its state; and the models it serves.
//!
//! Invariant: the secret leaves in one header only, marked sensitive, to the base URL it was sealed for.
//! Changes the state it shares.

use super::{
    TABLE, check,
    client::{Client, Clients},
    guard::UrlRefusal,
    state::{Most, State},
};
use crate::{
    clock,
    ledger::Peers,
    secrets::{Binding, MasterKey, Secret, SecretsError},
};
use entity::account;
use gateway_core::{
    catalog::preset,
    dialect::{Dialect, MaxOutputField, Operation},
    health::{Availability, Event},
    retry::{Fault, Mark, RetryHints, Verdict},
    routing::Candidate,
};
use reqwest::{
    Method, Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use std::sync::Arc;
use tokio::sync::Notify;

const ERROR_MAX: usize = 300;

/// An account that can be called.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) row: account::Model,
    pub(super) state: Arc<State>,
    most: Most,
    peers: Peers,
    pub(super) client: Client,
    pub(super) secret: Secret,
    only_made_by: Option<&'static str>,
    base_url: Url,
    /// Where each of [`Operation::ALL`] is asked for.
    endpoints: [Url; Operation::ALL.len()],
    authorization: Option<(HeaderName, HeaderValue)>,
    freed: Arc<Notify>,
    learnt: Arc<Notify>,
}

/// A model as one account serves it.
#[derive(Debug)]
pub struct Deployment {
    /// The account's id.
    pub account_id: i64,
    /// The account's preset id.
    pub provider: String,
    /// The name a customer asks for.
    pub model: String,
    /// The name the provider knows.
    pub upstream_model: String,
    /// The field that limits its output.
    pub max_output_field: MaxOutputField,
    /// Whether it leaves reasoning out of its output count.
    pub reasoning_excluded: bool,
    /// Whether it knows `usage` in a request, which asks for a cost.
    pub takes_cost_option: bool,
    /// The client to call it with.
    pub client: Client,
    /// The only maker whose models are asked of it by their own names.
    pub(super) only_made_by: Option<&'static str>,
    pub(super) upstream: Arc<Upstream>,
}

/// Why an account cannot be called as it is configured.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("{0}")]
    Url(#[from] UrlRefusal),
    #[error("Its key does not open: the master key is another one, or the row was altered. Enter the key again.")]
    Secret(#[from] SecretsError),
    #[error("Its key cannot be sent in a header. Enter it again.")]
    Header,
    #[error("Its dialect is not known.")]
    Dialect,
    #[error("No HTTP client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// What an account shares with the fleet.
pub(super) struct Shared<'a> {
    pub(super) master: &'a MasterKey,
    pub(super) clients: &'a Clients,
    pub(super) freed: &'a Arc<Notify>,
    pub(super) learnt: &'a Arc<Notify>,
    pub(super) peers: &'a Peers,
}

impl Upstream {
    /// Opens `row`.
    pub(super) fn open(row: account::Model, state: Arc<State>, shared: &Shared<'_>) -> Result<Self, Unusable> {
        let guard = shared.clients.guard();
        let base_url = guard.base_url(&row.base_url)?;
        Dialect::parse(&row.dialect).ok_or(Unusable::Dialect)?;
        let (secret, proxy) = open_secrets(&row, &base_url, shared.master)?;
        if let Some(proxy) = &proxy {
            guard.proxy_url(proxy.expose())?;
        }
        Ok(Self {
            most: most(&row),
            peers: shared.peers.clone(),
            client: shared.clients.get(proxy.as_ref())?,
            authorization: authorization(&secret, &row.auth_scheme)?,
            freed: Arc::clone(shared.freed),
            endpoints: Operation::ALL.map(|operation| join(&base_url, operation.path_suffix())),
            only_made_by: only_made_by(&row, &base_url),
            learnt: Arc::clone(shared.learnt),
            row,
            state,
            base_url,
            secret,
        })
    }

    /// Whether `row` is reached as this account is, with the same key.
    pub(super) fn is_reached_as(&self, row: &account::Model) -> bool {
        reach(&self.row) == reach(row) && self.row.proxy_secret == row.proxy_secret
    }

    /// Something was learnt about it that others may want to know.
    pub(super) fn announce(&self) {
        self.learnt.notify_one();
    }

    /// This process' part of its limits.
    pub(super) fn most(&self) -> Most {
        self.most.among(self.peers.count())
    }

    /// A request without a body to its base URL followed by `suffix`.
    pub(super) fn get(&self, suffix: &str) -> Request {
        self.request(Method::GET, join(&self.base_url, suffix))
    }

    fn request(&self, method: Method, url: Url) -> Request {
        let mut request = Request::new(method, url);
        if let Some((name, value)) = &self.authorization {
            request.headers_mut().insert(name, value.clone());
        }
        request
    }
}

impl Deployment {
    /// `model` on `upstream`, which knows it as `upstream_model`.
    pub(super) fn new(upstream: &Arc<Upstream>, model: &str, upstream_model: &str) -> Self {
        let preset = preset(&upstream.row.provider);
        let takes_max_tokens =
            preset.is_some_and(|preset| preset.max_output_field == MaxOutputField::MaxTokens.as_str());
        Self {
            account_id: upstream.row.id,
            provider: upstream.row.provider.clone(),
            model: model.to_owned(),
            upstream_model: upstream_model.to_owned(),
            max_output_field: if takes_max_tokens {
                MaxOutputField::MaxTokens
            } else {
                MaxOutputField::MaxCompletionTokens
            },
            reasoning_excluded: preset.is_some_and(|preset| preset.reasoning_excluded),
            takes_cost_option: preset.is_some_and(|preset| preset.takes_cost_option),
            client: upstream.client.clone(),
            only_made_by: upstream.only_made_by,
            upstream: Arc::clone(upstream),
        }
    }

    /// A POST of the JSON in `body` that asks for `operation`.
    #[must_use]
    pub fn post(&self, operation: Operation, body: Vec<u8>) -> Request {
        let url = self.upstream.endpoints[operation as usize].clone();
        let mut request = self.upstream.request(Method::POST, url);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        *request.body_mut() = Some(body.into());
        request
    }

    /// What must be scrubbed from whatever the account says.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        vec![self.upstream.secret.expose()]
    }

    /// The headers of an answer said what is left.
    pub fn seen(&self, hints: &RetryHints) {
        let event = Event::HeadersSeen {
            requests: hints.requests,
            tokens: hints.tokens,
        };
        self.upstream.state.step(None, event, clock::now_ms());
    }

    /// Takes note of `event` of the account; a success counts for the model too.
    pub fn report(&self, event: Event) {
        if self.upstream.state.end(&self.upstream_model, event, clock::now_ms()) {
            self.upstream.freed.notify_waiters();
            self.upstream.announce();
        }
    }

    /// Takes note of a failure: `message`, scrubbed by the caller, becomes the account's last error.
    pub fn judge(&self, verdict: &Verdict, message: &str) {
        let now_ms = clock::now_ms();
        let state = &self.upstream.state;
        let model = matches!(verdict.mark, Mark::ModelMissing { .. }).then_some(self.upstream_model.as_str());
        match Event::of(verdict) {
            Some(event) => {
                state.step(model, event, now_ms);
                if model.is_some() {
                    // It lacks the model, and has answered that: as an account it is well.
                    state.pass_probe(&self.upstream_model, now_ms);
                }
            }
            None if verdict.fault == Fault::TimedOut => state.fail_probe(&self.upstream_model, verdict.fault, now_ms),
            // What was wrong was the request: the account itself answers.
            None => state.pass_probe(&self.upstream_model, now_ms),
        }
        if verdict.mark != Mark::None {
            let message: String = message.chars().take(ERROR_MAX).collect();
            state.note(format!("{:?}: {message}", verdict.fault), now_ms);
            self.upstream.announce();
        }
    }

    /// Whether it said, not long before `now_ms`, that it does not have the model.
    pub(super) fn lacks_model(&self, now_ms: i64) -> bool {
        let now = self
            .upstream
            .state
            .now(&self.upstream_model, self.upstream.most(), now_ms);
        matches!(now.availability, Availability::Missing { .. })
    }

    /// How it stands at `now_ms`.
    pub(super) fn candidate(&self, now_ms: i64) -> Candidate<'_> {
        let upstream = &*self.upstream;
        let most = upstream.most();
        let now = upstream.state.now(&self.upstream_model, most, now_ms);
        Candidate {
            account_id: upstream.row.id,
            priority: upstream.row.priority,
            weight: u32::try_from(upstream.row.weight).unwrap_or(1),
            region: upstream.row.region.as_deref(),
            only_made_by: self.only_made_by,
            in_flight: now.in_flight,
            max_in_flight: most.in_flight,
            latency_ms: now.latency_ms,
            headroom: now.headroom,
            availability: now.availability,
            requests_left: now.requests_left,
            tokens_left: now.tokens_left,
            limits_free_ms: now.limits_free_ms,
        }
    }
}

/// Who makes the models that `row` serves, where it serves every model, and its provider at its own address only those it makes.
/// Models named one by one are the operator's word.
fn only_made_by(row: &account::Model, base_url: &Url) -> Option<&'static str> {
    let preset = preset(&row.provider).filter(|preset| preset.serves_own_only && row.every_model)?;
    let own = Url::parse(preset.base_url).ok()?;
    (check::origin(&own) == check::origin(base_url)).then_some(preset.id)
}

/// `base` followed by `suffix`.
pub(super) fn join(base: &Url, suffix: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{suffix}", base.path().trim_end_matches('/')));
    url
}

/// What decides how a row's provider is reached: another key, address or proxy, or another way to send the key, is a new start.
pub(super) fn reach(row: &account::Model) -> (&[u8], &str, Option<&str>, &str) {
    (&row.secret, &row.base_url, row.proxy_url.as_deref(), &row.auth_scheme)
}

/// The header that carries `secret` by `auth_scheme`, marked sensitive; `None` for an empty secret.
pub(super) fn authorization(secret: &Secret, auth_scheme: &str) -> Result<Option<(HeaderName, HeaderValue)>, Unusable> {
    if secret.is_empty() {
        return Ok(None);
    }
    let bearer = format!("Bearer {}", secret.expose());
    let (name, text) = match auth_scheme {
        check::BEARER => (AUTHORIZATION, bearer.as_str()),
        name => (
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unusable::Header)?,
            secret.expose(),
        ),
    };
    let mut value = HeaderValue::from_str(text).map_err(|_| Unusable::Header)?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

/// What `column` of account `row` is sealed for.
pub(super) const fn binding<'a>(row: i64, column: &'a str, origin: &'a str) -> Binding<'a> {
    Binding {
        table: TABLE,
        row,
        column,
        origin,
    }
}

/// The row's secret and its whole proxy URL.
pub(super) fn open_secrets(
    row: &account::Model,
    base_url: &Url,
    master: &MasterKey,
) -> Result<(Secret, Option<Secret>), SecretsError> {
    let origin = check::origin(base_url);
    let secret = if row.secret.is_empty() {
        Secret::new(String::new())
    } else {
        master.open(&row.secret, &binding(row.id, "secret", &origin))?
    };
    let proxy = match &row.proxy_secret {
        Some(sealed) => Some(master.open(sealed, &binding(row.id, "proxy_secret", &origin))?),
        None => row.proxy_url.clone().map(Secret::new),
    };
    Ok((secret, proxy))
}

fn most(row: &account::Model) -> Most {
    let count = |limit: i64| u64::try_from(limit).unwrap_or(0);
    Most {
        rpm: row.rpm.map(count),
        tpm: row.tpm.map(count),
        tpm_alone: row.tpm.map(count),
        in_flight: row.max_in_flight.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
    }
}

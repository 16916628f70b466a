//! An account as it is called: opened, with its client, its addresses and its state; and the models it serves.
//!
//! Invariant: the secret leaves in one header only, marked sensitive, to the base URL it was sealed for, or signs.
//! Changes the state it shares.

use super::{
    Owner, TABLE, check,
    client::{Client, Clients},
    endpoint::{self, Ask, Content, Framing, Reached, Way},
    google::Unsendable,
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
    catalog::{Preset, preset},
    dialect::{Dialect, MaxOutputField, Operation},
    health::{Availability, Event},
    id,
    retry::{Fault, Mark, RetryHints, Verdict},
    routing::{Candidate, UNKNOWN_LATENCY_MS, is_in_region},
};
use hmac::{Hmac, Mac as _};
use reqwest::{Request, Url};
use sha2::Sha256;
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
    pub(super) way: Way,
    pub(super) secret: Secret,
    only_made_by: Option<&'static str>,
    spoken: &'static [Dialect],
    /// The key that hides which account reasoning is from.
    origin_key: [u8; 32],
    freed: Arc<Notify>,
    learnt: Arc<Notify>,
}

/// A model as one account serves it.
#[derive(Debug)]
pub struct Deployment {
    /// The account's id.
    pub account_id: i64,
    /// Whether it is a team's own.
    pub is_own: bool,
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
    /// Whether it knows `stream_options` in a request.
    pub takes_stream_options: bool,
    /// The client to call it with.
    pub client: Client,
    dialects: &'static [Dialect],
    origin: u64,
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
    #[error("Its key is no service account's key file. Enter it again.")]
    Key,
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
        let dialect = Dialect::parse(&row.dialect).ok_or(Unusable::Dialect)?;
        let (secret, proxy) = open_secrets(&row, &base_url, shared.master)?;
        if let Some(proxy) = &proxy {
            guard.proxy_url(proxy.expose())?;
        }
        let reached = Reached {
            provider: &row.provider,
            auth_scheme: &row.auth_scheme,
            base_url: &base_url,
            secret: &secret,
        };
        Ok(Self {
            most: most(&row),
            peers: shared.peers.clone(),
            way: Way::new(reached, shared.clients.get(proxy.as_ref())?, guard)?,
            freed: Arc::clone(shared.freed),
            only_made_by: only_made_by(&row, &base_url),
            spoken: endpoint::spoken(&row.provider, dialect),
            origin_key: shared.master.derive("accounts/origin"),
            learnt: Arc::clone(shared.learnt),
            row,
            state,
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

    /// A number of this account and `model` that is the same in every process and tells nothing about either.
    fn origin(&self, model: &str) -> u64 {
        // A key of any length will do.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.origin_key) else {
            return 0;
        };
        mac.update(&self.row.id.to_be_bytes());
        mac.update(model.as_bytes());
        let hash = mac.finalize().into_bytes();
        hash.iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
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
            is_own: upstream.row.team_id.is_some(),
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
            takes_stream_options: preset.is_none_or(|preset| preset.takes_stream_options),
            client: upstream.way.client.clone(),
            dialects: upstream.way.place().dialects(upstream_model, upstream.spoken),
            origin: upstream.origin(upstream_model),
            only_made_by: upstream.only_made_by,
            upstream: Arc::clone(upstream),
        }
    }

    /// The dialects in which the model is asked for, the preferred one first.
    #[must_use]
    pub const fn dialects(&self) -> &'static [Dialect] {
        self.dialects
    }

    /// Whether it counts a prompt's tokens, which costs nothing.
    #[must_use]
    pub fn counts_tokens(&self) -> bool {
        self.upstream.way.place().counts_tokens()
    }

    /// How a streamed answer comes.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.upstream.way.place().framing()
    }

    /// A number of the account and the model, for what only these can read; it tells nothing about either.
    #[must_use]
    pub const fn origin(&self) -> u64 {
        self.origin
    }

    /// Whether the model is asked here for `operation`, where that has a form of its own.
    #[must_use]
    pub fn serves(&self, operation: Operation) -> bool {
        self.dialects.contains(&operation.dialect())
            && self.preset().is_some_and(|preset| preset.media.contains(&operation))
    }

    /// Whether its plain JSON of what was heard says its length or its tokens.
    #[must_use]
    pub fn tells_what_was_heard(&self) -> bool {
        self.preset().is_some_and(|preset| preset.tells_what_was_heard)
    }

    /// Whether it sends speech in events, which tell its tokens, where that is asked for.
    #[must_use]
    pub fn speaks_in_events(&self) -> bool {
        self.preset().is_some_and(|preset| preset.speaks_in_events)
    }

    /// The shortest sound that it bills, in seconds.
    #[must_use]
    pub fn seconds_min(&self) -> u64 {
        self.preset().map_or(0, |preset| preset.seconds_min)
    }

    fn preset(&self) -> Option<&'static Preset> {
        preset(&self.provider)
    }

    /// A POST of `content`, written in `dialect`, that asks for `operation`; it may be signed, so that neither body nor
    /// address may change.
    ///
    /// # Errors
    /// [`Unsendable`] where there is no token.
    pub async fn post(
        &self,
        dialect: Dialect,
        operation: Operation,
        is_stream: bool,
        content: impl Into<Content>,
    ) -> Result<Request, Unsendable> {
        let ask = Ask {
            dialect,
            operation,
            model: &self.upstream_model,
            is_stream,
        };
        self.upstream.way.post(ask, content).await
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
        let now_ms = clock::now_ms();
        self.upstream.state.saw(&self.upstream_model, event, now_ms);
        if self.client.proxy_worked(now_ms) {
            self.upstream.freed.notify_waiters();
        }
    }

    /// Takes note of `event` of the account; a success counts for the model too.
    pub fn report(&self, event: Event) {
        if self.upstream.state.end(&self.upstream_model, event, clock::now_ms()) {
            self.upstream.freed.notify_waiters();
            self.upstream.announce();
        }
    }

    /// A request was given up before its answer: what it would have told is not known.
    pub fn pass_over(&self) {
        let now_ms = clock::now_ms();
        self.upstream
            .state
            .end_probe(&self.upstream_model, Event::ProbeDropped, now_ms);
        self.client.proxy_untried(now_ms);
    }

    /// Takes note of a failure: `message`, scrubbed by the caller, becomes the account's last error.
    pub fn judge(&self, verdict: &Verdict, message: &str) {
        let now_ms = clock::now_ms();
        let state = &self.upstream.state;
        match verdict.fault {
            Fault::Proxy => {
                self.client.proxy_failed(now_ms);
                state.end_probe(&self.upstream_model, Event::ProbeDropped, now_ms);
                state.note("Proxy: its proxy did not make the connection".to_owned(), now_ms);
                self.upstream.announce();
                return;
            }
            Fault::Unreachable | Fault::TimedOut => self.client.proxy_untried(now_ms),
            _ => {}
        }
        let model = verdict.fault.is_of_one_model().then_some(self.upstream_model.as_str());
        match Event::of(verdict) {
            Some(event) => {
                state.step(model, event, now_ms);
                match (model, event) {
                    (Some(_), Event::Failed { fault }) => state.fail_probe(&self.upstream_model, fault, now_ms),
                    // It has answered that: as an account it is well.
                    (Some(_), _) => state.pass_probe(&self.upstream_model, now_ms),
                    (None, _) => {}
                }
            }
            None if verdict.fault == Fault::TimedOut => state.fail_probe(&self.upstream_model, verdict.fault, now_ms),
            // What was wrong was the request: the account itself answers.
            None => state.pass_probe(&self.upstream_model, now_ms),
        }
        if verdict.mark != Mark::None {
            let message: String = message.chars().take(ERROR_MAX).collect();
            state.note(format!("{}: {message}", told(verdict.fault)), now_ms);
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

    /// Whether it may be asked what only `region` may process.
    #[must_use]
    pub fn is_in(&self, region: Option<&str>) -> bool {
        is_in_region(self.upstream.row.region.as_deref(), region)
    }

    /// Whether it would be asked at `now_ms` against our own guess that it cannot serve.
    #[must_use]
    pub fn is_doubtful(&self, now_ms: i64) -> bool {
        let state = &self.upstream.state;
        let now = state.now(&self.upstream_model, self.upstream.most(), now_ms);
        !matches!(now.availability, Availability::Ready | Availability::ProbeDue)
    }

    /// How long it takes until its first content, in milliseconds; of one that has not answered, what is assumed.
    #[must_use]
    pub fn latency_ms(&self, now_ms: i64) -> u32 {
        let state = &self.upstream.state;
        let now = state.now(&self.upstream_model, self.upstream.most(), now_ms);
        now.latency_ms.unwrap_or(UNKNOWN_LATENCY_MS)
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
            availability: now.availability.and(self.client.availability(now_ms)),
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

/// What the secrets of an account of `owner` at `url` are sealed for.
pub(super) fn place(owner: Owner, url: &Url) -> String {
    let origin = check::origin(url);
    owner.map_or_else(
        || origin.clone(),
        |team_id| format!("{origin} for {}", id::render(id::Kind::Team, team_id)),
    )
}

/// What `column` of account `row` is sealed for; `origin` is its [`place`].
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
    let origin = place(row.team_id, base_url);
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

/// A fault for whoever reads what an account said last.
const fn told(fault: Fault) -> &'static str {
    match fault {
        Fault::BadRequest => "Request refused",
        Fault::ContentPolicy => "Content refused",
        Fault::TooLong => "Prompt too long",
        Fault::TooLarge => "Body too large",
        Fault::ModelMissing => "No such model",
        Fault::RateLimited => "Rate limited",
        Fault::Overloaded => "Out of capacity",
        Fault::BadKey => "Key refused",
        Fault::NoMoney => "No money left",
        Fault::Forbidden => "Not allowed",
        Fault::Upstream => "Failed",
        Fault::TimedOut => "Timed out",
        Fault::Unreachable => "Not reached",
        Fault::Proxy => "Proxy failed",
    }
}

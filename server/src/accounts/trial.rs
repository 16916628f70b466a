//! Tests and probes: whether a provider accepts an account, asked without spending anything.
//!
//! Invariant: a test obeys the guard as every call does, follows no redirect, and what it says carries no secret.
//! Calls `GET {base}/models` (and OpenRouter's `/key`, as its list of models is public); where nothing lists models, what costs
//! nothing: Vertex AI counts the tokens of a word, Bedrock is sent an empty conversation, which it refuses once it knows who asks.

use super::{
    AccountsError, Fleet, NewAccount, check,
    client::Client,
    endpoint::{Ask, Place, Reached, Way},
    google::Unsendable,
    guard::NotAllowed,
    state::{ACCOUNT, State},
    upstream::Upstream,
};
use crate::{clock, fields::FieldErrors, secrets::Secret};
use futures_util::StreamExt as _;
use gateway_core::{
    dialect::{Dialect, Operation, read_error, scrub},
    health::Event,
    retry::{Fault, Reason},
};
use reqwest::Request;
use serde_json::Value;
use std::{error::Error, sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};

const PATIENCE: Duration = Duration::from_secs(15);
const BODY_MAX: usize = 4 << 20;
const MODELS_MAX: usize = 5_000;
/// Providers that list their models only to a key they accept.
const TELLING: [&str; 11] = [
    "openai",
    "anthropic",
    "gemini",
    "azure",
    "vertex",
    "bedrock",
    "mistral",
    "groq",
    "deepseek",
    "xai",
    "openrouter",
];
/// A model that is asked for where one must be named.
const AT_VERTEX: &str = "gemini-2.5-flash";
const AT_BEDROCK: &str = "amazon.nova-micro-v1:0";

/// What a test says where the account's proxy is to blame.
const PROXY_FAILED: &str = "The proxy does not make the connection: it is not there, or refuses our user name and password. The key was not tried.";

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// Whether the provider accepted the account.
    pub ok: bool,
    /// How long it took, in milliseconds.
    pub latency_ms: i64,
    /// What happened and what to do, scrubbed.
    pub message: String,
    /// The models the provider lists.
    pub models: Vec<String>,
}

/// What a provider answered.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Fleet {
    /// Asks the provider with the stored key. A parked account that passes takes traffic again.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], [`AccountsError::Idle`], [`AccountsError::Database`].
    pub async fn test(&self, id: i64) -> Result<TestOutcome, AccountsError> {
        self.row(id).await?;
        let upstream = match self.upstream(id) {
            Some(upstream) => upstream,
            None => self.look_again(id).await?,
        };
        let (outcome, _) = ask(&upstream.way, &upstream.row.provider, &upstream.secret).await;
        if outcome.ok && upstream.way.client.proxy_worked(clock::now_ms()) {
            self.announce_free();
        }
        if outcome.ok && is_parked(&upstream.state) {
            succeed(&upstream.state, outcome.latency_ms);
            upstream.announce();
        }
        Ok(outcome)
    }

    /// The account `id`, which another process may have added or enabled just now.
    async fn look_again(&self, id: i64) -> Result<Arc<Upstream>, AccountsError> {
        self.load().await?;
        self.upstream(id).ok_or(AccountsError::Idle)
    }

    /// Asks the provider before anything is saved.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] naming every wrong field, [`AccountsError::Client`].
    pub async fn test_draft(&self, new: &NewAccount) -> Result<TestOutcome, AccountsError> {
        let clients = self.clients_of(self.owner);
        let mut errors = FieldErrors::default();
        let reach = check::reach(new, clients.guard(), &mut errors);
        errors.finish().map_err(AccountsError::Invalid)?;
        let reach = reach.ok_or_else(|| AccountsError::Invalid(FieldErrors::default()))?;
        let client = clients.get(reach.proxy.as_ref())?;
        let reached = Reached {
            provider: &new.provider,
            auth_scheme: &reach.auth_scheme,
            base_url: &reach.base_url,
            secret: &reach.secret,
        };
        let way = Way::new(reached, client, clients.guard()).map_err(|reason| {
            let mut errors = FieldErrors::default();
            errors.refuse("secret", reason.to_string());
            AccountsError::Invalid(errors)
        })?;
        let (outcome, _) = ask(&way, &new.provider, &reach.secret).await;
        Ok(outcome)
    }
}

/// Whether a provider's answer to [`suffixes`] tells whether its key is good.
pub(super) fn tells_about_key(provider: &str) -> bool {
    TELLING.contains(&provider)
}

/// Asks a parked account whether it is back; lack of money shows only when something is paid for, so requests find that out.
pub(super) async fn probe(upstream: Arc<Upstream>, reason: Reason, freed: Arc<Notify>) {
    let (outcome, is_answered) = ask(&upstream.way, &upstream.row.provider, &upstream.secret).await;
    let now_ms = clock::now_ms();
    if outcome.ok {
        succeed(&upstream.state, outcome.latency_ms);
        freed.notify_waiters();
    } else if is_answered {
        upstream.state.end_probe(ACCOUNT, Event::Parked { reason }, now_ms);
    } else {
        // That may be this process' own network: it tries again later, and others need not know.
        upstream.state.fail_probe(ACCOUNT, Fault::Unreachable, now_ms);
    }
    upstream.announce();
}

fn succeed(state: &State, latency_ms: i64) {
    let latency_ms = u32::try_from(latency_ms).unwrap_or(u32::MAX);
    state.step(None, Event::Succeeded { latency_ms }, clock::now_ms());
}

fn is_parked(state: &State) -> bool {
    state.snapshot(clock::now_ms()).reason.is_some()
}

/// What to ask, the list of models last.
async fn requests_of(way: &Way, provider: &str) -> Result<Vec<Request>, Unsendable> {
    let post = |dialect, operation, model, body: &[u8]| {
        let ask = Ask {
            dialect,
            operation,
            model,
            is_stream: false,
        };
        way.post(ask, body.to_vec())
    };
    Ok(match (way.place(), provider) {
        (Place::Bedrock, _) => {
            let body = br#"{"messages":[]}"#;
            vec![post(Dialect::Converse, Operation::Chat, AT_BEDROCK, body).await?]
        }
        (Place::Vertex, _) => {
            let body = br#"{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}"#;
            vec![post(Dialect::Generate, Operation::CountGenerate, AT_VERTEX, body).await?]
        }
        (_, "openrouter") => vec![way.get("/key", false).await?, way.get("/models", false).await?],
        _ => vec![way.get("/models", provider == "anthropic").await?],
    })
}

/// Asks one question after the other as long as that succeeds; how that went, and whether the last was answered.
async fn ask(way: &Way, provider: &str, secret: &Secret) -> (TestOutcome, bool) {
    let started = Instant::now();
    let mut outcome = TestOutcome {
        ok: false,
        latency_ms: 0,
        message: String::new(),
        models: Vec::new(),
    };
    let mut is_answered = false;
    let requests = match requests_of(way, provider).await {
        Ok(requests) => requests,
        Err(reason) => {
            outcome.latency_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
            outcome.message = scrub(&reason.to_string(), &[secret.expose()]);
            return (outcome, reason.fault() == Fault::BadKey);
        }
    };
    for request in requests {
        let answer = tokio::time::timeout(PATIENCE, fetch(&way.client, request)).await;
        is_answered = matches!(answer, Ok(Ok(_)));
        outcome.latency_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let (ok, message, models) = match answer {
            Err(_) => (
                false,
                "The provider did not answer within 15 s. Check the base URL and the proxy.".to_owned(),
                Vec::new(),
            ),
            Ok(Err(error)) if way.client.blames_proxy(&error) => (false, PROXY_FAILED.to_owned(), Vec::new()),
            Ok(Err(error)) => (false, explain_error(&error), Vec::new()),
            Ok(Ok(answer)) if answer.status == 407 => (false, PROXY_FAILED.to_owned(), Vec::new()),
            Ok(Ok(answer)) => accepted(way.place(), &answer).unwrap_or_else(|| judge(&answer, secret)),
        };
        (outcome.ok, outcome.message, outcome.models) = (ok, message, models);
        if !ok {
            break;
        }
    }
    (outcome, is_answered)
}

async fn fetch(client: &Client, request: Request) -> Result<Answer, reqwest::Error> {
    let response = client.here()?.execute(request).await?;
    let status = response.status().as_u16();
    let mut pieces = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece?);
        if body.len() > BODY_MAX {
            break;
        }
    }
    Ok(Answer { status, body })
}

/// What `answer` says where nothing lists models, if it says that the key is good.
fn accepted(place: Place, answer: &Answer) -> Option<(bool, String, Vec<String>)> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let works = match (place, answer.status) {
        (Place::Vertex, 200) => true,
        // The location may lack the model that was asked for; who asks was known by then.
        (Place::Vertex, 404) => body.pointer("/error/status").is_some(),
        (Place::Bedrock, 400) => {
            let message = body.get("message").and_then(Value::as_str)?;
            !message.to_ascii_lowercase().contains("signature")
        }
        _ => false,
    };
    works.then(|| {
        (
            true,
            "The key works. Nothing lists models there.".to_owned(),
            Vec::new(),
        )
    })
}

fn judge(answer: &Answer, secret: &Secret) -> (bool, String, Vec<String>) {
    let said = || {
        let message = read_error(answer.status, &answer.body).message;
        let message = scrub(message.trim(), &[secret.expose()]);
        if message.is_empty() {
            String::new()
        } else {
            format!(" It says: “{message}”")
        }
    };
    let message = match answer.status {
        200..=299 => {
            return match serde_json::from_slice(&answer.body) {
                Ok(body) => {
                    let models = models_in(&body);
                    let lists = match models.len() {
                        1 => "one model".to_owned(),
                        count => format!("{count} models"),
                    };
                    (true, format!("The key works. The provider lists {lists}."), models)
                }
                Err(_) => (
                    false,
                    "What answers there is no API: check the base URL.".to_owned(),
                    Vec::new(),
                ),
            };
        }
        300..=399 => "The address sends us elsewhere, which is not followed. Enter the final base URL.".to_owned(),
        400 if said().contains("API key not valid") => {
            format!(
                "The provider refuses the key. Check that all of it was pasted.{}",
                said()
            )
        }
        401 => format!(
            "The provider refuses the key. Check that all of it was pasted.{}",
            said()
        ),
        402 => format!("The account has no money left at the provider.{}", said()),
        403 => format!("The provider does not let this key call from here.{}", said()),
        404 | 405 => "Nothing lists models there. Check the base URL: it usually ends in /v1.".to_owned(),
        429 => format!("The provider is limiting this key. Try again in a minute.{}", said()),
        status => format!("The provider answered with status {status}.{}", said()),
    };
    (false, message, Vec::new())
}

/// The names in a list of models: `{"data": [{"id"}]}`, Google's `{"models": [{"name": "models/…"}]}`, or the list alone.
fn models_in(body: &Value) -> Vec<String> {
    let list = body.get("data").or_else(|| body.get("models")).unwrap_or(body);
    let name = |model: &Value| {
        let name = model.get("id").or_else(|| model.get("name"))?.as_str()?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    let names = list.as_array().into_iter().flatten().filter_map(name);
    names.take(MODELS_MAX).collect()
}

fn explain_error(error: &reqwest::Error) -> String {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if cause.is::<NotAllowed>() {
            return "The host resolves to an address that is neither public nor on the operator's allow list."
                .to_owned();
        }
        source = cause.source();
    }
    if error.is_connect() {
        "There is no connection to the provider. Check the base URL and the proxy.".to_owned()
    } else {
        "The connection to the provider broke. Try again.".to_owned()
    }
}

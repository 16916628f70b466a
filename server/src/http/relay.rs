//! The relay's routes: `/v1/…` and `/v1beta/…`, each in the dialect of those who call it.
//!
//! Invariant: reads no cookie; every error is in the caller's dialect with the request's id; nobody without a key has a body read.

mod body;
mod credential;
mod heading;

use super::{Site, client};
use crate::clock::now_ms;
use crate::keys::Caller;
use crate::relay::{Betas, Refused, RelayError, Reply, Request, Shape};
use crate::secrets::Secret;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, web};
use gateway_core::dialect::{self, Asked, Dialect, Operation};
use heading::{answer, hand_out, refuse};
use std::sync::Arc;
use std::time::Instant;

const X_OURHUB_INCLUDE_COST: HeaderName = HeaderName::from_static("x-ourhub-include-cost");
const ANTHROPIC_VERSION: &str = "anthropic-version";
const ANTHROPIC_BETA: &str = "anthropic-beta";

macro_rules! routes {
    ($($path:literal $first:ident $handler:expr $(, $method:ident $other:expr)*;)*) => {
        /// Method and path of every route.
        pub const ROUTES: &[(&str, &str)] = &[$((stringify!($first), $path), $((stringify!($method), $path),)*)*];

        fn register(config: &mut web::ServiceConfig) {
            config$(.service(
                only(concat!(stringify!($first) $(, ", ", stringify!($method))*), $path)
                    .route($handler)$(.route($other))*
            ))*;
        }
    };
}

routes! {
    "/v1/chat/completions" POST asks(Operation::Chat);
    "/v1/responses" POST asks(Operation::Responses);
    "/v1/responses/compact" POST asks(Operation::Compact);
    "/v1/responses/input_tokens" POST asks(Operation::CountResponses);
    "/v1/messages" POST asks(Operation::Messages);
    "/v1/messages/count_tokens" POST asks(Operation::CountTokens);
    "/v1/embeddings" POST asks(Operation::Embeddings);
    "/v1/completions" POST asks(Operation::Completions);
    "/v1/moderations" POST asks(Operation::Moderations);
    "/v1/rerank" POST asks(Operation::Rerank);
    "/v1/images/generations" POST asks(Operation::ImageGenerations);
    "/v1/images/edits" POST asks(Operation::ImageEdits);
    "/v1/audio/speech" POST asks(Operation::Speech);
    "/v1/audio/transcriptions" POST asks(Operation::Transcriptions);
    "/v1/audio/translations" POST asks(Operation::Translations);
    "/v1/models" GET web::get().to(models);
    "/v1/models/{model:.+}" GET web::get().to(model), POST web::post().to(ask_google);
    "/v1beta/models" GET web::get().to(models);
    "/v1beta/models/{model:.+}" GET web::get().to(model), POST web::post().to(ask_google);
    "/v1/key" GET web::get().to(key);
}

/// The routes under `/v1` and `/v1beta`, and what a client asks before any: whether the server is there.
pub fn routes(config: &mut web::ServiceConfig) {
    config.configure(register).route("/", web::head().to(HttpResponse::Ok));
    for path in ["/v1", "/v1/{path:.*}", "/v1beta", "/v1beta/{path:.*}"] {
        config.service(
            web::resource(path).default_service(web::to(async |request: HttpRequest| {
                refuse(dialect(&request), &Refused::early(RelayError::UnknownPath))
            })),
        );
    }
}

/// `path`, which takes the `allowed` methods.
fn only(allowed: &'static str, path: &str) -> Resource {
    let other = move |request: HttpRequest| async move {
        let upgrade = request.headers().get(header::UPGRADE);
        let is_socket = upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let error = if is_socket {
            // A client that has another way takes it only when it is told so by this status.
            RelayError::WebSocket
        } else {
            RelayError::WrongMethod { allowed }
        };
        refuse(dialect(&request), &Refused::early(error))
    };
    web::resource(path).default_service(web::to(other))
}

/// The dialect of whoever sent `request`: by its path, and where several share one, by the headers of their SDKs.
fn dialect(request: &HttpRequest) -> Dialect {
    let path = request.path();
    let is_below = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let has = |name: &str| request.headers().contains_key(name);
    let is_call = path.starts_with("/v1/models/") && request.method() == Method::POST;
    if is_below("/v1beta") || is_call {
        Dialect::Generate
    } else if is_below("/v1/messages") {
        Dialect::Messages
    } else if is_below("/v1/responses") {
        Dialect::Responses
    } else if has("x-goog-api-key") {
        Dialect::Generate
    } else if has(ANTHROPIC_VERSION) || has("x-api-key") {
        Dialect::Messages
    } else {
        Dialect::Chat
    }
}

async fn models(site: web::Data<Site>, request: HttpRequest) -> HttpResponse {
    let dialect = dialect(&request);
    let caller = caller(&site, dialect, &request).await;
    answer(dialect, caller.map(|caller| site.relay.models(&caller, dialect)))
}

async fn model(site: web::Data<Site>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let dialect = dialect(&request);
    let caller = caller(&site, dialect, &request).await;
    answer(
        dialect,
        caller.and_then(|caller| site.relay.model(&caller, dialect, &id)),
    )
}

async fn key(site: web::Data<Site>, request: HttpRequest) -> HttpResponse {
    let dialect = dialect(&request);
    match caller(&site, dialect, &request).await {
        Ok(caller) => answer(dialect, site.relay.key(&caller).await),
        Err(error) => answer(dialect, Err(error)),
    }
}

/// A route that asks for `operation`.
fn asks(operation: Operation) -> Route {
    web::post().to(
        move |site: web::Data<Site>, request: HttpRequest, payload: web::Payload| async move {
            relay(&site, &request, payload, Asked::from(operation)).await
        },
    )
}

/// Google's way: model and method are the last part of the path.
async fn ask_google(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
    last: web::Path<String>,
) -> HttpResponse {
    let name = last.strip_prefix("models/").unwrap_or(&last);
    match Asked::of_method(name) {
        Some(asked) => relay(&site, &request, payload, asked).await,
        None => refuse(Dialect::Generate, &Refused::early(RelayError::UnknownPath)),
    }
}

async fn relay(site: &Site, request: &HttpRequest, payload: web::Payload, asked: Asked<'_>) -> HttpResponse {
    let dialect = asked.operation.dialect();
    let response = match call(site, request, payload, asked).await {
        Ok(reply) => hand_out(dialect, reply),
        Err(refused) => refuse(dialect, &refused),
    };
    site.relay.counts().request(asked.operation, response.status().as_u16());
    response
}

async fn call(site: &Site, request: &HttpRequest, payload: web::Payload, asked: Asked<'_>) -> Result<Reply, Refused> {
    let arrived_ms = now_ms();
    let recognised = Instant::now();
    let dialect = asked.operation.dialect();
    let caller = caller(site, dialect, request).await.map_err(Refused::early)?;
    let credential = Secret::new(credential::read(dialect, request).unwrap_or_default());
    let address = client::address(&site.app.edge, request);
    let headers = request.headers();
    let content = body::read(asked.operation, headers, payload, &site.relay).await;
    let content = content.map_err(|error| site.relay.refuse_early(&caller, error))?;
    let include_cost = headers.get(X_OURHUB_INCLUDE_COST);
    let request = Request {
        caller,
        recognised,
        credential,
        address,
        operation: asked.operation,
        model: asked.model.map(str::to_owned),
        stream: asked.stream.then(|| shape(request)),
        session: session(headers),
        betas: Betas {
            version: text(headers, ANTHROPIC_VERSION),
            beta: text(headers, ANTHROPIC_BETA),
        },
        content,
        include_cost: include_cost.is_some_and(|asked| asked.as_bytes().eq_ignore_ascii_case(b"true")),
        arrived_ms,
    };
    site.relay.call(request).await
}

/// What Google's stream is made of: events where the query says so, else one JSON array.
fn shape(request: &HttpRequest) -> Shape {
    if request.query_string().split('&').any(|member| member == "alt=sse") {
        Shape::Events
    } else {
        Shape::Array
    }
}

/// What a header calls the conversation.
fn session(headers: &HeaderMap) -> Option<u64> {
    let named = dialect::SESSION_HEADERS
        .into_iter()
        .filter_map(|name| headers.get(name));
    named.filter_map(|value| value.to_str().ok()).find_map(dialect::session)
}

/// All values of a header, as one.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

async fn caller(site: &Site, dialect: Dialect, request: &HttpRequest) -> Result<Arc<Caller>, RelayError> {
    let credential = credential::read(dialect, request);
    site.relay
        .authenticate(credential.as_deref(), client::address(&site.app.edge, request))
        .await
}

//! The relay's routes: `/v1/…` in OpenAI's dialect.
//!
//! Invariant: reads no cookie; every error is in the caller's dialect with the request's id; a body is read up to the limit and in
//! time, or refused.

use super::{Site, client};
use crate::clock::{new_id, now_ms};
use crate::keys::Caller;
use crate::relay::{Heading, Refused, RelayError, Reply, Request};
use crate::secrets::Secret;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Resource, Route, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gateway_core::dialect::{Dialect, Operation};
use gateway_core::id::{Kind, render};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest body of a relayed request, in bytes.
const BODY_MAX: usize = 32 << 20;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_OURHUB_ATTEMPTS: HeaderName = HeaderName::from_static("x-ourhub-attempts");
const X_OURHUB_MODEL: HeaderName = HeaderName::from_static("x-ourhub-model");
const X_OURHUB_NOTES: HeaderName = HeaderName::from_static("x-ourhub-notes");
const X_OURHUB_INCLUDE_COST: HeaderName = HeaderName::from_static("x-ourhub-include-cost");
const X_OURHUB_COST_USD: HeaderName = HeaderName::from_static("x-ourhub-cost-usd");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Limit, what remains of it, and when it is whole again.
const RATE_REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const RATE_TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

macro_rules! routes {
    ($($method:ident $path:literal $handler:ident;)*) => {
        /// Method and path, below `/v1`, of every route.
        pub const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        fn register(config: &mut web::ServiceConfig) {
            config$(.service(only(stringify!($method), $path, web::method(Method::$method).to($handler))))*;
        }
    };
}

routes! {
    POST "/chat/completions" chat;
    POST "/embeddings"       embeddings;
    GET  "/models"           models;
    GET  "/models/{model:.+}" model;
    GET  "/key"              key;
}

/// The routes under `/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    let scope = web::scope("/v1")
        .configure(register)
        .default_service(web::to(async || answer(Err(RelayError::UnknownPath))));
    config.service(scope);
}

/// `path`, which takes one method.
fn only(allowed: &'static str, path: &str, route: Route) -> Resource {
    let other = move || async move { answer(Err(RelayError::WrongMethod { allowed })) };
    web::resource(path).route(route).default_service(web::to(other))
}

async fn chat(site: web::Data<Site>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    relay(&site, &request, payload, Operation::Chat).await
}

async fn embeddings(site: web::Data<Site>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    relay(&site, &request, payload, Operation::Embeddings).await
}

async fn models(site: web::Data<Site>, request: HttpRequest) -> HttpResponse {
    let caller = caller(&site, &request).await;
    answer(caller.map(|caller| site.relay.models(&caller)))
}

async fn model(site: web::Data<Site>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let caller = caller(&site, &request).await;
    answer(caller.and_then(|caller| site.relay.model(&caller, &id)))
}

async fn key(site: web::Data<Site>, request: HttpRequest) -> HttpResponse {
    let caller = caller(&site, &request).await;
    match caller {
        Ok(caller) => answer(site.relay.key(&caller).await),
        Err(error) => answer(Err(error)),
    }
}

async fn relay(site: &Site, request: &HttpRequest, payload: web::Payload, operation: Operation) -> HttpResponse {
    let response = match call(site, request, payload, operation).await {
        Ok(reply) => hand_out(reply),
        Err(refused) => refuse(&refused),
    };
    site.relay.counts().request(operation, response.status().as_u16());
    response
}

/// Nobody without a key has a body read.
async fn call(
    site: &Site,
    request: &HttpRequest,
    payload: web::Payload,
    operation: Operation,
) -> Result<Reply, Refused> {
    let arrived_ms = now_ms();
    let recognised = Instant::now();
    let caller = caller(site, request).await.map_err(Refused::early)?;
    let credential = Secret::new(credential(request.headers()).unwrap_or_default());
    let address = client::address(&site.app.edge, request);
    let body = read_body(request.headers(), payload, site.relay.body_time()).await;
    let body = body.map_err(|error| site.relay.refuse_early(&caller, error))?;
    let include_cost = request.headers().get(X_OURHUB_INCLUDE_COST);
    let include_cost = include_cost.is_some_and(|asked| asked.as_bytes().eq_ignore_ascii_case(b"true"));
    let request = Request {
        caller,
        recognised,
        credential,
        address,
        operation,
        body,
        include_cost,
        arrived_ms,
    };
    site.relay.call(request).await
}

async fn caller(site: &Site, request: &HttpRequest) -> Result<Arc<Caller>, RelayError> {
    let credential = credential(request.headers());
    site.relay
        .authenticate(credential.as_deref(), client::address(&site.app.edge, request))
        .await
}

/// The key: `Authorization: Bearer`, as OpenAI's clients send it.
fn credential(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

async fn read_body(headers: &HeaderMap, payload: web::Payload, time: Duration) -> Result<Bytes, RelayError> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(RelayError::ContentEncoding);
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_MAX) {
        return Err(RelayError::TooLarge { limit: BODY_MAX });
    }
    let read = collect(payload, BODY_MAX, announced.unwrap_or(0));
    actix_web::rt::time::timeout(time, read)
        .await
        .unwrap_or(Err(RelayError::BodyCut))
}

async fn collect(mut payload: web::Payload, limit: usize, announced: usize) -> Result<Bytes, RelayError> {
    let mut body = BytesMut::with_capacity(announced.min(1 << 20));
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| RelayError::BodyCut)?;
        if body.len() + piece.len() > limit {
            return Err(RelayError::TooLarge { limit });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn hand_out(reply: Reply) -> HttpResponse {
    match reply {
        Reply::Whole {
            heading,
            content_type,
            body,
        } => {
            let mut response = HttpResponse::Ok();
            head(&mut response, &heading);
            insert(&mut response, header::CONTENT_TYPE, &content_type);
            response.body(body)
        }
        Reply::Stream { heading, body } => {
            let mut response = HttpResponse::Ok();
            head(&mut response, &heading);
            set(&mut response, header::CONTENT_TYPE, "text/event-stream; charset=utf-8");
            set(&mut response, header::CACHE_CONTROL, "no-cache");
            set(&mut response, X_ACCEL_BUFFERING, "no");
            response.streaming(body.map(Ok::<_, std::convert::Infallible>))
        }
    }
}

fn head(response: &mut HttpResponseBuilder, heading: &Heading) {
    insert(response, X_REQUEST_ID, &render(Kind::Request, heading.request_id));
    attempts(response, heading.attempts);
    if let Some(model) = &heading.model {
        insert(response, X_OURHUB_MODEL, model);
    }
    if !heading.notes.is_empty() {
        insert(response, X_OURHUB_NOTES, &heading.notes.join("; "));
    }
    if let Some(cost) = &heading.cost_usd {
        insert(response, X_OURHUB_COST_USD, cost);
    }
    limits(response, &heading.standing);
}

fn attempts(response: &mut HttpResponseBuilder, attempts: u32) {
    if attempts > 0 {
        response.insert_header((X_OURHUB_ATTEMPTS, HeaderValue::from(attempts)));
    }
}

fn limits(response: &mut HttpResponseBuilder, standing: &crate::limits::Standing) {
    for (names, left) in [(RATE_REQUESTS, standing.requests), (RATE_TOKENS, standing.tokens)] {
        let Some(left) = left else { continue };
        let [limit, remaining, reset] = names;
        response.insert_header((limit, HeaderValue::from(left.limit)));
        response.insert_header((remaining, HeaderValue::from(left.remaining)));
        insert(response, reset, &format!("{}ms", left.reset_ms));
    }
}

fn set(response: &mut HttpResponseBuilder, name: HeaderName, value: &'static str) {
    response.insert_header((name, HeaderValue::from_static(value)));
}

/// Inserts what may not be fit for a header, and is left out then.
fn insert(response: &mut HttpResponseBuilder, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.insert_header((name, value));
    }
}

fn refuse(refused: &Refused) -> HttpResponse {
    let told = refused.error.told(now_ms());
    let mut response =
        HttpResponse::build(StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    set(&mut response, header::CONTENT_TYPE, "application/json");
    insert(&mut response, X_REQUEST_ID, &render(Kind::Request, refused.request_id));
    attempts(&mut response, refused.attempts);
    if let Some(seconds) = told.retry_after_s {
        response.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
    }
    if let Some(should_retry) = told.should_retry {
        let word = if should_retry { "true" } else { "false" };
        set(&mut response, X_SHOULD_RETRY, word);
    }
    if let Some(standing) = &refused.standing {
        limits(&mut response, standing);
    }
    if let RelayError::WrongMethod { allowed } = refused.error {
        set(&mut response, header::ALLOW, allowed);
    }
    if matches!(
        refused.error,
        RelayError::TooLarge { .. } | RelayError::BodyCut | RelayError::ContentEncoding
    ) {
        response.force_close();
    }
    response.body(told.render(Dialect::Chat, refused.request_id))
}

fn answer(result: Result<serde_json::Value, RelayError>) -> HttpResponse {
    match result {
        Ok(value) => HttpResponse::Ok()
            .insert_header(("x-request-id", render(Kind::Request, new_id())))
            .json(value),
        Err(error) => refuse(&Refused::early(error)),
    }
}

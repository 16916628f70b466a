//! The relay's routes: `/v1/…` in OpenAI's dialect.
//!
//! Invariant: reads no cookie; every error is in the caller's dialect with the request's id; a body is read up to the limit and in
//! time, or refused.

use super::{Site, client};
use crate::clock::{new_id, now_ms};
use crate::keys::Caller;
use crate::relay::{Heading, Refused, RelayError, Reply, Request};
use crate::secrets::Secret;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Resource, Route, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gateway_core::dialect::{Dialect, Operation};
use gateway_core::id::{Kind, render};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest body of a relayed request, in bytes.
const BODY_MAX: usize = 32 << 20;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(120);

/// The routes under `/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    let scope = web::scope("/v1")
        .service(only("POST", "/chat/completions", web::post().to(chat)))
        .service(only("POST", "/embeddings", web::post().to(embeddings)))
        .service(only("GET", "/models", web::get().to(models)))
        .service(only("GET", "/models/{model:.+}", web::get().to(model)))
        .service(only("GET", "/key", web::get().to(key)))
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
    match call(site, request, payload, operation).await {
        Ok(reply) => hand_out(reply),
        Err(refused) => refuse(&refused),
    }
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
    let body = read_body(request.headers(), payload, BODY_MAX).await;
    let body = body.map_err(Refused::early)?;
    let request = Request {
        caller,
        recognised,
        credential,
        address,
        operation,
        body,
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

async fn read_body(headers: &HeaderMap, payload: web::Payload, limit: usize) -> Result<Bytes, RelayError> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(RelayError::ContentEncoding);
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(RelayError::TooLarge { limit });
    }
    let read = collect(payload, limit, announced.unwrap_or(0));
    actix_web::rt::time::timeout(BODY_TIME, read)
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
            insert(&mut response, "content-type", &content_type);
            response.body(body)
        }
        Reply::Stream { heading, body } => {
            let mut response = HttpResponse::Ok();
            head(&mut response, &heading);
            insert(&mut response, "content-type", "text/event-stream; charset=utf-8");
            insert(&mut response, "cache-control", "no-cache");
            insert(&mut response, "x-accel-buffering", "no");
            response.streaming(body.map(Ok::<_, std::convert::Infallible>))
        }
    }
}

fn head(response: &mut HttpResponseBuilder, heading: &Heading) {
    insert(response, "x-request-id", &render(Kind::Request, heading.request_id));
    if heading.attempts > 0 {
        insert(response, "x-ourhub-attempts", &heading.attempts.to_string());
    }
    insert(response, "x-ourhub-model", &heading.model);
    if !heading.notes.is_empty() {
        insert(response, "x-ourhub-notes", &heading.notes.join("; "));
    }
    if let Some(cost) = &heading.cost_usd {
        insert(response, "x-ourhub-cost-usd", cost);
    }
    limits(response, &heading.standing);
}

fn limits(response: &mut HttpResponseBuilder, standing: &crate::limits::Standing) {
    for (name, left) in [("requests", standing.requests), ("tokens", standing.tokens)] {
        let Some(left) = left else { continue };
        insert(response, &format!("x-ratelimit-limit-{name}"), &left.limit.to_string());
        insert(
            response,
            &format!("x-ratelimit-remaining-{name}"),
            &left.remaining.to_string(),
        );
        insert(
            response,
            &format!("x-ratelimit-reset-{name}"),
            &format!("{}ms", left.reset_ms),
        );
    }
}

fn insert(response: &mut HttpResponseBuilder, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        response.insert_header((name, value));
    }
}

fn refuse(refused: &Refused) -> HttpResponse {
    let told = refused.error.told(now_ms());
    let mut response =
        HttpResponse::build(StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    insert(&mut response, "content-type", "application/json");
    insert(
        &mut response,
        "x-request-id",
        &render(Kind::Request, refused.request_id),
    );
    if refused.attempts > 0 {
        insert(&mut response, "x-ourhub-attempts", &refused.attempts.to_string());
    }
    if let Some(seconds) = told.retry_after_s {
        insert(&mut response, "retry-after", &seconds.to_string());
    }
    if let Some(should_retry) = told.should_retry {
        insert(
            &mut response,
            "x-should-retry",
            if should_retry { "true" } else { "false" },
        );
    }
    if let Some(standing) = &refused.standing {
        limits(&mut response, standing);
    }
    if let RelayError::WrongMethod { allowed } = refused.error {
        insert(&mut response, "allow", allowed);
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

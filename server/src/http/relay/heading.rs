//! Answers on their way out: status, headers and body of what the pipeline said.
//!
//! Invariant: every error is in the caller's dialect with the request's id; no header of an upstream is in an answer. Pure.

use crate::clock::{new_id, now_ms};
use crate::relay::{Heading, Refused, RelayError, Reply};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use gateway_core::dialect::Dialect;
use gateway_core::id::{Kind, render};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Anthropic's name for the same.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const X_OURHUB_ATTEMPTS: HeaderName = HeaderName::from_static("x-ourhub-attempts");
const X_OURHUB_MODEL: HeaderName = HeaderName::from_static("x-ourhub-model");
const X_OURHUB_NOTES: HeaderName = HeaderName::from_static("x-ourhub-notes");
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

/// `reply` to a client of `dialect`.
pub(super) fn hand_out(dialect: Dialect, reply: Reply) -> HttpResponse {
    match reply {
        Reply::Whole {
            heading,
            content_type,
            body,
        } => {
            let mut response = HttpResponse::Ok();
            head(&mut response, dialect, &heading);
            insert(&mut response, header::CONTENT_TYPE, &content_type);
            response.body(body)
        }
        Reply::Stream {
            heading,
            content_type,
            body,
        } => {
            let mut response = HttpResponse::Ok();
            head(&mut response, dialect, &heading);
            insert(&mut response, header::CONTENT_TYPE, &content_type);
            set(&mut response, header::CACHE_CONTROL, "no-cache");
            set(&mut response, X_ACCEL_BUFFERING, "no");
            response.streaming(body)
        }
    }
}

/// A refusal in `dialect`.
pub(super) fn refuse(dialect: Dialect, refused: &Refused) -> HttpResponse {
    let told = refused.error.told(now_ms());
    let status = StatusCode::from_u16(told.status_in(dialect));
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    set(&mut response, header::CONTENT_TYPE, "application/json");
    request_id(&mut response, dialect, refused.request_id);
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
        RelayError::TooLarge { .. }
            | RelayError::BodyCut
            | RelayError::BodyBroken
            | RelayError::ContentEncoding
            | RelayError::NoRoom
    ) {
        response.force_close();
    }
    response.body(told.render(dialect, refused.request_id))
}

/// What costs nothing and is on no books.
pub(super) fn answer(dialect: Dialect, result: Result<serde_json::Value, RelayError>) -> HttpResponse {
    match result {
        Ok(value) => {
            let mut response = HttpResponse::Ok();
            request_id(&mut response, dialect, new_id());
            response.json(value)
        }
        Err(error) => refuse(dialect, &Refused::early(error)),
    }
}

fn head(response: &mut HttpResponseBuilder, dialect: Dialect, heading: &Heading) {
    request_id(response, dialect, heading.request_id);
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

fn request_id(response: &mut HttpResponseBuilder, dialect: Dialect, id: i64) {
    let id = render(Kind::Request, id);
    insert(response, X_REQUEST_ID, &id);
    if dialect == Dialect::Messages {
        insert(response, REQUEST_ID, &id);
    }
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

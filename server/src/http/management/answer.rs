//! What all management handlers share: who asks, what they sent, and how refusals are written.
//!
//! Invariant: a body that is not JSON of exactly the known fields is refused with the reason; every refusal has the shape
//! `{"error": {"code", "message", "request_id"}}`. Reads request bodies.

use super::super::{Site, visit};
use crate::dashboard::Principal;
use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{StatusCode, header::CACHE_CONTROL},
    web,
};
use frontend::api::{ApiError, Code};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, ops::Deref, time::Duration};

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// What every handler returns.
pub type Answer = Result<HttpResponse, Failure>;

/// A refusal on the wire.
#[derive(Debug)]
pub struct Failure(ApiError);

impl Failure {
    /// A refusal of `request` before a principal could make one.
    pub fn new(request: &HttpRequest, error: ApiError) -> Self {
        Self(ApiError {
            request_id: visit::request_id(request),
            ..error
        })
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if self.0.code == Code::Unauthenticated {
            response.insert_header(("www-authenticate", "Bearer"));
        }
        response
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(serde_json::json!({"error": self.0}))
    }
}

/// Whoever sent the management token.
pub struct Caller(Principal);

impl Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl FromRequest for Caller {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let Some(site) = request.app_data::<web::Data<Site>>() else {
                return Err(Failure::new(&request, ApiError::new(Code::Internal)));
            };
            let principal = visit::of_token(site, &request).await;
            if principal.is_nobody() {
                let refusal = "Send a management token: Authorization: Bearer mt-oh-…";
                return Err(Failure::new(
                    &request,
                    ApiError::because(Code::Unauthenticated, refusal),
                ));
            }
            Ok(Self(principal))
        })
    }
}

/// A JSON body of exactly the fields of `T`.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let site = request.app_data::<web::Data<Site>>();
            let time = site.map_or(BODY_TIME, |site| site.relay.body_time().min(BODY_TIME));
            let read = actix_web::rt::time::timeout(time, bytes).await;
            let text = match read {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) => return Err(unread(&request, &error)),
                Err(_) => return Err(invalid(&request, &"the body did not arrive in time")),
            };
            let text: &[u8] = if text.is_empty() { b"{}" } else { &text };
            serde_json::from_slice(text)
                .map(Self)
                .map_err(|error| invalid(&request, &error))
        })
    }
}

/// The query string as exactly the fields of `T`.
pub struct Find<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Find<T> {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = web::Query::<T>::from_query(request.query_string());
        ready(
            parsed
                .map(|query| Self(query.into_inner()))
                .map_err(|error| invalid(request, &error)),
        )
    }
}

/// Why a body was not read.
fn unread(request: &HttpRequest, error: &actix_web::Error) -> Failure {
    match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = "The body is longer than 32 MiB. Send a shorter one.";
            Failure::new(request, ApiError::because(Code::TooLarge, message))
        }
        _ => invalid(request, error),
    }
}

fn invalid(request: &HttpRequest, reason: &dyn fmt::Display) -> Failure {
    Failure::new(
        request,
        ApiError::because(Code::Invalid, format!("This cannot be read: {reason}.")),
    )
}

/// 200 with `value`.
pub fn json(value: impl Serialize) -> Answer {
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(value))
}

/// 201 with `value`.
pub fn created(value: impl Serialize) -> Answer {
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(value))
}

/// 204.
pub fn gone() -> Answer {
    Ok(HttpResponse::NoContent().finish())
}

/// 404 for a path or method that is not one of the API's.
pub async fn nowhere(request: HttpRequest) -> Answer {
    let message = "The API has no such path or method. See /api/openapi.json.";
    Err(Failure::new(&request, ApiError::because(Code::NotFound, message)))
}

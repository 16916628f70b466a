//! The body of a relayed request, read up to a limit and in time: JSON whole, a form into its spool.
//!
//! Invariant: a body is read whole or refused; one that is compressed is refused. Reads the client's connection.

use crate::relay::{Relay, RelayError, Sent, Spooling, Upload};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gateway_core::dialect::media::{Scanner, boundary_of};
use gateway_core::dialect::{Operation, PeekError};

/// The largest body of a relayed request, in bytes.
const BODY_MAX: usize = 32 << 20;

/// The body in `payload`, which asks for `operation`.
pub(super) async fn read(
    operation: Operation,
    headers: &HeaderMap,
    payload: web::Payload,
    relay: &Relay,
) -> Result<Sent, RelayError> {
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
    let boundary = boundary(operation, headers)?;
    let read = async {
        match boundary {
            Some(boundary) => spool(payload, boundary, relay).await.map(Sent::Form),
            None => collect(payload, announced.unwrap_or(0)).await.map(Sent::Json),
        }
    };
    actix_web::rt::time::timeout(relay.body_time(), read)
        .await
        .unwrap_or(Err(RelayError::BodyCut))
}

/// What keeps the parts of a form apart; none where JSON is expected.
fn boundary(operation: Operation, headers: &HeaderMap) -> Result<Option<String>, RelayError> {
    if !operation.takes_form() {
        return Ok(None);
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let boundary = boundary_of(content_type);
    let is_form = content_type.to_ascii_lowercase().starts_with("multipart/");
    if boundary.is_none() && (is_form || operation.is_heard()) {
        let reason = "its content type is another, or names no boundary";
        return Err(RelayError::Body(PeekError::Form { reason }));
    }
    Ok(boundary)
}

async fn collect(mut payload: web::Payload, announced: usize) -> Result<Bytes, RelayError> {
    let mut body = BytesMut::with_capacity(announced.min(1 << 20));
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| RelayError::BodyBroken)?;
        if body.len() + piece.len() > BODY_MAX {
            return Err(RelayError::TooLarge { limit: BODY_MAX });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

async fn spool(mut payload: web::Payload, boundary: String, relay: &Relay) -> Result<Upload, RelayError> {
    let no_room = |error| {
        tracing::error!(%error, "a form cannot be kept in the data directory");
        RelayError::NoRoom
    };
    let mut scanner = Scanner::new(boundary);
    let mut spooling = Spooling::new(relay.uploads());
    let mut length = 0;
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| RelayError::BodyBroken)?;
        length += piece.len();
        if length > BODY_MAX {
            return Err(RelayError::TooLarge { limit: BODY_MAX });
        }
        scanner.push(&piece).map_err(RelayError::Body)?;
        spooling.push(&piece).await.map_err(no_room)?;
    }
    Ok(Upload {
        form: scanner.finish().map_err(RelayError::Body)?,
        spool: spooling.finish().await.map_err(no_room)?,
    })
}

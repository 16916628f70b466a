//! The body of a relayed request, read up to a limit and in time.
//!
//! Invariant: a body is read whole or refused; one that is compressed is refused. Reads the client's connection.

use crate::relay::RelayError;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::time::Duration;

/// The largest body of a relayed request, in bytes.
const BODY_MAX: usize = 32 << 20;

/// The body in `payload`, which may take `time` to arrive.
pub(super) async fn read(headers: &HeaderMap, payload: web::Payload, time: Duration) -> Result<Bytes, RelayError> {
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

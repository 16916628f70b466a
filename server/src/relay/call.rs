//! Call: one HTTP request to one account.
//!
//! Invariant: the only place of the pipeline that knows the HTTP client; only headers we name are sent, and none of the client's;
//! a connection is driven by the thread that made the call, which is why the web server's workers live until every hold has ended.

use crate::accounts::Deployment;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use gateway_core::retry::{Phase, RetryHints};
use reqwest::header::CONTENT_TYPE;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The most that is read of an upstream's error, in bytes.
const ERROR_BYTES_MAX: usize = 256 << 10;
/// The most that is read of an answer in one piece, in bytes.
const WHOLE_BYTES_MAX: usize = 256 << 20;

/// Pieces of an answer's body.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>;

/// An answer whose head has arrived.
pub(super) struct Inbound {
    pub status: u16,
    pub hints: RetryHints,
    pub content_type: String,
    pub pieces: Pieces,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    NoConnection,
    TimedOut(Phase),
    Reset,
    TooLarge,
}

/// Sends `request` to `account` and waits for the head of the answer.
pub(super) async fn send(account: &Deployment, request: reqwest::Request, until: Instant) -> Result<Inbound, Broken> {
    let Ok(client) = account.client.here() else {
        return Err(Broken::NoConnection);
    };
    let sent = timeout_at(until, client.execute(request)).await;
    let response = match sent {
        Err(_) => return Err(Broken::TimedOut(Phase::FirstContent)),
        Ok(Err(error)) if error.is_connect() => return Err(Broken::NoConnection),
        Ok(Err(error)) if error.is_timeout() => return Err(Broken::TimedOut(Phase::FirstContent)),
        Ok(Err(_)) => return Err(Broken::Reset),
        Ok(Ok(response)) => response,
    };
    let headers = response.headers();
    let texts = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(Inbound {
        status: response.status().as_u16(),
        hints: RetryHints::read(texts, crate::clock::now_ms()),
        content_type: content_type.unwrap_or("application/json").to_owned(),
        pieces: Box::pin(response.bytes_stream()),
    })
}

/// The next piece of an answer; none at its end.
pub(super) async fn next(pieces: &mut Pieces, until: Instant, phase: Phase) -> Result<Option<Bytes>, Broken> {
    match timeout_at(until, pieces.next()).await {
        Err(_) => Err(Broken::TimedOut(phase)),
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(Some(Err(_))) => Err(Broken::Reset),
        Ok(None) => Ok(None),
    }
}

/// The whole of an error's body, as far as it is read.
pub(super) async fn read_error_body(mut pieces: Pieces) -> Vec<u8> {
    let until = Instant::now() + Duration::from_secs(10);
    let mut body = Vec::new();
    while let Ok(Some(piece)) = next(&mut pieces, until, Phase::Total).await {
        body.extend_from_slice(&piece);
        if body.len() > ERROR_BYTES_MAX {
            body.truncate(ERROR_BYTES_MAX);
            break;
        }
    }
    body
}

/// The whole of an answer.
pub(super) async fn read_whole(pieces: &mut Pieces, until: Instant) -> Result<Vec<Bytes>, Broken> {
    let mut whole = Vec::new();
    let mut size = 0;
    while let Some(piece) = next(pieces, until, Phase::FirstContent).await? {
        size += piece.len();
        if size > WHOLE_BYTES_MAX {
            return Err(Broken::TooLarge);
        }
        whole.push(piece);
    }
    Ok(whole)
}

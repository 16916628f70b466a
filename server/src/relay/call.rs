//! Call: one HTTP request to one account.
//!
//! Invariant: the only place of the pipeline that knows the HTTP client; only headers we name are sent, and of the client's those of
//! Anthropic's API that change what it does;
//! a connection is watched by the thread that made the call, which is why the web server's workers live until every hold has ended.

use super::Betas;
pub(super) use crate::accounts::Pieces;
use crate::accounts::{Answer, Deployment, Framing, Lost, Unanswered};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::ready;
use futures_util::stream::once;
use gateway_core::dialect::frames::Frames;
use gateway_core::retry::{Phase, RetryHints};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The most that is read of an upstream's error, in bytes.
const ERROR_BYTES_MAX: usize = 256 << 10;
/// How long that may take.
const ERROR_TIME: Duration = Duration::from_secs(5);
/// The most that is read of an answer in one piece, in bytes.
const WHOLE_BYTES_MAX: usize = 256 << 20;

/// The betas that Vertex knows; it refuses a request for any other.
const VERTEX_BETAS: [&str; 6] = [
    "claude-code-20250219",
    "context-1m-2025-08-07",
    "interleaved-thinking-2025-05-14",
    "fine-grained-tool-streaming-2025-05-14",
    "context-management-2025-06-27",
    "token-efficient-tools-2025-02-19",
];

/// Those that Bedrock knows, which takes them in the body and refuses any other too.
const BEDROCK_BETAS: [&str; 4] = [
    "context-1m-2025-08-07",
    "interleaved-thinking-2025-05-14",
    "context-management-2025-06-27",
    "token-efficient-tools-2025-02-19",
];

/// An answer whose head has arrived.
pub(super) struct Inbound {
    pub status: u16,
    pub hints: RetryHints,
    pub content_type: String,
    pub pieces: Pieces,
}

/// What belongs to a request besides its head and body.
pub(super) struct Sending<'a> {
    pub is_stream: bool,
    /// Where both sides speak Anthropic's dialect.
    pub betas: Option<&'a Betas>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    NoConnection,
    /// The account's proxy is to blame.
    NoProxy,
    TimedOut(Phase),
    Reset,
    TooLarge,
}

/// Sends `request` to `account` and waits for the head of the answer, which comes with the rest where it is not streamed.
pub(super) async fn send(
    account: &Deployment,
    mut request: reqwest::Request,
    sending: Sending<'_>,
    until: Instant,
) -> Result<Inbound, Broken> {
    if let Some(betas) = sending.betas {
        add(&mut request, betas, account);
    }
    let late = Broken::TimedOut(if sending.is_stream {
        Phase::Headers
    } else {
        Phase::Whole
    });
    let Answer {
        status,
        headers,
        pieces,
    } = match timeout_at(until, account.client.send(request)).await {
        Err(_) | Ok(Err(Unanswered::TimedOut)) => return Err(late),
        Ok(Err(Unanswered::NoProxy)) => return Err(Broken::NoProxy),
        Ok(Err(Unanswered::NoConnection)) => return Err(Broken::NoConnection),
        Ok(Err(Unanswered::NoConnectionInTime)) => return Err(Broken::TimedOut(Phase::Connect)),
        Ok(Err(Unanswered::Broken)) => return Err(Broken::Reset),
        Ok(Ok(answer)) => answer,
    };
    let is_good = (200..300).contains(&status);
    let is_framed = is_good && sending.is_stream && account.framing() == Framing::EventStream;
    let texts = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(Inbound {
        status,
        hints: RetryHints::read(texts, crate::clock::now_ms()),
        content_type: content_type.unwrap_or("application/json").to_owned(),
        pieces: if is_framed { unframed(pieces) } else { pieces },
    })
}

/// A stream in frames of Amazon's making, as events.
fn unframed(pieces: Pieces) -> Pieces {
    let mut frames = Frames::default();
    let pieces = pieces.map(Some).chain(once(ready(None)));
    Box::pin(pieces.map(move |piece| match piece {
        Some(piece) => {
            let mut events = Vec::new();
            frames.push(&piece?, &mut events).map_err(|_| Lost)?;
            Ok(Bytes::from(events))
        }
        None if frames.is_whole() => Ok(Bytes::new()),
        None => Err(Lost),
    }))
}

/// The betas of a list.
fn listed(betas: &Betas) -> impl Iterator<Item = &str> {
    let wanted = betas.beta.as_deref().unwrap_or_default().split(',').map(str::trim);
    wanted.filter(|beta| !beta.is_empty())
}

/// `body` with those of `betas` that Bedrock knows, unless it names some itself.
pub(super) fn with_betas(body: Vec<u8>, betas: &Betas) -> Vec<u8> {
    let known: Vec<&str> = listed(betas).filter(|beta| BEDROCK_BETAS.contains(beta)).collect();
    if known.is_empty() {
        return body;
    }
    let members = serde_json::from_slice::<BTreeMap<Cow<'_, str>, &RawValue>>(&body);
    let (Ok(mut members), Ok(list)) = (members, serde_json::value::to_raw_value(&known)) else {
        return body;
    };
    members.entry(Cow::Borrowed("anthropic_beta")).or_insert(&list);
    serde_json::to_vec(&members).unwrap_or_else(|_| body.clone())
}

/// Passes on what a client of Anthropic's dialect wants of its API beyond the body, as far as the account's provider knows it.
fn add(request: &mut reqwest::Request, betas: &Betas, account: &Deployment) {
    let known = |beta: &&str| account.provider != "vertex" || VERTEX_BETAS.contains(beta);
    let wanted: Vec<&str> = listed(betas).filter(known).collect();
    let version = betas.version.as_deref().filter(|_| account.provider != "vertex");
    let headers = request.headers_mut();
    for (name, value) in [
        ("anthropic-version", version),
        ("anthropic-beta", Some(&*wanted.join(","))),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty())
            && account.provider != "bedrock"
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
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
    let until = Instant::now() + ERROR_TIME;
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
pub(super) async fn read_whole(pieces: &mut Pieces, until: Instant, phase: Phase) -> Result<Vec<Bytes>, Broken> {
    let mut whole = Vec::new();
    let mut size = 0;
    while let Some(piece) = next(pieces, until, phase).await? {
        size += piece.len();
        if size > WHOLE_BYTES_MAX {
            return Err(Broken::TooLarge);
        }
        whole.push(piece);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::stream::iter;

    /// `count` pieces of a MiB, all of them the same bytes.
    fn mib(count: usize) -> Pieces {
        let piece = Bytes::from(vec![b'x'; 1 << 20]);
        Box::pin(iter((0..count).map(move |_| Ok(piece.clone()))))
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_a_bound_and_none_beyond_it() {
        let until = Instant::now() + Duration::from_secs(60);
        let whole = read_whole(&mut mib(256), until, Phase::Whole).await.unwrap();
        assert_eq!(whole.len(), 256);
        let broken = read_whole(&mut mib(1_000), until, Phase::Whole).await;
        assert!(matches!(broken, Err(Broken::TooLarge)));
    }

    #[tokio::test]
    async fn of_an_error_without_end_the_beginning_is_read() {
        assert_eq!(read_error_body(mib(64)).await.len(), ERROR_BYTES_MAX);
    }
}

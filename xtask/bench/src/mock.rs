//! A stand-in upstream that does as little as possible: one short chat completion, whole or as a stream.
//!
//! Invariant: the answer is the same bytes for every request of a kind; only the delay can be set. Each event of a stream is a
//! write of its own.
//! Listens on loopback, within this process.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming},
    header::HeaderValue,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::{clock, load::Target};

const ANSWER: &[u8] = br#"{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"The relay costs little; what it saves is more.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":12,"total_tokens":36},"system_fingerprint":"fp_bench"}"#;

/// What a request for a stream says.
const STREAM: &[u8] = br#""stream":true"#;
/// Events of a stream.
pub const EVENTS: usize = 102;
const DELTA: &[u8] = br#"data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{"content":" little"},"logprobs":null,"finish_reason":null}]}

"#;
const USAGE: &[u8] = br#"data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini-2024-07-18","choices":[],"usage":{"prompt_tokens":24,"completion_tokens":100,"total_tokens":124}}

"#;
/// The last event.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// A stream of [`EVENTS`]: words, what was used, the end.
struct Events {
    sent: usize,
    is_flushed: bool,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.is_flushed {
            // The server writes out what it has while its body is not ready.
            self.is_flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let left = EVENTS - self.sent;
        let event = match left {
            0 => return Poll::Ready(None),
            1 => DONE,
            2 => USAGE,
            _ => DELTA,
        };
        self.sent += 1;
        self.is_flushed = false;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(event)))))
    }
}

/// The running upstream.
pub struct Mock {
    /// Where it listens.
    pub address: SocketAddr,
    delay_ms: Arc<AtomicU64>,
}

impl Mock {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let delay_ms = Arc::new(AtomicU64::new(0));
        tokio::spawn(accept(listener, Arc::clone(&delay_ms)));
        Ok(Self { address, delay_ms })
    }

    /// From now on every answer takes this long.
    pub fn set_delay(&self, delay: Duration) {
        self.delay_ms
            .store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Asked without anything between.
    pub fn target(&self) -> Target {
        Target {
            address: self.address,
            key: "none".to_owned(),
        }
    }
}

async fn accept(listener: TcpListener, delay_ms: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let delay_ms = Arc::clone(&delay_ms);
        let service = service_fn(move |request| answer(request, Arc::clone(&delay_ms)));
        tokio::spawn(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

type Answer = Response<Either<Full<Bytes>, Events>>;

async fn answer(request: Request<Incoming>, delay_ms: Arc<AtomicU64>) -> Result<Answer, Infallible> {
    let arrived = Instant::now();
    let asked = request.into_body().collect().await;
    let asked = asked.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let delay = delay_ms.load(Ordering::Relaxed);
    clock::sleep_until(arrived + Duration::from_millis(delay)).await;
    let is_stream = asked.windows(STREAM.len()).any(|part| part == STREAM);
    let (body, kind) = if is_stream {
        let events = Events {
            sent: 0,
            is_flushed: true,
        };
        (Either::Right(events), "text/event-stream")
    } else {
        (Either::Left(Full::new(Bytes::from_static(ANSWER))), "application/json")
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if is_stream {
        // nginx is to pass events on as they come, as everybody sets it up for streams.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    Ok(response)
}

//! A stand-in upstream that does as little as possible: one short chat completion, whatever is asked.
//!
//! Invariant: the answer is the same bytes for every request; only the delay can be set.
//! Listens on loopback, within this process.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::{clock, load::Target};

const ANSWER: &[u8] = br#"{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"The relay costs little; what it saves is more.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":12,"total_tokens":36},"system_fingerprint":"fp_bench"}"#;

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

async fn answer(request: Request<Incoming>, delay_ms: Arc<AtomicU64>) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = Instant::now();
    let _ = request.into_body().collect().await;
    let delay = delay_ms.load(Ordering::Relaxed);
    clock::sleep_until(arrived + Duration::from_millis(delay)).await;
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    Ok(response)
}

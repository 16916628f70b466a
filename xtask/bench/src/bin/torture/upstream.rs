//! The upstream that knows the truth: it answers as each prompt asks, and remembers what usage it told under which id.
//!
//! Invariant: what is told is noted before the first byte goes out; it is never more than the request allows.
//! Listens on loopback, within this process.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Nano-USD a token of a prompt costs, by the prices that the scenarios set.
const INPUT: i64 = 1_000;
/// The same for an answer.
const OUTPUT: i64 = 2_000;
/// Those prices, in USD a million tokens.
pub const PRICES: (&str, &str) = ("1", "2");
/// What every id begins with.
pub const ID: &str = "chatcmpl-";

/// What one request asks of the upstream; its words stand in the prompt.
#[derive(Clone, Copy)]
pub struct Wish {
    /// Tokens of the prompt; at most the bytes of it.
    pub prompt: u64,
    /// Tokens of the answer; cut to the limit that comes with the request.
    pub completion: u64,
    /// Pieces the answer comes in.
    pub pieces: u64,
    /// Before each.
    pub pause: Duration,
}

impl Wish {
    /// A prompt that says so and is long enough for its tokens.
    pub fn to_prompt(self) -> String {
        let words = format!(
            "{} {} {} {} ",
            self.prompt,
            self.completion,
            self.pieces,
            self.pause.as_millis()
        );
        let width = usize::try_from(self.prompt).unwrap_or_default();
        format!("{words:.<width$}")
    }

    fn parse(prompt: &str) -> Option<Self> {
        let mut words = prompt.split(' ').map(|word| word.parse().ok());
        let mut next = || words.next().flatten();
        Some(Self {
            prompt: next()?,
            completion: next()?,
            pieces: next()?,
            pause: Duration::from_millis(next()?),
        })
    }
}

/// What each answer costs, in nano-USD, by the number in its id.
#[derive(Default)]
struct Truth {
    last: AtomicU64,
    costs: Mutex<HashMap<u64, i64>>,
}

/// The running upstream.
#[derive(Clone)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    truth: Arc<Truth>,
}

impl Upstream {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let upstream = Self {
            address: listener.local_addr()?,
            truth: Arc::default(),
        };
        tokio::spawn(accept(listener, Arc::clone(&upstream.truth)));
        Ok(upstream)
    }

    /// What the answer with this number costs in truth, nano-USD.
    pub fn cost(&self, number: u64) -> Option<i64> {
        self.truth.costs.lock().ok()?.get(&number).copied()
    }

    /// How many requests arrived.
    pub fn arrived(&self) -> u64 {
        self.truth.last.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, truth: Arc<Truth>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let truth = Arc::clone(&truth);
        let service = service_fn(move |request| answer(request, Arc::clone(&truth)));
        tokio::spawn(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

type Body = StreamBody<std::pin::Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

async fn answer(request: Request<Incoming>, truth: Arc<Truth>) -> Result<Response<Body>, Infallible> {
    let body = request
        .into_body()
        .collect()
        .await
        .map(|whole| whole.to_bytes())
        .unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let prompt = asked["messages"][0]["content"].as_str().unwrap_or_default();
    let Some(mut wish) = Wish::parse(prompt) else {
        return Ok(Response::new(pieces(vec![b"{}".to_vec()], Duration::ZERO)));
    };
    for field in ["max_tokens", "max_completion_tokens"] {
        wish.completion = wish.completion.min(asked[field].as_u64().unwrap_or(u64::MAX));
    }
    let number = truth.last.fetch_add(1, Ordering::Relaxed) + 1;
    let cost = i64::try_from(wish.prompt).unwrap_or_default() * INPUT
        + i64::try_from(wish.completion).unwrap_or_default() * OUTPUT;
    if let Ok(mut costs) = truth.costs.lock() {
        costs.insert(number, cost);
    }
    let is_stream = asked["stream"] == true;
    let body = if is_stream {
        pieces(events(number, wish), wish.pause)
    } else {
        let pause = wish.pause * u32::try_from(wish.pieces).unwrap_or(1);
        pieces(vec![whole(number, wish)], pause)
    };
    let mut response = Response::new(body);
    let kind = if is_stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

fn usage(wish: Wish) -> Value {
    json!({
        "prompt_tokens": wish.prompt, "completion_tokens": wish.completion,
        "total_tokens": wish.prompt + wish.completion,
    })
}

fn whole(number: u64, wish: Wish) -> Vec<u8> {
    let message = json!({ "role": "assistant", "content": "as you wish" });
    json!({
        "id": format!("{ID}{number}"), "object": "chat.completion", "created": 1, "model": "truth",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }], "usage": usage(wish),
    })
    .to_string()
    .into_bytes()
}

fn events(number: u64, wish: Wish) -> Vec<Vec<u8>> {
    let event = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": format!("{ID}{number}"), "object": "chat.completion.chunk", "created": 1, "model": "truth",
            "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let piece = event(
        json!([{ "index": 0, "delta": { "content": "wish " }, "finish_reason": null }]),
        Value::Null,
    );
    let mut events = vec![piece.into_bytes(); usize::try_from(wish.pieces.max(1)).unwrap_or(1)];
    let finish = event(
        json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]),
        Value::Null,
    );
    let usage = event(json!([]), usage(wish));
    events.push(format!("{finish}{usage}data: [DONE]\n\n").into_bytes());
    events
}

/// A body of these pieces, each after a pause.
fn pieces(pieces: Vec<Vec<u8>>, pause: Duration) -> Body {
    let pieces = stream::unfold(pieces.into_iter(), move |mut left| async move {
        let piece = left.next()?;
        tokio::time::sleep(pause).await;
        Some((Ok(Frame::data(Bytes::from(piece))), left))
    });
    StreamBody::new(Box::pin(pieces))
}

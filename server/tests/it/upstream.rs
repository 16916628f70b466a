//! A provider of the test's own: it answers as each account is told, and remembers what arrived.
//!
//! Invariant: an account is the first part of the path (`/{account}/v1/…`); every byte it sends is a test's own. Listens on
//! loopback.

use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub account: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Arrived {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What is done after the head of an answer.
#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    Sleep(Duration),
    /// Until the test opens the gate.
    Wait(Arc<Semaphore>),
    /// Without an end.
    HangUp,
}

/// An answer.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    /// Before the head.
    before: Vec<Step>,
    steps: Vec<Step>,
    is_kept_alive: bool,
}

impl Reply {
    fn new(status: u16, content_type: &str, steps: Vec<Step>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            before: Vec::new(),
            steps,
            is_kept_alive: true,
        }
    }

    /// A body with a content type.
    pub fn body(status: u16, content_type: &str, body: &[u8]) -> Self {
        Self::new(status, content_type, vec![Step::Send(body.to_vec())])
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::body(status, "application/json", body.to_string().as_bytes())
    }

    /// An error in OpenAI's shape.
    pub fn error(status: u16, code: &str) -> Self {
        let error = json!({ "error": { "message": format!("the upstream says {code}"), "type": code, "code": code, "param": null } });
        Self::json(status, &error)
    }

    /// A whole chat completion of `text` with the usage of `prompt` and `completion` tokens.
    pub fn chat(text: &str, prompt: u64, completion: u64) -> Self {
        Self::json(200, &completion_of(text, Some(usage(prompt, completion))))
    }

    /// A stream of `words`, with usage in a chunk of its own.
    pub fn stream(words: &[&str], prompt: u64, completion: u64) -> Self {
        let mut events: Vec<String> = words.iter().map(|word| delta(word)).collect();
        events.extend([finish(), usage_chunk(prompt, completion), "[DONE]".to_owned()]);
        Self::events(&events)
    }

    /// A stream of these data lines.
    pub fn events<S: AsRef<str>>(data: &[S]) -> Self {
        let events = data.iter().map(|data| Step::Send(event(data.as_ref()).into_bytes()));
        Self::new(200, "text/event-stream", events.collect())
    }

    /// Whether it is a stream.
    pub fn is_events(&self) -> bool {
        self.headers.iter().any(|(_, value)| value == "text/event-stream")
    }

    /// The connection closes before a byte of the answer.
    pub fn hang_up() -> Self {
        let mut reply = Self::new(200, "application/json", Vec::new());
        reply.before.push(Step::HangUp);
        reply
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Every piece of the body is sent in pieces of at most `bytes`.
    pub fn split_every(mut self, bytes: usize) -> Self {
        let split = |step: Step| match step {
            Step::Send(sent) => sent.chunks(bytes).map(|piece| Step::Send(piece.to_vec())).collect(),
            other => vec![other],
        };
        self.steps = self.steps.into_iter().flat_map(split).collect();
        self
    }

    /// Every piece of the body comes after a `pause`.
    pub fn slowly(mut self, pause: Duration) -> Self {
        let paced = |step: Step| [Step::Sleep(pause), step];
        self.steps = self.steps.into_iter().flat_map(paced).collect();
        self
    }

    /// The connection closes after `pieces` pieces of the body.
    pub fn cut_after(mut self, pieces: usize) -> Self {
        self.steps.truncate(pieces);
        self.steps.push(Step::HangUp);
        self
    }

    /// The body pauses after `pieces` pieces until a permit is added to `gate`.
    pub fn gate_after(mut self, pieces: usize, gate: &Arc<Semaphore>) -> Self {
        self.steps.insert(pieces, Step::Wait(Arc::clone(gate)));
        self
    }

    /// Not even the head is sent until a permit is added to `gate`.
    pub fn gated(mut self, gate: &Arc<Semaphore>) -> Self {
        self.before.push(Step::Wait(Arc::clone(gate)));
        self
    }

    /// The head comes after `pause`.
    pub fn after(mut self, pause: Duration) -> Self {
        self.before.push(Step::Sleep(pause));
        self
    }

    /// The connection closes after the answer, though nothing says so.
    pub fn closing(mut self) -> Self {
        self.is_kept_alive = false;
        self
    }
}

pub fn usage(prompt: u64, completion: u64) -> Value {
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

pub fn completion_of(text: &str, usage: Option<Value>) -> Value {
    let mut body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "small-2026-01-01",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
    });
    if let Some(usage) = usage {
        body["usage"] = usage;
    }
    body
}

/// The data of a chunk.
pub fn chunk(choices: &Value, usage: &Value) -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "small-2026-01-01",
        "choices": choices, "usage": usage,
    })
    .to_string()
}

/// The data of a chunk with text.
pub fn delta(text: &str) -> String {
    chunk(
        &json!([{ "index": 0, "delta": { "content": text }, "finish_reason": null }]),
        &Value::Null,
    )
}

/// The data of a chunk that says the answer is over.
pub fn finish() -> String {
    chunk(
        &json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]),
        &Value::Null,
    )
}

/// The data of a chunk with usage alone.
pub fn usage_chunk(prompt: u64, completion: u64) -> String {
    chunk(&json!([]), &usage(prompt, completion))
}

/// An event with `data`.
pub fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

type Behave = Arc<dyn Fn(&Arrived) -> Reply + Send + Sync>;

#[derive(Default)]
struct Inner {
    behaviours: HashMap<String, Behave>,
    arrived: Vec<Arrived>,
}

/// The provider; clones are the same.
#[derive(Clone)]
pub struct Upstream {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl Upstream {
    /// Listens; an account that was told nothing answers `hello` for 10 and 5 tokens, streamed if that was asked for.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::default(),
        };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        upstream
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of `account`.
    pub fn base_url(&self, account: &str) -> String {
        format!("http://{}/{account}/v1", self.address)
    }

    /// From now on `account` answers with `reply`.
    pub fn answer(&self, account: &str, reply: Reply) {
        self.behave(account, move |_| reply.clone());
    }

    /// From now on `account` answers with `replies`, one after another; the last stays.
    pub fn answer_each(&self, account: &str, replies: Vec<Reply>) {
        let left = Mutex::new(replies);
        self.behave(account, move |_| {
            let mut left = left.lock();
            if left.len() > 1 {
                left.remove(0)
            } else {
                left[0].clone()
            }
        });
    }

    /// From now on `account` answers as `behave` says.
    pub fn behave(&self, account: &str, behave: impl Fn(&Arrived) -> Reply + Send + Sync + 'static) {
        self.inner
            .lock()
            .behaviours
            .insert(account.to_owned(), Arc::new(behave));
    }

    /// What arrived for `account`.
    pub fn arrived(&self, account: &str) -> Vec<Arrived> {
        let inner = self.inner.lock();
        inner
            .arrived
            .iter()
            .filter(|call| call.account == account)
            .cloned()
            .collect()
    }

    /// What arrived for any account.
    pub fn arrived_anywhere(&self) -> Vec<Arrived> {
        self.inner.lock().arrived.clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut unread = Vec::new();
        while let Some(call) = read_request(&mut stream, &mut unread).await {
            let behave = {
                let mut inner = self.inner.lock();
                inner.arrived.push(call.clone());
                inner.behaviours.get(&call.account).cloned()
            };
            let reply = behave.map_or_else(|| well(&call), |behave| behave(&call));
            if !write_reply(&mut stream, reply).await {
                return;
            }
        }
    }
}

fn well(call: &Arrived) -> Reply {
    let asked: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    if call.path.ends_with("/embeddings") {
        let vectors = json!({
            "object": "list", "model": "small-2026-01-01",
            "data": [{ "object": "embedding", "index": 0, "embedding": [0.25, -0.5] }],
            "usage": { "prompt_tokens": 10, "total_tokens": 10 },
        });
        Reply::json(200, &vectors)
    } else if asked["stream"] == true {
        Reply::stream(&["hel", "lo"], 10, 5)
    } else {
        Reply::chat("hello", 10, 5)
    }
}

async fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Arrived> {
    let head_end = loop {
        if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(stream, unread).await?;
    };
    let head = String::from_utf8(unread.drain(..head_end).collect()).unwrap();
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    while unread.len() < length {
        read_more(stream, unread).await?;
    }
    let account = path.trim_start_matches('/').split('/').next()?.to_owned();
    Some(Arrived {
        account,
        path,
        headers,
        body: unread.drain(..length).collect(),
        at: Instant::now(),
    })
}

async fn read_more(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(unread).await.ok()?;
    (read > 0).then_some(())
}

/// Whether the connection can go on.
async fn write_reply(stream: &mut TcpStream, reply: Reply) -> bool {
    if !take(stream, reply.before).await {
        return false;
    }
    let mut head = format!("HTTP/1.1 {} Whatever\r\ntransfer-encoding: chunked\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() || !take(stream, reply.steps).await {
        return false;
    }
    stream.write_all(b"0\r\n\r\n").await.is_ok() && reply.is_kept_alive
}

async fn take(stream: &mut TcpStream, steps: Vec<Step>) -> bool {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                let mut piece = format!("{:x}\r\n", bytes.len()).into_bytes();
                piece.extend_from_slice(&bytes);
                piece.extend_from_slice(b"\r\n");
                if stream.write_all(&piece).await.is_err() {
                    return false;
                }
            }
            Step::Sleep(pause) => tokio::time::sleep(pause).await,
            Step::Wait(gate) => gate.acquire().await.unwrap().forget(),
            Step::HangUp => return false,
        }
    }
    true
}

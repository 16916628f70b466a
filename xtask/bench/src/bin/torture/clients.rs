//! The clients: mixed load that goes on whatever happens, and remembers every answer of which a byte came.
//!
//! Invariant: an answer counts as delivered from the first byte of a 200 on. A refusal slows its client down and ends nothing.
//! Talks to loopback only.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bench::load::{self, Target};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Collected, Full};
use hyper::{Method, Response, body::Incoming, client::conn::http1::SendRequest};
use serde_json::json;
use tokio::task::JoinSet;

use crate::upstream::{ID, Wish};

/// How long a client rests after it got no answer.
const REST: Duration = Duration::from_millis(20);
/// How long a client waits for the next byte of an answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a request ended, as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A whole answer.
    Whole,
    /// The client hung up on purpose.
    HungUp,
    /// 429 or 402 without a time to try again: a cap.
    OverCap,
    /// 429 with a time to try again.
    Limited,
    /// 503 with a time to try again.
    Unavailable,
    /// 503 without one.
    NoRetryAfter,
    /// Another status.
    Other(u16),
    /// Nobody listened.
    NoConnection,
    /// The connection broke before an answer began.
    NoAnswer,
    /// It broke, or fell silent, within an answer.
    Cut,
    /// An error stood within a stream.
    ErrorEvent,
}

/// An answer of which a byte came.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// `x-request-id`.
    pub request_id: String,
    /// The number in the upstream's id, if that much of the answer came.
    pub number: Option<u64>,
}

/// What the clients of one scenario saw.
#[derive(Default)]
pub struct Seen {
    ends: Mutex<BTreeMap<End, u64>>,
    delivered: Mutex<Vec<Delivered>>,
    /// The last fault that ended, until an answer came.
    fault_ended: Mutex<Option<Ended>>,
    whole: Mutex<BTreeMap<SocketAddr, u64>>,
    slowest_recovery_ms: AtomicU64,
    streaming: AtomicU64,
    has_told: AtomicBool,
}

/// A fault that ended.
struct Ended {
    at: Instant,
    /// The server from which an answer is waited for, to a question asked since; `None`: any.
    server: Option<SocketAddr>,
}

impl Seen {
    /// From now on the time to the next whole answer is measured.
    pub fn fault_ended(&self) {
        self.measure(None);
    }

    /// From now on the time is measured until `server` gives a whole answer to what it is asked from now on.
    pub fn fault_ended_at(&self, server: SocketAddr) {
        self.measure(Some(server));
    }

    fn measure(&self, server: Option<SocketAddr>) {
        if let Ok(mut ended) = self.fault_ended.lock() {
            let at = Instant::now();
            *ended = Some(Ended { at, server });
        }
    }

    /// How many whole answers came from `server`.
    pub fn whole_from(&self, server: SocketAddr) -> u64 {
        let whole = self.whole.lock().map(|whole| whole.get(&server).copied());
        whole.ok().flatten().unwrap_or_default()
    }

    /// The longest time from the end of a fault to the next whole answer; none if the last one has brought none yet.
    pub fn slowest_recovery(&self) -> Option<Duration> {
        let is_waiting = self.fault_ended.lock().map_or(true, |ended| ended.is_some());
        (!is_waiting).then(|| Duration::from_millis(self.slowest_recovery_ms.load(Ordering::Relaxed)))
    }

    /// How many requests ended how.
    pub fn ends(&self) -> BTreeMap<End, u64> {
        self.ends.lock().map(|ends| ends.clone()).unwrap_or_default()
    }

    /// How many requests ended so.
    pub fn count(&self, end: End) -> u64 {
        self.ends().get(&end).copied().unwrap_or_default()
    }

    /// Every answer of which a byte came.
    pub fn delivered(&self) -> Vec<Delivered> {
        self.delivered.lock().map(|all| all.clone()).unwrap_or_default()
    }

    /// Answers under way.
    pub fn streaming(&self) -> u64 {
        self.streaming.load(Ordering::Relaxed)
    }

    fn end(&self, end: End, server: Option<SocketAddr>, asked: Instant) {
        if let Ok(mut ends) = self.ends.lock() {
            *ends.entry(end).or_default() += 1;
        }
        let Some(server) = server.filter(|_| end == End::Whole) else {
            return;
        };
        if let Ok(mut whole) = self.whole.lock() {
            *whole.entry(server).or_default() += 1;
        }
        let is_meant = |ended: &&mut Ended| {
            let is_there = |wanted: SocketAddr| wanted == server && asked >= ended.at;
            ended.server.is_none_or(is_there)
        };
        if let Ok(mut waiting) = self.fault_ended.lock()
            && let Some(ended) = waiting.as_mut().filter(is_meant)
        {
            let took = u64::try_from(ended.at.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.slowest_recovery_ms.fetch_max(took, Ordering::Relaxed);
            *waiting = None;
        }
    }

    /// Shows the first answer that nothing explains.
    fn tell_odd(&self, status: u16, body: &[u8]) {
        if !self.has_told.swap(true, Ordering::Relaxed) {
            eprintln!("{status}: {}", String::from_utf8_lossy(body));
        }
    }

    fn deliver(&self, delivered: Delivered) {
        if let Ok(mut all) = self.delivered.lock() {
            all.push(delivered);
        }
    }
}

/// What the clients ask, and whom.
#[derive(Clone)]
pub struct Plan {
    /// Servers; the next one is asked where nobody listens at one.
    pub servers: Vec<SocketAddr>,
    /// The keys, spread over the clients.
    pub keys: Vec<String>,
    /// Clients at once.
    pub clients: u64,
    /// What each asks: a mix, or the same long stream once.
    pub mix: Mix,
}

/// What a client asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Short and long, streamed and whole, small and large; some hang up.
    Everything,
    /// One stream of so many pieces, 100 ms each, and nothing more once it was answered.
    OneStream(u64),
}

/// Clients under way.
pub struct Load {
    /// What they saw so far.
    pub seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Starts the clients.
    pub fn start(plan: Plan) -> Self {
        let plan = Arc::new(plan);
        let (seen, stop, mut tasks) = (Arc::<Seen>::default(), Arc::<AtomicBool>::default(), JoinSet::new());
        for number in 0..plan.clients {
            let client = Client {
                plan: Arc::clone(&plan),
                seen: Arc::clone(&seen),
                dice: Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
                at: usize::try_from(number).unwrap_or_default(),
                connection: None,
                server: None,
            };
            tasks.spawn(client.run(Arc::clone(&stop)));
        }
        Self { seen, stop, tasks }
    }

    /// Waits for what is under way; nothing new is asked.
    pub async fn finish(mut self) -> Arc<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        self.seen
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

struct Client {
    plan: Arc<Plan>,
    seen: Arc<Seen>,
    dice: Dice,
    at: usize,
    connection: Option<(SocketAddr, SendRequest<Full<Bytes>>)>,
    /// Whom it asked last.
    server: Option<SocketAddr>,
}

impl Client {
    async fn run(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let end = self.ask().await;
            self.seen.end(end, self.server, asked);
            let is_refused = matches!(end, End::Unavailable | End::NoConnection);
            if matches!(self.plan.mix, Mix::OneStream(_)) && !is_refused {
                return;
            }
            if !matches!(end, End::Whole | End::HungUp) {
                tokio::time::sleep(REST).await;
            }
        }
    }

    /// Tokens and pace of the next request, whether it is streamed, and whether the client hangs up.
    fn next(&mut self) -> (Wish, bool, bool) {
        if let Mix::OneStream(pieces) = self.plan.mix {
            let wish = Wish {
                prompt: 30,
                completion: 50,
                pieces,
                pause: Duration::from_millis(100),
            };
            return (wish, true, false);
        }
        let dice = &mut self.dice;
        let is_large = dice.below(10) == 0;
        let (prompt, completion) = if is_large { (4_000, 2_000) } else { (200, 200) };
        let is_slow = dice.below(40) == 0;
        let wish = Wish {
            prompt: 20 + dice.below(prompt),
            completion: 1 + dice.below(completion),
            pieces: 1 + dice.below(6),
            pause: Duration::from_millis(if is_slow { 300 } else { dice.below(15) }),
        };
        (wish, dice.below(2) == 0, dice.below(50) == 0)
    }

    async fn ask(&mut self) -> End {
        let (wish, is_stream, hangs_up) = self.next();
        let key = self.plan.keys[self.at % self.plan.keys.len()].clone();
        let connected = self.connect().await;
        self.server = connected.as_ref().map(|(address, _)| *address);
        let Some((address, mut connection)) = connected else {
            return End::NoConnection;
        };
        let body = json!({
            "model": "truth", "stream": is_stream, "max_tokens": wish.completion + self.dice.below(wish.completion),
            "messages": [{ "role": "user", "content": wish.to_prompt() }],
        });
        let target = Target { address, key };
        let Ok(request) = load::request(
            &target,
            Method::POST,
            "/v1/chat/completions",
            Bytes::from(body.to_string()),
        ) else {
            return End::NoAnswer;
        };
        let sent = tokio::time::timeout(PATIENCE, connection.send_request(request)).await;
        let Ok(Ok(response)) = sent else {
            return End::NoAnswer;
        };
        let (end, is_reusable) = self.read(response, is_stream, hangs_up).await;
        self.connection = is_reusable.then_some((address, connection));
        end
    }

    /// The kept connection, or a new one to the first server that listens; several servers get a new one each time.
    async fn connect(&mut self) -> Option<(SocketAddr, SendRequest<Full<Bytes>>)> {
        if let Some((address, mut kept)) = self.connection.take()
            && self.plan.servers.len() == 1
            && kept.ready().await.is_ok()
        {
            return Some((address, kept));
        }
        // Every key is used at every server.
        let first = self.at + self.at / self.plan.keys.len();
        for offset in 0..self.plan.servers.len() {
            let address = self.plan.servers[(first + offset) % self.plan.servers.len()];
            let key = String::new();
            if let Ok(connection) = load::connect(&Target { address, key }).await {
                return Some((address, connection));
            }
        }
        None
    }

    async fn read(&self, response: Response<Incoming>, is_stream: bool, hangs_up: bool) -> (End, bool) {
        let (head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        if status != 200 {
            let has_time = head.headers.contains_key("retry-after");
            let read = tokio::time::timeout(PATIENCE, body.collect()).await;
            let end = match status {
                402 => End::OverCap,
                429 if has_time => End::Limited,
                429 => End::OverCap,
                503 if has_time => End::Unavailable,
                503 => End::NoRetryAfter,
                other => End::Other(other),
            };
            let whole = read.ok().and_then(Result::ok).map(Collected::to_bytes);
            if matches!(end, End::NoRetryAfter | End::Other(_)) {
                self.seen.tell_odd(status, whole.as_deref().unwrap_or_default());
            }
            return (end, whole.is_some());
        }
        self.seen.streaming.fetch_add(1, Ordering::Relaxed);
        let mut text = BytesMut::new();
        let is_ended = loop {
            match tokio::time::timeout(PATIENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => text.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Ok(None) => break true,
                Ok(Some(Err(_))) | Err(_) => break false,
            }
            if hangs_up && !text.is_empty() {
                break false;
            }
        };
        self.seen.streaming.fetch_sub(1, Ordering::Relaxed);
        let text = String::from_utf8_lossy(&text);
        let id = head.headers.get("x-request-id").and_then(|id| id.to_str().ok());
        self.seen.deliver(Delivered {
            request_id: id.unwrap_or_default().to_owned(),
            number: number(&text),
        });
        let end = if text.contains("\"error\"") {
            End::ErrorEvent
        } else if is_ended && (!is_stream || text.contains("[DONE]")) {
            End::Whole
        } else if hangs_up {
            End::HungUp
        } else {
            End::Cut
        };
        (end, is_ended)
    }
}

/// The number in the upstream's id, if it is in what came.
fn number(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(ID)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    rest[..end].parse().ok()
}

//! Upstream accounts that misbehave as they are told, and note what arrives.
//!
//! Invariant: an account is the first part of the path (`/{number}/v1/…`); what breaks after content is noted before it breaks; a pause counts
//! as stated from the moment before it is written. Listens on loopback, within this process.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::words::{Dialect, Words};

/// Requests that were on their way when a pause was stated arrive within this time.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// How long a silent account keeps a connection.
const SILENCE: Duration = Duration::from_secs(30);

/// How an account answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// As it should.
    Well,
    /// 429, with a pause stated in one of several ways.
    Limited,
    /// 500.
    Failing,
    /// 529, half of the time with a pause.
    Overloaded,
    /// Nothing ever comes.
    SilentHead,
    /// The head comes, and then no content.
    SilentContent,
    /// It breaks off within the answer.
    Dying,
    /// An error stands in an answer that began as a success.
    ErrorWithin,
    /// The connection is reset.
    Reset,
    /// The answer ends with the connection, some time after all of it was sent.
    ClosingSlowly,
    /// More is announced than comes.
    LongLength,
    /// Less is announced than comes.
    ShortLength,
}

/// All but the first.
pub const FAULTS: [Manner; 11] = [
    Manner::Limited,
    Manner::Failing,
    Manner::Overloaded,
    Manner::SilentHead,
    Manner::SilentContent,
    Manner::Dying,
    Manner::ErrorWithin,
    Manner::Reset,
    Manner::ClosingSlowly,
    Manner::LongLength,
    Manner::ShortLength,
];

/// What became of one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// How often it arrived.
    pub attempts: u64,
    /// How often it broke off after content.
    pub broken: u64,
}

/// A pause that an account stated.
struct Pause {
    told: Instant,
    until: Instant,
}

struct Account {
    manner: Mutex<Manner>,
    pause: Mutex<Option<Pause>>,
}

struct Inner {
    accounts: Vec<Account>,
    asked: Mutex<HashMap<u64, Asked>>,
    by_manner: Mutex<BTreeMap<Manner, u64>>,
    early: AtomicU64,
    turn: AtomicUsize,
}

/// The accounts; clones are the same.
#[derive(Clone)]
pub struct Upstream {
    /// Where they listen.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

/// A request that arrived.
struct Call {
    account: usize,
    words: Words,
    number: u64,
    is_stream: bool,
}

impl Upstream {
    /// Starts `accounts` of them, all well.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(accounts: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let account = || Account {
            manner: Mutex::new(Manner::Well),
            pause: Mutex::default(),
        };
        let upstream = Self {
            address: listener.local_addr()?,
            inner: Arc::new(Inner {
                accounts: (0..accounts).map(|_| account()).collect(),
                asked: Mutex::default(),
                by_manner: Mutex::default(),
                early: AtomicU64::default(),
                turn: AtomicUsize::default(),
            }),
        };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        Ok(upstream)
    }

    /// From now on the account of this number answers so.
    pub fn set(&self, account: usize, manner: Manner) {
        if let Ok(mut now) = self.inner.accounts[account].manner.lock() {
            *now = manner;
        }
    }

    /// What became of the request of this number.
    pub fn asked(&self, number: u64) -> Asked {
        let asked = self.inner.asked.lock();
        asked.map_or_else(
            |_| Asked::default(),
            |asked| asked.get(&number).copied().unwrap_or_default(),
        )
    }

    /// How many requests arrived at an account before the end of a pause that it had stated.
    pub fn early(&self) -> u64 {
        self.inner.early.load(Ordering::Relaxed)
    }

    /// How many were answered in each manner.
    pub fn by_manner(&self) -> BTreeMap<Manner, u64> {
        self.inner.by_manner.lock().map(|all| all.clone()).unwrap_or_default()
    }

    async fn serve(self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut unread = Vec::new();
        while let Some(call) = self.read(&mut stream, &mut unread).await {
            let manner = self.note(&call);
            if !matches!(self.answer(&mut stream, &call, manner).await, Ok(true)) {
                return;
            }
        }
    }

    /// The next request of a connection.
    async fn read(&self, stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Call> {
        let end = loop {
            if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            (stream.read_buf(unread).await.ok()? > 0).then_some(())?;
        };
        let head = String::from_utf8(unread.drain(..end).collect())
            .ok()?
            .to_ascii_lowercase();
        let path = head.split(' ').nth(1)?.to_owned();
        let length = head
            .split("content-length: ")
            .nth(1)?
            .split("\r\n")
            .next()?
            .parse()
            .ok()?;
        while unread.len() < length {
            (stream.read_buf(unread).await.ok()? > 0).then_some(())?;
        }
        let body: Value = serde_json::from_slice(&unread.drain(..length).collect::<Vec<u8>>()).ok()?;
        let text = body.to_string();
        let number = text.split("request ").nth(1)?.split('.').next()?.parse().ok()?;
        let dialect = if path.ends_with("/messages") {
            Dialect::Messages
        } else {
            Dialect::Chat
        };
        Some(Call {
            account: path.split('/').nth(1)?.parse().ok()?,
            words: Words { dialect, number },
            number,
            is_stream: body["stream"] == true,
        })
    }

    /// Takes note of `call`, and says how it is answered.
    fn note(&self, call: &Call) -> Manner {
        let inner = &*self.inner;
        self.change(call.number, |asked| asked.attempts += 1);
        let account = &inner.accounts[call.account];
        let manner = account.manner.lock().map_or(Manner::Well, |manner| *manner);
        if let Ok(mut by_manner) = inner.by_manner.lock() {
            *by_manner.entry(manner).or_default() += 1;
        }
        let now = Instant::now();
        let is_early = |pause: &Pause| now > pause.told + ON_ITS_WAY && now < pause.until;
        if account
            .pause
            .lock()
            .is_ok_and(|pause| pause.as_ref().is_some_and(is_early))
        {
            inner.early.fetch_add(1, Ordering::Relaxed);
            eprintln!(
                "account {} was asked in its pause, by request {}",
                call.account, call.number
            );
        }
        manner
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Asked)) {
        if let Ok(mut asked) = self.inner.asked.lock() {
            change(asked.entry(number).or_default());
        }
    }

    /// The account wants no requests for so long.
    fn pause(&self, call: &Call, time: Duration) {
        if let Ok(mut pause) = self.inner.accounts[call.account].pause.lock() {
            let told = Instant::now();
            let until = told + time;
            if pause.as_ref().is_none_or(|earlier| earlier.until < until) {
                *pause = Some(Pause { told, until });
            }
        }
    }

    /// Answers; whether the connection can go on.
    async fn answer(&self, stream: &mut TcpStream, call: &Call, manner: Manner) -> std::io::Result<bool> {
        let turn = self.inner.turn.fetch_add(1, Ordering::Relaxed);
        match manner {
            Manner::Well => {
                sleep(Duration::from_millis(u64::try_from(turn % 25).unwrap_or_default())).await;
                say(stream, call).await
            }
            Manner::Limited | Manner::Failing | Manner::Overloaded => self.turn_away(stream, call, manner, turn).await,
            Manner::SilentHead => wait(stream).await,
            Manner::SilentContent => {
                let opening = if call.is_stream {
                    call.words.opening()
                } else {
                    String::new()
                };
                let head = head(call, "content-length: 100000\r\n");
                stream.write_all(format!("{head}{opening}").as_bytes()).await?;
                wait(stream).await
            }
            Manner::Dying => self.die(stream, call, turn).await,
            Manner::ErrorWithin => {
                let error = call.words.error("overloaded_error", "Overloaded");
                let body = if call.is_stream {
                    format!("{}{}", call.words.opening(), call.words.error_event(&error))
                } else {
                    error.to_string()
                };
                send(stream, call, &body, body.len()).await?;
                Ok(true)
            }
            Manner::Reset => {
                socket_reset(stream)?;
                Ok(false)
            }
            Manner::ClosingSlowly => {
                let head = head(call, "connection: close\r\n");
                stream.write_all(format!("{head}{}", whole(call)).as_bytes()).await?;
                sleep(Duration::from_millis(if call.is_stream { 5_000 } else { 300 })).await;
                Ok(false)
            }
            Manner::LongLength => {
                let body = whole(call);
                send(stream, call, &body, body.len() + 100).await?;
                Ok(false)
            }
            Manner::ShortLength => {
                let length = if call.is_stream { call.words.opening().len() } else { 80 };
                send(stream, call, &whole(call), length / 2).await?;
                Ok(true)
            }
        }
    }

    /// Refuses with a status, and a pause that is stated in one of several ways, or not at all.
    async fn turn_away(
        &self,
        stream: &mut TcpStream,
        call: &Call,
        manner: Manner,
        turn: usize,
    ) -> std::io::Result<bool> {
        let used_up =
            "x-ratelimit-limit-requests: 9\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 1s\r\n";
        let (status, kind) = match manner {
            Manner::Limited => (429, "rate_limit_error"),
            Manner::Overloaded => (529, "overloaded_error"),
            _ => (500, "api_error"),
        };
        let (headers, message, pause_ms) = match (manner, turn % 4) {
            (Manner::Limited, 0) => ("retry-after: 2\r\n", "slow down", 2_000),
            (Manner::Limited, 1) => ("retry-after-ms: 1200\r\n", "slow down", 1_200),
            (Manner::Limited, 2) => ("", "Rate limit reached. Please try again in 1.5s.", 1_500),
            (Manner::Limited, _) => (used_up, "slow down", 1_000),
            (Manner::Overloaded, 0 | 2) => ("retry-after: 1\r\n", "Overloaded", 1_000),
            _ => ("", "oh", 0),
        };
        if pause_ms > 0 {
            self.pause(call, Duration::from_millis(pause_ms));
        }
        refuse(stream, status, headers, &call.words.error(kind, message)).await
    }

    /// Breaks off: within the body of a whole answer; after content of a stream, half of the time with an error.
    async fn die(&self, stream: &mut TcpStream, call: &Call, turn: usize) -> std::io::Result<bool> {
        let words = call.words;
        if !call.is_stream {
            let body = words.whole();
            send(stream, call, &body[..body.len() / 2], body.len()).await?;
            return Ok(false);
        }
        self.change(call.number, |asked| asked.broken += 1);
        let error = words.error("api_error", "oh");
        let last = if turn.is_multiple_of(2) {
            words.error_event(&error)
        } else {
            String::new()
        };
        let body = format!("{}{}{last}", words.opening(), words.content());
        send(stream, call, &body, body.len() + 100).await?;
        Ok(false)
    }
}

fn whole(call: &Call) -> String {
    if call.is_stream {
        [call.words.opening(), call.words.content(), call.words.ending()].concat()
    } else {
        call.words.whole()
    }
}

fn head(call: &Call, headers: &str) -> String {
    let kind = if call.is_stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{headers}\r\n")
}

/// Sends `body` and says that it is `length` bytes long.
async fn send(stream: &mut TcpStream, call: &Call, body: &str, length: usize) -> std::io::Result<()> {
    let head = head(call, &format!("content-length: {length}\r\n"));
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

/// A good answer, a stream event by event.
async fn say(stream: &mut TcpStream, call: &Call) -> std::io::Result<bool> {
    if !call.is_stream {
        let body = call.words.whole();
        send(stream, call, &body, body.len()).await?;
        return Ok(true);
    }
    let head = head(call, "transfer-encoding: chunked\r\n");
    stream.write_all(head.as_bytes()).await?;
    for piece in [call.words.opening(), call.words.content(), call.words.ending()] {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        stream.write_all(chunk.as_bytes()).await?;
        sleep(Duration::from_millis(3)).await;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    Ok(true)
}

async fn refuse(stream: &mut TcpStream, status: u16, headers: &str, error: &Value) -> std::io::Result<bool> {
    let body = error.to_string();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} No\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    Ok(true)
}

/// Says nothing until the other side closes.
async fn wait(stream: &mut TcpStream) -> std::io::Result<bool> {
    let _ = timeout(SILENCE, stream.read_u8()).await;
    Ok(false)
}

/// Has the system reset the connection when it is dropped.
fn socket_reset(stream: &TcpStream) -> std::io::Result<()> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

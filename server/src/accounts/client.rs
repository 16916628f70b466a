//! The HTTP clients upstream calls are made with: one per distinct proxy and thread, so that no kept connection is shared
//! across proxies, and a connection is driven by the thread that made the call, as long as that thread waits for the answer.
//!
//! Two ways lead out. The one of nearly every request is our own (`direct`): HTTP/1.1 without a proxy, of a body in memory, on
//! connections that the reader of the answer drives. Whatever is rarer goes through reqwest.
//!
//! Invariant: no redirects, no proxy from the environment, no repeats of its own (but on a new connection, where on a kept one not a
//! byte could be written), no Referer; every resolved address passes the guard. Opens connections.

mod connect;
mod connection;
mod direct;
mod line;
mod wire;

use super::guard::Guard;
use crate::secrets::Secret;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use gateway_core::{
    health::{Availability, Event, Health, Snapshot},
    retry::Fault,
};
use line::Line;
use parking_lot::Mutex;
use reqwest::{Proxy, Request, StatusCode, header::HeaderMap, redirect};
use std::{
    cell::RefCell,
    collections::HashMap,
    error::Error,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What stands in an error where a proxy did as it was asked and found nobody: of SOCKS5 by RFC 1928, of HTTP any status but 2xx and 407.
const BEYOND: [&str; 6] = [
    "error resolving for socks proxy",
    "tunnel error: unsuccessful",
    "SOCKS error: network unreachable",
    "SOCKS error: host unreachable",
    "SOCKS error: connection refused",
    "SOCKS error: ttl expired",
];
const POOL_IDLE: Duration = Duration::from_secs(90);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// More distinct proxies than this, and the clients that go through one are dropped, to be made anew: what is kept without a proxy
/// stays, whatever proxies somebody names.
const CLIENTS_MAX: usize = 64;
/// More distinct origins than this, and the lines that nobody uses are dropped.
const LINES_MAX: usize = 256;

static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// What this thread has of each client, by the id of its recipe.
    static HERE: RefCell<HashMap<u64, Here>> = RefCell::default();
}

/// A client as one thread has it.
#[derive(Default)]
struct Here {
    rare: Option<reqwest::Client>,
    lines: HashMap<String, Arc<Line>>,
}

/// Pieces of an answer's body.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Lost>> + Send>>;

/// The connection broke, or what came cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// An answer whose head has arrived.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// All of them, of the answer itself.
    pub headers: HeaderMap,
    /// The body, as it comes.
    pub pieces: Pieces,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The proxy is not there, refuses us, or keeps us waiting.
    NoProxy,
    /// There is no connection to the upstream.
    NoConnection,
    /// There was none in time.
    NoConnectionInTime,
    /// The system gave the connection up.
    TimedOut,
    /// The connection broke, or what came is no HTTP.
    Broken,
}

/// How upstreams are reached: directly or through one proxy. Clones share each thread's pool of connections.
#[derive(Clone, Debug)]
pub struct Client(Arc<Recipe>);

#[derive(Debug)]
struct Recipe {
    id: u64,
    guard: Guard,
    connect: Duration,
    proxy: Option<Secret>,
    /// How the proxy does, for all accounts that are reached through it.
    health: Mutex<Health>,
}

impl Client {
    /// Whether `error` is the proxy's doing: it is not there, refuses us, or keeps us waiting.
    #[must_use]
    pub fn blames_proxy(&self, error: &reqwest::Error) -> bool {
        self.0.proxy.is_some() && error.is_connect() && !is_beyond_proxy(error)
    }

    /// Sends `request` and waits for the head of the answer; dropped, it closes the connection.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn send(&self, request: Request) -> Result<Answer, Unanswered> {
        let is_in_memory = request.body().is_none_or(|body| body.as_bytes().is_some());
        if self.0.proxy.is_none() && is_in_memory {
            direct::send(&self.0, request).await
        } else {
            Box::pin(self.send_rare(request)).await
        }
    }

    async fn send_rare(&self, request: Request) -> Result<Answer, Unanswered> {
        let client = self.here().map_err(|_| Unanswered::NoConnection)?;
        let response = client.execute(request).await.map_err(|error| self.why(&error))?;
        if self.0.proxy.is_some() && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(Unanswered::NoProxy);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            pieces: Box::pin(response.bytes_stream().map(|piece| piece.map_err(|_| Lost))),
        })
    }

    fn why(&self, error: &reqwest::Error) -> Unanswered {
        match (error.is_connect(), error.is_timeout()) {
            _ if self.blames_proxy(error) => Unanswered::NoProxy,
            (true, true) => Unanswered::NoConnectionInTime,
            (true, false) => Unanswered::NoConnection,
            (false, true) => Unanswered::TimedOut,
            (false, false) => Unanswered::Broken,
        }
    }

    /// Whether the proxy, if there is one, may be asked to connect.
    pub(super) fn availability(&self, now_ms: i64) -> Availability {
        self.0.health.lock().availability(now_ms)
    }

    /// The health of the proxy, where that is not well.
    pub(super) fn proxy_trouble(&self, now_ms: i64) -> Option<Snapshot> {
        let health = self.0.health.lock();
        (health.availability(now_ms) != Availability::Ready).then(|| health.snapshot(now_ms))
    }

    /// A request goes out; whether it is the one that tries out the proxy. `None` where another one does.
    pub(super) fn begin(&self, now_ms: i64) -> Option<bool> {
        let mut health = self.0.health.lock();
        if let Availability::Probing { .. } = health.availability(now_ms) {
            return None;
        }
        health.step(Event::Begun { tokens: 0 }, now_ms);
        Some(matches!(health.availability(now_ms), Availability::Probing { .. }))
    }

    /// The proxy did as it was asked; whether that ends a pause.
    pub(super) fn proxy_worked(&self, now_ms: i64) -> bool {
        let mut health = self.0.health.lock();
        let is_news = health.availability(now_ms) != Availability::Ready;
        if is_news {
            *health = Health::default();
        }
        is_news
    }

    /// The proxy failed.
    pub(super) fn proxy_failed(&self, now_ms: i64) {
        let fault = Fault::Proxy;
        self.0.health.lock().step(Event::Failed { fault }, now_ms);
    }

    /// Nobody knows whether the proxy worked.
    pub(super) fn proxy_untried(&self, now_ms: i64) {
        self.0.health.lock().step(Event::ProbeDropped, now_ms);
    }

    /// The client of the calling thread for what is rare, made when the thread first asks. Connections it opens belong to the
    /// runtime that polls the call.
    ///
    /// # Errors
    /// The proxy's address does not make a client.
    pub fn here(&self) -> Result<reqwest::Client, reqwest::Error> {
        self.0.here(|here| match &here.rare {
            Some(client) => Ok(client.clone()),
            None => Ok(here.rare.insert(self.0.build()?).clone()),
        })
    }
}

/// The clients by proxy.
#[derive(Debug)]
pub(super) struct Clients {
    guard: Guard,
    connect: Duration,
    by_proxy: Mutex<HashMap<Option<String>, Client>>,
}

impl Clients {
    /// No client yet; each is made when first asked for. A connection may take as long as `connect`.
    pub(super) fn new(guard: Guard, connect: Duration) -> Self {
        Self {
            guard,
            connect,
            by_proxy: Mutex::default(),
        }
    }

    /// The guard every client obeys.
    pub(super) const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The client that goes through `proxy`, or directly.
    pub(super) fn get(&self, proxy: Option<&Secret>) -> Result<Client, reqwest::Error> {
        let name = proxy.map(|proxy| proxy.expose().to_owned());
        let mut by_proxy = self.by_proxy.lock();
        if let Some(client) = by_proxy.get(&name) {
            return Ok(client.clone());
        }
        let client = Client(Arc::new(Recipe {
            id: LAST_ID.fetch_add(1, Ordering::Relaxed),
            guard: self.guard.clone(),
            connect: self.connect,
            proxy: proxy.cloned(),
            health: Mutex::default(),
        }));
        client.here()?;
        if by_proxy.len() >= CLIENTS_MAX {
            by_proxy.retain(|name, _| name.is_none());
        }
        by_proxy.insert(name, client.clone());
        Ok(client)
    }
}

impl Recipe {
    /// Does `what` with what the calling thread has of this client.
    fn here<T>(&self, what: impl FnOnce(&mut Here) -> T) -> T {
        HERE.with_borrow_mut(|here| {
            if here.len() >= CLIENTS_MAX && !here.contains_key(&self.id) {
                here.retain(|_, had| !had.lines.is_empty());
            }
            what(here.entry(self.id).or_default())
        })
    }

    /// The calling thread's line to `origin`.
    fn line(&self, origin: &str) -> Arc<Line> {
        self.here(|here| match here.lines.get(origin) {
            Some(line) => Arc::clone(line),
            None => {
                if here.lines.len() >= LINES_MAX {
                    here.lines.retain(|_, line| !Line::is_idle(line));
                }
                Arc::clone(here.lines.entry(origin.to_owned()).or_insert_with(Line::new))
            }
        })
    }

    fn build(&self) -> Result<reqwest::Client, reqwest::Error> {
        // Fails where a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .tcp_keepalive(TCP_KEEPALIVE)
            .connect_timeout(self.connect)
            .pool_idle_timeout(POOL_IDLE)
            .dns_resolver(self.guard.clone());
        match &self.proxy {
            None => builder.build(),
            Some(proxy) => builder.proxy(Proxy::all(proxy.expose())?).build(),
        }
    }
}

/// Whether `error` came from behind the proxy: nobody was found there, or it was not who it should be.
fn is_beyond_proxy(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(found) = cause {
        let text = found.to_string();
        let inner = found.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if BEYOND.contains(&text.as_str()) || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = found.source();
    }
    false
}

#[cfg(test)]
mod tests;

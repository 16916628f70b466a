//! The HTTP clients upstream calls are made with: one per distinct proxy and thread, so that no pooled connection is shared
//! across proxies, and a connection is driven by the thread that made the call, as long as that thread waits for the answer.
//!
//! Invariant: no redirects, no proxy from the environment, no repeats of its own, no Referer; every resolved address passes the
//! guard. Opens connections.

use super::guard::Guard;
use crate::secrets::Secret;
use parking_lot::Mutex;
use reqwest::{Proxy, redirect};
use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const POOL_IDLE: Duration = Duration::from_secs(90);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// More distinct proxies than this, and the clients no account uses any more are dropped.
const CLIENTS_MAX: usize = 64;

static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The clients of this thread, by the id of their recipe.
    static HERE: RefCell<HashMap<u64, reqwest::Client>> = RefCell::default();
}

/// How upstreams are reached: directly or through one proxy. Clones share each thread's pool of connections.
#[derive(Clone, Debug)]
pub struct Client(Arc<Recipe>);

#[derive(Debug)]
struct Recipe {
    id: u64,
    guard: Guard,
    proxy: Option<Secret>,
}

impl Client {
    /// The client of the calling thread, made when the thread first asks. Connections it opens belong to the runtime that
    /// polls the call.
    ///
    /// # Errors
    /// The proxy's address does not make a client.
    pub fn here(&self) -> Result<reqwest::Client, reqwest::Error> {
        HERE.with_borrow_mut(|here| {
            if let Some(client) = here.get(&self.0.id) {
                return Ok(client.clone());
            }
            let client = self.0.build()?;
            if here.len() >= CLIENTS_MAX {
                here.clear();
            }
            here.insert(self.0.id, client.clone());
            Ok(client)
        })
    }
}

/// The clients by proxy.
#[derive(Debug)]
pub(super) struct Clients {
    guard: Guard,
    by_proxy: Mutex<HashMap<Option<String>, Client>>,
}

impl Clients {
    /// No client yet; each is made when first asked for.
    pub(super) fn new(guard: Guard) -> Self {
        Self {
            guard,
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
            proxy: proxy.cloned(),
        }));
        client.here()?;
        if by_proxy.len() >= CLIENTS_MAX {
            by_proxy.clear();
        }
        by_proxy.insert(name, client.clone());
        Ok(client)
    }
}

impl Recipe {
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
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            .dns_resolver(self.guard.clone());
        match &self.proxy {
            None => builder.build(),
            Some(proxy) => builder.proxy(Proxy::all(proxy.expose())?).build(),
        }
    }
}

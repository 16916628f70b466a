//! The HTTP clients upstream calls are made with: one per distinct proxy, so that no pooled connection is shared across proxies.
//!
//! Invariant: no redirects, no proxy from the environment, no repeats of its own, no Referer; every resolved address passes the
//! guard. Opens connections.

use super::guard::Guard;
use crate::secrets::Secret;
use parking_lot::Mutex;
use reqwest::{Client, Proxy, redirect};
use std::{collections::HashMap, time::Duration};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const POOL_IDLE: Duration = Duration::from_secs(90);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// More distinct proxies than this, and the clients no account uses any more are dropped.
const CLIENTS_MAX: usize = 64;

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
        let client = self.build(proxy)?;
        if by_proxy.len() >= CLIENTS_MAX {
            by_proxy.clear();
        }
        by_proxy.insert(name, client.clone());
        Ok(client)
    }

    fn build(&self, proxy: Option<&Secret>) -> Result<Client, reqwest::Error> {
        // Fails where a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
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
        match proxy {
            None => builder.build(),
            Some(proxy) => builder.proxy(Proxy::all(proxy.expose())?).build(),
        }
    }
}

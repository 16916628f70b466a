//! Connecting: from a URL to a TCP connection, or one with TLS, that the guard permits.
//!
//! Invariant: every address is checked at the moment it is connected to, also one that stands in the URL itself; nothing is sent before
//! the certificate was checked. Reads DNS, opens connections.

use super::{
    super::guard::{Guard, NotAllowed},
    connection::{Connection, Io},
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use reqwest::Url;
use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::BuilderVerifierExt as _;
use socket2::{SockRef, TcpKeepalive};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// How long one address may keep us waiting before the next one is tried beside it.
const NEXT_AFTER: Duration = Duration::from_millis(300);
/// When the system asks whether the other side is still there, and how often, in how many times.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(15), 3);
/// How long what was sent may stay without an acknowledgement.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// A connection to the host of `url`.
///
/// # Errors
/// Whatever stands in the way; [`NotAllowed`] inside where that is the guard.
pub(super) async fn connect(url: &Url, guard: &Guard) -> io::Result<Connection> {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or_default();
    let tcp = reach(addresses(host, port, guard).await?).await?;
    let is_tls = url.scheme() == "https";
    let io: Box<dyn Io> = if is_tls {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Box::new(TlsConnector::from(tls()?).connect(name, tcp).await?)
    } else {
        Box::new(tcp)
    };
    Ok(Connection::new(io, is_tls))
}

/// The addresses of `host` that the guard permits, those of both families in turns.
async fn addresses(host: &str, port: u16, guard: &Guard) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => tokio::net::lookup_host((host, port)).await?.collect(),
    };
    let is_six = found.first().is_some_and(SocketAddr::is_ipv6);
    let permitted = found.iter().copied().filter(|found| guard.permits(found.ip()));
    let (first, second): (Vec<_>, Vec<_>) = permitted.partition(|found| found.is_ipv6() == is_six);
    let most = first.len().max(second.len());
    let in_turns: Vec<SocketAddr> = (0..most)
        .flat_map(|at| [first.get(at), second.get(at)])
        .flatten()
        .copied()
        .collect();
    match (found.is_empty(), in_turns.is_empty()) {
        (false, true) => Err(io::Error::other(NotAllowed)),
        (true, _) => Err(io::ErrorKind::NotFound.into()),
        _ => Ok(in_turns),
    }
}

/// The first connection to one of `addresses`: each is tried once the one before has failed, or has kept us waiting.
async fn reach(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut untried = addresses.into_iter();
    let mut trying = FuturesUnordered::new();
    trying.extend(untried.next().map(open));
    loop {
        let has_more = untried.len() > 0;
        let patience = if has_more { NEXT_AFTER } else { Duration::MAX };
        match timeout(patience, trying.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(error))) if !has_more && trying.is_empty() => return Err(error),
            Ok(None) if !has_more => return Err(io::ErrorKind::NotFound.into()),
            // The last address may take all the time there is.
            Ok(Some(Err(_)) | None) | Err(_) => trying.extend(untried.next().map(open)),
        }
    }
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let (time, interval, retries) = KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(time).with_interval(interval);
    socket.set_tcp_keepalive(&keepalive.with_retries(retries))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(stream)
}

/// TLS as every upstream is spoken to: HTTP/1.1, and certificates that the system trusts.
fn tls() -> io::Result<Arc<ClientConfig>> {
    static TLS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = TLS.get() {
        return Ok(Arc::clone(config));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let mut config = builder
        .with_platform_verifier()
        .map_err(io::Error::other)?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::clone(TLS.get_or_init(|| Arc::new(config))))
}

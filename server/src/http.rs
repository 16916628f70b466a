//! Every route, and what each request passes on its way.
//!
//! Invariant: the relay's paths read no cookie and the dashboard's accept no key; slow clients are cut, and who ends its side of a
//! connection has hung up; TCP sends at once;
//! workers live until every hold has ended, since they drive the upstreams' connections.
//! Only this module and `main` name the web framework.

mod assets;
mod client;
mod export;
mod guard;
pub mod management;
mod metrics;
mod pages;
pub mod relay;
mod sign_in;
mod visit;
mod webhooks;

use crate::app::App;
use crate::relay::Relay;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App as Web, HttpResponse, HttpServer, web};
use leptos_actix::ActixRouteListing;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::any::Any;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// The largest body of a form, in bytes.
const FORM_BODY_MAX: usize = 256 << 10;
/// How long a connection may take to close.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// How many connections may wait to be accepted: a burst of new clients must not wait a second for their next try.
const BACKLOG: i32 = 4_096;

/// What every handler knows.
#[derive(Clone)]
pub struct Site {
    app: Arc<App>,
    relay: Relay,
    /// What people type to reach the server.
    url: Arc<str>,
}

/// A server that listens.
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    /// What people type to reach it.
    pub url: String,
    /// Runs it.
    pub server: Server,
    /// Ends it.
    pub ending: Ending,
}

/// What ends a server.
#[derive(Debug)]
pub struct Ending {
    server: ServerHandle,
    listener: TcpListener,
}

/// A socket that listens at `address`.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Listens for `app` with the pipeline `relay`.
///
/// # Errors
/// The address is taken or may not be used.
pub fn listen(app: Arc<App>, relay: Relay) -> std::io::Result<Listening> {
    let listener = bind(app.edge.listen)?;
    let address = listener.local_addr()?;
    let url = app.edge.url(address);
    app.billing.listens_at(&url);
    let door = listener.try_clone()?;
    let drain = app.edge.drain;
    let (head, unread, keep_alive) = (relay.head_time(), relay.unread_time(), relay.keep_alive_time());
    let site = Site {
        app,
        relay,
        url: Arc::from(url.as_str()),
    };
    let listed = pages::list();
    let server = HttpServer::new(move || {
        Web::new()
            .app_data(web::Data::new(site.clone()))
            .app_data(web::PayloadConfig::new(FORM_BODY_MAX))
            .wrap(from_fn(guard::forgery))
            .wrap(from_fn(guard::headers))
            .configure(|config| routes(config, &listed, &site))
    })
    .on_connect(move |connection, _| cut_when_unread(connection, unread))
    .tcp_nodelay(true)
    .h1_allow_half_closed(false)
    .client_request_timeout(head)
    .client_disconnect_timeout(CLOSE_TIME)
    .keep_alive(keep_alive)
    .shutdown_timeout(drain.as_secs())
    .disable_signals()
    .listen(listener)?
    .run();
    let ending = Ending {
        server: server.handle(),
        listener: door,
    };
    Ok(Listening {
        address,
        url,
        server,
        ending,
    })
}

/// Has the system cut the connection of a client that reads nothing for so long: the web framework would wait for good.
#[cfg(target_os = "linux")]
fn cut_when_unread(connection: &dyn Any, time: Duration) {
    let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() else {
        return;
    };
    if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(time)) {
        tracing::debug!(%error, "a connection may be left unread for good");
    }
}

/// Other systems have no such setting; there, slow readers last as long as they like.
#[cfg(not(target_os = "linux"))]
const fn cut_when_unread(_: &dyn Any, _: Duration) {}

impl Ending {
    /// Ends the server in order: who connects is refused, requests under way finish, and upstreams are read on for clients that
    /// hung up, all of it within the time that is set for it; then what is left is cut.
    pub async fn in_order(&self, app: &App) {
        app.begin_drain();
        self.server.pause().await;
        // Paused alone, the system goes on to take connections that nobody serves.
        if let Err(error) = SockRef::from(&self.listener).shutdown(Shutdown::Both) {
            tracing::debug!(%error, "clients are not refused until the end");
        }
        app.settle(app.edge.drain).await;
        // What is left are last bytes on their way, and connections that idle.
        if tokio::time::timeout(CLOSE_TIME, self.server.stop(true)).await.is_err() {
            self.now().await;
        }
    }

    /// Cuts every connection.
    pub async fn now(&self) {
        self.server.stop(false).await;
    }
}

/// Every path of the server; the pages come last, since they answer whatever is left.
fn routes(config: &mut web::ServiceConfig, listed: &[ActixRouteListing], site: &Site) {
    config
        .route("/healthz", web::get().to(HttpResponse::Ok))
        .route("/readyz", web::get().to(ready))
        .route("/metrics", web::get().to(metrics::metrics))
        .configure(webhooks::routes)
        .configure(relay::routes)
        .configure(assets::routes)
        .configure(management::routes)
        .configure(|config| pages::routes(config, listed, site));
}

async fn ready(site: web::Data<Site>) -> HttpResponse {
    if site.app.is_ready() {
        HttpResponse::Ok().finish()
    } else {
        HttpResponse::ServiceUnavailable().finish()
    }
}

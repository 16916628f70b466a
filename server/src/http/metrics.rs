//! `GET /metrics`: the state of the process in Prometheus' text format.
//!
//! Invariant: numbers only; accounts and models are named to whoever has the token alone, customers to nobody. Where a token is set, nobody
//! else is answered. Reads counters in memory.

use super::Site;
use crate::accounts::Gauges;
use crate::secrets::Secret;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use gateway_core::id::{Kind, render};
use subtle::ConstantTimeEq as _;

/// Name, what it says, and which number of an account it is.
type Gauge = (&'static str, &'static str, fn(&Gauges) -> u64);

/// The numbers of now.
pub async fn metrics(site: web::Data<Site>, request: HttpRequest) -> HttpResponse {
    let token = site.app.metrics_token.as_ref();
    if token.is_some_and(|token| !holds(&request, token)) {
        return HttpResponse::Unauthorized().finish();
    }
    let ledger = site.app.ledger.status();
    let gauges = [
        ("ready", "Whether requests are taken.", u64::from(site.app.is_ready())),
        (
            "ledger_writable",
            "Whether the ledger's last write succeeded.",
            u64::from(ledger.writable),
        ),
        (
            "ledger_queued",
            "Operations of the ledger not written yet.",
            ledger.queued,
        ),
        ("ledger_lag_milliseconds", "Age of the oldest of them.", ledger.lag_ms),
        ("open_holds", "Upstream calls with money set aside.", ledger.open_holds),
        (
            "leases",
            "Caps and wallets from which this process may spend without asking others.",
            ledger.leases,
        ),
        (
            "live_nodes",
            "Processes that serve from the database, as far as this one has heard.",
            site.app.ledger.live_nodes(),
        ),
        (
            "waiting_requests",
            "Requests that wait for an account.",
            u64::try_from(site.relay.waiting()).unwrap_or(u64::MAX),
        ),
    ];
    let mut text = String::new();
    for (name, help, value) in gauges {
        text.push_str(&line(name, "gauge", help, value));
    }
    let hashes = site.app.auth.password_hashes();
    text.push_str(&line(
        "password_hashes_total",
        "counter",
        "Password hashes computed since the start.",
        hashes,
    ));
    text.push_str(&line(
        "ledger_commits_total",
        "counter",
        "Groups of operations the ledger has written since the start.",
        ledger.commits,
    ));
    text.push_str(&site.relay.counts().render());
    if token.is_some() {
        text.push_str(&site.relay.counts().render_accounts());
        text.push_str(&accounts(&site.app.fleet.gauges()));
    }
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(text)
}

/// Whether `request` carries `token`.
fn holds(request: &HttpRequest, token: &Secret) -> bool {
    let sent = request.headers().get(header::AUTHORIZATION);
    let sent = sent.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    sent.is_some_and(|sent| sent.ct_eq(token.expose().as_bytes()).into())
}

/// How each account does.
fn accounts(all: &[Gauges]) -> String {
    let gauges: [Gauge; 3] = [
        ("account_ready", "Whether it can be asked.", |gauges| {
            u64::from(gauges.is_ready)
        }),
        ("account_in_flight", "Requests running now.", |gauges| {
            gauges.in_flight.into()
        }),
        (
            "account_headroom_thousandths",
            "What is left of its tighter limit.",
            |gauges| gauges.headroom.into(),
        ),
    ];
    let mut text = String::new();
    for (name, help, of) in gauges {
        text.push_str(&format!("# HELP ourhub_{name} {help}\n# TYPE ourhub_{name} gauge\n"));
        for account in all {
            let id = render(Kind::Account, account.id);
            text.push_str(&format!("ourhub_{name}{{account=\"{id}\"}} {}\n", of(account)));
        }
    }
    text
}

fn line(name: &str, kind: &str, help: &str, value: u64) -> String {
    format!("# HELP ourhub_{name} {help}\n# TYPE ourhub_{name} {kind}\nourhub_{name} {value}\n")
}

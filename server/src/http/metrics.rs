//! `GET /metrics`: the state of the process in Prometheus' text format.
//!
//! Invariant: numbers only, no label that names a customer or an account. Reads counters in memory.

use super::Site;
use actix_web::{HttpResponse, web};

/// The numbers of now.
pub async fn metrics(site: web::Data<Site>) -> HttpResponse {
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
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(text)
}

fn line(name: &str, kind: &str, help: &str, value: u64) -> String {
    format!("# HELP ourhub_{name} {help}\n# TYPE ourhub_{name} {kind}\nourhub_{name} {value}\n")
}

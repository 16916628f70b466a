//! `failover`: accounts that misbehave in every way, under clients that never try again.
//!
//! Invariant: while any account can serve, no client sees a failure but of a stream that broke off after content, which ends in an error event
//! of the client's dialect; no account is asked in a pause that it stated; while all are well, hardly a request takes a second try.
//! Starts one server on SQLite; talks to loopback only; prints a table.

mod client;
mod upstream;
mod words;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use bench::{load::Target, operator::Operator};
use client::{Clients, Ended};
use serde_json::json;
use tokio::time::sleep;
use upstream::{FAULTS, Manner, Upstream};

use crate::{hub::Hub, stage};

/// Accounts; every fourth speaks Anthropic's dialect.
const ACCOUNTS: usize = 8;
/// Clients at once.
const CLIENTS: u64 = 32;
/// All accounts are well for so long, then some are not for so long, in turn. Every pause that is stated is over when the calm is.
const CALM: Duration = Duration::from_secs(4);
const OUTAGE: Duration = Duration::from_secs(4);
/// Tries per 100 requests while all accounts are well.
const TRIES_MAX: u64 = 110;
/// How long holds may take to end.
const QUIET: Duration = Duration::from_secs(30);
/// The deadlines of the server: a silent account is left after two seconds.
const DEADLINES: [(&str, &str); 5] = [
    ("OURHUB_CONNECT_TIMEOUT", "2s"),
    ("OURHUB_HEADERS_TIMEOUT", "2s"),
    ("OURHUB_FIRST_CONTENT_TIMEOUT", "2s"),
    ("OURHUB_ANSWER_TIMEOUT", "2s"),
    ("OURHUB_IDLE_TIMEOUT", "2s"),
];

/// What it came to.
struct Report {
    ended: Vec<Ended>,
    calms: Vec<(Instant, Instant)>,
    upstream: Upstream,
    differences: u64,
}

/// Runs it for `time`; whether all was as it must be.
///
/// # Errors
/// When something does not start.
pub async fn run(binary: &Path, time: Duration) -> anyhow::Result<bool> {
    let folder = stage::folder("failover");
    fs::create_dir_all(folder.join("data"))?;
    let mut hub = Hub::new(binary, &folder, None)?;
    hub.settings
        .extend(DEADLINES.map(|(name, value)| (name, value.to_owned())));
    hub.start().await?;
    let upstream = Upstream::start(ACCOUNTS).await?;
    let key = set_up(&hub, &upstream).await?;
    let target = Target {
        address: hub.address,
        key,
    };
    let stop = Arc::<AtomicBool>::default();
    let clients = Clients::start(CLIENTS, &target, &stop);
    let calms = misbehave(&upstream, time).await;
    stop.store(true, Ordering::Relaxed);
    let ended = clients.finish().await;
    anyhow::ensure!(!hub.has_crashed()?, "the server ended by itself:\n{}", hub.log());
    let report = Report {
        ended,
        calms,
        upstream,
        differences: close(&hub).await?,
    };
    let is_good = report.print();
    if is_good {
        let _ = fs::remove_dir_all(&folder);
    } else {
        eprintln!("failover: the server's files are in {}", folder.display());
    }
    Ok(is_good)
}

/// A model, the accounts, and a key.
async fn set_up(hub: &Hub, upstream: &Upstream) -> anyhow::Result<String> {
    let operator = Operator::new(&hub.binary, &hub.settings, hub.address).await?;
    let model = json!({ "id": "truth", "max_output": 4096, "prices": { "input": "1", "output": "2" } });
    operator.post("/api/v1/models", &model).await?;
    for number in 0..ACCOUNTS {
        let dialect = if number % 4 == 3 { "messages" } else { "chat" };
        let account = json!({
            "label": format!("account {number}"), "provider": "custom", "dialect": dialect, "models": ["*"],
            "base_url": format!("http://{}/{number}/v1", upstream.address), "secret": format!("sk-{number}"),
        });
        operator.post("/api/v1/accounts", &account).await?;
    }
    let made = operator
        .post(&operator.team_path("/keys"), &json!({ "name": "failover" }))
        .await?;
    Ok(made["key"].as_str().context("a key")?.to_owned())
}

/// Calm and outage in turn, until `time` is over; when it was calm. In each outage two accounts stay well, of which one was so in the last.
async fn misbehave(upstream: &Upstream, time: Duration) -> Vec<(Instant, Instant)> {
    let began = Instant::now();
    let mut calms = Vec::new();
    for outage in 0.. {
        let calm = Instant::now();
        (0..ACCOUNTS).for_each(|account| upstream.set(account, Manner::Well));
        sleep(CALM).await;
        calms.push((calm, Instant::now()));
        if began.elapsed() >= time {
            break;
        }
        let faulty = (0..ACCOUNTS).filter(|account| ![outage % ACCOUNTS, (outage + 1) % ACCOUNTS].contains(account));
        for (place, account) in faulty.enumerate() {
            // So many at once that two outages have seen every fault.
            upstream.set(account, FAULTS[(outage * (ACCOUNTS - 2) + place) % FAULTS.len()]);
        }
        sleep(OUTAGE).await;
    }
    calms
}

/// Waits until no hold is open; what differs in the books then.
async fn close(hub: &Hub) -> anyhow::Result<u64> {
    let until = Instant::now() + QUIET;
    loop {
        let [differences, open, _] = hub.verify()?;
        if open == 0 {
            return Ok(differences);
        }
        anyhow::ensure!(Instant::now() < until, "{open} holds are open:\n{}", hub.log());
        sleep(Duration::from_millis(200)).await;
    }
}

impl Report {
    /// Requests and tries of those that began and ended while all accounts were well.
    fn calm(&self) -> (u64, u64) {
        let is_calm = |ended: &&Ended| {
            let within = |(from, to): &(Instant, Instant)| ended.began >= *from && ended.ended <= *to;
            self.calms.iter().any(within)
        };
        let tries = |ended: &Ended| self.upstream.asked(ended.number).attempts;
        self.ended
            .iter()
            .filter(is_calm)
            .fold((0, 0), |(requests, sum), ended| (requests + 1, sum + tries(ended)))
    }

    /// Prints what was found; whether it is as it must be.
    fn print(&self) -> bool {
        let is_cut = |ended: &&Ended| ended.problem.is_none() && !ended.is_whole;
        let is_excused = |ended: &Ended| self.upstream.asked(ended.number).broken > 0;
        let cut = self.ended.iter().filter(is_cut).count();
        let unexcused = self
            .ended
            .iter()
            .filter(is_cut)
            .filter(|ended| !is_excused(ended))
            .count();
        let problems: Vec<&Ended> = self.ended.iter().filter(|ended| ended.problem.is_some()).collect();
        for ended in problems.iter().take(5) {
            let problem = ended.problem.as_deref().unwrap_or_default();
            let tries = self.upstream.asked(ended.number).attempts;
            eprintln!("request {} failed after {tries} tries: {problem}", ended.number);
        }
        let by_manner = self.upstream.by_manner();
        let unseen: Vec<_> = FAULTS.iter().filter(|fault| !by_manner.contains_key(fault)).collect();
        let tries: u64 = by_manner.values().sum();
        let (calm, calm_tries) = self.calm();
        let early = self.upstream.early();
        let slowest = self
            .ended
            .iter()
            .map(|ended| ended.ended - ended.began)
            .max()
            .unwrap_or_default();
        let is_good = problems.is_empty()
            && unexcused == 0
            && early == 0
            && self.differences == 0
            && unseen.is_empty()
            && calm > 0
            && calm_tries * 100 <= calm * TRIES_MAX;
        let word = if is_good { "ok" } else { "FAILED" };
        println!(
            "| failover | requests | failures | cut after content | cut otherwise | tries | in calm: requests | tries | asked in a pause | \
             differences | slowest ms | |\n|{}",
            "---|".repeat(12)
        );
        println!(
            "| | {} | {} | {cut} | {unexcused} | {tries} | {calm} | {calm_tries} | {early} | {} | {} | {word} |",
            self.ended.len(),
            problems.len(),
            self.differences,
            slowest.as_millis()
        );
        let manners: Vec<String> = by_manner
            .into_iter()
            .map(|(manner, count)| format!("{manner:?} {count}"))
            .collect();
        println!("Answered: {}.", manners.join(", "));
        if !unseen.is_empty() {
            println!("Never met: {unseen:?}.");
        }
        is_good
    }
}

//! `torture <ourhub> [--minutes N] [--short] [name]...`: faults under load, and whether the books still balance.
//!
//! Invariant: OurHub is driven through its command line and its API alone; what must be zero is, or the exit code is 1.
//! Three lanes at once: a server on SQLite, one on Postgres, several on another Postgres; then `failover`. Starts and ends processes; mounts a small file system where it may;
//! writes temporary folders, which stay where something was found; prints a table. Called by `cargo xtask torture`.

mod books;
mod clients;
mod failover;
mod faults;
mod hub;
mod stage;
mod upstream;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use books::Books;
use clients::{End, Mix, Seen};
use faults::{Fault, Lane};
use stage::{Setup, Stage, Store};
use tokio::time::sleep;
use upstream::Upstream;
use xtask::{postgres::Postgres, shell};

/// Load before the fault, and after it.
const CALM: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(4));
/// How long it may take until every server answers again.
const AGAIN: Duration = Duration::from_secs(60);
/// The minutes for which the times below are meant.
const MINUTES: u32 = 5;
/// Those of `failover`, and its seconds in the short form.
const FAILOVER: (u32, u64) = (2, 13);
/// Longer than a node waits for another: 15 s.
const STOP: u32 = 18;
/// Megabytes of the disk that fills up.
const DISK_MB: u32 = 24;

/// A fault on a store, for so many seconds.
struct Scenario {
    store: Store,
    fault: Fault,
    seconds: u32,
    /// Whether it belongs to the short form, and for how long then.
    short: Option<u32>,
}

const fn scenario(store: Store, fault: Fault, seconds: u32, short: Option<u32>) -> Scenario {
    Scenario {
        store,
        fault,
        seconds,
        short,
    }
}

const SCENARIOS: [Scenario; 22] = [
    scenario(Store::Sqlite, Fault::Kill, 30, Some(8)),
    scenario(Store::Sqlite, Fault::Full, 10, Some(4)),
    scenario(Store::Sqlite, Fault::ReadOnly, 10, Some(6)),
    scenario(Store::Sqlite, Fault::Terminate, 10, Some(10)),
    scenario(Store::Sqlite, Fault::LowerCap, 8, None),
    scenario(Store::Sqlite, Fault::Clock, 15, None),
    scenario(Store::Sqlite, Fault::Stop, STOP, None),
    scenario(Store::Postgres, Fault::Kill, 30, Some(8)),
    scenario(Store::Postgres, Fault::Restart, 16, Some(8)),
    scenario(Store::Postgres, Fault::ReadOnly, 10, Some(6)),
    scenario(Store::Postgres, Fault::Terminate, 10, Some(10)),
    scenario(Store::Postgres, Fault::LowerCap, 8, None),
    scenario(Store::Postgres, Fault::Clock, 15, None),
    scenario(Store::Postgres, Fault::Stop, STOP, None),
    scenario(Store::Postgres, Fault::Stall, 30, None),
    scenario(Store::Cluster, Fault::Lose, STOP, Some(6)),
    scenario(Store::Cluster, Fault::Roll, 15, Some(6)),
    scenario(Store::Cluster, Fault::Skew, 15, Some(4)),
    scenario(Store::Cluster, Fault::LowerCap, 8, Some(4)),
    scenario(Store::Cluster, Fault::Stop, STOP, None),
    scenario(Store::Cluster, Fault::Restart, 16, None),
    scenario(Store::Cluster, Fault::Stall, 30, None),
];

/// What was asked for on the command line.
struct Wanted {
    binary: PathBuf,
    minutes: Option<u32>,
    is_short: bool,
    /// Words of which one must be in a scenario's name; all scenarios where there are none.
    names: Vec<String>,
}

impl Wanted {
    fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let usage = "usage: torture <ourhub> [--minutes N] [--short] [name]...";
        let mut wanted = Self {
            binary: words.next().context(usage)?.into(),
            minutes: None,
            is_short: false,
            names: Vec::new(),
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--minutes" => wanted.minutes = Some(words.next().context(usage)?.parse()?),
                "--short" => wanted.is_short = true,
                name if !name.starts_with('-') => wanted.names.push(word),
                _ => anyhow::bail!(usage),
            }
        }
        Ok(wanted)
    }

    /// The scenarios of `store`, in order.
    fn of(&self, store: Store) -> impl Iterator<Item = &'static Scenario> + '_ {
        let is_wanted = move |scenario: &&Scenario| {
            scenario.store == store
                && (!self.is_short || scenario.short.is_some())
                && (self.names.is_empty() || self.names.iter().any(|name| scenario.name().contains(name)))
        };
        SCENARIOS.iter().filter(is_wanted)
    }

    fn time(&self, scenario: &Scenario) -> Duration {
        let seconds = match scenario.short {
            Some(short) if self.is_short => short,
            // These last as long as what they are about.
            _ if matches!(scenario.fault, Fault::Stop | Fault::Stall | Fault::Lose) => scenario.seconds,
            _ => (scenario.seconds * self.minutes.unwrap_or(MINUTES) / MINUTES).max(4),
        };
        Duration::from_secs(seconds.into())
    }

    /// For how long accounts misbehave, if that is wanted.
    fn failover(&self) -> Option<Duration> {
        let is_wanted = self.names.is_empty() || self.names.iter().any(|name| "failover".contains(name.as_str()));
        let (minutes, short) = FAILOVER;
        let seconds = if self.is_short {
            short
        } else {
            u64::from(self.minutes.unwrap_or(minutes)) * 60
        };
        is_wanted.then_some(Duration::from_secs(seconds))
    }
}

impl Scenario {
    fn name(&self) -> String {
        format!("{:?}-{:?}", self.store, self.fault).to_lowercase()
    }

    fn hubs(&self) -> usize {
        match (self.store, self.fault) {
            (Store::Sqlite | Store::Postgres, _) => 1,
            (Store::Cluster, Fault::Skew | Fault::Roll) => 2,
            (Store::Cluster, _) => 3,
        }
    }

    /// Whether clients saw of the fault what they must not.
    fn has_shown(&self, seen: &Seen) -> bool {
        let ends = seen.ends();
        let is_ill = |end: &End| match end {
            End::Whole | End::HungUp | End::OverCap | End::Limited => false,
            // A process that stood still takes its clients for slow.
            End::Other(408) => self.fault != Fault::Stop,
            End::NoRetryAfter | End::Other(_) => true,
            // The process that gave the answer died.
            End::Cut | End::NoAnswer | End::ErrorEvent => !matches!(self.fault, Fault::Kill | Fault::Lose),
            // Others are there to be asked, and the database is well.
            End::Unavailable | End::NoConnection => matches!(self.fault, Fault::Roll | Fault::Skew),
        };
        ends.keys().any(is_ill)
    }
}

/// What a scenario came to.
struct Outcome {
    name: String,
    /// Nothing, where it was left out.
    result: Option<(Books, Arc<Seen>)>,
    is_good: bool,
}

#[tokio::main(worker_threads = 4)]
async fn main() -> anyhow::Result<ExitCode> {
    let wanted = Wanted::parse(std::env::args().skip(1))?;
    let upstream = Upstream::start().await?;
    let (sqlite, postgres, cluster) = tokio::try_join!(
        lane(&wanted, Store::Sqlite, &upstream),
        lane(&wanted, Store::Postgres, &upstream),
        lane(&wanted, Store::Cluster, &upstream)
    )?;
    let outcomes: Vec<Outcome> = sqlite.into_iter().chain(postgres).chain(cluster).collect();
    if !outcomes.is_empty() {
        print(&outcomes);
        println!("\nThe upstream answered {} requests.\n", upstream.arrived());
    }
    let mut is_good = outcomes.iter().all(|outcome| outcome.is_good);
    if let Some(time) = wanted.failover() {
        eprintln!("failover …");
        is_good &= failover::run(&wanted.binary, time).await?;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The scenarios of one store, one after the other.
async fn lane(wanted: &Wanted, store: Store, upstream: &Upstream) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let needs_postgres = store != Store::Sqlite && wanted.of(store).next().is_some();
    let mut postgres = needs_postgres
        .then(|| tokio::task::block_in_place(Postgres::start))
        .transpose()?;
    for scenario in wanted.of(store) {
        let name = scenario.name();
        eprintln!("{name} …");
        if let Some(reason) = missing(scenario)? {
            println!("{name}: left out: {reason}");
            continue;
        }
        let run = run(wanted, scenario, postgres.as_mut(), upstream).await;
        let outcome = match run {
            Ok((books, seen)) => {
                let is_good = books.balance() && !scenario.has_shown(&seen) && seen.slowest_recovery().is_some();
                Outcome {
                    name,
                    result: Some((books, seen)),
                    is_good,
                }
            }
            Err(error) => {
                eprintln!("{name}: {error:#}");
                Outcome {
                    name,
                    result: None,
                    is_good: false,
                }
            }
        };
        eprintln!("{} {}", outcome.name, if outcome.is_good { "ok" } else { "FAILED" });
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// What a scenario needs and this machine does not have.
///
/// # Errors
/// Where nobody is watching, what can be installed must be there.
fn missing(scenario: &Scenario) -> anyhow::Result<Option<String>> {
    match scenario.fault {
        Fault::Full if !shell::is_root() => Ok(Some("only root may mount a file system".to_owned())),
        Fault::Clock | Fault::Skew => match faketime() {
            Err(error) if !shell::is_ci() => Ok(Some(error.to_string())),
            found => found.map(|_| None),
        },
        _ => Ok(None),
    }
}

/// The library that shifts a process's clock.
fn faketime() -> anyhow::Result<PathBuf> {
    shell::need("libfaketime", &["faketime"], || {
        let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
        let mut places = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
        places.find(|place| place.is_file())
    })
}

async fn run(
    wanted: &Wanted,
    scenario: &Scenario,
    postgres: Lane<'_>,
    upstream: &Upstream,
) -> anyhow::Result<(Books, Arc<Seen>)> {
    let name = scenario.name();
    let setup = Setup {
        binary: &wanted.binary,
        postgres: postgres.as_ref().map(|postgres| postgres.url()),
        hubs: scenario.hubs(),
        tmpfs_mb: (scenario.fault == Fault::Full).then_some(DISK_MB),
        environment: environment(scenario, &stage::folder(&name))?,
        name,
    };
    let mut stage = Stage::new(setup, upstream).await?;
    let load = if scenario.fault == Fault::Terminate {
        stage.load_of(faults::STREAMS, Mix::OneStream(100))
    } else {
        let load = stage.load();
        sleep(CALM.0).await;
        load
    };
    let time = wanted.time(scenario);
    faults::strike(scenario.fault, &mut stage, postgres, &load, time).await?;
    let before: Vec<u64> = stage.hubs.iter().map(|hub| load.seen.whole_from(hub.address)).collect();
    sleep(CALM.1).await;
    if scenario.fault != Fault::Terminate {
        let until = Instant::now() + AGAIN;
        for (hub, before) in stage.hubs.iter().zip(before) {
            while load.seen.whole_from(hub.address) == before {
                anyhow::ensure!(Instant::now() < until, "a server answers no more:\n{}", hub.log());
                sleep(Duration::from_millis(100)).await;
            }
        }
        while load.seen.slowest_recovery().is_none() && Instant::now() < until {
            sleep(Duration::from_millis(100)).await;
        }
    }
    for hub in &mut stage.hubs {
        anyhow::ensure!(!hub.has_crashed()?, "the server ended by itself:\n{}", hub.log());
    }
    let seen = load.finish().await;
    let books = Books::close(&mut stage, &seen).await?;
    if books.balance() {
        stage.forget();
    }
    Ok((books, seen))
}

/// The environment of each server: whose clock is how far off.
fn environment(scenario: &Scenario, folder: &Path) -> anyhow::Result<Vec<Vec<(&'static str, String)>>> {
    let shifted = |clock: Vec<(&'static str, String)>| -> anyhow::Result<Vec<(&'static str, String)>> {
        let library = faketime()?.display().to_string();
        let fixed = [
            ("LD_PRELOAD", library),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ];
        Ok(fixed.into_iter().chain(clock).collect())
    };
    match scenario.fault {
        Fault::Clock => {
            std::fs::create_dir_all(folder)?;
            let file = faults::clock_file(folder);
            std::fs::write(&file, "+0")?;
            Ok(vec![shifted(vec![(
                "FAKETIME_TIMESTAMP_FILE",
                file.display().to_string(),
            )])?])
        }
        Fault::Skew => {
            let off = |offset: &str| shifted(vec![("FAKETIME", offset.to_owned())]);
            // The first is behind: prices begin to hold by the clock of the server that is told them.
            Ok(vec![off("-3600")?, off("+3600")?])
        }
        _ => Ok(Vec::new()),
    }
}

/// Answers that broke though nobody killed the server.
fn broken(seen: &Seen) -> u64 {
    [End::Cut, End::ErrorEvent, End::NoAnswer]
        .into_iter()
        .map(|end| seen.count(end))
        .sum()
}

fn print(outcomes: &[Outcome]) {
    println!(
        "| | requests | whole | hung up | over cap | limited | 503 | no connection | broken | other | overspent | lost | \
         leaked | differences | crashes | estimates | recovery ms | |"
    );
    println!("|{}", "---|".repeat(18));
    for Outcome { name, result, is_good } in outcomes {
        let word = if *is_good { "ok" } else { "FAILED" };
        let Some((books, seen)) = result else {
            println!("| {name} {}| {word} |", "| ".repeat(16));
            continue;
        };
        let ends = seen.ends();
        let count = |end: End| ends.get(&end).copied().unwrap_or_default();
        let others = ends.iter().filter_map(|(end, count)| match end {
            End::Other(status) => Some(format!("{count} × {status}")),
            End::NoRetryAfter => Some(format!("{count} × 503 without Retry-After")),
            _ => None,
        });
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {word} |",
            ends.values().sum::<u64>(),
            count(End::Whole),
            count(End::HungUp),
            count(End::OverCap),
            count(End::Limited),
            count(End::Unavailable),
            count(End::NoConnection),
            broken(seen),
            others.collect::<Vec<_>>().join(", "),
            books.overspent,
            books.lost,
            books.leaked,
            books.differences,
            books.crashes,
            books.estimates,
            seen.slowest_recovery()
                .map_or("never".to_owned(), |took| took.as_millis().to_string()),
        );
    }
}

//! `torture <ourhub> [--minutes N] [--short] [--replicas]`: faults under load, and whether the books still balance.
//!
//! Invariant: OurHub is driven through its command line and its API alone; what must be zero is, or the exit code is 1.
//! Two lanes at once, one on SQLite and one on Postgres. Starts and ends processes; mounts a small file system where it may;
//! writes temporary folders, which stay where something was found; prints a table. Called by `cargo xtask torture`.

mod books;
mod clients;
mod faults;
mod hub;
mod stage;
mod upstream;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
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
/// The minutes for which the times below are meant.
const MINUTES: u32 = 5;
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

const SCENARIOS: [Scenario; 15] = [
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
];

/// Those that need several servers on one Postgres.
const REPLICAS: [Scenario; 3] = [
    scenario(Store::Postgres, Fault::KillReplica, 20, None),
    scenario(Store::Postgres, Fault::Skew, 15, None),
    scenario(Store::Postgres, Fault::Roll, 15, None),
];

/// What was asked for on the command line.
struct Wanted {
    binary: PathBuf,
    minutes: u32,
    is_short: bool,
    has_replicas: bool,
    /// Words of which one must be in a scenario's name; all scenarios where there are none.
    names: Vec<String>,
}

impl Wanted {
    fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let usage = "usage: torture <ourhub> [--minutes N] [--short] [--replicas] [name]...";
        let mut wanted = Self {
            binary: words.next().context(usage)?.into(),
            minutes: MINUTES,
            is_short: false,
            has_replicas: false,
            names: Vec::new(),
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--minutes" => wanted.minutes = words.next().context(usage)?.parse()?,
                "--short" => wanted.is_short = true,
                "--replicas" => wanted.has_replicas = true,
                name if !name.starts_with('-') => wanted.names.push(word),
                _ => anyhow::bail!(usage),
            }
        }
        Ok(wanted)
    }

    /// The scenarios of `store`, in order.
    fn of(&self, store: Store) -> impl Iterator<Item = &'static Scenario> + '_ {
        let replicas = REPLICAS.iter().filter(|_| self.has_replicas);
        let is_wanted = move |scenario: &&Scenario| {
            scenario.store == store
                && (!self.is_short || scenario.short.is_some())
                && (self.names.is_empty() || self.names.iter().any(|name| scenario.name().contains(name)))
        };
        SCENARIOS.iter().chain(replicas).filter(is_wanted)
    }

    fn time(&self, scenario: &Scenario) -> Duration {
        let seconds = match scenario.short {
            Some(short) if self.is_short => short,
            // These last as long as what they are about.
            _ if matches!(scenario.fault, Fault::Stop | Fault::Stall) => scenario.seconds,
            _ => (scenario.seconds * self.minutes / MINUTES).max(4),
        };
        Duration::from_secs(seconds.into())
    }
}

impl Scenario {
    fn name(&self) -> String {
        format!("{:?}-{:?}", self.store, self.fault).to_lowercase()
    }

    fn hubs(&self) -> usize {
        match self.fault {
            Fault::KillReplica => 3,
            Fault::Skew | Fault::Roll => 2,
            _ => 1,
        }
    }

    /// Whether answers may break: the process that gave them died.
    fn may_break(&self) -> bool {
        matches!(self.fault, Fault::Kill | Fault::KillReplica)
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
    let mut postgres = tokio::task::block_in_place(Postgres::start)?;
    let (sqlite, postgres) = tokio::join!(
        lane(&wanted, Store::Sqlite, None, &upstream),
        lane(&wanted, Store::Postgres, Some(&mut postgres), &upstream)
    );
    let outcomes: Vec<Outcome> = sqlite.into_iter().chain(postgres).collect();
    print(&outcomes);
    println!("\nThe upstream answered {} requests.", upstream.arrived());
    if !wanted.has_replicas {
        println!("Left out: scenarios of several servers on one Postgres (--replicas).");
    }
    Ok(if outcomes.iter().all(|outcome| outcome.is_good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The scenarios of one store, one after the other.
async fn lane(wanted: &Wanted, store: Store, mut postgres: Lane<'_>, upstream: &Upstream) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for scenario in wanted.of(store) {
        let name = scenario.name();
        eprintln!("{name} …");
        if let Some(reason) = missing(scenario) {
            println!("{name}: left out: {reason}");
            continue;
        }
        let run = run(wanted, scenario, postgres.as_deref_mut(), upstream).await;
        let outcome = match run {
            Ok((books, seen)) => {
                let is_good = books.balance()
                    && seen.count(End::NoRetryAfter) == 0
                    && (scenario.may_break() || broken(&seen) == 0)
                    && seen.slowest_recovery().is_some();
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
    outcomes
}

/// What a scenario needs and this machine does not have.
fn missing(scenario: &Scenario) -> Option<String> {
    match scenario.fault {
        Fault::Full if !shell::is_root() => Some("only root may mount a file system".to_owned()),
        Fault::Clock | Fault::Skew => faketime().err().map(|error| error.to_string()),
        _ => None,
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
    sleep(CALM.1).await;
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
            // The second is ahead: behind, the prices that the first was told would not hold yet.
            Ok(vec![off("+0")?, off("+240")?])
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

//! `bench <ourhub> [postgres-url postmaster-pid]`: what the relay costs, beside nginx, in one run.
//!
//! Invariant: candidates take turns within each round, on the same core, against the same upstream with the same load from
//! the other core, so that their figures may be compared with each other and with nothing else.
//! Starts and ends processes; writes temporary folders; prints a table. Called by `cargo xtask bench relay`.

use std::{path::PathBuf, time::Duration};

use bench::{
    candidate::{Candidate, Database},
    load::{self, Flood, Kind, Latency},
    mock::Mock,
    process,
};

/// How often every candidate gets its turn.
const ROUNDS: usize = 5;
const CONNECTIONS: usize = 64;
const FLOOD: Duration = Duration::from_secs(6);
/// The constant rate, and how long.
const PER_SECOND: u32 = 1_000;
const STEADY: Duration = Duration::from_secs(10);
/// What the upstream takes during the constant rate.
const UPSTREAM: Duration = Duration::from_millis(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    anyhow::ensure!(!args.is_empty(), "usage: bench <ourhub> [postgres-url postmaster-pid]");
    process::pin_self()?;
    let mock = Mock::start().await?;
    let binary = PathBuf::from(&args[0]);

    let mut candidates = Vec::new();
    candidates.extend(Candidate::nginx(&mock).await?);
    candidates.push(Candidate::ourhub(&binary, &mock, Database::Sqlite).await?);
    if let [_, url, pid] = args.as_slice() {
        let database = Database::Postgres {
            url: url.clone(),
            pid: pid.parse()?,
        };
        candidates.push(Candidate::ourhub(&binary, &mock, database).await?);
    }

    let whole = floods(&mock, &candidates, Kind::Whole).await?;
    let streams = floods(&mock, &candidates, Kind::Stream).await?;
    let steady = steady(&mock, &candidates).await?;
    println!(
        "| | CPU ms per 1,000 requests, median (least) | of its database | requests/s at {CONNECTIONS} connections | CPU µs per stream event, median (least) | added p50 µs | added p99 µs | RSS MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (at, candidate) in candidates.iter().enumerate() {
        print_row(
            candidate,
            [&whole[at], &streams[at]],
            &steady[at],
            &steady[candidates.len()],
        )?;
    }
    println!(
        "\n{ROUNDS} rounds of {} s; latency at {PER_SECOND}/s over a {} ms upstream, {} s.",
        FLOOD.as_secs(),
        UPSTREAM.as_millis(),
        STEADY.as_secs()
    );
    Ok(())
}

/// As many requests as go through, from [`CONNECTIONS`] connections, in turns.
async fn floods(mock: &Mock, candidates: &[Candidate], kind: Kind) -> anyhow::Result<Vec<Vec<Flood>>> {
    mock.set_delay(Duration::ZERO);
    let mut floods: Vec<Vec<Flood>> = candidates.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for (at, candidate) in candidates.iter().enumerate() {
            let flood = load::flood(candidate, kind, CONNECTIONS, FLOOD).await?;
            eprintln!(
                "round {round}: {}: {} requests/s, {} CPU µs each",
                candidate.name,
                flood.per_second(),
                flood.cpu_us_per_1000() / 1_000
            );
            if round > 0 {
                floods[at].push(flood); // the first round warms up
            }
        }
    }
    Ok(floods)
}

/// Latencies at a constant rate: of each candidate, then of the upstream itself.
async fn steady(mock: &Mock, candidates: &[Candidate]) -> anyhow::Result<Vec<Latency>> {
    mock.set_delay(UPSTREAM);
    let mut latencies = Vec::new();
    for candidate in candidates {
        latencies.push(load::steady(&candidate.target, PER_SECOND, STEADY).await?);
    }
    latencies.push(load::steady(&mock.target(), PER_SECOND, STEADY).await?);
    Ok(latencies)
}

fn print_row(
    candidate: &Candidate,
    [whole, streams]: [&[Flood]; 2],
    latency: &Latency,
    direct: &Latency,
) -> anyhow::Result<()> {
    let cpu = spread(whole, Flood::cpu_us_per_1000);
    let event = spread(streams, Flood::cpu_us_per_10_events);
    println!(
        "| {} | {} ({}) | {} | {} | {}.{} ({}.{}) | {} | {} | {} |",
        candidate.name,
        ms(cpu.median),
        ms(cpu.least),
        if candidate.has_database() {
            ms(spread(whole, Flood::database_us_per_1000).median)
        } else {
            "none".to_owned()
        },
        spread(whole, Flood::per_second).median,
        event.median / 10,
        event.median % 10,
        event.least / 10,
        event.least % 10,
        latency.p50_us.saturating_sub(direct.p50_us),
        latency.p99_us.saturating_sub(direct.p99_us),
        candidate.rss_kb()? / 1024,
    );
    Ok(())
}

/// Of one figure over all rounds.
struct Spread {
    median: u64,
    least: u64,
}

fn spread(floods: &[Flood], value: fn(&Flood) -> u64) -> Spread {
    let mut values: Vec<u64> = floods.iter().map(value).collect();
    values.sort_unstable();
    Spread {
        median: values[values.len() / 2],
        least: values[0],
    }
}

/// Microseconds as milliseconds with one decimal.
fn ms(us: u64) -> String {
    format!("{}.{}", us / 1000, us % 1000 / 100)
}

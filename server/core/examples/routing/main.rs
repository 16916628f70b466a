//! `routing [--requests N] [--seed N] [--cycle-seconds N] [--plain]`: what clients see of this router beside the policies one usually meets. Called
//! by `cargo xtask simulate`.
//!
//! Invariant: the same seed and number give the same table on every machine. Prints a table.

#[path = "simulation.rs"]
mod simulation;

use simulation::{Policy, Scale, Score, simulate};

const REQUESTS: u64 = 1_000_000;
const SEED: u64 = 20_261_130;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let given = |flag: &str| {
        let at = words.iter().position(|word| word == flag)?;
        words.get(at + 1)?.parse().ok()
    };
    let requests = given("--requests").unwrap_or(REQUESTS);
    let scale = Scale {
        seed: given("--seed").unwrap_or(SEED),
        requests,
        cycle_ms: given("--cycle-seconds").unwrap_or(600).cast_signed() * 1_000,
        divided: 1,
        is_plain: words.iter().any(|word| word == "--plain"),
    };
    println!(
        "| {requests} requests | errors clients saw | never answered | attempts wasted per 100 answers | capacity used | fairness | wait p50 | p99 |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    std::thread::scope(|threads| {
        for policy in Policy::ALL {
            threads.spawn(move || println!("{}", line(policy, &simulate(policy, scale))));
        }
    });
}

fn line(policy: Policy, score: &Score) -> String {
    let name = match policy {
        Policy::Ours => "OurHub",
        Policy::FirstAvailable => "first available",
        Policy::WeightedRandom => "weighted random",
        Policy::RoundRobin => "round robin, 60 s",
    };
    let percent = |count: u64| {
        let hundredths = count * 10_000 / score.requests.max(1);
        format!("{}.{:02} %", hundredths / 100, hundredths % 100)
    };
    let Score {
        refusals, lost, wasted, ..
    } = score;
    format!(
        "| {name} | {} | {} | {}.{} | {}.{} % | {}.{:03} | {} ms | {} ms |",
        percent(*refusals),
        percent(*lost),
        wasted / 10,
        wasted % 10,
        score.capacity / 10,
        score.capacity % 10,
        score.fairness / 1_000,
        score.fairness % 1_000,
        score.p50_ms,
        score.p99_ms,
    )
}

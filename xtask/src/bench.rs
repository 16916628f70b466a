//! `cargo xtask bench …`: what the relay costs, beside nginx where it is installed; what the ledger takes, on SQLite and on
//! Postgres; and what a hold and its end cost without a database. `cargo xtask simulate`: the router beside other policies.
//!
//! Invariant: the release build with everything on is measured, and all candidates within one run.
//! Writes `target/` and temporary folders.

use crate::{postgres::Postgres, shell};

/// The relay: builds, starts a Postgres, measures and prints a table.
///
/// # Errors
/// When something does not build, does not start, or answers with an error.
pub fn relay() -> anyhow::Result<()> {
    build(&["ourhub", "bench"])?;
    let postgres = Postgres::start()?;
    let release = shell::target().join("release");
    let mut bench = shell::command(release.join("bench"));
    bench
        .arg(release.join("ourhub"))
        .arg(postgres.url())
        .arg(postgres.pid().to_string());
    shell::run(&mut bench)
}

/// Builds the server's unit tests optimised and runs the one that measures. Not linked as the release is: that takes a quarter of
/// an hour and changes nothing within one crate.
///
/// # Errors
/// When it does not build or ends with an error.
pub fn journal() -> anyhow::Result<()> {
    let measure = "the_journal_with_a_store_that_writes_nothing";
    let mut test = shell::cargo("test");
    test.args(["--release", "--package", "server", "--lib", measure]);
    test.args(["--", "--ignored", "--nocapture"]);
    test.env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    shell::run(&mut test)
}

/// The ledger: builds, measures and prints a table; `words` are the measuring program's.
///
/// # Errors
/// When it does not build, Postgres cannot be had, or the books do not balance.
pub fn ledger(words: &[&str]) -> anyhow::Result<()> {
    build(&["ledger"])?;
    shell::run(shell::command(shell::target().join("release/ledger")).args(words))
}

/// The router: builds the simulation optimised and prints its table; `words` are the simulation's.
///
/// # Errors
/// When it does not build or ends with an error.
pub fn simulate(words: &[&str]) -> anyhow::Result<()> {
    let example = ["--release", "--package", "gateway-core", "--example", "routing", "--"];
    shell::run(shell::cargo("run").args(example).args(words))
}

fn build(programs: &[&str]) -> anyhow::Result<()> {
    let mut build = shell::cargo("build");
    build.args(["--release", "--package", "server", "--package", "bench"]);
    for program in programs {
        build.args(["--bin", program]);
    }
    shell::run(&mut build)
}

//! What may come in as a dependency, by cargo-deny and `deny.toml`.
//!
//! Invariant: the tests ask only what the lock file and the sources of the dependencies answer; known flaws are looked up in a
//! database on the network, which no test needs. Reads `Cargo.lock` and `deny.toml`.

use crate::{python, shell};

/// Bans, licences and sources.
///
/// # Errors
/// When a dependency breaks a rule, or cargo-deny cannot be had.
pub fn test() -> anyhow::Result<()> {
    check(&["bans", "licenses", "sources"])
}

/// All of it, known flaws too.
///
/// # Errors
/// As [`test`], and when a dependency has a known flaw or the database cannot be fetched.
pub fn all() -> anyhow::Result<()> {
    check(&[])
}

fn check(what: &[&str]) -> anyhow::Result<()> {
    let program = match shell::find(&["cargo-deny"]) {
        Some(program) => program,
        None => python::programs()?.join("cargo-deny"),
    };
    shell::run(shell::command(program).args(["--locked", "check"]).args(what))
}

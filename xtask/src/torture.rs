//! `cargo xtask torture`: faults under load, on SQLite and on Postgres.
//!
//! Invariant: the build with its assertions and overflow checks on is tortured. Writes `target/` and temporary folders.

use xtask::shell;

use crate::rust;

/// Builds, and runs all scenarios or those that `words` name; `--short` takes less than two minutes.
///
/// # Errors
/// When something does not build, or what must be zero is not.
pub fn run(words: &[&str]) -> anyhow::Result<()> {
    rust::binaries()?;
    let debug = shell::target().join("debug");
    let mut torture = shell::command(debug.join("torture"));
    shell::run(torture.arg(debug.join("ourhub")).args(words))
}

//! The tests written in Rust: unit tests and style rules, then the server over HTTP on SQLite and on Postgres.
//!
//! Invariant: every call names the same packages, so that cargo builds each dependency once.
//! Reads the working tree; writes `target/` and, for Postgres, a temporary folder.

use std::process::Command;

use crate::{postgres::Postgres, shell};

const PACKAGES: [&str; 6] = ["server", "gateway-core", "frontend", "entity", "migration", "xtask"];

/// The integration binary that starts the server; all other test binaries need nothing but the sources.
const OVER_HTTP: &str = "it";

/// Unit tests of all packages, and every test binary but [`OVER_HTTP`].
///
/// # Errors
/// When a test fails or does not compile.
pub fn unit() -> anyhow::Result<()> {
    let mut test = cargo_test();
    test.args(["--lib", "--bins"]);
    for folder in ["server/tests", "server/core/tests"] {
        for name in test_binaries(folder)? {
            test.args(["--test", &name]);
        }
    }
    shell::run(&mut test)
}

/// The server over HTTP, once on SQLite and once on a Postgres started for it.
///
/// # Errors
/// When a test fails, or Postgres cannot be had.
pub fn http() -> anyhow::Result<()> {
    let entry = shell::root().join("server/tests").join(OVER_HTTP).join("main.rs");
    anyhow::ensure!(entry.is_file(), "{} is missing", entry.display());
    let postgres = Postgres::start()?;
    shell::run(
        cargo_test()
            .args(["--test", OVER_HTTP])
            .env_remove("OURHUB_TEST_POSTGRES"),
    )?;
    shell::run(
        cargo_test()
            .args(["--test", OVER_HTTP])
            .env("OURHUB_TEST_POSTGRES", postgres.url()),
    )
}

fn cargo_test() -> Command {
    let mut test = shell::cargo("test");
    for package in PACKAGES {
        test.args(["--package", package]);
    }
    test
}

/// Test binaries of a package by cargo's own rule: `tests/name.rs` and `tests/name/main.rs`.
fn test_binaries(folder: &str) -> anyhow::Result<Vec<String>> {
    let folder = shell::root().join(folder);
    let mut names = Vec::new();
    if !folder.is_dir() {
        return Ok(names);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_test = path.join("main.rs").is_file() || path.extension().is_some_and(|it| it == "rs");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if is_test && name != OVER_HTTP {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

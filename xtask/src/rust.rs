//! The tests written in Rust: rules and style, then the server on SQLite and Postgres; and the binaries that other tests start.
//!
//! Invariant: every call names the same packages and builds a test among them, so that cargo chooses the same features and builds
//! each dependency once.
//! Reads the working tree; writes `target/` and, for Postgres, a temporary folder.

use std::process::Command;

use crate::{postgres::Postgres, shell};

const PACKAGES: [&str; 7] = [
    "server",
    "gateway-core",
    "frontend",
    "entity",
    "migration",
    "bench",
    "xtask",
];

/// The test binary of the server that needs nothing but the sources.
const STYLE: &str = "tidy";

/// What needs no database: unit tests, the core's fixtures, the frontend's pages, the style rules.
///
/// # Errors
/// When a test fails or does not compile.
pub fn unit() -> anyhow::Result<()> {
    let mut test = cargo("test");
    test.args(["--lib", "--bin", "ourhub", "--bin", "xtask", "--test", STYLE]);
    for folder in ["server/core/tests", "frontend/tests", "entity/tests", "migration/tests"] {
        for name in test_binaries(folder)? {
            test.args(["--test", &name]);
        }
    }
    shell::run(&mut test)
}

/// The server's other test binaries. They run on SQLite, and on Postgres where `OURHUB_TEST_POSTGRES` names one.
///
/// # Errors
/// When a test fails, or Postgres cannot be had.
pub fn http() -> anyhow::Result<()> {
    let postgres = Postgres::start()?;
    let mut test = cargo("test");
    for name in test_binaries("server/tests")?.iter().filter(|name| *name != STYLE) {
        test.args(["--test", name]);
    }
    shell::run(test.env("OURHUB_TEST_POSTGRES", postgres.url()))
}

/// Builds the server and the torture as the tests above link them.
///
/// # Errors
/// When one does not compile.
pub fn binaries() -> anyhow::Result<()> {
    shell::run(cargo("build").args(["--bin", "ourhub", "--bin", "torture", "--test", STYLE]))
}

fn cargo(subcommand: &str) -> Command {
    let mut cargo = shell::cargo(subcommand);
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    cargo
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
        if is_test {
            names.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

//! `cargo xtask fuzz`: one target of the core under libFuzzer, until it finds something or is told to stop.
//!
//! Invariant: the toolchain of the repository suffices, and a C++ compiler for libFuzzer itself; no other build carries either.
//! Reads the seeds of the core; writes `target/fuzz`.

use anyhow::{Context, bail};

use crate::shell;

/// What makes the compiler count branches and comparisons for libFuzzer.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds the fuzzer and runs the target that `words` name first; the rest goes to libFuzzer, such as `-max_total_time=600`.
///
/// # Errors
/// When no target is named, it does not build, or something is found: then the input lies in `target/fuzz`.
pub fn run(words: &[&str]) -> anyhow::Result<()> {
    let [name, options @ ..] = words else {
        bail!("say which target; they are listed in server/core/fuzz/targets.rs");
    };
    let folder = shell::target().join("fuzz");
    let host = host()?;
    let mut build = shell::cargo("build");
    // With a target, build scripts are built without the flags.
    build.args([
        "--release",
        "--manifest-path",
        "server/core/fuzz/Cargo.toml",
        "--target",
        &host,
    ]);
    shell::run(build.env("CARGO_TARGET_DIR", &folder).env("RUSTFLAGS", FLAGS))?;
    let corpus = folder.join("corpus").join(name);
    std::fs::create_dir_all(&corpus)?;
    let mut fuzz = shell::command(folder.join(&host).join("release/fuzz"));
    fuzz.env("OURHUB_FUZZ", name)
        .arg(&corpus)
        .args(["server/core/fuzz/seeds", "server/core/tests/fixtures"])
        .args(["-timeout=10", "-rss_limit_mb=1024", "-max_len=8192"])
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .args(options);
    shell::run(&mut fuzz)
}

/// The platform that this runs on, as the compiler calls it.
fn host() -> anyhow::Result<String> {
    let told = shell::output(shell::command("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say which host it is for")?.to_owned())
}

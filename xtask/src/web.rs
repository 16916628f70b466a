//! `cargo xtask web`: the dashboard's islands as a wasm bundle in `target/web`, for the server to embed.
//!
//! Invariant: the stamp is written last, so a bundle with the current stamp is whole. Never touches the Rust toolchain:
//! it uses the wasm target that is there, or Debian's rustc beside it, or says what to install.
//! Reads the sources; writes `target/wasm*` and `target/web`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{shell, stamp};

const WASM: &str = "wasm32-unknown-unknown";

/// Debian's Rust that is kept current for browsers: it comes with the sources of the standard library and a wasm linker.
const DEBIAN: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// Builds the bundle, unless it is there already.
///
/// # Errors
/// When there is no compiler for wasm, or the frontend does not compile.
pub fn bundle() -> anyhow::Result<()> {
    shell::title("web");
    let web = shell::root().join("target/web");
    let stamp = stamp::of(shell::root())?;
    if fs::read_to_string(web.join("stamp")).is_ok_and(|found| found == stamp) {
        eprintln!("target/web is up to date");
        return Ok(());
    }
    if web.exists() {
        fs::remove_dir_all(&web)?;
    }
    fs::create_dir_all(&web)?;
    compile()?;
    let wasm = target().join(WASM).join("wasm-release/frontend.wasm");
    shell::run(
        shell::cargo("run")
            .args(["--package", "xtask-web", "--"])
            .arg(wasm)
            .arg(&web),
    )?;
    fs::write(web.join("stamp"), stamp)?;
    Ok(())
}

/// The frontend alone, in a target folder of its own: another compiler, other features.
fn compile() -> anyhow::Result<()> {
    let mut build = shell::cargo("build");
    build.args([
        "--package",
        "frontend",
        "--lib",
        "--no-default-features",
        "--features",
        "hydrate",
    ]);
    build
        .args(["--target", WASM, "--profile", "wasm-release"])
        .env("CARGO_TARGET_DIR", target());
    if !has_target()? {
        let rustc = shell::need(
            "a Rust compiler for wasm (`rustup target add wasm32-unknown-unknown`)",
            &DEBIAN,
            debian,
        )?;
        let sysroot = standard_library(&rustc)?;
        build.env("RUSTC", rustc);
        build.env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
            // In the place of what `.cargo/config.toml` says.
            format!("--cfg erase_components --sysroot={}", sysroot.display()),
        );
    }
    shell::run(&mut build)
}

fn target() -> PathBuf {
    shell::root().join("target/wasm")
}

/// Whether the compiler in use has the wasm target.
fn has_target() -> anyhow::Result<bool> {
    let sysroot = shell::output(shell::command("rustc").args(["--print", "sysroot"]))?;
    Ok(Path::new(&sysroot).join("lib/rustlib").join(WASM).join("lib").is_dir())
}

fn debian() -> Option<PathBuf> {
    let is_there = |path: &str| Path::new(path).exists();
    let is_complete = [
        "/usr/bin/rustc",
        "/usr/bin/cargo",
        "/usr/bin/rust-lld",
        "/usr/lib/rustlib/src/rust/library",
    ];
    is_complete
        .iter()
        .all(|path| is_there(path))
        .then(|| PathBuf::from("/usr/bin/rustc"))
}

/// Compiles the standard library for wasm (once for each compiler) and returns the sysroot that holds it.
fn standard_library(rustc: &Path) -> anyhow::Result<PathBuf> {
    let version = shell::output(Command::new(rustc).arg("--version"))?;
    let name = version.split(' ').nth(1).context("rustc prints its version")?;
    let sysroot = shell::root().join("target/wasm-std").join(name);
    let library = sysroot.join("lib/rustlib").join(WASM).join("lib");
    if library.is_dir() {
        return Ok(sysroot);
    }
    let empty = sysroot.join("empty");
    fs::create_dir_all(empty.join("src"))?;
    fs::write(empty.join("Cargo.toml"), EMPTY)?;
    fs::write(empty.join("src/lib.rs"), "#![no_std]\n")?;
    let mut build = Command::new("/usr/bin/cargo");
    build.args(["build", "--release", "--target", WASM, "-Zbuild-std=std,panic_abort"]);
    // Without what rustup and the calling cargo put there: they would lead to the other compiler.
    build
        .current_dir(&empty)
        .env("PATH", "/usr/bin:/bin")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", "target");
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
        build.env_remove(name);
    }
    shell::run(&mut build)?;
    let partial = library.with_extension("partial");
    fs::create_dir_all(&partial)?;
    for entry in fs::read_dir(empty.join("target").join(WASM).join("release/deps"))? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "rlib") {
            fs::copy(&file, partial.join(file.file_name().context("a file has a name")?))?;
        }
    }
    fs::rename(partial, library)?;
    fs::remove_dir_all(empty)?;
    Ok(sysroot)
}

const EMPTY: &str = "\
[package]
name = \"empty\"
version = \"0.0.0\"
edition = \"2024\"
[profile.release]
panic = \"abort\"
[workspace]
";

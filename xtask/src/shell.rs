//! Running programs, and finding or installing those that are missing.
//!
//! Invariant: a program that fails, or cannot be had, is an error that names it; its output goes straight to the terminal.
//! Installs Debian packages only when it runs as root with `CI=true`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ lies in the repository")
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A command that starts in the root of the repository.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Cargo, the same one that started this process, with the committed lock file.
///
/// What that one told this process about itself is taken away: some build scripts would run again because of it.
pub fn cargo(subcommand: &str) -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "LD_LIBRARY_PATH" {
            cargo.env_remove(&*name);
        }
    }
    cargo.args([subcommand, "--locked"]);
    cargo
}

/// Runs a command to its end, its output on the terminal.
///
/// # Errors
/// When it cannot be started or exits with anything but 0.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = words(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs a command and returns what it printed, without the line end.
///
/// # Errors
/// When it cannot be started or exits with anything but 0.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = words(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Prints the heading of a part.
pub fn title(part: &str) {
    eprintln!("\n== {part}");
}

/// The first of these programs that is in `PATH`.
pub fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = |name: &&str| {
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    };
    names.iter().find_map(found)
}

/// Calls `find` once, installs the Debian packages when it finds nothing and may, and calls it again.
///
/// # Errors
/// When it still finds nothing: one line that says what to install.
pub fn need<T>(what: &str, packages: &[&str], find: impl Fn() -> Option<T>) -> anyhow::Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let hint = format!("apt-get install {}", packages.join(" "));
    if !(is_ci() && is_root() && self::find(&["apt-get"]).is_some()) {
        bail!("{what} is not installed; on Debian: {hint}");
    }
    apt_install(packages)?;
    find().with_context(|| format!("{what} is not installed, not even by `{hint}`"))
}

fn apt_install(packages: &[&str]) -> anyhow::Result<()> {
    static LISTS: std::sync::Once = std::sync::Once::new();
    let mut lists = Ok(());
    LISTS.call_once(|| lists = run(command("apt-get").args(["update", "-qq"])));
    lists?;
    let mut install = command("apt-get");
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-qq", "-y", "--no-install-recommends"]);
    run(install.args(packages).stdout(Stdio::null()))
}

/// Whether nobody is watching, so that packages may be installed and nothing may be asked.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

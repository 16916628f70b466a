//! Real clients against the real server: SDKs in Node and Python, which change nothing but key and base URL.
//!
//! Invariant: every package has the version that `end2end/` pins.
//! Reads `end2end/`; writes `end2end/node_modules` and, by `python`, `target/python`.

use crate::{browser, python, rust, shell};

/// Node's SDKs, then Python's.
///
/// # Errors
/// When a client fails, or Node or Python cannot be had.
pub fn test() -> anyhow::Result<()> {
    browser::install_packages()?;
    let python = python::programs()?;
    rust::binaries()?;
    shell::run(shell::command("node").args(["--test", "end2end/clients/node.test.mjs"]))?;
    let mut pytest = shell::command(python.join("pytest"));
    pytest
        .args(["-q", "-p", "no:cacheprovider", "end2end/clients"])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(python).chain(std::env::split_paths(&path));
    shell::run(pytest.env("PATH", std::env::join_paths(path)?))
}

//! Real clients against the real server: SDKs in Node and Python, which change nothing but key and base URL.
//!
//! Invariant: every package has the version that `end2end/` pins.
//! Reads `end2end/`; writes `end2end/node_modules` and `target/python`.

use std::{fs, path::PathBuf};

use crate::{browser, shell};

/// Node's SDKs, then Python's.
///
/// # Errors
/// When a client fails, or Node or Python cannot be had.
pub fn test() -> anyhow::Result<()> {
    browser::install_packages()?;
    let python = python()?;
    browser::build_server()?;
    shell::run(shell::command("node").args(["--test", "end2end/clients/node.test.mjs"]))?;
    let mut pytest = shell::command(python.join("pytest"));
    pytest
        .args(["-q", "-p", "no:cacheprovider", "end2end/clients"])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(python).chain(std::env::split_paths(&path));
    shell::run(pytest.env("PATH", std::env::join_paths(path)?))
}

/// The folder of programs of a virtual environment with the pinned packages; made once per list.
fn python() -> anyhow::Result<PathBuf> {
    let folder = shell::root().join("target/python");
    let programs = folder.join("bin");
    let wanted = fs::read(shell::root().join("end2end/clients/requirements.txt"))?;
    if fs::read(folder.join("requirements.txt")).is_ok_and(|found| found == wanted) {
        return Ok(programs);
    }
    shell::need("Python 3.10 with venv", &["python3", "python3-venv"], || {
        let python = shell::find(&["python3"])?;
        let is_whole = shell::output(shell::command(&python).args(["-c", "import ensurepip, venv"])).is_ok();
        is_whole.then_some(python)
    })?;
    shell::run(shell::command("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = shell::command(programs.join("pip"));
    shell::run(pip.args(["install", "-q", "--no-deps", "-r", "end2end/clients/requirements.txt"]))?;
    fs::write(folder.join("requirements.txt"), wanted)?;
    Ok(programs)
}

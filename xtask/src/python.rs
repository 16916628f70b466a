//! Python packages that tests use: a virtual environment of its own.
//!
//! Invariant: it holds just what `end2end/clients/requirements.txt` pins, and is made anew when that changes.
//! Writes `target/python`.

use std::{fs, path::PathBuf};

use crate::shell;

/// Where the programs of those packages are.
///
/// # Errors
/// When Python cannot be had, or a package.
pub fn programs() -> anyhow::Result<PathBuf> {
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

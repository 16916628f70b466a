//! Journeys in a real browser, by Playwright, and screenshots of every page.
//!
//! Invariant: the browser drives the binary just built, with the wasm bundle of the same sources inside.
//! Reads `end2end/`; writes `end2end/node_modules`, `end2end/screenshots` and `target/`.

use std::process::Command;

use crate::{rust, shell, web};

/// All journeys, with JavaScript and without.
///
/// # Errors
/// When a journey fails, or Chromium or Node cannot be had.
pub fn test() -> anyhow::Result<()> {
    shell::run(playwright()?.args(["--project", "script", "--project", "no-script"]))
}

/// Every page, light and dark, wide and narrow, into `end2end/screenshots`.
///
/// # Errors
/// When a page does not open, or Chromium or Node cannot be had.
pub fn screenshots() -> anyhow::Result<()> {
    shell::run(playwright()?.args(["--project", "screenshots"]))
}

fn playwright() -> anyhow::Result<Command> {
    web::bundle()?;
    let chromium = shell::need("Chromium", &["chromium"], || {
        let set = std::env::var_os("OURHUB_CHROMIUM").map(Into::into);
        set.or_else(|| shell::find(&["chromium", "chromium-browser", "google-chrome"]))
    })?;
    install_packages()?;
    rust::binaries()?;
    let mut playwright = shell::command("npx");
    playwright
        .current_dir(shell::root().join("end2end"))
        .args(["--no-install", "playwright", "test"]);
    playwright.env("OURHUB_CHROMIUM", chromium);
    Ok(playwright)
}

/// The npm packages of `end2end`, exactly as the lock file names them; once per lock file.
pub fn install_packages() -> anyhow::Result<()> {
    shell::need("Node.js 20 with npm", &["nodejs", "npm"], || {
        shell::find(&["npm"]).filter(|_| shell::find(&["node"]).is_some())
    })?;
    let folder = shell::root().join("end2end");
    let installed = folder.join("node_modules/installed-lock.json");
    let lock = std::fs::read(folder.join("package-lock.json"))?;
    if std::fs::read(&installed).is_ok_and(|found| found == lock) {
        return Ok(());
    }
    shell::run(
        shell::command("npm")
            .current_dir(&folder)
            .args(["ci", "--ignore-scripts"]),
    )?;
    Ok(std::fs::write(installed, lock)?)
}

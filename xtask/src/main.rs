//! `cargo xtask`: everything one does to the repository besides `cargo run`.
//!
//! Invariant: every part finds or installs what it needs, or stops with one line that says what to install; nothing is skipped
//! but by `torture` on a machine without libfaketime, which it says and which CI has.
//! Reads and writes `target/`, `end2end/node_modules`, `end2end/screenshots` and a temporary folder; nothing else.

mod bench;
mod browser;
mod clients;
mod deny;
mod fuzz;
mod python;
mod rust;
mod stamp;
mod torture;
mod web;

use std::process::ExitCode;

use xtask::{postgres, shell};

const HELP: &str = "\
cargo xtask test [part]...                        all tests, or deny, unit, http, torture, browser, clients
cargo xtask web                                   the wasm bundle of the dashboard, into target/web
cargo xtask screenshots                           every page, light and dark, into end2end/screenshots
cargo xtask bench relay                           what the relay costs, beside nginx
cargo xtask bench journal                         what a hold and its end cost without a database
cargo xtask torture [--minutes N] [name]...       faults under load, and whether the books still balance
cargo xtask deny                                  dependencies: licences, sources, bans, known flaws (by network)
cargo xtask fuzz TARGET [option]...               one target of server/core/fuzz under libFuzzer
cargo xtask torture [--minutes N] failover        upstream accounts that fail in every way, and clients that must not see it
cargo xtask bench ledger [--requests N]           what the ledger takes a second, beside a transaction for each request
cargo xtask simulate [--requests N] [--seed N] [--plain]    what clients see of the router beside other policies, in a simulated world
";

/// The parts of the tests, in the order in which they run.
const PARTS: [&str; 6] = ["deny", "unit", "http", "torture", "browser", "clients"];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", parts @ ..] => test(parts),
        ["web"] => web::bundle(),
        ["deny"] => deny::all(),
        ["torture", words @ ..] => torture::run(words),
        ["bench", "relay"] => bench::relay(),
        ["bench", "journal"] => bench::journal(),
        ["bench", "ledger", words @ ..] => bench::ledger(words),
        ["simulate", words @ ..] => bench::simulate(words),
        ["fuzz", words @ ..] => fuzz::run(words),
        ["screenshots"] => browser::screenshots(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(anyhow::anyhow!("unknown command: {}\n{HELP}", words.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn test(wanted: &[&str]) -> anyhow::Result<()> {
    if let Some(unknown) = wanted.iter().find(|part| !PARTS.contains(part)) {
        anyhow::bail!("unknown part `{unknown}`; the parts are {}", PARTS.join(", "));
    }
    let is_wanted = |part: &str| wanted.is_empty() || wanted.contains(&part);
    if is_wanted("browser") {
        web::bundle()?; // first: the server embeds it, and is then compiled once
    }
    for part in PARTS.into_iter().filter(|part| is_wanted(part)) {
        shell::title(part);
        match part {
            "deny" => deny::test()?,
            "unit" => rust::unit()?,
            "http" => rust::http()?,
            "torture" => torture::run(&["--short"])?,
            "browser" => browser::test()?,
            _ => clients::test()?,
        }
    }
    Ok(())
}

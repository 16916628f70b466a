//! `cargo xtask`: everything one does to the repository besides `cargo run`.
//!
//! Invariant: every part finds or installs what it needs, or stops with one line that says what to install; nothing is skipped.
//! Reads and writes the working tree's `target/` and a temporary folder; never anything else.

mod postgres;
mod rust;
mod shell;
mod stamp;
mod web;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test [unit|http]...   all tests, or some parts of them
cargo xtask web                  the wasm bundle of the dashboard, into target/web
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", parts @ ..] => test(parts),
        ["web"] => web::bundle(),
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

fn test(parts: &[&str]) -> anyhow::Result<()> {
    const ALL: [&str; 2] = ["unit", "http"];
    if let Some(unknown) = parts.iter().find(|part| !ALL.contains(part)) {
        anyhow::bail!("unknown part `{unknown}`; the parts are {}", ALL.join(", "));
    }
    let wanted = if parts.is_empty() { &ALL[..1] } else { parts };
    for part in wanted {
        shell::title(part);
        match *part {
            "unit" => rust::unit()?,
            _ => rust::http()?,
        }
    }
    Ok(())
}

//! The binary `ourhub`: parses the command line and runs it.
//!
//! Invariant: the only place that exits the process; on SIGTERM nothing that was accepted is lost.

use anyhow::Context as _;
use clap::Parser as _;
use server::app::{App, Office};
use server::auth::NewUser;
use server::config::{Command, Config, Flags, LedgerCommand, Origin, TokenCommand, UserCommand};
use server::relay::{self, Relay};
use server::{billing, cli, http, ledger, telemetry};
use std::io::BufWriter;
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long, after the last connection was cut, holds may take to end.
const SETTLE_TIME: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let flags = Flags::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("ourhub: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(flags)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ourhub: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<ExitCode> {
    let config = Config::new(&flags)?;
    telemetry::start(config.log.format, &config.log.filter)?;
    match flags.command {
        None | Some(Command::Serve) => serve(&config).await?,
        Some(Command::Migrate) => {
            Office::open(&config.storage).await?;
            println!("The tables are up to date.");
        }
        Some(Command::User(command)) => println!("{}", user(&config, command).await?),
        Some(Command::Token(TokenCommand::Create { email })) => {
            let office = Office::open(&config.storage).await?;
            println!("{}", cli::create_token(&office.db, &office.auth, &email).await?);
        }
        Some(Command::Ledger(LedgerCommand::Verify)) => return verify(&config).await,
        Some(Command::Ledger(LedgerCommand::Export { format, team, from, to })) => {
            let wanted = ledger::Wanted {
                team_id: team,
                from_ms: from,
                to_ms: to,
            };
            export(&config, wanted, format).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn user(config: &Config, command: UserCommand) -> anyhow::Result<String> {
    let office = Office::open(&config.storage).await?;
    Ok(match command {
        UserCommand::Create { email, password, admin } => {
            let new = NewUser {
                email: &email,
                password: &password,
            };
            cli::create_user(&office.db, &office.auth, new, admin).await?
        }
        UserCommand::SetPassword { email, password } => {
            cli::set_password(&office.db, &office.auth, &email, &password).await?
        }
    })
}

async fn verify(config: &Config) -> anyhow::Result<ExitCode> {
    let office = Office::open(&config.storage).await?;
    let report = ledger::verify_beside(&office.db, &config.storage.data_dir).await?;
    let unmatched = billing::verify(&office.db).await?;
    for difference in report.differences.iter().chain(&unmatched) {
        println!("{difference}");
    }
    println!(
        "{} holds checked, {} open, {} estimates, in {} groups",
        report.checked, report.open, report.estimates, report.groups
    );
    let count = report.difference_count + unmatched.len() as u64;
    println!("{count} differences");
    Ok(if count == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Nothing but the lines goes to the standard output; the log goes elsewhere.
async fn export(config: &Config, wanted: ledger::Wanted, format: ledger::Format) -> anyhow::Result<()> {
    let office = Office::open(&config.storage).await?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    ledger::export(&office.db, wanted, format, &mut out).await?;
    Ok(())
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let app = App::start(config).await?;
    let relay = Relay::new(&app, deadlines(config));
    warn_of_plain_http(&app);
    let listening =
        http::listen(app.clone(), relay).with_context(|| format!("cannot listen on {}", config.edge.listen))?;
    let stopped = stopped()?;
    println!("OurHub is ready at {}", listening.url);
    show_setup_link(&app, &listening.url).await?;
    let serving = tokio::spawn(listening.server);
    stopped.await;
    tracing::info!("stopping: requests under way finish, nothing new is taken");
    listening.ending.in_order(&app).await;
    serving.await??;
    app.settle(SETTLE_TIME).await;
    app.close().await;
    Ok(())
}

/// The deadlines of requests.
fn deadlines(config: &Config) -> relay::Config {
    let deadlines = &config.deadlines;
    relay::Config {
        wait: config.wait,
        hedge: config.hedge,
        headers: deadlines.headers,
        first_content: deadlines.first_content,
        whole: deadlines.whole,
        idle: deadlines.idle,
        total: deadlines.total,
        ..relay::Config::default()
    }
}

/// Whether only this machine reaches the server, as far as it was told.
fn is_for_here(app: &App) -> bool {
    app.edge.is_loopback() && app.edge.public.as_ref().is_none_or(Origin::is_loopback)
}

fn warn_of_plain_http(app: &App) {
    if !app.edge.is_https() && !is_for_here(app) {
        tracing::warn!(
            "browsers reach this server over http, so session cookies can be read on their way: set an https OURHUB_PUBLIC_URL"
        );
    }
}

/// Where others can reach the server, directly or through a proxy, the first admin needs the link that stands in the log alone.
async fn show_setup_link(app: &App, url: &str) -> anyhow::Result<()> {
    if is_for_here(app) {
        return Ok(());
    }
    if let Some(token) = app.auth.setup_token().await? {
        tracing::warn!("there is no admin yet: sign up, then open {url}/setup?token={token} once");
    }
    Ok(())
}

/// Ends at SIGTERM or SIGINT, from the moment of this call on.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

//! The command line: subcommands, and one flag and environment variable for each setting.
//!
//! Invariant: parses to what was typed; what it means together is decided in [`super::Config::new`]. Reads the command line
//! and the environment, through clap.

use crate::{ledger::Format, telemetry::LogFormat};
use clap::{Args, Parser, Subcommand};
use gateway_core::id;
use std::{net::SocketAddr, path::PathBuf};

/// One endpoint in front of every LLM account you own.
#[derive(Parser)]
#[command(name = "ourhub", version)]
pub struct Flags {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Address and port to listen on.
    #[arg(long, env = "OURHUB_LISTEN", default_value = "127.0.0.1:3000", global = true)]
    pub listen: SocketAddr,

    /// Where browsers reach the server, such as https://hub.example.com; demanded unless the listener is on loopback.
    #[arg(long, env = "OURHUB_PUBLIC_URL", global = true)]
    pub public_url: Option<String>,

    /// postgres://… or sqlite://…; a SQLite file in the data directory when absent.
    #[arg(long, env = "OURHUB_DATABASE_URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,

    /// Holds the SQLite file and the master key.
    #[arg(long, env = "OURHUB_DATA_DIR", default_value = "./data", global = true)]
    pub data_dir: PathBuf,

    /// 32 bytes in base64 that everything secret is sealed under; made and kept in the data directory when absent.
    #[arg(long, env = "OURHUB_MASTER_KEY", hide_env_values = true, global = true)]
    pub master_key: Option<String>,

    /// Address ranges that upstream accounts may reach besides public addresses; loopback when the listener is on loopback.
    #[arg(long, env = "OURHUB_UPSTREAM_ALLOW", global = true)]
    pub upstream_allow: Option<String>,

    /// Address ranges of proxies whose X-Forwarded-For counts.
    #[arg(long, env = "OURHUB_TRUSTED_PROXIES", default_value = "", global = true)]
    pub trusted_proxies: String,

    /// Teams may only spend what was paid into their wallet; on by default once Stripe is configured.
    #[arg(
        long,
        env = "OURHUB_PREPAID",
        value_parser = clap::builder::FalseyValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        global = true
    )]
    pub prepaid: Option<bool>,

    /// Stripe's secret key, sk_… or rk_…: teams may then pay. Needs the webhook's secret, too.
    #[arg(long, env = "OURHUB_STRIPE_SECRET_KEY", hide_env_values = true, global = true)]
    pub stripe_secret_key: Option<String>,

    /// What Stripe signs webhooks with, whsec_…, for the address …/webhooks/stripe.
    #[arg(long, env = "OURHUB_STRIPE_WEBHOOK_SECRET", hide_env_values = true, global = true)]
    pub stripe_webhook_secret: Option<String>,

    /// Whether Stripe makes an invoice of each payment, for which it takes a fee; receipts there are in any case.
    #[arg(
        long,
        env = "OURHUB_STRIPE_INVOICES",
        value_parser = clap::builder::FalseyValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        global = true
    )]
    pub stripe_invoices: bool,

    /// Another address than Stripe's own, for a stand-in.
    #[arg(long, env = "OURHUB_STRIPE_API_BASE", global = true)]
    pub stripe_api_base: Option<String>,

    /// How long a request waits when every account is busy; 0 turns it off.
    #[arg(long, env = "OURHUB_WAIT", default_value = "30s", global = true)]
    pub wait: String,

    /// After how much silence of the account that was asked for a stream another one is asked as well, whose answer counts if it comes first;
    /// the input of the other is charged too. 0 turns it off.
    #[arg(long, env = "OURHUB_HEDGE", default_value = "0", global = true)]
    pub hedge: String,

    /// How long each part of an upstream call may take.
    #[command(flatten)]
    pub deadlines: DeadlineFlags,

    /// How long requests under way may take to end after SIGTERM.
    #[arg(long, env = "OURHUB_DRAIN", default_value = "30s", global = true)]
    pub drain: String,

    /// What /metrics demands as a bearer token; with it, accounts and models are named there. Without one anybody may read the rest.
    #[arg(long, env = "OURHUB_METRICS_TOKEN", hide_env_values = true, global = true)]
    pub metrics_token: Option<String>,

    /// How many days the rows of requests are kept; 0: for good. Roll-ups and the ledger's sums always are.
    #[arg(long, env = "OURHUB_KEEP_REQUESTS_DAYS", default_value_t = 400, global = true)]
    pub keep_requests_days: u32,

    /// The mail server, such as smtps://user:password@mail.example.com; without it mails stay in the outbox of the admin pages.
    #[arg(long, env = "OURHUB_SMTP_URL", hide_env_values = true, global = true)]
    pub smtp_url: Option<String>,

    /// Services elsewhere that sign people in.
    #[command(flatten)]
    pub sign_in: SignInFlags,

    /// Logs for people (pretty) or machines (json).
    #[arg(long, env = "OURHUB_LOG_FORMAT", value_enum, default_value = "pretty", global = true)]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug, or directives such as server=debug,info.
    #[arg(
        long,
        env = "OURHUB_LOG",
        default_value = "info,actix_server=warn,sea_orm_migration=warn",
        global = true
    )]
    pub log: String,
}

/// How long each part of an upstream call may take; then another account is asked, as long as none of the answer was sent.
#[derive(Args)]
pub struct DeadlineFlags {
    /// How long a connection to an upstream may take, its proxy and TLS included.
    #[arg(long, env = "OURHUB_CONNECT_TIMEOUT", default_value = "5s", global = true)]
    pub connect_timeout: String,

    /// How long the head of a streamed answer may take, from sending.
    #[arg(long, env = "OURHUB_HEADERS_TIMEOUT", default_value = "180s", global = true)]
    pub headers_timeout: String,

    /// How long the first content of a streamed answer may take, from sending.
    #[arg(long, env = "OURHUB_FIRST_CONTENT_TIMEOUT", default_value = "180s", global = true)]
    pub first_content_timeout: String,

    /// How long an answer that is not streamed may take, from sending to its end.
    #[arg(long, env = "OURHUB_ANSWER_TIMEOUT", default_value = "10m", global = true)]
    pub answer_timeout: String,

    /// How long a stream may be silent between two pieces.
    #[arg(long, env = "OURHUB_IDLE_TIMEOUT", default_value = "2m", global = true)]
    pub idle_timeout: String,

    /// How long a request may take in all, waiting and every account that is asked included.
    #[arg(long, env = "OURHUB_TOTAL_TIMEOUT", default_value = "60m", global = true)]
    pub total_timeout: String,
}

/// Services elsewhere that sign people in; each needs its client id and secret. They lead people back to …/login/with/google/back,
/// …/login/with/github/back or …/login/with/oidc/back.
#[derive(Args)]
pub struct SignInFlags {
    /// What Google calls this server.
    #[arg(long, env = "OURHUB_GOOGLE_CLIENT_ID", global = true)]
    pub google_client_id: Option<String>,

    /// The secret that goes with it.
    #[arg(long, env = "OURHUB_GOOGLE_CLIENT_SECRET", hide_env_values = true, global = true)]
    pub google_client_secret: Option<String>,

    /// Another issuer than Google's own, for a stand-in.
    #[arg(long, env = "OURHUB_GOOGLE_ISSUER", global = true)]
    pub google_issuer: Option<String>,

    /// What GitHub calls this server.
    #[arg(long, env = "OURHUB_GITHUB_CLIENT_ID", global = true)]
    pub github_client_id: Option<String>,

    /// The secret that goes with it.
    #[arg(long, env = "OURHUB_GITHUB_CLIENT_SECRET", hide_env_values = true, global = true)]
    pub github_client_secret: Option<String>,

    /// Where GitHub Enterprise is, such as https://git.example.com.
    #[arg(long, env = "OURHUB_GITHUB_URL", global = true)]
    pub github_url: Option<String>,

    /// Where its API is, unless it is below /api/v3.
    #[arg(long, env = "OURHUB_GITHUB_API_URL", global = true)]
    pub github_api_url: Option<String>,

    /// Any issuer that speaks OpenID Connect, letter for letter as it names itself.
    #[arg(long, env = "OURHUB_OIDC_ISSUER", global = true)]
    pub oidc_issuer: Option<String>,

    /// What that issuer calls this server.
    #[arg(long, env = "OURHUB_OIDC_CLIENT_ID", global = true)]
    pub oidc_client_id: Option<String>,

    /// The secret that goes with it.
    #[arg(long, env = "OURHUB_OIDC_CLIENT_SECRET", hide_env_values = true, global = true)]
    pub oidc_client_secret: Option<String>,

    /// What people call it: “Continue with …”.
    #[arg(long, env = "OURHUB_OIDC_NAME", default_value = "single sign-on", global = true)]
    pub oidc_name: String,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve the API and the dashboard.
    Serve,
    /// Bring the database's tables up to date, and end.
    Migrate,
    /// Users.
    #[command(subcommand)]
    User(UserCommand),
    /// Tokens for the management API.
    #[command(subcommand)]
    Token(TokenCommand),
    /// The ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
}

/// What to do with users.
#[derive(Subcommand)]
pub enum UserCommand {
    /// Make a user with a team of their own.
    Create {
        /// The e-mail address.
        #[arg(long)]
        email: String,
        /// 8 to 128 characters.
        #[arg(long)]
        password: String,
        /// May manage accounts, models and teams.
        #[arg(long)]
        admin: bool,
    },
    /// Set a user's password and end their sessions.
    SetPassword {
        /// The e-mail address.
        #[arg(long)]
        email: String,
        /// 8 to 128 characters.
        #[arg(long)]
        password: String,
    },
}

/// What to do with tokens.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// Print a new token with a user's rights.
    Create {
        /// The user's e-mail address.
        #[arg(long)]
        email: String,
    },
}

/// What to do with the ledger.
#[derive(Subcommand)]
pub enum LedgerCommand {
    /// Recompute the books and print what differs.
    Verify,
    /// Print every charge and entry, one line each, as they are at this moment.
    Export {
        /// How lines are written.
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
        /// Of this team alone, such as team_0h4kf6r7t2c9a.
        #[arg(long, value_parser = team)]
        team: Option<i64>,
        /// From this moment on: a day in UTC such as 2026-11-24, or RFC 3339.
        #[arg(long, value_parser = moment)]
        from: Option<i64>,
        /// Before this moment: a day in UTC, which is left out itself, or RFC 3339.
        #[arg(long, value_parser = moment)]
        to: Option<i64>,
    },
}

fn team(typed: &str) -> Result<i64, String> {
    id::parse(id::Kind::Team, typed).ok_or_else(|| format!("write an id such as {}", id::render(id::Kind::Team, 0)))
}

/// The Unix milliseconds of a day's beginning in UTC, or of a moment in RFC 3339.
fn moment(typed: &str) -> Result<i64, String> {
    let full = match typed.len() {
        10 => format!("{typed}T00:00:00Z"),
        _ => typed.to_owned(),
    };
    full.parse::<jiff::Timestamp>()
        .map(|at| at.as_millisecond())
        .map_err(|_| "write a day such as 2026-11-24, or a moment such as 2026-11-24T12:00:00Z".to_owned())
}

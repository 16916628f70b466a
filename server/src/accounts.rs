//! Upstream accounts: our credentials at providers, their rows, and the fleet of those that take traffic.
//!
//! Invariant: a secret goes in and comes out only as a header to the origin it was given for, or as what it signed; another origin or
//! proxy demands it anew. Reads and writes `account`, `account_event`, `deployment`, `cooldown`, the stamp `accounts` and alerts; calls providers.

mod check;
mod client;
mod cooldowns;
mod endpoint;
mod fleet;
mod google;
mod history;
mod rows;
mod sign;
mod state;
mod trial;
mod upstream;

pub use client::{Answer, Client, Lost, Pieces, Unanswered};
pub use endpoint::{Content, Framing};
pub use fleet::{Config, Fleet, Gauges, Owner, Routes};
pub use google::Unsendable;
pub use guard::{Guard, UrlRefusal};
pub use history::{Past, Turn};
pub use rows::forget_team;
pub use state::Permit;
pub use trial::TestOutcome;
pub use upstream::Deployment;

use crate::{
    fields::FieldErrors,
    guard,
    secrets::{Secret, SecretsError},
};
use gateway_core::health;
use sea_orm::DbErr;

const AREA: &str = "accounts";
const TABLE: &str = "account";

/// Why accounts cannot do what they were asked.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Fields that are refused.
    #[error("some fields are refused")]
    Invalid(FieldErrors),
    /// No such account.
    #[error("no such account")]
    NotFound,
    /// The team has as many accounts as it may.
    #[error("the team has as many accounts as it may")]
    Crowded,
    /// The account takes no traffic: it is disabled, or cannot be used as configured.
    #[error("the account takes no traffic")]
    Idle,
    /// Sealing or opening failed.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// No HTTP client can be made, such as for lack of root certificates.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// A model an account serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// The name a customer asks for.
    pub model: String,
    /// The name the provider knows; the same where absent.
    pub upstream_model: Option<String>,
}

/// The models an account serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Models {
    /// Every model of the catalogue, by its own name; where the provider makes models and is at its own address, those it makes.
    #[default]
    All,
    /// These.
    Named(Vec<Served>),
}

/// How an account stands among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Lower goes first.
    pub priority: i32,
    /// Share among equals, 1 to 1000.
    pub weight: i32,
    /// Where it processes data: a hard filter.
    pub region: Option<String>,
}

/// What the provider grants an account; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Requests a minute.
    pub rpm: Option<i64>,
    /// Tokens a minute.
    pub tpm: Option<i64>,
    /// Requests at once.
    pub max_in_flight: Option<i64>,
}

/// An account to add or to test.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Shown to admins.
    pub label: String,
    /// Preset id.
    pub provider: String,
    /// The preset's where absent.
    pub dialect: Option<String>,
    /// The preset's where absent.
    pub base_url: Option<String>,
    /// The key at the provider; empty where it needs none.
    pub secret: Secret,
    /// How the key is sent: `bearer`, the header that carries it alone, or a word of [`gateway_core::catalog::auth`]; the preset's where absent.
    pub auth_scheme: Option<String>,
    /// http, https, socks5 or socks5h, with its user name and password if it needs them.
    pub proxy_url: Option<Secret>,
    /// What it serves.
    pub models: Models,
    /// How it stands among the others.
    pub standing: Standing,
    /// What the provider grants it.
    pub grants: Grants,
}

/// What to do with one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Back to none, or to the default.
    Clear,
    /// This.
    Set(T),
}

/// What to change of an account.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Shown to admins.
    pub label: Option<String>,
    /// Where it is. Another scheme, host or port demands the secret anew.
    pub base_url: Option<String>,
    /// A new key at the provider.
    pub secret: Option<Secret>,
    /// How the key is sent.
    pub auth_scheme: Patch<String>,
    /// The proxy. Another one demands the secret anew.
    pub proxy_url: Patch<Secret>,
    /// What it serves.
    pub models: Patch<Models>,
    /// Lower goes first.
    pub priority: Patch<i32>,
    /// Share among equals.
    pub weight: Patch<i32>,
    /// Where it processes data.
    pub region: Patch<String>,
    /// What the provider grants it.
    pub grants: GrantsChange,
    /// Out of service (true) or back in it (false).
    pub is_disabled: Option<bool>,
}

/// What to change of what the provider grants.
#[derive(Clone, Debug, Default)]
pub struct GrantsChange {
    /// Requests a minute.
    pub rpm: Patch<i64>,
    /// Tokens a minute.
    pub tpm: Patch<i64>,
    /// Requests at once.
    pub max_in_flight: Patch<i64>,
}

/// An account as admins see it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: i64,
    /// Shown to admins.
    pub label: String,
    /// Preset id.
    pub provider: String,
    /// The wire protocol it speaks.
    pub dialect: String,
    /// Without a trailing slash.
    pub base_url: String,
    /// Of the secret; empty where there is none.
    pub last_four: String,
    /// How the key is sent: `bearer`, or the header that carries it alone.
    pub auth_scheme: String,
    /// Without user name and password.
    pub proxy_url: Option<String>,
    /// What it serves.
    pub models: Models,
    /// How it stands among the others.
    pub standing: Standing,
    /// What the provider grants it.
    pub grants: Grants,
    /// When it was added and taken out of service: Unix milliseconds.
    pub times: Times,
    /// How it does.
    pub live: Live,
}

/// When things happened to an account: Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Added.
    pub created_at: i64,
    /// Taken out of service, if it is.
    pub disabled_at: Option<i64>,
}

/// How an account does.
#[derive(Clone, Debug)]
pub struct Live {
    /// Requests under way.
    pub in_flight: u32,
    /// Its health; absent where it takes no traffic, because it is disabled or cannot be used as configured.
    pub health: Option<health::Snapshot>,
    /// The health of its proxy, where that is not well: the account itself is not to blame.
    pub proxy: Option<health::Snapshot>,
    /// Scrubbed text of the last failure.
    pub last_error: Option<String>,
    /// When that was: Unix milliseconds.
    pub last_error_at: Option<i64>,
}

#[cfg(test)]
mod tests;

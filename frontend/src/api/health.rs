//! Health: what the platform runs on, as platform admins see it: processes, journal, queue.
//!
//! Invariant: the figures are those of the process that answers, except for the list of all processes.

use super::{ApiError, Nano, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// How the platform does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthView {
    /// Whether this process takes requests.
    pub ready: bool,
    /// sqlite or postgres.
    pub database: String,
    /// How what is held and charged is written down, by this process.
    pub journal: JournalView,
    /// Upstream calls of this process with money set aside.
    pub open_holds: u64,
    /// Requests to this process that wait for an account.
    pub waiting: u64,
    /// The processes that serve from the database, the oldest first.
    pub nodes: Vec<NodeView>,
}

/// How the journal of a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalView {
    /// Whether it writes; if not, nothing is admitted.
    pub writable: bool,
    /// Operations not written yet.
    pub queued: u64,
    /// Age of the oldest of them, in milliseconds.
    pub lag_ms: u64,
    /// Groups of operations written since the start.
    pub commits: u64,
}

/// A process that serves from the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// The id, new at each start.
    pub id: String,
    /// The host it runs on; empty where that is not known.
    pub name: String,
    /// serving, silent (not heard of for a while) or fenced (gone, and not yet dealt with).
    pub state: String,
    /// Whether it is the one that answers.
    pub is_me: bool,
    /// When it started.
    pub started_at: Time,
    /// When the database last heard of it; null with SQLite, which has one process.
    pub seen_at: Option<Time>,
    /// What it may spend without asking the others.
    pub leased: Nano,
    /// Its upstream calls with money set aside, as far as they are written.
    pub open_holds: u64,
}

/// What the server offers about its own health; admins.
#[async_trait]
pub trait HealthReads {
    /// How the platform does.
    async fn health(&self) -> Result<HealthView, ApiError>;
}

/// How the platform does.
#[server(prefix = "/fn", endpoint = "health", input = leptos::server_fn::codec::GetUrl)]
pub async fn health() -> Result<HealthView, ApiError> {
    super::backend()?.health().await
}

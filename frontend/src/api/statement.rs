//! The monthly statement of a team's wallet.
//!
//! Invariant: opening, entries and charges sum up to closing.

use super::{ApiError, Nano, Time, billing::LedgerLine};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Some charges of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargesView {
    /// The day, `2026-11-24`, or the model.
    pub of: String,
    /// Requests that ended.
    pub requests: i64,
    /// Their sum.
    pub charged: Nano,
}

/// A month of a team's wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementView {
    /// The team's name.
    pub team: String,
    /// The month, `2026-11`.
    pub month: String,
    /// The zone that its days and the month belong to.
    pub time_zone: String,
    /// Its beginning.
    pub from: Time,
    /// Its end, which is the next one's beginning.
    pub to: Time,
    /// The balance at the beginning.
    pub opening: Nano,
    /// The sum of the entries.
    pub entered: Nano,
    /// The sum of the charges.
    pub charged: Nano,
    /// The balance at the end.
    pub closing: Nano,
    /// The charges of each day on which there were some.
    pub days: Vec<ChargesView>,
    /// The charges of each model, the dearest first.
    pub models: Vec<ChargesView>,
    /// The entries, the oldest first.
    pub entries: Vec<LedgerLine>,
}

/// What the server offers of statements.
#[async_trait]
pub trait Statements {
    /// The statement of a month, `2026-11`; of the current one where none is named.
    async fn statement(&self, team: &str, month: Option<&str>) -> Result<StatementView, ApiError>;
}

/// The statement's page.
#[server(prefix = "/fn", endpoint = "statement", input = leptos::server_fn::codec::GetUrl)]
pub async fn statement(month: Option<String>) -> Result<StatementView, ApiError> {
    super::backend()?.statement(super::CURRENT_TEAM, month.as_deref()).await
}

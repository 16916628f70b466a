//! The audit log: a team's, for its owners and admins, and the platform's.
//!
//! Invariant: read only.

use super::{ApiError, Moment, Named, Page, PageQuery, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// One change that somebody made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditView {
    /// The id.
    pub id: String,
    /// When.
    pub at: Time,
    /// Who; none for the command line and for who is not signed in. The name of who is gone is empty.
    pub actor: Option<Named>,
    /// As whom a platform admin acted.
    pub acting_as: Option<Named>,
    /// From where.
    pub address: String,
    /// The team concerned.
    pub team: Option<Named>,
    /// Subject and verb, such as `key.create`.
    pub action: String,
    /// The id of what was changed.
    pub target: String,
    /// How it was, as JSON; null when it is new.
    pub before: serde_json::Value,
    /// How it is, as JSON; null when it is gone.
    pub after: serde_json::Value,
}

/// Which changes; what is empty matches every one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditFilter {
    /// From this moment on.
    pub from: Option<Moment>,
    /// Before this moment; of a day, up to its end.
    pub to: Option<Moment>,
    /// The start of an action, such as `key` or `key.create`.
    pub action: Option<String>,
    /// The id or the e-mail address of who did it.
    pub actor: Option<String>,
    /// The id of what was changed.
    pub target: Option<String>,
}

/// What the server offers of the audit log.
#[async_trait]
pub trait AuditReads {
    /// Changes in a team, newest first; its owners and admins.
    async fn audit(&self, team: &str, filter: AuditFilter, page: PageQuery) -> Result<Page<AuditView>, ApiError>;
    /// Changes anywhere; platform admins.
    async fn all_audit(&self, filter: AuditFilter, page: PageQuery) -> Result<Page<AuditView>, ApiError>;
}

/// The team's page.
#[server(prefix = "/fn", endpoint = "audit", input = leptos::server_fn::codec::GetUrl)]
pub async fn audit(filter: AuditFilter, page: PageQuery) -> Result<Page<AuditView>, ApiError> {
    super::backend()?.audit(super::CURRENT_TEAM, filter, page).await
}

/// The platform's page.
#[server(prefix = "/fn", endpoint = "all_audit", input = leptos::server_fn::codec::GetUrl)]
pub async fn all_audit(filter: AuditFilter, page: PageQuery) -> Result<Page<AuditView>, ApiError> {
    super::backend()?.all_audit(filter, page).await
}

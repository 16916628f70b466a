//! Query strings of the management API.
//!
//! Invariant: an unknown parameter is refused like an unknown field. Pure.

use frontend::api::{
    Moment, Page, PageQuery,
    audit::AuditFilter,
    billing::LedgerFilter,
    usage::{GroupBy, RequestFilter, UsageGroup},
};
use serde::Deserialize;

/// The most groups of a roll-up in one answer, and how many there are when nothing is said.
const GROUPS_MAX: usize = 1_000;

/// Of every list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    limit: Option<u32>,
    after: Option<String>,
}

impl From<List> for PageQuery {
    fn from(query: List) -> Self {
        Self {
            limit: query.limit,
            after: query.after,
        }
    }
}

/// Of a list that can be searched.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// A part of a name or an address.
    q: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

impl Search {
    /// What is sought, and which page.
    pub fn split(self) -> (Option<String>, PageQuery) {
        let page = PageQuery {
            limit: self.limit,
            after: self.after,
        };
        (self.q, page)
    }
}

/// Of a roll-up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// From this moment on.
    pub from: Option<Moment>,
    /// Before this moment; of a day, up to its end.
    pub to: Option<Moment>,
    /// `model`, `key`, `member`, `day` or `hour`; by model when absent.
    pub group_by: Option<GroupBy>,
    limit: Option<usize>,
    after: Option<String>,
}

impl Usage {
    /// The page of `groups` that was asked for, by name.
    pub fn page(&self, mut groups: Vec<UsageGroup>) -> Page<UsageGroup> {
        groups.sort_by(|one, other| one.group.cmp(&other.group));
        if let Some(after) = &self.after {
            groups.retain(|group| group.group > *after);
        }
        let wanted = self.limit.unwrap_or(GROUPS_MAX).clamp(1, GROUPS_MAX);
        let has_more = groups.len() > wanted;
        groups.truncate(wanted);
        let next = groups.last().filter(|_| has_more).map(|group| group.group.clone());
        Page { data: groups, next }
    }
}

/// Of a list of a wallet's lines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    kind: Option<String>,
    from: Option<Moment>,
    to: Option<Moment>,
    limit: Option<u32>,
    after: Option<String>,
}

impl Ledger {
    /// Which lines, and which page of them.
    pub fn split(self) -> (LedgerFilter, PageQuery) {
        let filter = LedgerFilter {
            kind: self.kind,
            from: self.from,
            to: self.to,
        };
        let page = PageQuery {
            limit: self.limit,
            after: self.after,
        };
        (filter, page)
    }
}

/// Of a statement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Month {
    /// `2026-11`; the current one when absent.
    pub month: Option<String>,
}

/// Of a list of requests.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    from: Option<Moment>,
    to: Option<Moment>,
    key: Option<String>,
    member: Option<String>,
    model: Option<String>,
    outcome: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

impl Requests {
    /// Which requests, and which page of them.
    pub fn split(self) -> (RequestFilter, PageQuery) {
        let filter = RequestFilter {
            from: self.from,
            to: self.to,
            key: self.key,
            member: self.member,
            model: self.model,
            outcome: self.outcome,
        };
        let page = PageQuery {
            limit: self.limit,
            after: self.after,
        };
        (filter, page)
    }
}

/// Of the audit log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    from: Option<Moment>,
    to: Option<Moment>,
    action: Option<String>,
    actor: Option<String>,
    target: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

impl Audit {
    /// Which changes, and which page of them.
    pub fn split(self) -> (AuditFilter, PageQuery) {
        let filter = AuditFilter {
            from: self.from,
            to: self.to,
            action: self.action,
            actor: self.actor,
            target: self.target,
        };
        let page = PageQuery {
            limit: self.limit,
            after: self.after,
        };
        (filter, page)
    }
}

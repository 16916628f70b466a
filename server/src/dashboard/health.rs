//! Health: platform admins see the processes that serve, the journal and the queue.
//!
//! Invariant: nothing is changed, nothing of a customer is named. Reads the ledger's nodes and counters in memory.

use super::{Principal, Refusal};
use crate::ledger::Node;
use async_trait::async_trait;
use frontend::api::{
    ApiError, Time,
    health::{HealthReads, HealthView, JournalView, NodeView},
};
use gateway_core::{
    id::{self, Kind},
    ledger::node::SILENT_AFTER_MS,
};
use std::sync::atomic::Ordering;

#[async_trait]
impl HealthReads for Principal {
    async fn health(&self) -> Result<HealthView, ApiError> {
        self.answer(self.read_health().await)
    }
}

impl Principal {
    async fn read_health(&self) -> Result<HealthView, Refusal> {
        self.admin()?;
        let ledger = &self.app.ledger;
        let (status, is_shared) = (ledger.status(), ledger.is_shared());
        let now_ms = ledger.now_ms();
        let nodes = ledger.nodes().await?;
        Ok(HealthView {
            ready: self.app.is_ready(),
            database: if is_shared { "postgres" } else { "sqlite" }.to_owned(),
            journal: JournalView {
                writable: status.writable,
                queued: status.queued,
                lag_ms: status.lag_ms,
                commits: status.commits,
            },
            open_holds: status.open_holds,
            waiting: u64::try_from(self.app.waiting.load(Ordering::Relaxed)).unwrap_or(u64::MAX),
            nodes: nodes
                .into_iter()
                .map(|node| node_view(node, now_ms, is_shared))
                .collect(),
        })
    }
}

fn node_view(node: Node, now_ms: i64, is_shared: bool) -> NodeView {
    let is_silent = is_shared && now_ms.saturating_sub(node.seen_at_ms) > SILENT_AFTER_MS;
    let state = match (node.is_fenced, is_silent) {
        (true, _) => "fenced",
        (false, true) => "silent",
        (false, false) => "serving",
    };
    NodeView {
        id: id::render(Kind::Node, node.id),
        name: node.name,
        state: state.to_owned(),
        is_me: node.is_me,
        started_at: Time(node.started_at_ms),
        seen_at: is_shared.then_some(Time(node.seen_at_ms)),
        leased: node.leased,
        open_holds: node.open_holds,
    }
}

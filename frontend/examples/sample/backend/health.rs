//! The sample platform: three processes, one of them gone.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, MINUTE, NOW, Sample};
use async_trait::async_trait;
use frontend::api::health::{HealthReads, HealthView, JournalView, NodeView};
use frontend::api::{ApiError, Nano, Time};

#[async_trait]
impl HealthReads for Sample {
    async fn health(&self) -> Result<HealthView, ApiError> {
        self.demand_admin()?;
        let node = |id: &str, name: &str, state: &str, seen_ms: i64, cents: i64, open_holds| NodeView {
            id: id.to_owned(),
            name: name.to_owned(),
            state: state.to_owned(),
            is_me: name == "hub-1",
            started_at: Time(NOW - 6 * DAY),
            seen_at: Some(Time(NOW - seen_ms)),
            leased: Nano(cents * 10_000_000),
            open_holds,
        };
        Ok(HealthView {
            ready: true,
            database: "postgres".to_owned(),
            journal: JournalView {
                writable: true,
                queued: 3,
                lag_ms: 4,
                commits: 48_211,
            },
            open_holds: 21,
            waiting: 2,
            nodes: vec![
                node("node_1", "hub-1", "serving", 400, 3_820, 21),
                node("node_2", "hub-2", "silent", 7_000, 3_175, 16),
                node("node_3", "hub-0", "fenced", 2 * MINUTE, 0, 1),
            ],
        })
    }
}

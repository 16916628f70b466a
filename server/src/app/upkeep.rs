//! What is done by the clock: caches read anew, counts forgotten, the times keys were used written down.
//!
//! Invariant: a failure is logged and tried again at the next turn; no task outlives the application. Reads and writes what
//! the areas do.

use super::App;
use crate::clock;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

const EVERY: Duration = Duration::from_secs(60);

/// Starts the tasks of `app`.
pub(super) fn start(app: &Arc<App>, tasks: &mut JoinSet<()>) {
    tasks.spawn_on(app.catalog.clone().watch(), &app.runtime);
    tasks.spawn_on(app.fleet.clone().watch(), &app.runtime);
    tasks.spawn_on(minutely(Arc::downgrade(app)), &app.runtime);
}

async fn minutely(app: std::sync::Weak<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(app) = app.upgrade() else { return };
        app.auth.tidy(clock::now_ms());
        if let Err(error) = app.auth.prune_sessions(clock::now_ms()).await {
            tracing::warn!(%error, "ended sessions could not be deleted");
        }
        note_used_keys(&app).await;
    }
}

/// Writes down when keys were last used.
pub(super) async fn note_used_keys(app: &App) {
    if let Err(error) = app.keys.flush_used(clock::now_ms()).await {
        tracing::warn!(%error, "the times keys were used could not be written");
    }
}

//! Lines: the kept connections of one thread to one origin.
//!
//! Invariant: who was used last is used first, so that those not needed grow old and go; a connection goes back to the line it came
//! from, wherever its answer was read, and only if nothing of that is left. Runs a task that closes what is old.

use super::connection::Connection;
use parking_lot::Mutex;
use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(90);
/// How often those are looked for that are old, or were closed by the other side.
const SWEEP: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Default)]
pub(super) struct Line {
    kept: Mutex<Vec<(Connection, Instant)>>,
}

impl Line {
    /// An empty line. It is looked after by the runtime of the caller, which drives its connections too.
    pub(super) fn new() -> Arc<Self> {
        let line = Arc::default();
        tokio::spawn(sweep(Arc::downgrade(&line)));
        line
    }

    /// Whether nobody has it but the list of lines, and it keeps nothing.
    pub(super) fn is_idle(line: &Arc<Self>) -> bool {
        Arc::strong_count(line) == 1 && line.kept.lock().is_empty()
    }

    /// The connection that was used last, if one can be used.
    pub(super) fn take(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.kept.lock().pop()?;
            if !is_old(since) && connection.is_usable() {
                return Some(connection);
            }
        }
    }

    /// Keeps `connection` for the next request, if it can be used.
    pub(super) fn keep(&self, mut connection: Connection) {
        if connection.is_usable() {
            self.kept.lock().push((connection, Instant::now()));
        }
    }
}

async fn sweep(line: Weak<Line>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(line) = line.upgrade() else { return };
        line.kept
            .lock()
            .retain_mut(|(connection, since)| !is_old(*since) && connection.is_usable());
    }
}

/// Whether what was used last at `since` is kept no longer.
fn is_old(since: Instant) -> bool {
    since.elapsed() >= IDLE
}

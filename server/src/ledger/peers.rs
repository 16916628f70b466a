//! How many nodes serve from the database, for what is divided among them.
//!
//! Invariant: at least one. Set by `pulse` with each beat, within seconds of a change. No I/O.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// How many nodes serve from the database; clones are the same.
#[derive(Clone, Debug)]
pub struct Peers(Arc<AtomicU32>);

impl Default for Peers {
    fn default() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }
}

impl Peers {
    /// The live nodes, this one among them.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// There are `others` beside this one.
    pub(crate) fn note(&self, others: usize) {
        let count = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1);
        self.0.store(count, Ordering::Relaxed);
    }
}

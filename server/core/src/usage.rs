//! Usage: the token counts of one request, in disjoint kinds.
//!
//! Invariant: `input`, `cache_read`, `cache_write` and `output` never count a token twice; `reasoning` is a part of `output`. Pure.

use serde::{Deserialize, Serialize};

/// Token counts of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens neither read from nor written to a cache.
    pub input: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache.
    pub cache_write: u64,
    /// Tokens produced, reasoning among them.
    pub output: u64,
    /// Those of `output` that were reasoning; for display, priced as output.
    pub reasoning: u64,
}

impl Usage {
    /// All prompt tokens: what selects a long-context tier.
    #[must_use]
    pub const fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
    }

    /// All tokens: what a tokens-per-minute limit counts.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }
}

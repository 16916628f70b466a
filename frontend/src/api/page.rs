//! Lists in pages: `?limit&after` in, `{"data": […], "next": …}` out.
//!
//! Invariant: `next` is null on the last page. Pure.

use serde::{Deserialize, Serialize};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// What to send as `after` for the next page.
    pub next: Option<String>,
}

/// Which page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageQuery {
    /// Rows at most, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

impl PageQuery {
    /// Rows at most.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.limit.unwrap_or(50).clamp(1, 200)
    }
}

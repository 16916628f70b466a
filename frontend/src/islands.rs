//! What needs a browser: copying, the wait for the first call, the figures of a chart under the pointer.
//!
//! Invariant: an island adds to a page that is whole without it.

mod chart_tip;
mod copy;
mod first_call;

pub use chart_tip::{ChartTip, TipColumn};
pub use copy::CopyButton;
pub use first_call::{FirstCall, first_call, waiting};

//! What the measurements share: an operator who sets OurHub up, load, a stand-in upstream, processes.
//!
//! Invariant: OurHub is driven as a person would, through its command line and its API. Talks to loopback only.

pub mod candidate;
pub mod clock;
pub mod load;
pub mod mock;
pub mod operator;
pub mod process;

//! The rules of OurHub: dialects, pricing, limits, routing, retry, ledger.
//!
//! Invariant: no I/O, no clock, no randomness. `now` and `seed` are arguments, so every rule replays from a list of inputs.
//! Pure.
#![deny(missing_docs)]

pub mod catalog;
pub mod dialect;
pub mod health;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod money;
pub mod pricing;
pub mod retry;
pub mod routing;
pub mod translate;
pub mod turns;
pub mod usage;

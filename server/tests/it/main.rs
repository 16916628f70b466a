//! The server as its clients see it: over HTTP, with a database of its own and an upstream that does as it is told.
//!
//! Invariant: nothing here needs the network or a provider's key. Each module proves one promise; `harness` starts the server,
//! `upstream` is the provider.

#![allow(clippy::unwrap_used)]

mod harness;
mod upstream;

mod failover;
mod pass_through;

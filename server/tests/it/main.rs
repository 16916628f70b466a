//! The server as its clients see it: over HTTP, with a database of its own and an upstream that does as it is told.
//!
//! Invariant: nothing here needs the network or a provider's key. Each module proves one promise; `harness` starts the server,
//! `upstream` is the provider, `spoken` what is said to both in each dialect, `stripe` who takes payments.

#![allow(clippy::unwrap_used)]

mod harness;
mod spoken;
#[path = "../web/stripe.rs"]
#[allow(dead_code)]
mod stripe;
mod upstream;

mod affinity;
mod aliases;
mod bad_input;
mod bedrock;
mod bombs;
mod cluster;
mod cost;
mod counting;
mod deadlines;
mod dialects;
mod ends;
mod failover;
mod floods;
mod hang_up;
mod heartbeats;
mod hedge;
mod history;
mod hosted;
mod kept;
mod kill;
mod limits;
mod markup;
mod media;
mod metered;
mod metrics;
mod money;
mod own;
mod paid;
mod pass_through;
mod paths;
mod prepaid;
mod proxy;
mod rerank;
mod rounds;
mod shut_down;
mod smuggling;
mod sockets;
mod stream_end;
mod tiers;
mod waiting;

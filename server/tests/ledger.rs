//! The ledger, and the signals it uses, against real databases: SQLite files in a directory of their own, and Postgres where
//! `OURHUB_TEST_POSTGRES` names a server (`postgres://…`; each test makes its own database there).
#![allow(clippy::unwrap_used)]

#[path = "ledger/harness.rs"]
mod harness;

#[path = "ledger/adjust.rs"]
mod adjust;
#[path = "ledger/admission.rs"]
mod admission;
#[path = "ledger/chain.rs"]
mod chain;
#[path = "ledger/cluster.rs"]
mod cluster;
#[path = "ledger/crash.rs"]
mod crash;
#[path = "ledger/cut.rs"]
mod cut;
#[path = "ledger/doubt.rs"]
mod doubt;
#[path = "ledger/export.rs"]
mod export;
#[path = "ledger/kill.rs"]
mod kill;
#[path = "ledger/node.rs"]
mod node;
#[path = "ledger/own.rs"]
mod own;
#[path = "ledger/rates.rs"]
mod rates;
#[path = "ledger/replay.rs"]
mod replay;
#[path = "ledger/retention.rs"]
mod retention;
#[path = "ledger/signals.rs"]
mod signals;
#[path = "ledger/spill.rs"]
mod spill;
#[path = "ledger/verify.rs"]
mod verify;

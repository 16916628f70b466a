//! OurHub's shell around `gateway-core`: HTTP, database, upstream calls.
//!
//! Invariant: imports point down (`tests/tidy.rs`): http → relay, dashboard, jobs → app → the areas → telemetry.

pub mod accounts;
pub mod alerts;
pub mod app;
pub mod audit;
pub mod auth;
pub mod billing;
pub mod cap_alerts;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod csv;
pub mod dashboard;
pub mod error;
pub mod fields;
pub mod guard;
pub mod http;
pub mod kept;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod mail;
pub mod metering;
pub mod relay;
pub mod secrets;
pub mod signals;
pub mod stamp;
pub mod teams;
pub mod telemetry;

#[cfg(test)]
mod temp_db;
pub mod webhooks;

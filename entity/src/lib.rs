//! SeaORM entities: one file per table, no behaviour.
//!
//! Invariant: money is i64 nano-USD, time is i64 Unix milliseconds, ids are time-ordered i64 (`gateway_core::id`).

pub mod account;
pub mod account_event;
pub mod alert;
pub mod alert_address;
pub mod alias;
pub mod api_key;
pub mod audit;
pub mod auto_top_up;
pub mod bucket;
pub mod cap_alert;
pub mod carried;
pub mod code;
pub mod cooldown;
pub mod customer;
pub mod delivery;
pub mod deployment;
pub mod dispute;
pub mod entry;
pub mod hold;
pub mod invitation;
pub mod journal;
pub mod kept;
pub mod key_secret;
pub mod lease;
pub mod management_token;
pub mod member;
pub mod model;
pub mod node;
pub mod outbox;
pub mod payment;
pub mod price;
pub mod proof;
pub mod rate;
pub mod reconciliation;
pub mod recovery_code;
pub mod second_factor;
pub mod session;
pub mod setting;
pub mod stripe_event;
pub mod team;
pub mod usage_hour;
pub mod user;
pub mod webhook;

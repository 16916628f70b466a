//! Users, teams and keys over a real database: SQLite always, and Postgres where `OURHUB_TEST_POSTGRES` names a server.
//!
//! Each test runs on every database there is.

#![allow(clippy::unwrap_used)]

#[path = "people/app.rs"]
mod app;
#[path = "people/audit.rs"]
mod audit;
#[path = "people/auth.rs"]
mod auth;
#[path = "people/authenticator.rs"]
mod authenticator;
#[path = "people/elsewhere.rs"]
mod elsewhere;
#[path = "people/erase.rs"]
mod erase;
#[path = "people/factor.rs"]
mod factor;
#[path = "people/harness.rs"]
mod harness;
#[path = "people/keys.rs"]
mod keys;
#[path = "people/links.rs"]
mod links;
#[path = "people/mail.rs"]
mod mail;
#[path = "people/passkey.rs"]
mod passkey;
#[path = "people/smtp.rs"]
mod smtp;
#[path = "people/teams.rs"]
mod teams;

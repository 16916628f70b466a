//! The pages: one file per subject, by the names of [`crate::api`].
//!
//! Invariant: a page asks [`crate::api`] and draws with [`crate::ui`]; every form is a plain POST to `/fn/…`.

pub mod accounts;
pub mod alerts;
pub mod aliases;
pub mod audit;
pub mod billing;
pub mod cap_alerts;
pub mod codes;
pub mod docs;
pub mod errors;
pub mod forgot;
mod frame;
pub mod gallery;
pub mod health;
pub mod invite;
pub mod keys;
pub mod landing;
pub mod mail;
pub mod models;
pub mod overview;
pub mod payments;
pub mod revenue;
pub mod session;
pub mod settings;
pub mod sign_up_policy;
mod snippets;
pub mod statement;
pub mod team;
pub mod teams;
pub mod usage;
pub mod users;
pub mod ways;

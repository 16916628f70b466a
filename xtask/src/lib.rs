//! What the automation and its heavier tools have in common: running programs, and a Postgres of their own.
//!
//! Invariant: what is started here is gone when its value is dropped. Starts processes; writes a temporary folder.

pub mod postgres;
pub mod shell;

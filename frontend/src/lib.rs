//! The dashboard: compiled for the server, and to wasm.
//!
//! Invariant: knows no database and no server; everything comes through [`api::Backend`].

pub mod api;

//! The dashboard: compiled for the server, and to wasm.
//!
//! Invariant: knows no database and no server; everything comes through [`api::Backend`]. A page is whole without
//! script; islands only add.

pub mod api;
#[cfg(feature = "ssr")]
mod app;
pub mod islands;
#[cfg(feature = "ssr")]
mod pages;
#[cfg(feature = "ssr")]
pub mod script;
#[cfg(feature = "ssr")]
mod shell;
#[cfg(feature = "ssr")]
pub mod style;
pub mod ui;

#[cfg(feature = "ssr")]
pub use app::App;
#[cfg(feature = "ssr")]
pub use shell::{Assets, shell};

/// Brings the islands of a page to life; the page's loader calls it.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}

//! The one script of our own: passkeys, which no page without script can have.
//!
//! Invariant: the address names the content, so it may be cached for good. Pure.

use crate::style::fnv1a;

/// The whole script, a module.
pub const PASSKEY_SCRIPT: &str = include_str!("passkey.js");

/// Where it is served: `/passkey-<16 hex digits>.js`.
#[must_use]
pub fn passkey_script_path() -> String {
    format!("/passkey-{:016x}.js", fnv1a(PASSKEY_SCRIPT.as_bytes()))
}

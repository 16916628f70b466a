//! Upstream accounts: our credentials at providers.

mod client;
mod guard;

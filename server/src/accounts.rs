//! accounts

mod client;
mod guard;

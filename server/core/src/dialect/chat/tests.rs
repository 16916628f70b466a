//! The chat codec: requests, replies and streams, both ways, row by row.
#![allow(clippy::unwrap_used)]

mod replies;
mod requests;
mod streams;
mod upstream_order;
mod upstream_requests;

//! Who is on the other end: the client's address, and whether it may become the first admin.
//!
//! Invariant: forwarding headers count only from trusted proxies; the first admin comes over loopback alone, with no proxy between.

use crate::config::{Edge, Origin, is_loopback_host};
use actix_web::HttpRequest;
use actix_web::http::header;
use std::net::IpAddr;

/// Headers that a proxy adds.
const FORWARDING: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
];

/// The client's address: the peer, or what trusted proxies say before it.
#[must_use]
pub fn address(edge: &Edge, request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let is_trusted = |address: &IpAddr| edge.trusted_proxies.iter().any(|range| range.contains(address));
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let lines = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|line| line.to_str().ok());
    let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut client = peer;
    for hop in hops.iter().rev() {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(&client) {
            break;
        }
    }
    Some(client)
}

/// Whether whoever signs up now may own the platform: a loopback listener, peer and Host, and nothing between.
#[must_use]
pub fn may_be_first_admin(edge: &Edge, request: &HttpRequest) -> bool {
    let is_peer_here = request
        .peer_addr()
        .is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let is_forwarded = FORWARDING.iter().any(|name| request.headers().contains_key(*name));
    // A proxy on this machine may add no header at all; whoever publishes the server says so by its public URL.
    let is_for_here = edge.public.as_ref().is_none_or(Origin::is_loopback);
    is_for_here && edge.is_loopback() && is_peer_here && host.is_some_and(is_loopback_host) && !is_forwarded
}

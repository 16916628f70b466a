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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use std::{net::SocketAddr, time::Duration};

    fn edge(listen: &str, public: Option<&str>) -> Edge {
        Edge {
            listen: listen.parse().unwrap(),
            public: public.map(|public| Origin::parse(public).unwrap()),
            trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()],
            drain: Duration::ZERO,
        }
    }

    fn request(peer: &str, host: &'static str) -> TestRequest {
        TestRequest::default()
            .peer_addr(SocketAddr::new(peer.parse().unwrap(), 4711))
            .insert_header((header::HOST, host))
    }

    #[test]
    fn whoever_is_not_at_this_machine_by_every_sign_is_not_the_first_admin() {
        let here = || request("127.0.0.1", "localhost:3000").to_http_request();
        let laptop = edge("127.0.0.1:3000", None);
        assert!(may_be_first_admin(&laptop, &here()));
        assert!(may_be_first_admin(
            &laptop,
            &request("::1", "[::1]:3000").to_http_request()
        ));
        assert!(may_be_first_admin(
            &edge("127.0.0.1:3000", Some("http://localhost:3000")),
            &here()
        ));
        for elsewhere in [
            edge("0.0.0.0:3000", None),
            edge("127.0.0.1:3000", Some("https://hub.example.com")),
        ] {
            assert!(!may_be_first_admin(&elsewhere, &here()), "{elsewhere:?}");
        }
        for (peer, host) in [("192.0.2.1", "localhost:3000"), ("127.0.0.1", "hub.example.com")] {
            assert!(
                !may_be_first_admin(&laptop, &request(peer, host).to_http_request()),
                "{peer} {host}"
            );
        }
        let nameless = TestRequest::default().peer_addr("127.0.0.1:4711".parse().unwrap());
        assert!(!may_be_first_admin(&laptop, &nameless.to_http_request()));
        for header in FORWARDING {
            let request = request("127.0.0.1", "localhost:3000").insert_header((header, "127.0.0.1"));
            assert!(!may_be_first_admin(&laptop, &request.to_http_request()), "{header}");
        }
    }

    #[test]
    fn a_forwarded_address_counts_from_a_trusted_proxy_alone_and_none_behind_it_is_believed() {
        let edge = edge("127.0.0.1:3000", None);
        for (peer, forwarded, client) in [
            ("203.0.113.1", "198.51.100.7", "203.0.113.1"),
            ("192.0.2.1", "198.51.100.7", "198.51.100.7"),
            ("192.0.2.1", "10.0.0.1, 198.51.100.7, 192.0.2.9", "198.51.100.7"),
            ("192.0.2.1", "::ffff:198.51.100.7", "198.51.100.7"),
            ("192.0.2.1", "no address", "192.0.2.1"),
        ] {
            let request = request(peer, "hub.example.com").insert_header(("x-forwarded-for", forwarded));
            let found = address(&edge, &request.to_http_request());
            assert_eq!(found, Some(client.parse().unwrap()), "{peer}: {forwarded}");
        }
    }
}

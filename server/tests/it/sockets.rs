//! TCP sends at once, on both sides: no piece of a stream waits for the next.

/// Both sockets are out of reach of a test, so the places that make them are read.
#[test]
fn both_sides_switch_nagles_algorithm_off() {
    let server = include_str!("../../src/http.rs");
    let client = include_str!("../../src/accounts/client.rs");
    for (name, source, makers) in [
        ("server", server, "HttpServer::new("),
        ("client", client, "Client::builder()"),
    ] {
        assert_eq!(source.matches(makers).count(), 1, "{name}: one place makes it");
        assert!(source.contains(".tcp_nodelay(true)"), "{name}");
    }
}

//! Bytes that two servers could read as different requests: refused, the connection closes, and what hides behind is never answered.
//!
//! Invariant: what is hidden is a good request with a good key, so an answer to it would be seen, and charged.

use crate::harness::{Hub, Key, PATIENCE, hello, spawn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CHAT: &str = "/v1/chat/completions";

/// What the server answers to `bytes` until it closes the connection.
pub async fn raw(hub: &Hub, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    // The server may close before it has read all.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
    // A reset closes as well as an end.
    let _ = read
        .await
        .unwrap_or_else(|_| panic!("the connection stays open: {}", String::from_utf8_lossy(bytes)));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Nothing reached an upstream, nothing was held, and the server answers still.
async fn assert_unharmed(hub: &Hub) {
    assert!(hub.upstream.arrived_anywhere().is_empty());
    assert!(hub.holds().await.is_empty());
    assert_eq!(hub.key().await.chat(&hello()).await.status, 200);
}

/// A good request, which nobody may answer.
fn hidden(key: &Key<'_>) -> String {
    let body = hello().to_string();
    format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        key.text,
        body.len()
    )
}

/// Heads that say in two ways, or in no way, where their body ends; what is behind them is the hidden request.
const HEADS: &[(&str, &str)] = &[
    (
        "CL.TE",
        "content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("TE.CL", "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n5c\r\n"),
    (
        "CL.TE in capitals",
        "Content-Length: 6\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
    ),
    (
        "a length of zero and TE",
        "content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths", "content-length: 0\r\ncontent-length: 44\r\n\r\n"),
    (
        "the same length twice",
        "content-length: 0\r\ncontent-length: 0\r\n\r\n",
    ),
    ("a list of lengths", "content-length: 0, 44\r\n\r\n"),
    ("a list of the same length", "content-length: 0, 0\r\n\r\n"),
    ("a length with a plus", "content-length: +0\r\n\r\n"),
    ("a length with a minus", "content-length: -0\r\n\r\n"),
    ("a length in hex", "content-length: 0x0\r\n\r\n"),
    ("a length with a space within", "content-length: 0 0\r\n\r\n"),
    ("a length with a fraction", "content-length: 0.0\r\n\r\n"),
    ("a length in quotes", "content-length: \"0\"\r\n\r\n"),
    ("no length", "content-length:\r\n\r\n"),
    ("a length in Arabic digits", "content-length: ٠\r\n\r\n"),
    (
        "a length beyond 64 bits",
        "content-length: 18446744073709551616\r\n\r\n",
    ),
    ("a folded header", "x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n"),
    ("a folded length", "content-length:\r\n 0\r\n\r\n"),
    ("a folded encoding", "transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("a fold in the first header", " x: y\r\ncontent-length: 0\r\n\r\n"),
    ("a disguised encoding", "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (
        "an encoding in quotes",
        "transfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    ),
    (
        "an encoding of two words",
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    ("chunked twice", "transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (
        "two encodings",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked on two lines",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a compressed encoding",
        "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "an encoding behind a tab",
        "transfer-encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a space before the colon",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a tab before the colon", "content-length\t: 0\r\n\r\n"),
    ("a NUL in a value", "x-a: b\0c\r\ncontent-length: 0\r\n\r\n"),
    ("a NUL in a name", "x\0a: b\r\ncontent-length: 0\r\n\r\n"),
    ("a NUL in a length", "content-length: 0\0\r\n\r\n"),
    ("a bare CR in a value", "x-a: b\rcontent-length: 9\r\n\r\n"),
    ("a header without a colon", "content-length 0\r\n\r\n"),
    ("a header without a name", ": b\r\ncontent-length: 0\r\n\r\n"),
];

/// Bodies in chunks that are none.
const CHUNKS: &[(&str, &str)] = &[
    ("no hex", "zz\r\n"),
    ("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
    ("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
    ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("no size", "\r\nhello\r\n0\r\n\r\n"),
    ("a size beyond 64 bits", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ("a size with a space within", "5 0\r\nhello\r\n0\r\n\r\n"),
    ("more than the size says", "4\r\nhello\r\n0\r\n\r\n"),
    ("a size that ends in a bare LF", "5\nhello\r\n0\r\n\r\n"),
    ("a chunk that ends in a bare LF", "5\r\nhello\n0\r\n\r\n"),
    ("a bare LF in an extension", "5;a=\nb\r\nhello\r\n0\r\n\r\n"),
    ("a NUL as the size", "\0\r\nhello\r\n0\r\n\r\n"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_two_servers_would_read_differently_are_refused_and_the_connection_closes() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let hidden = hidden(&key);
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n",
        key.text
    );
    let mut wrong = Vec::new();
    for (name, rest) in HEADS {
        let answer = raw(&hub, format!("{head}{rest}{hidden}").as_bytes()).await;
        if !answer.starts_with("HTTP/1.1 400 ") || answer.matches("HTTP/1.").count() != 1 {
            wrong.push(format!("{name}: {answer}"));
        }
    }
    for (name, line) in [
        ("HTTP/0.9", format!("GET {CHAT}\r\n")),
        ("HTTP/2 in words", format!("POST {CHAT} HTTP/2.0\r\n")),
        ("two spaces", format!("POST  {CHAT} HTTP/1.1\r\n")),
        ("a tab in the line", format!("POST\t{CHAT} HTTP/1.1\r\n")),
        ("a NUL in the target", format!("POST {CHAT}\0 HTTP/1.1\r\n")),
        ("a space in the target", format!("POST {CHAT} x HTTP/1.1\r\n")),
        ("no line", "\0\0\0\0\r\n".to_owned()),
    ] {
        let answer = raw(
            &hub,
            format!("{line}host: localhost\r\ncontent-length: 0\r\n\r\n{hidden}").as_bytes(),
        )
        .await;
        if !answer.starts_with("HTTP/1.1 400 ") || answer.matches("HTTP/1.").count() != 1 {
            wrong.push(format!("{name}: {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_unharmed(&hub).await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_whose_chunks_are_broken_is_refused_and_the_connection_closes() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let hidden = hidden(&key);
    let mut wrong = Vec::new();
    // With a key the body is read; without one it is not, and not taken for a request either.
    for (of, status, authorization) in [
        ("a key", "400", format!("authorization: Bearer {}\r\n", key.text)),
        ("nobody", "401", String::new()),
    ] {
        for (name, body) in CHUNKS {
            let head =
                format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n{authorization}transfer-encoding: chunked\r\n\r\n");
            let answer = raw(&hub, format!("{head}{body}{hidden}").as_bytes()).await;
            // A reset may come before the answer was read.
            let is_refused = [status, "400"]
                .iter()
                .any(|status| answer.starts_with(&format!("HTTP/1.1 {status} ")));
            if !(is_refused || answer.is_empty()) || answer.matches("HTTP/1.").count() > 1 {
                wrong.push(format!("{name} of {of}: {answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_unharmed(&hub).await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_unread_body_of_a_refused_request_is_never_taken_for_another_request() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let hidden = hidden(&key);
    for path in [
        CHAT,
        "/v1/nothing",
        "/v1/models",
        "/api/v1/teams",
        "/fn/log_in",
        "/webhooks/stripe",
    ] {
        let refused = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
            hidden.len()
        );
        let answer = raw(&hub, format!("{refused}{hidden}").as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{path}: {answer}");
    }
    assert_unharmed(&hub).await;
    drop(key);
    hub.close().await;
}

//! Whatever is sent, the answer is a refusal in words, the process lives and nothing is charged.

use crate::harness::{Answer, Hub, hello, spawn};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CHAT: &str = "/v1/chat/completions";

/// Nothing reached an upstream, nothing was held, and the server answers still.
async fn assert_unharmed(hub: &Hub) {
    assert!(hub.upstream.arrived_anywhere().is_empty());
    assert!(hub.holds().await.is_empty());
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_request_are_refused_by_name() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let (open, close) = ("[".repeat(20_000), "]".repeat(20_000));
    let nested = format!(r#"{{"model":"small","messages":[{{"role":"user","content":"hi"}}],"x":{open}{close}}}"#);
    let many: String = (0..1_000).map(|field| format!(r#","x{field}":0"#)).collect();
    let many = format!(r#"{{"model":"small","messages":[{{"role":"user","content":"hi"}}]{many}}}"#);
    let cases: Vec<(Vec<u8>, &str, Option<&str>)> = vec![
        (b"".to_vec(), "invalid_json", None),
        (b"{".to_vec(), "invalid_json", None),
        (b"[]".to_vec(), "invalid_json", None),
        (b"null".to_vec(), "invalid_json", None),
        (br#"{"model":"small","messages":[}"#.to_vec(), "invalid_json", None),
        (b"{\"model\":\"sm\xffall\",\"messages\":[]}".to_vec(), "invalid_json", None),
        (br#"{"model":"small","messages":[{"role":"user","content":"hi"}],"temperature":NaN}"#.to_vec(), "invalid_json", None),
        (nested.into_bytes(), "too_complex", None),
        (many.into_bytes(), "too_complex", None),
        (br#"{"model":"small","model":"dear","messages":[]}"#.to_vec(), "duplicate_field", Some("model")),
        (br#"{"model":"small","Model":"dear","messages":[]}"#.to_vec(), "duplicate_field", Some("Model")),
        (br#"{"messages":[{"role":"user","content":"hi"}]}"#.to_vec(), "missing_field", Some("model")),
        (br#"{"model":"small"}"#.to_vec(), "missing_field", Some("messages")),
        (br#"{"model":7,"messages":[]}"#.to_vec(), "invalid_type", Some("model")),
        (br#"{"model":"small","messages":[{"role":"user","content":"hi"}],"stream":"yes"}"#.to_vec(), "invalid_type", Some("stream")),
        (br#"{"model":"small","messages":[{"role":"user","content":"hi"}],"max_tokens":-1}"#.to_vec(), "invalid_type", Some("max_tokens")),
        (br#"{"model":"small","messages":[{"role":"user","content":"hi"}],"n":1e999}"#.to_vec(), "", None),
        (br#"{"model":"small","messages":[{"role":"user","content":"hi"}],"max_tokens":9,"max_completion_tokens":9}"#.to_vec(), "duplicate_field", None),
        (br#"{"model":"small","messages":[{"role":"user","content":"hi"}],"service_tier":"priority"}"#.to_vec(), "unsupported_parameter", Some("service_tier")),
    ];
    for (body, code, param) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = key.send(CHAT, body).await;
        assert_eq!(answer.status, 400, "{shown}");
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error", "{shown}");
        if !code.is_empty() {
            assert_eq!(error["code"], code, "{shown}: {error}");
        }
        if let Some(param) = param {
            assert_eq!(error["param"], param, "{shown}");
        }
    }
    let mut unknown = hello();
    unknown["model"] = json!("no-such-model");
    let answer = key.chat(&unknown).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "model_not_found"));
    assert_unharmed(&hub).await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_picture_passes_and_a_larger_body_is_refused() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let with_picture = |bytes: usize| {
        let url = format!("data:image/png;base64,{}", "A".repeat(bytes));
        let parts =
            json!([{ "type": "text", "text": "what is this" }, { "type": "image_url", "image_url": { "url": url } }]);
        json!({ "model": "small", "messages": [{ "role": "user", "content": parts }], "max_tokens": 16 })
    };
    let large = with_picture(20 << 20);
    let answer = key.chat(&large).await;
    assert_eq!(answer.status, 200);
    assert_eq!(hub.upstream.arrived("one")[0].body.len(), large.to_string().len());
    let hold = hub.holds().await.pop().unwrap();
    assert!(
        hold.held < 1_000_000_000,
        "a picture is bounded by what a model takes, not by its bytes: {}",
        hold.held
    );
    let refused = key.chat(&with_picture(40 << 20)).await;
    assert_eq!((refused.status, refused.code().as_str()), (413, "request_too_large"));
    // Without a length that gives it away.
    let pieces = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20]));
    let streamed = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    if let Ok(response) = key.post(CHAT, streamed).send().await {
        assert_eq!(response.status(), 413);
    }
    assert_eq!(hub.holds().await.len(), 1);
    assert_eq!(key.chat(&hello()).await.status, 200);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_bodies_are_refused() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    for encoding in ["gzip", "br", "deflate", "zstd", "x-unknown", "gzip, gzip"] {
        let request = key.post(CHAT, hello().to_string()).header("content-encoding", encoding);
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "unsupported_content_encoding"),
            "{encoding}"
        );
    }
    let plain = key
        .post(CHAT, hello().to_string())
        .header("content-encoding", "identity");
    assert_eq!(plain.send().await.unwrap().status(), 200);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_right_key_nothing_is_read() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let mut typo = key.text.clone();
    let last = typo.pop().unwrap();
    typo.push(if last == 'a' { 'b' } else { 'a' });
    for (authorization, code) in [
        (None, "invalid_api_key"),
        (Some(format!("Bearer {typo}")), "invalid_api_key"),
        (Some("Bearer ".to_owned()), "invalid_api_key"),
        (Some(format!("Basic {}", key.text)), "invalid_api_key"),
        (Some("Bearer sk-oh-".to_owned()), "invalid_api_key"),
        (
            Some(format!("Bearer {}{}", key.text, "x".repeat(4_000))),
            "invalid_api_key",
        ),
    ] {
        let mut request = hub.client.post(hub.url(CHAT)).body("{ not read");
        if let Some(authorization) = &authorization {
            request = request.header("authorization", authorization);
        }
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, code),
            "{authorization:?}"
        );
        assert!(!answer.text().contains(&key.text[14..]));
    }
    assert_unharmed(&hub).await;
    drop(key);
    hub.close().await;
}

/// What the server answers to `bytes` until it closes the connection.
async fn raw(hub: &Hub, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(crate::harness::PATIENCE, stream.read_to_end(&mut answer));
    // A reset closes as well as an end.
    let _ = read.await.expect("the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_two_servers_would_read_differently_are_refused_and_the_connection_closes() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let hidden = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\n\r\n",
        key.text
    );
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n",
        key.text
    );
    let cases = [
        (
            "CL.TE",
            format!("{head}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "TE.CL",
            format!("{head}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n5c\r\n{hidden}\r\n0\r\n\r\n"),
        ),
        (
            "two lengths",
            format!("{head}content-length: 0\r\ncontent-length: 44\r\n\r\n{hidden}"),
        ),
        (
            "a list of lengths",
            format!("{head}content-length: 0, 44\r\n\r\n{hidden}"),
        ),
        ("a signed length", format!("{head}content-length: +0\r\n\r\n{hidden}")),
        (
            "a folded header",
            format!("{head}x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n{hidden}"),
        ),
        (
            "a disguised encoding",
            format!("{head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "a space before the colon",
            format!("{head}transfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
    ];
    for (name, bytes) in cases {
        let answer = raw(&hub, bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
    }
    let broken = format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{hidden}");
    assert_eq!(raw(&hub, broken.as_bytes()).await.matches("HTTP/1.1 2").count(), 0);
    assert_unharmed(&hub).await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_unread_body_of_a_refused_request_is_never_taken_for_another_request() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let body = hello().to_string();
    let hidden = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        key.text,
        body.len()
    );
    for path in [CHAT, "/v1/nothing", "/v1/models"] {
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

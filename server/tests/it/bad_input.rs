//! Whatever is sent, the answer is a refusal in words, the process lives and nothing is charged.

use crate::harness::{Answer, Hub, hello, spawn};
use serde_json::json;

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
    let many = |count: u32| {
        let fields: String = (0..count).map(|field| format!(r#","x{field}":0"#)).collect();
        format!(r#"{{"model":"small","messages":[{{"role":"user","content":"hi"}}]{fields}}}"#).into_bytes()
    };
    let cases: Vec<(Vec<u8>, &str, Option<&str>)> = vec![
        (b"".to_vec(), "invalid_json", None),
        (b"{".to_vec(), "invalid_json", None),
        (b"[]".to_vec(), "invalid_json", None),
        (b"null".to_vec(), "invalid_json", None),
        (br#"{"model":"small","messages":[}"#.to_vec(), "invalid_json", None),
        (b"{\"model\":\"sm\xffall\",\"messages\":[]}".to_vec(), "invalid_json", None),
        (br#"{"model":"small","messages":[{"role":"user","content":"hi"}],"temperature":NaN}"#.to_vec(), "invalid_json", None),
        (nested.into_bytes(), "too_complex", None),
        (many(1_000), "too_complex", None),
        (many(1_000_000), "too_complex", None),
        (b"[".repeat(1 << 20), "", None),
        (br#"{"a":"#.repeat(1 << 18), "", None),
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
    let head = "--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n";
    let pieces = std::iter::once(head.as_bytes().to_vec()).chain((0..40).map(|_| vec![b' '; 1 << 20]));
    let streamed = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces.map(Ok::<_, std::io::Error>)));
    let form = key.post_as(
        "/v1/audio/transcriptions",
        "multipart/form-data; boundary=b0undary",
        streamed,
    );
    if let Ok(response) = form.send().await {
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

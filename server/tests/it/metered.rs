//! Every route that spends an account's money is on the books: a route that forgot to meter would be free.

use crate::harness::{Answer, Key, hello, spawn};
use crate::upstream::Reply;
use gateway_core::{dialect::Dialect, money::Nano};
use serde_json::{Value, json};
use server::{accounts::NewAccount, http::relay::ROUTES};

/// Routes of what no provider charges for.
const FREE: [&str; 3] = [
    "/v1/messages/count_tokens",
    "/v1/responses/input_tokens",
    "/v1/moderations",
];

/// What keeps the parts of a form apart, and its content type.
const FORM: &str = "multipart/form-data; boundary=b";

/// A form of a sound for `small`.
fn heard() -> String {
    ["model\"\r\n\r\nsmall", "file\"; filename=\"a.wav\"\r\n\r\nRIFF"]
        .map(|field| format!("--b\r\nContent-Disposition: form-data; name=\"{field}\r\n"))
        .concat()
        + "--b--\r\n"
}

/// What images cost in tokens.
fn image() -> Reply {
    let usage = json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15});
    Reply::json(
        200,
        &json!({"created": 1, "data": [{"b64_json": "eA=="}], "usage": usage}),
    )
}

/// Served by accounts that speak Responses alone.
const COMPACT: &str = "/v1/responses/compact";

/// A good call of the route `path`, what an upstream answers to it, and the operation it is booked as.
fn call(path: &str) -> (Value, Reply, &str) {
    match path {
        "/v1/chat/completions" => (hello(), Reply::chat("hello", 10, 5), "chat"),
        "/v1/completions" => (
            json!({"model": "small", "prompt": "hi"}),
            Reply::json(
                200,
                &json!({
                    "id": "cmpl-1", "object": "text_completion", "model": "small",
                    "choices": [{"index": 0, "text": "hello", "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
                }),
            ),
            "completions",
        ),
        "/v1/responses" => (
            json!({"model": "small", "input": "hi"}),
            Reply::chat("hello", 10, 5),
            "responses",
        ),
        COMPACT => (
            json!({"model": "small", "input": "hi"}),
            Reply::json(
                200,
                &json!({
                    "id": "resp_1", "object": "response.compaction", "created_at": 1_790_000_000, "output": [],
                    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
                }),
            ),
            "compact",
        ),
        "/v1/messages" => (
            json!({"model": "small", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
            Reply::chat("hello", 10, 5),
            "messages",
        ),
        "/v1/models/{model:.+}" | "/v1beta/models/{model:.+}" => (
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
            Reply::chat("hello", 10, 5),
            "generate",
        ),
        "/v1/embeddings" => {
            let answer = json!({
                "object": "list", "model": "small",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
                "usage": {"prompt_tokens": 10, "total_tokens": 10},
            });
            (
                json!({"model": "small", "input": "hi"}),
                Reply::json(200, &answer),
                "embeddings",
            )
        }
        "/v1/rerank" => (
            json!({"model": "small", "query": "hi", "documents": ["hello"]}),
            Reply::json(
                200,
                &json!({"results": [{"index": 0, "relevance_score": 0.5}], "usage": {"total_tokens": 10}}),
            ),
            "rerank",
        ),
        "/v1/images/generations" => (json!({"model": "small", "prompt": "hi"}), image(), "image_generations"),
        "/v1/images/edits" => (
            json!({"model": "small", "prompt": "hi", "images": [{"file_id": "file-1"}]}),
            image(),
            "image_edits",
        ),
        "/v1/audio/speech" => (
            json!({"model": "small", "input": "hi", "voice": "alloy"}),
            Reply::body(200, "audio/mpeg", b"sound"),
            "speech",
        ),
        "/v1/audio/transcriptions" | "/v1/audio/translations" => {
            let usage = json!({"type": "tokens", "input_tokens": 10, "output_tokens": 5, "total_tokens": 15});
            let operation = path.strip_prefix("/v1/audio/").unwrap();
            // A text of its own is no JSON: it is the whole form.
            (
                Value::String(heard()),
                Reply::json(200, &json!({"text": "hello", "usage": usage})),
                operation,
            )
        }
        _ => panic!("POST {path} is new: say here how it is called, and see that it is metered"),
    }
}

async fn send(key: &Key<'_>, path: &str, body: &Value) -> Answer {
    let request = match body.as_str() {
        Some(form) => key.post_as(path, FORM, form.to_owned()),
        None => key.post(path, body.to_string()),
    };
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_that_calls_an_upstream_is_charged_and_none_answers_without_a_key_or_money() {
    let hub = spawn().await;
    hub.account("one").await;
    let of_responses = |new: &mut NewAccount| {
        new.dialect = Some(Dialect::Responses.as_str().to_owned());
        new.standing.priority = 1;
    };
    hub.account_with("responses", of_responses).await;
    let mut charged = hub.charged().await;
    let mut holds = 0;
    for (method, path) in ROUTES {
        let call_of = if *method == "POST" {
            "small:generateContent"
        } else {
            "small"
        };
        let target = path.replace("{model:.+}", call_of);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let nobody = hub
            .client
            .request(method.clone(), hub.url(&target))
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(nobody.status(), 401, "{method} {target}");
        if method == "GET" || FREE.contains(path) {
            continue;
        }
        let (body, reply, operation) = call(path);
        let serves = if *path == COMPACT { "responses" } else { "one" };
        hub.upstream.answer(serves, reply);
        let answer = send(&hub.key().await, &target, &body).await;
        assert_eq!(answer.status, 200, "{target} {}", answer.text());
        hub.quiet().await;
        let rows = hub.holds().await;
        holds += 1;
        assert_eq!(rows.len(), holds, "{target} is not on the books");
        let booked = rows.iter().rfind(|row| row.operation == operation);
        assert!(
            booked.is_some_and(|row| row.posted > 0),
            "{target} is booked as {operation}: {rows:?}"
        );
        let before = std::mem::replace(&mut charged, hub.charged().await);
        assert!(charged > before, "{target} was free");
        let poor = hub.key_with(|settings| (settings.caps.day, settings.clamp) = (Some(Nano(1)), false));
        let arrived = hub.upstream.arrived_anywhere().len();
        let refused = send(&poor.await, &target, &body).await;
        assert!(matches!(refused.status, 402 | 429), "{target} {}", refused.text());
        assert_eq!(hub.upstream.arrived_anywhere().len(), arrived, "{target} was relayed");
        assert_eq!(
            (hub.holds().await.len(), hub.charged().await),
            (holds, charged),
            "{target}"
        );
    }
    assert!(holds >= 2);
    let of_get = hub.key().await.get("/v1/models").await;
    assert_eq!(
        (of_get.status, hub.holds().await.len()),
        (200, holds),
        "reading costs nothing"
    );
}

//! Tools that run at the provider: where a key lets them, they pass, are held for and are charged to the nano; elsewhere they are left out.

use crate::harness::{Answer, Hub, Key, Setup, everywhere, spawn, spawn_with};
use crate::upstream::Reply;
use gateway_core::money::Nano;
use serde_json::{Value, json};
use server::accounts::{Models, Served, Standing};
use server::catalog::{NewModel, Prices};
use server::keys::KeySettings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The dialects in which tools run at the provider.
const DIALECTS: [&str; 4] = ["chat", "responses", "messages", "generate"];
/// The context of the model that searches.
const CONTEXT: i64 = 10_000;
/// What a search costs.
const FEE: i64 = 10_000_000;
/// The charge of 10 tokens in and 5 out.
const TOKENS: i64 = 10 * 1_000 + 5 * 2_000;
/// The limit on the output in every question, and what it can cost.
const MOST: i64 = 100;
const OUTPUT: i64 = MOST * 2_000;

async fn model(hub: &Hub, id: &str, search: Option<&str>, context: Option<i64>) {
    let new = NewModel {
        id: id.to_owned(),
        context,
        max_output: Some(4_096),
        prices: Prices {
            input: "1".to_owned(),
            output: "2".to_owned(),
            search: search.map(str::to_owned),
            ..Prices::default()
        },
        ..NewModel::default()
    };
    hub.app.catalog.add_model(&new, hub.admin.user_id).await.unwrap();
}

/// Models of each dialect: `finder` searches for a fee, `plain` has no price for that, of `endless` nobody knows how much it reads.
async fn models(hub: &Hub) {
    for dialect in DIALECTS {
        model(hub, &format!("finder-{dialect}"), Some("0.01"), Some(CONTEXT)).await;
        model(hub, &format!("plain-{dialect}"), None, Some(CONTEXT)).await;
        model(hub, &format!("endless-{dialect}"), Some("0.01"), None).await;
    }
}

async fn searching<'a>(hub: &'a Hub, change: impl FnOnce(&mut KeySettings)) -> Key<'a> {
    hub.key_with(|settings| {
        settings.hosted_tools = true;
        change(settings);
    })
    .await
}

fn responses(model: &str, tools: &Value) -> (String, Value) {
    let body = json!({ "model": model, "input": "hi", "max_output_tokens": MOST, "store": false, "tools": tools });
    ("/v1/responses".to_owned(), body)
}

fn messages(model: &str, tools: &Value) -> (String, Value) {
    let asked = json!([{ "role": "user", "content": "hi" }]);
    let body = json!({ "model": model, "messages": asked, "max_tokens": MOST, "tools": tools });
    ("/v1/messages".to_owned(), body)
}

fn generate(model: &str, tools: &Value) -> (String, Value) {
    let body = json!({
        "contents": [{ "parts": [{ "text": "hi" }] }], "generationConfig": { "maxOutputTokens": MOST }, "tools": tools,
    });
    (format!("/v1beta/models/{model}:generateContent"), body)
}

fn chat(model: &str) -> (String, Value) {
    let asked = json!([{ "role": "user", "content": "hi" }]);
    let body = json!({ "model": model, "messages": asked, "max_tokens": MOST, "web_search_options": {} });
    ("/v1/chat/completions".to_owned(), body)
}

fn streamed((path, mut body): (String, Value)) -> (String, Value) {
    match path.strip_suffix(":generateContent") {
        Some(model) => (format!("{model}:streamGenerateContent?alt=sse"), body),
        None => {
            body["stream"] = json!(true);
            (path, body)
        }
    }
}

/// Answers as the providers do that searched twice, for 10 tokens in and 5 out.
fn answer(path: &str, body: &Value) -> Reply {
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 });
    let is_streamed = body["stream"] == true;
    let call = json!({ "type": "web_search_call", "id": "ws", "status": "completed", "action": { "type": "search", "query": "x" } });
    let text = json!({ "type": "message", "id": "m", "role": "assistant", "status": "completed",
        "content": [{ "type": "output_text", "text": "hello", "annotations": [] }] });
    let response = json!({
        "id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": [call, call, text],
        "usage": { "input_tokens": 10, "output_tokens": 5, "total_tokens": 15 },
    });
    let found = json!({ "input_tokens": 10, "output_tokens": 5, "server_tool_use": { "web_search_requests": 2 } });
    let generated = json!({
        "candidates": [{
            "content": { "role": "model", "parts": [{ "text": "hello" }] }, "finishReason": "STOP", "index": 0,
            "groundingMetadata": { "webSearchQueries": ["x", "y"] },
        }],
        "modelVersion": "gemini-3-pro",
        "usageMetadata": { "promptTokenCount": 10, "toolUsePromptTokenCount": 70, "candidatesTokenCount": 5, "totalTokenCount": 85 },
    });
    match (path, is_streamed) {
        (path, false) if path.ends_with("/responses") => Reply::json(200, &response),
        (path, true) if path.ends_with("/responses") => Reply::events(&[
            json!({ "type": "response.output_item.done", "output_index": 0, "item": call }).to_string(),
            json!({ "type": "response.completed", "response": response }).to_string(),
        ]),
        (path, false) if path.ends_with("/messages") => Reply::json(
            200,
            &json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                "content": [{ "type": "text", "text": "hello" }], "usage": found }),
        ),
        (path, true) if path.ends_with("/messages") => Reply::events(&[
            json!({ "type": "message_start", "message": { "model": "m", "usage": { "input_tokens": 10, "output_tokens": 1 } } }).to_string(),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "hello" } }).to_string(),
            json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": found }).to_string(),
            json!({ "type": "message_stop" }).to_string(),
        ]),
        (path, _) if path.contains(":streamGenerateContent") => Reply::events(&[generated.to_string()]),
        (path, _) if path.contains(":generateContent") => Reply::json(200, &generated),
        (_, false) => Reply::json(
            200,
            &json!({ "model": "m", "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hello" }, "finish_reason": "stop" }], "usage": usage }),
        ),
        (_, true) => Reply::events(&[
            json!({ "choices": [{ "index": 0, "delta": { "content": "hello" }, "finish_reason": "stop" }] }).to_string(),
            json!({ "choices": [], "usage": usage }).to_string(),
            "[DONE]".to_owned(),
        ]),
    }
}

/// An account for each dialect, and for the models whose names end so.
async fn accounts(hub: &Hub) {
    for dialect in DIALECTS {
        hub.account_with(dialect, |new| {
            new.dialect = Some(dialect.to_owned());
            let served = ["finder", "plain", "endless"].map(|model| Served {
                model: format!("{model}-{dialect}"),
                upstream_model: None,
            });
            new.models = Models::Named(served.to_vec());
        })
        .await;
        hub.upstream.behave(dialect, |call| answer(&call.path, &call.json()));
    }
}

async fn send(key: &Key<'_>, (path, body): &(String, Value)) -> Answer {
    key.send(path, body.to_string()).await
}

/// What the upstream was sent last.
fn last(hub: &Hub) -> Value {
    hub.upstream.arrived_anywhere().last().unwrap().json()
}

/// What was held for the request that was answered with `answer`, and what it was charged.
async fn hold(hub: &Hub, answer: &Answer) -> (i64, i64) {
    hub.quiet().await;
    let holds = hub.holds().await;
    let hold = holds.iter().find(|hold| hold.id == answer.request_id()).unwrap();
    (hold.held, hold.posted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_key_lets_run_passes_and_its_searches_are_charged_to_the_nano() {
    for hub in everywhere(Setup::default()).await {
        models(&hub).await;
        accounts(&hub).await;
        let key = searching(&hub, |_| {}).await;
        let search = json!([{ "type": "web_search" }]);
        let limited = json!([{ "type": "web_search_20250305", "name": "web_search", "max_uses": 3 }]);
        let open = json!([{ "type": "web_search_20250305", "name": "web_search" }]);
        let read = |readings: i64| readings * CONTEXT * 1_000;
        for (question, held, searches, noted) in [
            (responses("finder-responses", &search), read(11) + 10 * FEE, 2, true),
            (messages("finder-messages", &limited), read(10) + 3 * FEE, 2, false),
            (messages("finder-messages", &open), read(10) + 10 * FEE, 2, true),
            (
                generate("finder-generate", &json!([{ "googleSearch": {} }])),
                read(1) + 10 * FEE,
                2,
                false,
            ),
            (chat("finder-chat"), read(1) + FEE, 1, false),
        ] {
            for question in [question.clone(), streamed(question)] {
                let answer = send(&key, &question).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                assert!(answer.text().contains("hello"), "{answer:?}");
                let charged = TOKENS + searches * FEE;
                assert_eq!(hold(&hub, &answer).await, (held + OUTPUT, charged), "{question:?}");
                let (notes, sent) = (answer.header("x-ourhub-notes").unwrap_or_default(), last(&hub));
                assert_eq!(notes.contains("set to 10"), noted, "{notes}");
                let mut expected = question.1;
                if noted && expected["input"].is_string() {
                    expected["max_tool_calls"] = json!(10);
                } else if noted {
                    expected["tools"][0]["max_uses"] = json!(10);
                }
                if expected["stream"] == true && expected["web_search_options"].is_object() {
                    expected["stream_options"] = json!({ "include_usage": true });
                }
                assert_eq!(sent, expected);
            }
        }
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_run_or_has_no_price_is_left_out() {
    let hub = spawn().await;
    models(&hub).await;
    accounts(&hub).await;
    let (plain, open) = (hub.key().await, searching(&hub, |_| {}).await);
    let tools =
        json!([{ "type": "web_search" }, { "type": "mcp", "server_label": "s", "server_url": "https://example.com" }]);
    for (key, model, left) in [
        (&plain, "finder-responses", json!(null)),
        (&open, "plain-responses", json!([tools[1]])),
        (&open, "endless-responses", json!(null)),
        (&open, "finder-responses", tools.clone()),
    ] {
        let answer = send(key, &responses(model, &tools)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(last(&hub)["tools"], left, "{model}");
        let notes = answer.header("x-ourhub-notes").unwrap_or_default();
        let is_dropped = notes.contains("dropped web_search: it runs at the provider and has no price here");
        assert_eq!(is_dropped, left[0]["type"] != "web_search", "{notes}");
    }
    // What is demanded is not left out, and no array is made of what a search found.
    let mut demanded = responses("plain-responses", &tools);
    demanded.1["tool_choice"] = json!({ "type": "web_search" });
    assert_eq!(send(&open, &demanded).await.status, 400);
    demanded.1["model"] = json!("finder-responses");
    assert_eq!(send(&open, &demanded).await.status, 200);
    assert_eq!(send(&plain, &chat("finder-chat")).await.status, 400);
    assert_eq!(send(&open, &chat("plain-chat")).await.status, 400);
    let (path, body) = generate("finder-generate", &json!([{ "googleSearch": {} }]));
    let array = path.replace(":generateContent", ":streamGenerateContent");
    assert_eq!(send(&open, &(array, body)).await.status, 200);
    assert_eq!(last(&hub)["tools"], json!(null));
    drop((plain, open));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_holds_the_dearest_and_a_window_of_tokens_the_prompt_as_it_stands() {
    let hub = spawn().await;
    models(&hub).await;
    accounts(&hub).await;
    let question = responses("finder-responses", &json!([{ "type": "web_search" }]));
    let most = 11 * CONTEXT * 1_000 + 10 * FEE;
    // Not even the least of an answer fits.
    let poor = searching(&hub, |settings| settings.caps.day = Some(Nano(most + 15 * 2_000))).await;
    let answer = send(&poor, &question).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(hub.upstream.arrived_anywhere().is_empty());
    // Twenty tokens of it do.
    let clamped = searching(&hub, |settings| settings.caps.day = Some(Nano(most + 20 * 2_000))).await;
    let answer = send(&clamped, &question).await;
    assert_eq!(
        (answer.status, &last(&hub)["max_output_tokens"]),
        (200, &json!(20)),
        "{answer:?}"
    );
    assert_eq!(hold(&hub, &answer).await.0, most + 20 * 2_000);
    // A window of fewer tokens than a single reading may have.
    let slow = searching(&hub, |settings| settings.rates.tpm = Some(CONTEXT / 2)).await;
    let answer = send(&slow, &question).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    drop((poor, clamped, slow));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_failed_is_not_charged_for_readings_that_nobody_saw() {
    let hub = spawn().await;
    models(&hub).await;
    hub.account_with("zero", |new| new.dialect = Some("responses".to_owned()))
        .await;
    hub.account_with("one", |new| {
        new.dialect = Some("responses".to_owned());
        new.standing = Standing {
            priority: 1,
            ..Standing::default()
        };
    })
    .await;
    hub.upstream.behave("one", |call| answer(&call.path, &call.json()));
    hub.upstream.behave("zero", |_| Reply::hang_up());
    let key = searching(&hub, |_| {}).await;
    let answer = send(&key, &responses("finder-responses", &json!([{ "type": "web_search" }]))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    hub.quiet().await;
    let holds = hub.holds().await;
    let estimates = holds
        .iter()
        .filter(|hold| hold.notes.contains("estimate: an attempt failed"));
    let failed: Vec<i64> = estimates.map(|hold| hold.posted).collect();
    assert!(
        failed.len() == 1 && failed[0] > 0 && failed[0] < CONTEXT * 1_000,
        "{failed:?}"
    );
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_on_a_model_that_thinks_pays_for_the_readings_that_were_seen() {
    let mut setup = Setup::default();
    setup.relay.heartbeat = Duration::from_millis(20);
    setup.relay.drain = Duration::from_millis(100);
    let hub = spawn_with(setup).await;
    hub.account_with("one", |new| new.dialect = Some("messages".to_owned()))
        .await;
    let call = json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": {} });
    let events = [
        json!({ "type": "message_start", "message": { "model": "m", "usage": { "input_tokens": 10, "output_tokens": 1 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": call }),
        json!({ "type": "message_stop" }),
    ];
    let events = events.map(|event| event.to_string());
    let never = Arc::new(Semaphore::new(0));
    hub.upstream.answer("one", Reply::events(&events).gate_after(2, &never));
    let key = searching(&hub, |_| {}).await;
    let tools = json!([{ "type": "web_search_20250305", "name": "web_search", "max_uses": 5 }]);
    let (path, body) = streamed(messages("claude-opus-4-5", &tools));
    let mut answer = key.post(&path, body.to_string()).send().await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("server_tool_use") {
        seen.extend_from_slice(&answer.chunk().await.unwrap().unwrap());
    }
    drop(answer);
    hub.quiet().await;
    let hold = hub.holds().await.pop().unwrap();
    // Ten readings of the whole context are held; one call was seen, after it one more may have begun.
    let output = MOST * 25_000;
    assert!(hold.held > 10 * 200_000 * 5_000 + output, "{hold:?}");
    assert!(
        hold.posted > output + 2 * FEE && hold.posted < 200_000 * 5_000,
        "{hold:?}"
    );
    drop(key);
    hub.close().await;
}

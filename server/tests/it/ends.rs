//! What holds from one end to the other where the two speak differently: tools that need another dialect, what a provider keeps, thoughts
//! that only their account can read, and reasoning that is counted apart.
//!
//! Invariant: the shapes are those of the providers' API references.

use crate::harness::{HELLO, Hub, spawn};
use crate::spoken::{ARGUMENTS, heard, question, reply};
use crate::upstream::{Reply, chunk, delta, finish};
use gateway_core::dialect::Dialect;
use serde_json::{Value, json};
use server::accounts::Standing;

/// An account of `provider` that is asked after those of lower `priority`.
async fn account(hub: &Hub, name: &str, provider: &str, priority: i32) {
    hub.upstream.behave(name, reply);
    hub.account_with(name, |new| {
        new.provider = provider.to_owned();
        new.standing = Standing {
            priority,
            ..Standing::default()
        };
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_takes_tools_in_the_responses_dialect_only_is_asked_in_it() {
    let hub = spawn().await;
    account(&hub, "openai", "openai", 0).await;
    let key = hub.key().await;
    for is_streamed in [false, true] {
        for (model, path) in [("gpt-6-astra", "/responses"), ("small", "/chat/completions")] {
            let (to, body) = question(Dialect::Chat, model, is_streamed);
            let answer = key.send(&to, body.to_string()).await;
            assert_eq!(answer.status, 200, "{model}: {}", answer.text());
            let call = ("look_up".to_owned(), serde_json::from_str::<Value>(ARGUMENTS).unwrap());
            let (text, calls) = heard(Dialect::Chat, &answer, is_streamed);
            assert_eq!((text.as_str(), calls), ("hello", vec![call]), "{model}");
            let arrived = hub.upstream.arrived("openai").pop().unwrap();
            assert_eq!(arrived.path, format!("/openai/v1{path}"), "{model}");
        }
        let (to, mut body) = question(Dialect::Chat, "gpt-6-astra", is_streamed);
        body.as_object_mut().unwrap().remove("tools");
        assert_eq!(key.send(&to, body.to_string()).await.status, 200);
        let arrived = hub.upstream.arrived("openai").pop().unwrap();
        assert_eq!(arrived.path, "/openai/v1/chat/completions");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_no_longer_keeps_is_the_clients_fault_and_not_the_accounts() {
    let hub = spawn().await;
    account(&hub, "first", "openai", 0).await;
    account(&hub, "second", "openai", 1).await;
    let key = hub.key().await;
    for (status, code, message) in [
        (
            400,
            json!("previous_response_not_found"),
            "Previous response with id 'resp_1' not found.",
        ),
        (404, Value::Null, "Previous response with id 'resp_1' not found."),
        (404, json!("not_found"), "Conversation with id 'conv_1' not found."),
    ] {
        let error = json!({ "error": {
            "message": message, "type": "invalid_request_error", "param": "previous_response_id", "code": code,
        } });
        let (to, mut body) = question(Dialect::Responses, "small", false);
        body["store"] = json!(true);
        let first = key.send(&to, body.to_string()).await;
        hub.upstream.answer("first", Reply::json(status, &error));
        body["previous_response_id"] = first.json()["id"].clone();
        let answer = key.send(&to, body.to_string()).await;
        assert_eq!(answer.status, status, "{message}: {}", answer.text());
        assert_eq!(answer.json(), error);
        hub.upstream.behave("first", reply);
        body.as_object_mut().unwrap().remove("previous_response_id");
        assert_eq!(key.send(&to, body.to_string()).await.status, 200, "{message}");
    }
    assert_eq!(hub.upstream.arrived("second").len(), 0);
    assert_eq!(hub.upstream.arrived("first").len(), 9);
    assert_eq!(hub.charged().await.0, HELLO.0 * 6);
    drop(key);
    hub.close().await;
}

/// A response that thought, as one account alone can read.
fn thoughtful() -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_790_000_000, "status": "completed", "model": "small-2026-01-01",
        "output": [
            { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "hm" }], "encrypted_content": "sealed-by-first" },
            { "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{ "type": "output_text", "text": "hello", "annotations": [], "logprobs": [] }] },
        ],
        "usage": {
            "input_tokens": 10, "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 2 }, "total_tokens": 15,
        },
        "error": null, "incomplete_details": null, "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thoughts_go_back_to_the_account_that_thought_them_and_to_no_other() {
    let hub = spawn().await;
    for (name, dialect, priority) in [
        ("first", Dialect::Responses, 0),
        ("second", Dialect::Responses, 1),
        ("third", Dialect::Messages, 2),
    ] {
        hub.upstream.behave(name, reply);
        hub.account_with(name, |new| {
            new.dialect = Some(dialect.as_str().to_owned());
            new.standing.priority = priority;
        })
        .await;
    }
    hub.upstream.answer("first", Reply::json(200, &thoughtful()));
    let key = hub.key().await;
    let (to, mut body) = question(Dialect::Messages, "small", false);
    body["max_tokens"] = json!(2_000);
    body["thinking"] = json!({ "type": "enabled", "budget_tokens": 1_024 });
    let answer = key.send(&to, body.to_string()).await.json();
    let thinking = &answer["content"][0];
    assert_eq!(thinking["type"], "thinking", "{answer}");
    let signature = thinking["signature"].as_str().unwrap();
    assert!(signature.starts_with("oh1."), "{signature}");

    body["messages"] = json!([
        { "role": "user", "content": "hi" },
        { "role": "assistant", "content": answer["content"] },
        { "role": "user", "content": "and?" },
    ]);
    let again = key.send(&to, body.to_string()).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert!(
        again
            .header("x-ourhub-notes")
            .is_none_or(|notes| !notes.contains("thoughts"))
    );
    let arrived = hub.upstream.arrived("first").pop().unwrap().text();
    assert!(
        arrived.contains("sealed-by-first") && !arrived.contains("oh1."),
        "{arrived}"
    );

    for name in ["first", "second"] {
        hub.upstream.answer(
            name,
            Reply::error(429, "rate_limit_exceeded").header("retry-after", "60"),
        );
    }
    let elsewhere = key.send(&to, body.to_string()).await;
    assert_eq!(elsewhere.status, 200, "{}", elsewhere.text());
    assert!(elsewhere.header("x-ourhub-notes").unwrap().contains("thoughts"));
    for name in ["second", "third"] {
        let arrived = hub.upstream.arrived(name).pop().unwrap();
        let text = arrived.text();
        assert!(
            !text.contains("oh1.") && !text.contains("sealed-by-first"),
            "{name}: {text}"
        );
        assert!(
            !text.contains("\"signature\"") && !text.contains("rs_1"),
            "{name}: {text}"
        );
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasoning_that_is_counted_apart_is_charged_however_the_reply_goes_through() {
    let usage = json!({
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 22,
        "completion_tokens_details": { "reasoning_tokens": 7 },
    });
    let hub = spawn().await;
    account(&hub, "xai", "xai", 0).await;
    let key = hub.key().await;
    let mut asked = 0;
    for client in [Dialect::Chat, Dialect::Messages, Dialect::Responses, Dialect::Generate] {
        for is_streamed in [false, true] {
            let mut whole = crate::upstream::completion_of("hello", None);
            whole["usage"] = usage.clone();
            let chunks = [delta("hello"), finish(), chunk(&json!([]), &usage), "[DONE]".to_owned()];
            let answer = if is_streamed {
                Reply::events(&chunks)
            } else {
                Reply::json(200, &whole)
            };
            hub.upstream.answer("xai", answer);
            let (to, body) = question(client, "small", is_streamed);
            let answer = key.send(&to, body.to_string()).await;
            assert_eq!(
                heard(client, &answer, is_streamed).0,
                "hello",
                "{client:?}: {}",
                answer.text()
            );
            asked += 1;
            let name = format!("{client:?}, streamed: {is_streamed}");
            assert_eq!(hub.charged().await.0, asked * (10 * 1_000 + 12 * 2_000), "{name}");
        }
    }
    drop(key);
    hub.close().await;
}

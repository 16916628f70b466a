//! What builds on an earlier answer goes to the account that keeps it, and to nobody for another team.

use crate::harness::{Answer, HELLO, Hub, Key, spawn};
use crate::spoken::reply;
use crate::upstream::Reply;
use gateway_core::dialect::Dialect;
use serde_json::{Value, json};
use server::accounts::Standing;
use server::auth::NewUser;
use server::clock;
use server::keys::KeySettings;
use server::teams;

async fn account(hub: &Hub, name: &str, priority: i32) {
    hub.account_with(name, |new| {
        new.dialect = Some(Dialect::Responses.as_str().to_owned());
        new.standing = Standing {
            priority,
            ..Standing::default()
        };
    })
    .await;
}

/// An answer called `id`, with a message called `msg_{id}`.
fn response(id: &str) -> Value {
    json!({
        "id": id, "object": "response", "created_at": 1_790_000_000, "status": "completed", "model": "small-2026-01-01",
        "output": [{ "type": "message", "id": format!("msg_{id}"), "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": "hello", "annotations": [] }] }],
        "usage": { "input_tokens": 10, "output_tokens": 5, "total_tokens": 15 },
        "error": null, "incomplete_details": null,
    })
}

fn streamed(id: &str) -> Reply {
    let events = [
        json!({ "type": "response.created", "response": { "id": id, "status": "in_progress" } }),
        json!({ "type": "response.output_text.delta", "delta": "hello" }),
        json!({ "type": "response.completed", "response": response(id) }),
    ];
    Reply::events(&events.map(|event| event.to_string()))
}

async fn ask(key: &Key<'_>, more: Value) -> Answer {
    let mut body = json!({ "model": "small", "input": "hi" });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    key.send("/v1/responses", body.to_string()).await
}

/// A request that holds what some account thought before, as it came.
fn thoughtful() -> Value {
    json!({ "input": [
        { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA" },
        { "role": "user", "content": "hi" },
    ] })
}

/// The key of another team.
async fn stranger(hub: &Hub) -> String {
    let new = NewUser {
        email: "stranger@example.com",
        password: "moonlit-otter",
    };
    let made = hub.app.auth.create_user(new, false, clock::now_ms()).await.unwrap();
    let team = teams::scope(&hub.app.db, &made.person, made.team_id).await.unwrap();
    let settings = KeySettings::named("strange");
    hub.app
        .keys
        .create(&team, settings, clock::now_ms())
        .await
        .unwrap()
        .shown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_builds_on_an_answer_goes_to_the_account_that_keeps_it_and_a_foreign_or_unknown_id_to_nobody() {
    let hub = spawn().await;
    account(&hub, "first", 0).await;
    account(&hub, "second", 1).await;
    let key = hub.key().await;
    hub.upstream.answer("first", Reply::error(500, "server_error"));
    hub.upstream.answer("second", Reply::json(200, &response("resp_whole")));
    assert_eq!(ask(&key, json!({})).await.status, 200);
    hub.upstream.answer("second", streamed("resp_streamed"));
    assert_eq!(ask(&key, json!({ "stream": true })).await.status, 200);
    hub.upstream.answer("second", Reply::json(200, &response("resp_gone")));
    assert_eq!(ask(&key, json!({ "store": false })).await.status, 200);

    hub.upstream.answer("first", Reply::json(200, &response("resp_first")));
    hub.upstream.answer("second", Reply::json(200, &response("resp_next")));
    let reference =
        |id: &str| json!({ "input": [{ "type": "item_reference", "id": id }, { "role": "user", "content": "go on" }] });
    let before = hub.upstream.arrived("first").len();
    for (more, id) in [
        (json!({ "previous_response_id": "resp_whole" }), "resp_next"),
        (json!({ "previous_response_id": "resp_streamed" }), "resp_next"),
        (json!({ "previous_response_id": "resp_next" }), "resp_next"),
        (reference("msg_resp_whole"), "resp_next"),
    ] {
        let answer = ask(&key, more.clone()).await;
        assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some(id)), "{more}");
    }
    assert_eq!(hub.upstream.arrived("first").len(), before);
    // An earlier answer may bring along as much as any context holds, and this model's is not known.
    let holds = hub.holds().await;
    let whole = 2_000_000 * 1_000;
    assert!(holds[0].held < whole / 100, "{holds:?}");
    assert!(holds.iter().rev().take(4).all(|hold| hold.held >= whole), "{holds:?}");

    let asked = hub.upstream.arrived_anywhere().len();
    let strange = stranger(&hub).await;
    for (credential, more) in [
        (&key.text, json!({ "previous_response_id": "resp_unknown" })),
        (&key.text, json!({ "previous_response_id": "resp_gone" })),
        (&key.text, json!({ "conversation": "conv_1" })),
        (&key.text, reference("msg_resp_gone")),
        (&strange, json!({ "previous_response_id": "resp_whole" })),
        (&strange, reference("msg_resp_whole")),
    ] {
        let mut body = json!({ "model": "small", "input": "hi" });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = hub.client.post(hub.url("/v1/responses")).bearer_auth(credential);
        let answer = Answer::read(request.body(body.to_string()).send().await.unwrap()).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, "previous_response_not_found".to_owned()),
            "{more}: {}",
            answer.text()
        );
    }
    assert_eq!(hub.upstream.arrived_anywhere().len(), asked, "nobody was asked");
    // Its only account fails: no other one can take over.
    hub.upstream.answer("second", Reply::error(500, "server_error"));
    let answer = ask(&key, json!({ "previous_response_id": "resp_whole" })).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(hub.upstream.arrived("first").len(), before);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_made_shorter_by_an_account_of_its_dialect_at_the_price_of_its_tokens() {
    let hub = spawn().await;
    hub.account("chat").await;
    let key = hub.key().await;
    let body = json!({ "model": "small", "input": [{ "role": "user", "content": "hi" }] }).to_string();
    let refused = key.send("/v1/responses/compact", body.clone()).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (404, "unsupported_operation"),
        "{}",
        refused.text()
    );
    account(&hub, "first", 1).await;
    let shorter = json!({
        "id": "resp_short", "object": "response.compaction", "created_at": 1_790_000_000,
        "output": [{ "type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA" }],
        "usage": { "input_tokens": 10, "output_tokens": 5, "total_tokens": 15 },
    });
    hub.upstream.answer("first", Reply::json(200, &shorter));
    let answer = key.send("/v1/responses/compact", body).await;
    assert_eq!((answer.status, answer.json()), (200, shorter), "{}", answer.text());
    assert_eq!(hub.charged().await, HELLO);
    let arrived = hub.upstream.arrived("first").pop().unwrap();
    assert_eq!(arrived.path, "/first/v1/responses/compact");
    assert_eq!(arrived.json()["input"][0]["content"], "hi");
    assert_eq!(arrived.json().get("max_output_tokens"), None);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thoughts_of_another_account_are_not_shown_to_the_one_that_takes_over() {
    let hub = spawn().await;
    account(&hub, "first", 0).await;
    account(&hub, "second", 1).await;
    let key = hub.key().await;
    hub.upstream.answer("first", Reply::error(500, "server_error"));
    hub.upstream.answer("second", Reply::json(200, &response("resp_1")));
    let answer = ask(&key, thoughtful()).await;
    assert_eq!(answer.status, 200);
    let is_told = |name: &str| hub.upstream.arrived(name)[0].text().contains("gAAA");
    assert!(is_told("first") && !is_told("second"));
    let notes = answer.header("x-ourhub-notes").unwrap_or_default();
    assert!(notes.contains("signatures of earlier thoughts"), "{notes}");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_refuses_thoughts_as_foreign_is_asked_once_more_without_them() {
    let hub = spawn().await;
    account(&hub, "only", 0).await;
    let key = hub.key().await;
    let refusal = Reply::error(400, "invalid_encrypted_content");
    let answers = vec![refusal.clone(), Reply::json(200, &response("resp_1")), refusal];
    hub.upstream.answer_each("only", answers);
    let answer = ask(&key, thoughtful()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let refused = ask(&key, thoughtful()).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let arrived = hub.upstream.arrived("only");
    let told: Vec<bool> = arrived.iter().map(|call| call.text().contains("gAAA")).collect();
    assert_eq!(told, [true, false, true, false]);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_cut_makes_readable_is_left_to_the_next_account_and_the_first_is_not_asked_the_same_again() {
    let hub = spawn().await;
    account(&hub, "first", 0).await;
    account(&hub, "second", 1).await;
    let key = hub.key().await;
    hub.upstream
        .answer("first", Reply::error(400, "invalid_encrypted_content"));
    hub.upstream.answer("second", Reply::json(200, &response("resp_1")));
    let shorter = json!({ "input": [
        { "type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA" },
        { "role": "user", "content": "hi" },
    ] });
    let answer = ask(&key, shorter.clone()).await;
    assert_eq!(
        (answer.status, answer.header("x-ourhub-attempts")),
        (200, Some("2")),
        "{}",
        answer.text()
    );
    assert!(hub.upstream.arrived("second")[0].text().contains("gAAA"));
    hub.upstream
        .answer("second", Reply::error(400, "invalid_encrypted_content"));
    let refused = ask(&key, shorter).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(["first", "second"].map(|name| hub.upstream.arrived(name).len()), [2, 2]);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_make_a_conversation_shorter_still_answers_with_the_same_model() {
    let hub = spawn().await;
    account(&hub, "only", 0).await;
    hub.upstream
        .behave("only", |call| match call.path.ends_with("/compact") {
            true => Reply::error(404, "model_not_found"),
            false => Reply::json(200, &response("resp_1")),
        });
    let key = hub.key().await;
    let body = json!({ "model": "small", "input": [{ "role": "user", "content": "hi" }] });
    let refused = key.send("/v1/responses/compact", body.to_string()).await;
    assert_eq!(refused.status, 404, "{}", refused.text());
    assert_eq!(ask(&key, json!({})).await.status, 200);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_claude_thought_goes_along_to_the_account_that_takes_over() {
    let hub = spawn().await;
    for (priority, name) in (0..).zip(["first", "second"]) {
        hub.account_with(name, |new| {
            new.dialect = Some(Dialect::Messages.as_str().to_owned());
            new.standing = Standing {
                priority,
                ..Standing::default()
            };
        })
        .await;
    }
    hub.upstream.answer("first", Reply::error(500, "api_error"));
    hub.upstream.behave("second", reply);
    let key = hub.key().await;
    let body = json!({ "model": "small", "max_tokens": 50, "messages": [
        { "role": "user", "content": "hi" },
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "hm", "signature": "EqRB" },
            { "type": "text", "text": "hello" },
        ] },
        { "role": "user", "content": "go on" },
    ] });
    let answer = key.send("/v1/messages", body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for name in ["first", "second"] {
        assert!(hub.upstream.arrived(name)[0].text().contains("EqRB"), "{name}");
    }
    drop(key);
    hub.close().await;
}

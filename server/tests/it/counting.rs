//! Counting a prompt's tokens: who is asked, who never is, and what a client gets where nobody counted.

use crate::harness::{Answer, Hub, Key, spawn};
use crate::spoken::{question, reply};
use crate::upstream::{Reply, Upstream};
use gateway_core::dialect::Dialect;
use serde_json::json;
use server::accounts::{Models, NewAccount, Served};
use server::secrets::Secret;

async fn count(key: &Key<'_>) -> Answer {
    let (_, body) = question(Dialect::Messages, "small", false);
    key.send("/v1/messages/count_tokens", body.to_string()).await
}

/// That `answer` is a guess.
fn assert_estimated(answer: &Answer, name: &str) {
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    assert!(answer.json()["input_tokens"].as_u64().unwrap() > 0, "{name}");
    assert!(answer.header("x-ourhub-notes").unwrap().contains("estimate"), "{name}");
}

fn named(new: &mut NewAccount, upstream_model: &str) {
    new.dialect = None;
    new.models = Models::Named(vec![Served {
        model: "small".to_owned(),
        upstream_model: Some(upstream_model.to_owned()),
    }]);
}

async fn claude(hub: &Hub, name: &str) {
    hub.account_with(name, |new| new.dialect = Some("messages".to_owned()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bedrock_is_never_asked_for_a_count() {
    let hub = spawn().await;
    let bedrock = Upstream::start().await;
    hub.account_with("bedrock", |new| {
        named(new, "eu.anthropic.claude-small-v1:0");
        new.provider = "bedrock".to_owned();
        new.base_url = Some(format!("http://{}", bedrock.address()));
        new.secret = Secret::new("bedrock-key".to_owned());
    })
    .await;
    let key = hub.key().await;
    assert_estimated(&count(&key).await, "bedrock");
    assert_eq!(bedrock.arrived_anywhere().len(), 0);
    assert_eq!(hub.charged().await.0, 0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_at_vertex_counts_where_nothing_is_spent() {
    let hub = spawn().await;
    let address = hub.upstream.address();
    hub.upstream
        .answer("google", Reply::json(200, &json!({ "input_tokens": 77 })));
    hub.account_with("google", |new| {
        named(new, "claude-small@20260101");
        new.provider = "vertex".to_owned();
        new.base_url = Some(format!("http://{address}/google/v1/projects/mine/locations/here"));
        new.auth_scheme = Some("bearer".to_owned());
    })
    .await;
    let key = hub.key().await;
    assert_eq!(count(&key).await.json(), json!({ "input_tokens": 77 }));
    let arrived = hub.upstream.arrived("google").pop().unwrap();
    assert_eq!(
        arrived.path,
        "/google/v1/projects/mine/locations/here/publishers/anthropic/models/count-tokens:rawPredict"
    );
    assert_eq!(arrived.json()["model"], "claude-small@20260101");
    assert_eq!(hub.charged().await.0, 0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_that_fails_is_estimated_and_a_missing_path_does_not_cost_the_account_its_model() {
    for (name, failure) in [
        ("missing", Reply::error(404, "not_found_error")),
        ("no such method", Reply::error(405, "invalid_request_error")),
        ("refused", Reply::error(400, "invalid_request_error")),
        ("forbidden", Reply::error(401, "authentication_error")),
        ("ill", Reply::error(500, "api_error")),
        ("gone", Reply::hang_up()),
        ("unreadable", Reply::body(200, "text/html", b"<p>hello</p>")),
    ] {
        let hub = spawn().await;
        claude(&hub, "claude").await;
        hub.upstream.behave("claude", move |call| {
            if call.path.ends_with("/count_tokens") {
                failure.clone()
            } else {
                reply(call)
            }
        });
        let key = hub.key().await;
        assert_estimated(&count(&key).await, name);
        assert!(!hub.upstream.arrived("claude").is_empty(), "{name}");
        assert_eq!(hub.charged().await.0, 0, "{name}");
        if name == "missing" {
            let (to, body) = question(Dialect::Messages, "small", false);
            assert_eq!(key.send(&to, body.to_string()).await.status, 200);
        }
        drop(key);
        hub.close().await;
    }
}

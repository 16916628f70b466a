//! A conversation stays on one account as long as that is well, by what its client calls it; what an account says is left steers traffic away.

use crate::harness::{Hub, Key, hello, spawn};
use crate::upstream::Reply;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ACCOUNTS: [&str; 4] = ["a", "b", "c", "d"];

async fn spawn_four() -> Hub {
    let hub = spawn().await;
    for name in ACCOUNTS {
        hub.account(name).await;
    }
    hub
}

/// A turn of a conversation of which nothing but the name stays the same.
fn turn(number: usize) -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": format!("turn {number}") }] })
}

/// Who was asked since `before` requests had arrived.
fn asked(hub: &Hub, before: usize) -> BTreeSet<String> {
    let all = hub.upstream.arrived_anywhere();
    all[before..].iter().map(|call| call.account.clone()).collect()
}

async fn post(key: &Key<'_>, path: &str, header: Option<(&str, &str)>, body: &Value) -> u16 {
    let mut request = key.post(path, body.to_string());
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status().as_u16()
}

/// Each of eight conversations stays on one account, and together they use several; `ask` asks a turn of one.
async fn stay(hub: &Hub, what: &str, ask: impl AsyncFn(String, usize) -> u16) {
    let mut all = BTreeSet::new();
    for conversation in 0..8 {
        let before = hub.upstream.arrived_anywhere().len();
        for number in 0..4 {
            assert_eq!(ask(format!("{what} {conversation}"), number).await, 200);
        }
        let accounts = asked(hub, before);
        assert_eq!(
            accounts.len(),
            1,
            "{what}: conversation {conversation} moved: {accounts:?}"
        );
        all.extend(accounts);
    }
    assert!(all.len() > 1, "{what}: every conversation is on one account");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_that_a_header_names_stays_on_its_account_whatever_is_said() {
    let hub = spawn_four().await;
    let key = hub.key().await;
    // Of OpenCode, Codex and Claude Code.
    for header in [
        "x-session-affinity",
        "session-id",
        "session_id",
        "conversation_id",
        "x-claude-code-session-id",
    ] {
        stay(&hub, header, async |name, number| {
            post(&key, "/v1/chat/completions", Some((header, &name)), &turn(number)).await
        })
        .await;
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_that_a_body_names_stays_on_its_account_whatever_is_said() {
    let hub = spawn_four().await;
    let key = hub.key().await;
    stay(&hub, "prompt_cache_key", async |name, number| {
        let mut body = turn(number);
        body["prompt_cache_key"] = json!(name);
        post(&key, "/v1/chat/completions", None, &body).await
    })
    .await;
    stay(&hub, "metadata", async |name, number| {
        let mut body = turn(number);
        body["max_tokens"] = json!(50);
        body["metadata"] = json!({ "user_id": json!({ "device_id": "d", "session_id": name }).to_string() });
        post(&key, "/v1/messages", None, &body).await
    })
    .await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_moves_while_its_account_is_out_and_to_one_other_alone() {
    let hub = spawn_four().await;
    let key = hub.key().await;
    let ask = async |number| {
        let named = Some(("session-id", "one"));
        assert_eq!(post(&key, "/v1/chat/completions", named, &turn(number)).await, 200);
    };
    ask(0).await;
    let home = asked(&hub, 0).pop_first().unwrap();
    let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after", "3600");
    hub.upstream.answer(&home, busy);
    ask(1).await;
    let before = hub.upstream.arrived_anywhere().len();
    for number in 2..8 {
        ask(number).await;
    }
    let now = asked(&hub, before);
    assert!(now.len() == 1 && !now.contains(&home), "{now:?}, {home}");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_says_that_little_is_left_gets_no_traffic_before_it_refuses_any() {
    for (limit, left, reset) in [
        (
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            ("x-ratelimit-reset-requests", "10m0s"),
        ),
        (
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            ("anthropic-ratelimit-tokens-reset", "2999-01-01T00:00:00Z"),
        ),
    ] {
        let hub = spawn().await;
        for name in ["scarce", "ample"] {
            hub.account(name).await;
        }
        let scarce = Reply::chat("hello", 10, 5)
            .header(limit, "1000")
            .header(left, "1")
            .header(reset.0, reset.1);
        hub.upstream.answer("scarce", scarce);
        let key = hub.key().await;
        for number in 0..40 {
            assert_eq!(key.chat(&turn(number)).await.status, 200);
        }
        let arrived = hub.upstream.arrived("scarce").len();
        assert_eq!(arrived, 1, "it is asked until it has said what is left");
        assert_eq!(key.chat(&hello()).await.header("x-ourhub-attempts"), Some("1"));
        drop(key);
        hub.close().await;
    }
}

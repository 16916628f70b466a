//! Which accounts are asked, which are asked again, and what the client hears when none can answer.

use crate::harness::{HELLO, Hub, Setup, hello, spawn, spawn_with};
use crate::upstream::Reply;
use serde_json::{Value, json};
use server::accounts::Standing;
use std::time::Duration;

/// An account that is asked after those of lower `priority`.
async fn account(hub: &Hub, name: &str, priority: i32) -> i64 {
    hub.account_with(name, |new| {
        new.standing = Standing {
            priority,
            ..Standing::default()
        };
    })
    .await
}

fn hello_to(model: &str) -> Value {
    let mut body = hello();
    body["model"] = json!(model);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_whole_round_only_those_that_were_busy_are_asked_again() {
    let hub = spawn().await;
    account(&hub, "busy", 0).await;
    account(&hub, "failing", 1).await;
    let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after-ms", "1800");
    hub.upstream
        .answer_each("busy", vec![busy, Reply::chat("hello", 10, 5)]);
    hub.upstream.answer("failing", Reply::error(500, "server_error"));
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("3")));
    let asked = hub.upstream.arrived("busy");
    assert_eq!(asked.len(), 2);
    assert!(
        asked[1].at - asked[0].at >= Duration::from_millis(1_800),
        "it was asked before its time"
    );
    assert_eq!(hub.upstream.arrived("failing").len(), 1, "it failed, and had its turn");
    assert_eq!(hub.charged().await, HELLO);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_finds_the_model_missing_brings_the_account_back_for_its_other_models() {
    let hub = spawn().await;
    hub.account("one").await;
    hub.model("other", "1", "1").await;
    hub.upstream.answer("one", Reply::error(500, "server_error"));
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.code(), "upstream_failed");
    hub.upstream.behave("one", |call| match call.json()["model"].as_str() {
        Some("other") => Reply::error(404, "model_not_found"),
        _ => Reply::chat("hello", 10, 5),
    });
    let probe = key.chat(&hello_to("other")).await;
    assert_eq!((probe.status, probe.code().as_str()), (404, "model_not_found"));
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("1")));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_every_account_lacks_is_not_found_and_is_not_waited_for() {
    let hub = spawn().await;
    hub.model("other", "1", "1").await;
    for name in ["one", "two"] {
        hub.account(name).await;
        hub.upstream.behave(name, |call| match call.json()["model"].as_str() {
            Some("other") => Reply::error(404, "model_not_found"),
            _ => Reply::chat("hello", 10, 5),
        });
    }
    let key = hub.key().await;
    let listed = || async { key.get("/v1/models").await.text().contains("\"other\"") };
    assert!(listed().await);
    for attempts in [Some("2"), None, None] {
        let answer = key.chat(&hello_to("other")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "model_not_found"));
        assert_eq!(answer.header("retry-after"), None);
        assert_eq!(answer.header("x-ourhub-attempts"), attempts);
    }
    assert_eq!(hub.upstream.arrived_anywhere().len(), 2, "they have said it once");
    assert!(!listed().await, "what cannot be had is not offered");
    assert_eq!(key.chat(&hello()).await.status, 200);
    assert_eq!(hub.charged().await, HELLO);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_lacks_the_model_does_not_hide_that_another_is_only_busy() {
    let hub = spawn().await;
    account(&hub, "lacking", 0).await;
    account(&hub, "busy", 1).await;
    hub.upstream.answer("lacking", Reply::error(404, "model_not_found"));
    let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after-ms", "600");
    hub.upstream
        .answer_each("busy", vec![busy, Reply::chat("hello", 10, 5)]);
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("3")));
    let later = Reply::error(429, "rate_limit_exceeded").header("retry-after", "50");
    hub.upstream.answer("busy", later);
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(hub.upstream.arrived("lacking").len(), 1);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_says_its_limit_is_used_up_is_passed_by_before_it_refuses() {
    let hub = spawn().await;
    account(&hub, "scarce", 0).await;
    account(&hub, "roomy", 1).await;
    let last = Reply::chat("hello", 10, 5)
        .header("x-ratelimit-limit-requests", "2")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "4m0s");
    hub.upstream.answer("scarce", last);
    let key = hub.key().await;
    for _ in 0..3 {
        let answer = key.chat(&hello()).await;
        assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("1")));
    }
    assert_eq!(hub.upstream.arrived("scarce").len(), 1);
    assert_eq!(hub.upstream.arrived("roomy").len(), 2);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_of_one_model_leaves_the_accounts_other_models_alone() {
    let hub = spawn().await;
    hub.model("other", "1", "2").await;
    account(&hub, "first", 0).await;
    account(&hub, "second", 1).await;
    let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after", "60");
    hub.upstream
        .answer_each("first", vec![busy, Reply::chat("hello", 10, 5)]);
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.status, 200);
    assert_eq!(key.chat(&hello()).await.header("x-ourhub-attempts"), Some("1"));
    assert_eq!(hub.upstream.arrived("first").len(), 1, "it said for how long");
    assert_eq!(key.chat(&hello_to("other")).await.status, 200);
    assert_eq!(
        hub.upstream.arrived("first").len(),
        2,
        "of another model it had not said anything"
    );
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_every_account_is_not_amplified() {
    let mut setup = Setup::default();
    setup.relay.wait = Duration::ZERO;
    let hub = spawn_with(setup).await;
    for name in ["one", "two", "three", "four"] {
        account(&hub, name, 0).await;
        hub.upstream.answer(name, Reply::error(500, "internal_error"));
    }
    let key = hub.key().await;
    for _ in 0..120 {
        assert!(key.chat(&hello()).await.status >= 500);
    }
    let attempts = hub.upstream.arrived_anywhere().len();
    assert!(
        (121..=120 + 100 + 25).contains(&attempts),
        "what was saved up, and a fifth more: {attempts}"
    );
    drop(key);
    hub.close().await;
}

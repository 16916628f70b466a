//! What becomes of an account is written down, for its admin.

use crate::harness::{Hub, PATIENCE, hello, spawn};
use crate::upstream::Reply;
use server::accounts::Past;
use std::time::Duration;

async fn words(hub: &Hub, account: i64) -> Vec<(String, String)> {
    let past = hub.app.fleet.history(account).await.unwrap();
    let word = |past: Past| (past.turn.state, past.turn.reason);
    past.into_iter().map(word).collect()
}

/// Waits until the last turns of `account` are `expected`, the latest first.
async fn becomes(hub: &Hub, account: i64, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(state, reason)| ((*state).to_owned(), (*reason).to_owned()))
        .collect();
    let waiting = async {
        while words(hub, account).await != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(in_time.is_ok(), "{:?}", words(hub, account).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_turns_of_an_accounts_health_are_kept_with_why_and_until_when() {
    let hub = spawn().await;
    let account = hub.account("one").await;
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.status, 200);
    let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after-ms", "2500");
    hub.upstream.answer_each("one", vec![busy, Reply::chat("hello", 10, 5)]);
    assert_eq!(key.chat(&hello()).await.status, 200);
    becomes(&hub, account, &[("ready", ""), ("cooling", "rate_limited")]).await;
    let past = hub.app.fleet.history(account).await.unwrap();
    let pause = past[1].turn.until_ms.unwrap() - past[1].at_ms;
    assert!((1..=2_500).contains(&pause), "{pause}");

    hub.upstream.answer("one", Reply::error(401, "invalid_api_key"));
    assert_eq!(key.chat(&hello()).await.status, 502);
    becomes(
        &hub,
        account,
        &[("parked", "bad_key"), ("ready", ""), ("cooling", "rate_limited")],
    )
    .await;

    hub.app.fleet.delete(account).await.unwrap();
    assert!(words(&hub, account).await.is_empty());
    drop(key);
    hub.close().await;
}

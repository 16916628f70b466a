//! Every deadline: an upstream that lets it pass is left for another, or its client is told, and what was sent is paid.

use crate::harness::{HELLO, Hub, Setup, hello, hello_streamed, spawn_with};
use crate::upstream::{Reply, delta};
use serde_json::Value;
use server::accounts::Standing;
use server::ledger::Outcome;
use server::metering::{Attempt, AttemptOutcome};
use server::relay::Config;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const SHORT: Duration = Duration::from_millis(200);

async fn spawn_short(shorten: impl FnOnce(&mut Config)) -> Hub {
    let mut setup = Setup::default();
    shorten(&mut setup.relay);
    let hub = spawn_with(setup).await;
    hub.account("first").await;
    hub.account_with("second", |new| {
        new.standing = Standing {
            priority: 1,
            ..Standing::default()
        };
    })
    .await;
    hub
}

/// The first account lets a deadline pass; the client has the second's answer, and the record says which deadline it was.
async fn is_left(hub: Hub, body: Value, note: &str, holds: usize) {
    let key = hub.key().await;
    let answer = key.chat(&body).await;
    assert_eq!(
        (answer.status, answer.header("x-ourhub-attempts")),
        (200, Some("2")),
        "{note}: {answer:?}"
    );
    let found = hub.holds().await;
    assert_eq!(found.len(), holds, "{note}");
    let first = Attempt::parse_list(&found[0].attempts).remove(0);
    assert_eq!((first.outcome, first.status), (AttemptOutcome::TimedOut, None));
    assert_eq!(first.note, format!("{note}; cools down"));
    assert_eq!(found[holds - 1].posted, HELLO.0);
    assert!(found[0].posted > 0, "what may be billed is paid");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_accepts_no_connection_in_time_is_left_and_costs_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hub = spawn_with(Setup {
        flags: vec!["--connect-timeout", "200ms"],
        ..Setup::default()
    })
    .await;
    // The handshake of TLS never begins.
    let base_url = format!("https://{}/v1", silent.local_addr().unwrap());
    hub.account_with("first", |new| new.base_url = Some(base_url)).await;
    hub.account_with("second", |new| new.standing.priority = 1).await;
    is_left(hub, hello(), "no connection in time", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_whose_head_does_not_come_is_left() {
    let hub = spawn_short(|config| config.headers = SHORT).await;
    let never = Arc::new(Semaphore::new(0));
    let late = Reply::stream(&["late"], 10, 5).gated(&never);
    hub.upstream.answer("first", late);
    is_left(hub, hello_streamed(), "no head of an answer in time", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_whose_content_does_not_come_is_left_though_it_has_begun_to_answer() {
    let hub = spawn_short(|config| config.first_content = SHORT).await;
    let never = Arc::new(Semaphore::new(0));
    let role = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    let late = Reply::events(&[role.to_owned(), delta("late")]).gate_after(1, &never);
    hub.upstream.answer("first", late);
    is_left(hub, hello_streamed(), "no content in time", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_whose_whole_answer_does_not_come_is_left() {
    let hub = spawn_short(|config| config.whole = SHORT).await;
    let never = Arc::new(Semaphore::new(0));
    let late = Reply::chat("late", 10, 5).gate_after(0, &never);
    hub.upstream.answer("first", late);
    is_left(hub, hello(), "no whole answer in time", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_falls_silent_after_content_ends_with_an_error_and_its_account_rests() {
    let hub = spawn_short(|config| config.idle = SHORT).await;
    let never = Arc::new(Semaphore::new(0));
    let silent = Reply::stream(&["hel", "lo"], 10, 5).gate_after(1, &never);
    hub.upstream.answer("first", silent);
    let key = hub.key().await;
    let answer = key.chat(&hello_streamed()).await;
    let events = answer.events();
    assert_eq!((answer.status, events[0].as_str()), (200, delta("hel").as_str()));
    let error: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "upstream_cut");
    let hold = hub.holds().await.remove(0);
    assert_eq!(hold.outcome, Outcome::Cut.code());
    let attempt = Attempt::parse_list(&hold.attempts).remove(0);
    assert_eq!(
        (attempt.outcome, attempt.note.as_str()),
        (AttemptOutcome::Cut, "silent for too long; cools down")
    );
    assert!(attempt.ttft_ms.is_some_and(|ttft_ms| ttft_ms <= attempt.took_ms));
    let next = key.chat(&hello_streamed()).await;
    assert_eq!(
        next.header("x-ourhub-attempts"),
        Some("1"),
        "the other account is asked first"
    );
    assert_eq!(hub.upstream.arrived("second").len(), 1);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_lasts_too_long_ends_with_an_error_and_its_account_is_not_to_blame() {
    let hub = spawn_short(|config| config.total = Duration::from_millis(400)).await;
    let endless = Reply::stream(&["a"; 200], 10, 5).slowly(Duration::from_millis(20));
    hub.upstream.answer("first", endless);
    let key = hub.key().await;
    let answer = key.chat(&hello_streamed()).await;
    assert!(answer.events().last().unwrap().contains("upstream_cut"), "{answer:?}");
    let attempt = Attempt::parse_list(&hub.holds().await[0].attempts).remove(0);
    assert_eq!(
        (attempt.outcome, attempt.note.as_str()),
        (AttemptOutcome::Cut, "out of time")
    );
    hub.upstream.answer("first", Reply::chat("hello", 10, 5));
    assert_eq!(key.chat(&hello()).await.status, 200);
    assert_eq!(hub.upstream.arrived("first").len(), 2, "it is asked again at once");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_answers_in_time_the_client_is_told_so_in_its_dialect() {
    for is_total in [true, false] {
        let hub = spawn_short(|config| {
            if is_total {
                config.total = SHORT;
            } else {
                config.whole = SHORT;
                config.wait = Duration::ZERO;
            }
        })
        .await;
        let never = Arc::new(Semaphore::new(0));
        for name in ["first", "second"] {
            hub.upstream.answer(name, Reply::chat("late", 10, 5).gated(&never));
        }
        let key = hub.key().await;
        let answer = key.chat(&hello()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (504, "upstream_timeout"),
            "{answer:?}"
        );
        drop(key);
        hub.close().await;
    }
}

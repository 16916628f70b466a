//! While an upstream thinks, its client gets signs of life, and none before its money is set aside.

use crate::harness::{HELLO, Setup, hello, hello_streamed, spawn_with};
use crate::upstream::{Reply, delta};
use gateway_core::money::Nano;
use sea_orm::ConnectionTrait as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const COMMENT: &str = ": waiting for the upstream\n\n";

fn quick() -> Setup {
    let mut setup = Setup::default();
    setup.relay.heartbeat = Duration::from_millis(30);
    setup
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_first_content_brings_comments_and_then_the_answer() {
    let hub = spawn_with(quick()).await;
    hub.account("one").await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream.answer("one", Reply::stream(&["late"], 10, 5).gated(&gate));
    let key = hub.key_with(|settings| settings.rates.rpm = Some(60)).await;
    let mut stream = key.open(&hello_streamed()).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.headers.get("x-ratelimit-remaining-requests").unwrap(), "59");
    assert!(
        stream.headers.get("x-ourhub-model").is_none(),
        "nobody has answered yet"
    );
    stream.until(&COMMENT.repeat(3)).await;
    let id = stream.headers.get("x-request-id").unwrap().to_str().unwrap().to_owned();
    gate.add_permits(1);
    let answer = stream.finish().await;
    let text = answer.text();
    assert!(
        text.trim_start_matches(COMMENT)
            .starts_with(&format!("data: {}\n\n", delta("late"))),
        "{text}"
    );
    assert!(text.ends_with("data: [DONE]\n\n"));
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!((hold.posted, hold.id), (HELLO.0, answer.request_id()));
    assert_eq!(gateway_core::id::render(gateway_core::id::Kind::Request, hold.id), id);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_within_an_answer_brings_comments_too() {
    let hub = spawn_with(quick()).await;
    hub.account("one").await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream
        .answer("one", Reply::stream(&["one", "two"], 10, 5).gate_after(1, &gate));
    let key = hub.key().await;
    let mut stream = key.open(&hello_streamed()).await;
    stream.until(COMMENT).await;
    gate.add_permits(1);
    let answer = stream.finish().await;
    assert_eq!(answer.events()[0], delta("one"));
    assert!(answer.text().replace(COMMENT, "").ends_with("data: [DONE]\n\n"));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_after_a_sign_of_life_is_told_inside_the_stream() {
    let hub = spawn_with(quick()).await;
    hub.account("one").await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream.answer("one", Reply::error(400, "bad_value").gated(&gate));
    let key = hub.key().await;
    let mut stream = key.open(&hello_streamed()).await;
    assert_eq!(stream.status, 200);
    stream.until(COMMENT).await;
    gate.add_permits(1);
    let answer = stream.finish().await;
    let last: serde_json::Value = serde_json::from_str(answer.text().rsplit("data: ").next().unwrap().trim()).unwrap();
    assert_eq!(last["error"]["code"], "bad_value");
    assert!(!answer.text().contains("[DONE]"));
    assert_eq!(hub.charged().await, Nano(0));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_takes_over_behind_the_comments() {
    let hub = spawn_with(quick()).await;
    for (name, priority) in [("first", 0), ("second", 1)] {
        hub.account_with(name, |new| new.standing.priority = priority).await;
    }
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream
        .answer("first", Reply::error(500, "server_error").gated(&gate));
    let key = hub.key().await;
    let mut stream = key.open(&hello_streamed()).await;
    stream.until(COMMENT).await;
    gate.add_permits(1);
    let answer = stream.finish().await;
    assert_eq!(answer.text().replace(COMMENT, "").matches("data: ").count(), 4);
    assert_eq!(hub.charged().await, HELLO);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sign_of_life_leaves_before_the_money_is_durably_set_aside() {
    let hub = spawn_with(quick()).await;
    hub.account("one").await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream.answer("one", Reply::stream(&["late"], 10, 5).gated(&gate));
    let key = hub.key().await;
    hub.app
        .db
        .execute_unprepared("ALTER TABLE hold RENAME TO hold_away")
        .await
        .unwrap();
    let body = hello_streamed();
    let (answer, ()) = tokio::join!(key.chat(&body), async {
        hub.until("nothing arrived", || hub.upstream.arrived("one").len() == 1)
            .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        gate.add_permits(1);
    });
    assert_eq!((answer.status, answer.code().as_str()), (503, "ledger_unavailable"));
    hub.app
        .db
        .execute_unprepared("ALTER TABLE hold_away RENAME TO hold")
        .await
        .unwrap();
    hub.until("the ledger does not write again", || hub.app.ledger.status().writable)
        .await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_in_one_piece_gets_no_comments() {
    let hub = spawn_with(quick()).await;
    hub.account("one").await;
    hub.upstream
        .answer("one", Reply::chat("late", 10, 5).after(Duration::from_millis(150)));
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!(
        (
            answer.status,
            answer.json()["choices"][0]["message"]["content"].as_str()
        ),
        (200, Some("late"))
    );
    drop(key);
    hub.close().await;
}

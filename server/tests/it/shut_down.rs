//! The server ends in order: streams finish, holds settle, upstreams are read on for clients that hung up.

use crate::harness::{HELLO, Setup, hello, hello_streamed, spawn_with};
use crate::upstream::{Reply, delta};
use server::ledger::Outcome;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_under_way_finishes_and_nothing_new_is_taken() {
    let hub = spawn_with(Setup::default()).await;
    hub.account("one").await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream
        .answer("one", Reply::stream(&["hel", "lo"], 10, 5).gate_after(1, &gate));
    let key = hub.key().await;
    let mut stream = key.open(&hello_streamed()).await;
    stream.until("hel").await;
    let let_go = async {
        hub.until("it does not drain", || hub.app.is_draining()).await;
        gate.add_permits(1);
    };
    let (answer, (), ()) = tokio::join!(stream.finish(), hub.server.in_order(&hub.app), let_go);
    assert_eq!(answer.events().last().unwrap(), "[DONE]");
    let refused = key
        .post("/v1/chat/completions", hello_streamed().to_string())
        .send()
        .await;
    assert!(refused.is_err(), "nobody listens any more");
    assert_eq!(hub.charged().await, HELLO);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_is_read_on_for_a_client_that_hung_up_though_the_server_ends() {
    let mut setup = Setup::default();
    setup.relay.heartbeat = Duration::from_millis(20);
    let hub = spawn_with(setup).await;
    hub.account("one").await;
    let (open, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let words = ["first"; 500];
    hub.upstream.answer(
        "one",
        Reply::stream(&words, 10, 5).gate_after(400, &gate).gate_after(1, &open),
    );
    let key = hub.key().await;
    let mut stream = key.open(&hello_streamed()).await;
    stream.until(&delta("first")).await;
    drop(stream);
    open.add_permits(1);
    let let_go = async {
        hub.until("it does not drain", || hub.app.is_draining()).await;
        gate.add_permits(1);
    };
    tokio::join!(hub.server.in_order(&hub.app), let_go);
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!(
        (hold.outcome, hold.state, hold.posted),
        (Outcome::HungUp.code(), 1, HELLO.0)
    );
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_kept_closes_behind_its_answer_while_the_server_ends() {
    let hub = spawn_with(Setup::default()).await;
    hub.account("one").await;
    hub.upstream.answer("one", Reply::chat("hello", 10, 5));
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.header("connection"), None);
    hub.app.begin_drain();
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    drop(key);
    hub.close().await;
}

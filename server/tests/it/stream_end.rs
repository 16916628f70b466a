//! Where a stream ends: at the upstream's mark or at its error, whatever comes in the same piece or after it.

use crate::harness::{HELLO, PATIENCE, hello_streamed, spawn};
use crate::upstream::{Reply, delta, event, finish, usage_chunk};
use gateway_core::money::Nano;
use serde_json::{Value, json};
use server::ledger::Outcome;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// One piece with all of these events, after which the upstream neither sends nor ends.
fn in_one_piece(data: &[String]) -> Reply {
    let piece: String = data.iter().map(|data| event(data)).collect();
    let never = Arc::new(Semaphore::new(0));
    Reply::body(200, "text/event-stream", piece.as_bytes()).gate_after(1, &never)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_at_its_mark_though_the_upstream_keeps_the_connection() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let whole = [delta("hello"), finish(), usage_chunk(10, 5), "[DONE]".to_owned()];
    let error = json!({ "error": { "message": "too late", "type": "server_error" } });
    let late = [delta("after the end"), error.to_string()];
    let sent = [
        in_one_piece(&whole),
        in_one_piece(&[whole.as_slice(), &late].concat()),
        // The mark alone, then what nobody asked for.
        Reply::events(&[whole.as_slice(), &late].concat()),
    ];
    for reply in sent {
        hub.upstream.answer("one", reply);
        let answer = timeout(PATIENCE, key.chat(&hello_streamed())).await.expect("no end");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.events(), [delta("hello"), finish(), "[DONE]".to_owned()]);
    }
    let holds = hub.holds().await;
    assert!(holds.iter().all(|hold| hold.outcome == Outcome::Ok.code()));
    assert_eq!(hub.charged().await, Nano(HELLO.0 * 3));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_at_an_error_though_it_came_with_content() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let error = json!({ "error": { "message": "host 10.0.0.7 failed", "type": "server_error" } }).to_string();
    let broken = [delta("hello"), error, delta("after the error"), "[DONE]".to_owned()];
    for reply in [in_one_piece(&broken), Reply::events(&broken)] {
        hub.upstream.answer("one", reply);
        let answer = timeout(PATIENCE, key.chat(&hello_streamed())).await.expect("no end");
        let events = answer.events();
        assert_eq!((answer.status, events.len()), (200, 2), "{events:?}");
        assert_eq!(events[0], delta("hello"));
        let told: Value = serde_json::from_str(&events[1]).unwrap();
        assert_eq!(told["error"]["code"], "upstream_cut");
        assert!(!answer.text().contains("10.0.0.7"));
    }
    let holds = hub.holds().await;
    assert!(
        holds
            .iter()
            .all(|hold| hold.outcome == Outcome::Cut.code() && hold.posted > 0)
    );
    drop(key);
    hub.close().await;
}

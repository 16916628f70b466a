//! Clients that go away: they pay for what was used, and nothing is left behind.

use crate::harness::{HELLO, Hub, Key, PATIENCE, Setup, hello, hello_streamed, spawn, spawn_with};
use crate::upstream::{Reply, delta, finish, usage_chunk};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gateway_core::dialect::Operation;
use serde_json::{Value, json};
use server::accounts::Change;
use server::clock::now_ms;
use server::ledger::Outcome;
use server::relay::{Reply as Answered, Request, Sent};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// A server that looks after its clients often.
async fn attentive(drain: Duration) -> Hub {
    let mut setup = Setup::default();
    setup.relay.heartbeat = Duration::from_millis(20);
    setup.relay.drain = drain;
    spawn_with(setup).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_pays_for_what_was_used() {
    let hub = attentive(PATIENCE).await;
    hub.account("one").await;
    // So many events that the server notices in the middle of them.
    let mut events = vec![delta("first")];
    events.extend((0..2_000).map(|_| delta("more of it, and more, and more")));
    events.extend([finish(), usage_chunk(10, 5), "[DONE]".to_owned()]);
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream.answer("one", Reply::events(&events).gate_after(1, &gate));
    let key = hub.key().await;
    let mut stream = key.open(&hello_streamed()).await;
    stream.until("first").await;
    drop(stream);
    gate.add_permits(1);
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!(
        (hold.posted, hold.state),
        (HELLO.0, 1),
        "the upstream is read on to learn the usage"
    );
    assert_eq!(hold.outcome, Outcome::HungUp.code());
    assert!(hold.attempts.contains("hung_up"));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_stalls_after_a_hang_up_is_left_and_an_estimate_is_charged() {
    let hub = attentive(Duration::from_millis(100)).await;
    hub.account("one").await;
    let never = Arc::new(Semaphore::new(0));
    hub.upstream
        .answer("one", Reply::stream(&["first"], 10, 5).gate_after(1, &never));
    let key = hub.key().await;
    let mut stream = key.open(&hello_streamed()).await;
    stream.until("first").await;
    drop(stream);
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!((hold.state, hold.outcome), (3, Outcome::HungUp.code()));
    assert!(hold.posted > 0 && hold.posted < hold.held);
    hub.until("in flight", || hub.app.limits.in_flight(key.id) == 0).await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reasoning_model_whose_client_hung_up_is_charged_whole() {
    let hub = attentive(Duration::from_millis(100)).await;
    hub.account("one").await;
    let all = hub.app.catalog.list();
    let thinks = |model: &&Arc<server::catalog::ModelInfo>| {
        model.mode == "chat" && model.capabilities.iter().any(|ability| ability == "reasoning")
    };
    let model = all.iter().find(thinks).unwrap();
    let never = Arc::new(Semaphore::new(0));
    hub.upstream
        .answer("one", Reply::stream(&["first"], 10, 5).gate_after(1, &never));
    let key = hub.key().await;
    let body = json!({ "model": model.id, "stream": true, "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 500 });
    let mut stream = key.open(&body).await;
    stream.until("first").await;
    drop(stream);
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!((hold.state, hold.posted), (3, hold.held), "nobody saw what it thought");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_before_the_first_byte_pays_and_no_other_account_is_asked() {
    for body in [hello(), hello_streamed()] {
        let hub = attentive(PATIENCE).await;
        hub.account("one").await;
        hub.account("two").await;
        let gate = Arc::new(Semaphore::new(0));
        for name in ["one", "two"] {
            let reply = if body["stream"] == true {
                Reply::stream(&["late"], 10, 5)
            } else {
                Reply::chat("late", 10, 5)
            };
            hub.upstream.answer(name, reply.gated(&gate));
        }
        let key = hub.key().await;
        let asked = || hub.upstream.arrived_anywhere().len();
        {
            let asking = key.chat(&body);
            let arrived = hub.until("nothing arrived", || asked() == 1);
            futures_util::future::select(pin!(asking), pin!(arrived)).await;
        }
        gate.add_permits(2);
        let holds = hub.holds().await;
        assert_eq!((holds.len(), holds[0].posted, asked()), (1, HELLO.0, 1));
        drop(key);
        hub.close().await;
    }
}

/// A connection on which `body` was sent.
async fn sent(hub: &Hub, key: &Key<'_>, body: &Value) -> TcpStream {
    let body = body.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        key.text,
        body.len()
    );
    let mut connection = TcpStream::connect(hub.address).await.unwrap();
    connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    connection
}

/// Asks for a whole answer, hangs up once `is_under_way`, and sees the server give the request up.
async fn ask_and_leave(hub: &Hub, key: &Key<'_>, is_under_way: impl Fn() -> bool) {
    let mut connection = sent(hub, key, &hello()).await;
    hub.until("the request is not under way", is_under_way).await;
    connection.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
    read.expect("the server waits for who has left").unwrap();
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_while_a_whole_answer_is_awaited_frees_everything_when_the_drain_is_over() {
    let hub = attentive(Duration::from_millis(100)).await;
    let account = hub.account("one").await;
    let never = Arc::new(Semaphore::new(0));
    hub.upstream.answer("one", Reply::chat("late", 10, 5).gated(&never));
    let key = hub.key_with(|settings| settings.rates.max_in_flight = Some(1)).await;
    ask_and_leave(&hub, &key, || hub.upstream.arrived("one").len() == 1).await;
    hub.until("the key is still busy", || hub.app.limits.in_flight(key.id) == 0)
        .await;
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!((hold.state, hold.posted), (3, hold.held), "nobody knows what it cost");
    let live = hub.app.fleet.get(account).await.unwrap().live;
    assert_eq!(live.in_flight, 0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_while_a_whole_answer_is_awaited_pays_what_it_turns_out_to_cost() {
    let hub = attentive(PATIENCE).await;
    hub.account("one").await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream.answer("one", Reply::chat("late", 10, 5).gated(&gate));
    let key = hub.key().await;
    ask_and_leave(&hub, &key, || hub.upstream.arrived("one").len() == 1).await;
    gate.add_permits(1);
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!(
        (hold.state, hold.posted, hold.outcome),
        (1, HELLO.0, Outcome::HungUp.code())
    );
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_the_waiting_room_before_a_whole_answer_leaves_its_place() {
    let hub = attentive(PATIENCE).await;
    hub.account_with("one", |new| new.grants.max_in_flight = Some(1)).await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream.answer("one", Reply::chat("late", 10, 5).gated(&gate));
    let key = hub.key().await;
    let body = hello();
    let (first, ()) = tokio::join!(key.chat(&body), async {
        hub.until("nothing arrived", || hub.upstream.arrived("one").len() == 1)
            .await;
        ask_and_leave(&hub, &key, || hub.relay.waiting() == 1).await;
        hub.until("its place is kept", || hub.relay.waiting() == 0).await;
        gate.add_permits(1);
    });
    assert_eq!(first.status, 200);
    let holds = hub.holds().await;
    assert_eq!(holds.iter().map(|hold| hold.posted).sum::<i64>(), HELLO.0);
    assert_eq!(holds.last().unwrap().outcome, Outcome::HungUp.code());
    drop(key);
    hub.close().await;
}

/// Polls `future` `polls` times and drops it; its result if it was done by then.
async fn cut<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Pending if left == 0 => Poll::Ready(None),
            polled => polled.map(Some),
        }
    })
    .await
}

/// A whole request, its answer read to the end.
async fn journey(hub: &Hub, key: &str, body: &Value) -> u16 {
    let caller = hub.relay.authenticate(Some(key), None).await.unwrap();
    let request = Request {
        caller,
        recognised: std::time::Instant::now(),
        credential: server::secrets::Secret::new(key.to_owned()),
        address: None,
        operation: Operation::Chat,
        model: None,
        stream: None,
        session: None,
        betas: server::relay::Betas::default(),
        content: Sent::Json(Bytes::from(body.to_string())),
        include_cost: false,
        arrived_ms: now_ms(),
    };
    match hub.relay.call(request).await {
        Ok(Answered::Whole { .. }) => 200,
        Ok(Answered::Stream { body, .. }) => {
            body.collect::<Vec<_>>().await;
            200
        }
        Err(refused) => refused.error.told(now_ms()).status,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_dropped_at_any_await_leaves_nothing_open() {
    let hub = spawn().await;
    let mut accounts = Vec::new();
    for (name, priority) in [("unfit", 0), ("cut", 1), ("good", 2)] {
        let account = hub.account_with(name, |new| new.standing.priority = priority).await;
        accounts.push(account);
    }
    // Nothing is marked for that, so each request passes here first.
    let unfit =
        json!({ "error": { "message": "no such service_tier here", "type": "invalid_request_error", "code": null } });
    hub.upstream.answer("unfit", Reply::json(400, &unfit));
    hub.upstream.answer("cut", Reply::hang_up());
    let key = hub.key_with(|settings| settings.rates.max_in_flight = Some(1)).await;
    for body in [hello(), hello_streamed()] {
        let answer = if body["stream"] == true {
            Reply::stream(&["hel", "lo"], 10, 5)
        } else {
            Reply::chat("hello", 10, 5).split_every(40)
        };
        hub.upstream.answer("good", answer.slowly(Duration::from_millis(6)));
        let mut cuts = 0;
        for polls in 0.. {
            assert!(polls < 2_000, "the request never ends");
            forget_failures(&hub, accounts[1]).await;
            let done = cut(journey(&hub, &key.text, &body), polls).await;
            hub.quiet().await;
            let is_free = || hub.app.limits.in_flight(key.id) == 0;
            hub.until(&format!("in flight after {polls} polls"), is_free).await;
            if let Some(status) = done {
                assert_eq!(status, 200);
                break;
            }
            cuts += 1;
        }
        assert!(cuts >= 8, "cut {cuts} times only");
    }
    for account in hub.app.fleet.list().await.unwrap() {
        assert_eq!(account.live.in_flight, 0);
    }
    let holds = hub.holds().await;
    for hold in &holds {
        assert!(hold.state != 0 && hold.posted <= hold.held, "{hold:?}");
    }
    let good = hub.upstream.arrived("good").len();
    let paid = holds.iter().filter(|hold| hold.posted == HELLO.0).count();
    assert_eq!(paid, good, "every answer is paid in full, whenever its client left");
    drop(key);
    hub.close().await;
}

/// Takes an account out of service and back, so that it is asked again at once.
async fn forget_failures(hub: &Hub, account: i64) {
    for is_disabled in [true, false] {
        let change = Change {
            is_disabled: Some(is_disabled),
            ..Change::default()
        };
        hub.app.fleet.update(account, change).await.unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_is_cut_and_pays() {
    let mut setup = Setup::default();
    setup.relay.unread = Duration::from_millis(500);
    let hub = spawn_with(setup).await;
    hub.account("one").await;
    // More than the buffers between take.
    let word = "x".repeat(60_000);
    let mut events: Vec<String> = (0..400).map(|_| delta(&word)).collect();
    events.extend([finish(), usage_chunk(10, 5), "[DONE]".to_owned()]);
    hub.upstream.answer("one", Reply::events(&events));
    let key = hub.key().await;
    let deaf = sent(&hub, &key, &hello_streamed()).await;
    hub.until("no request came", || hub.upstream.arrived("one").len() == 1)
        .await;
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!((hold.outcome, hold.posted), (Outcome::HungUp.code(), HELLO.0));
    drop((key, deaf));
    hub.close().await;
}

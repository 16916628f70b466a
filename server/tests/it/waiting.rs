//! What happens to a request while it waits: its turn comes, who it is for is looked up again, and what cannot be paid does not wait.

use crate::harness::{Answer, HELLO, Hub, Key, PATIENCE, Setup, hello, hello_streamed, spawn, spawn_with};
use crate::upstream::Reply;
use bytes::Bytes;
use gateway_core::money::Nano;
use serde_json::Value;
use server::accounts::Grants;
use server::clock::now_ms;
use server::keys::KeyPatch;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// Longer than what is known of a caller counts.
const A_WHILE: Duration = Duration::from_millis(1_200);

/// An account for one request at once, which answers when the gate is opened.
async fn narrow_account(hub: &Hub, name: &str) -> Arc<Semaphore> {
    hub.account_with(name, |new| {
        new.grants = Grants {
            max_in_flight: Some(1),
            ..Grants::default()
        };
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream.answer(name, Reply::chat("hello", 10, 5).gated(&gate));
    gate
}

async fn arrived(hub: &Hub, name: &str, count: usize) {
    hub.until("a request did not arrive", || hub.upstream.arrived(name).len() == count)
        .await;
}

async fn revoke(hub: &Hub, key: &Key<'_>) {
    hub.app.keys.revoke(&hub.team, key.id, now_ms()).await.unwrap();
}

/// Leaves the key a nano-dollar a day.
async fn impoverish(hub: &Hub, key: &Key<'_>) {
    let patch = KeyPatch {
        cap_day: Some(Some(Nano(1))),
        ..KeyPatch::default()
    };
    hub.app.keys.update(&hub.team, key.id, patch, now_ms()).await.unwrap();
}

/// Sends a request whose second half comes only after `meanwhile`, and a while.
async fn upload_slowly(key: &Key<'_>, meanwhile: impl Future<Output = ()>) -> Answer {
    let body = hello().to_string();
    let (first, rest) = body.split_at(20);
    let (first, rest) = (
        Bytes::copy_from_slice(first.as_bytes()),
        Bytes::copy_from_slice(rest.as_bytes()),
    );
    let (go, gone) = oneshot::channel::<()>();
    let pieces = futures_util::StreamExt::chain(
        futures_util::stream::once(async { std::io::Result::Ok(first) }),
        futures_util::stream::once(async {
            gone.await.unwrap();
            Ok(rest)
        }),
    );
    let sending = key.send("/v1/chat/completions", reqwest::Body::wrap_stream(pieces));
    let meanwhile = async {
        // By now the server knows whose request it is.
        tokio::time::sleep(Duration::from_millis(300)).await;
        meanwhile.await;
        tokio::time::sleep(A_WHILE).await;
        go.send(()).unwrap();
    };
    tokio::join!(sending, meanwhile).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_or_capped_during_a_slow_upload_counts_as_it_is_at_its_end() {
    let hub = spawn().await;
    hub.account("one").await;
    let (plain, revoked, poor) = (hub.key().await, hub.key().await, hub.key().await);
    let (as_before, refused, unpaid) = tokio::join!(
        upload_slowly(&plain, async {}),
        upload_slowly(&revoked, revoke(&hub, &revoked)),
        upload_slowly(&poor, impoverish(&hub, &poor)),
    );
    assert_eq!(as_before.status, 200);
    assert_eq!((refused.status, refused.code().as_str()), (401, "key_revoked"));
    assert_eq!((unpaid.status, unpaid.code().as_str()), (429, "insufficient_quota"));
    assert_eq!(hub.upstream.arrived("one").len(), 1);
    drop((plain, revoked, poor));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_or_capped_while_its_request_waits_gets_no_answer() {
    let hub = spawn().await;
    let gate = narrow_account(&hub, "only").await;
    let (first, revoked, poor) = (hub.key().await, hub.key().await, hub.key().await);
    let body = hello();
    let meanwhile = async {
        arrived(&hub, "only", 1).await;
        let change = async {
            // Both have been admitted once, and wait.
            hub.until("nobody waits", || hub.app.limits.in_flight(first.id) == 1)
                .await;
            tokio::time::sleep(A_WHILE).await;
            revoke(&hub, &revoked).await;
            impoverish(&hub, &poor).await;
            gate.add_permits(3);
        };
        tokio::join!(revoked.chat(&body), poor.chat(&body), change)
    };
    let (answer, (refused, unpaid, ())) = tokio::join!(first.chat(&body), meanwhile);
    assert_eq!(answer.status, 200);
    assert_eq!((refused.status, refused.code().as_str()), (401, "key_revoked"));
    assert_eq!((unpaid.status, unpaid.code().as_str()), (429, "insufficient_quota"));
    assert_eq!(hub.upstream.arrived("only").len(), 1);
    assert_eq!(hub.charged().await, HELLO);
    drop((first, revoked, poor));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_could_not_be_admitted_is_refused_before_it_waits() {
    let hub = spawn().await;
    let gate = narrow_account(&hub, "only").await;
    let first = hub.key().await;
    let poor = hub.key_with(|settings| settings.caps.day = Some(Nano(1))).await;
    let slow = hub.key_with(|settings| settings.rates.tpm = Some(20)).await;
    let body = hello();
    let refused = async {
        arrived(&hub, "only", 1).await;
        // The account is full as long as the gate is shut.
        let refused = (poor.chat(&body).await, slow.chat(&body).await);
        gate.add_permits(1);
        refused
    };
    let (answer, (unpaid, limited)) = tokio::join!(first.chat(&body), refused);
    assert_eq!(answer.status, 200);
    assert_eq!((unpaid.status, unpaid.code().as_str()), (429, "insufficient_quota"));
    assert_eq!(
        (limited.status, limited.code().as_str()),
        (400, "request_exceeds_limit")
    );
    assert_eq!(hub.holds().await.len(), 1);
    drop((first, poor, slow));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_of_the_whole_request_holds_before_any_content_too() {
    let mut setup = Setup::default();
    setup.relay.total = Duration::from_millis(400);
    let hub = spawn_with(setup).await;
    hub.account("one").await;
    let never = Arc::new(Semaphore::new(0));
    let silent = Reply::chat("late", 10, 5).gated(&never);
    let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after", "3");
    let role = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    let empty = Reply::events(&[role]).gate_after(1, &never);
    let cases: [(Reply, Value); 4] = [
        (silent.clone(), hello()),
        (silent, hello_streamed()),
        (empty, hello_streamed()),
        (busy, hello()),
    ];
    for (reply, body) in cases {
        hub.upstream.answer("one", reply);
        let key = hub.key().await;
        let answer = timeout(PATIENCE, key.chat(&body)).await.expect("no deadline");
        assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));
    }
    hub.close().await;
}

/// A key of another team.
async fn another_teams_key(hub: &Hub) -> String {
    let new = server::auth::NewUser {
        email: "other@example.com",
        password: "sunlit-otter",
    };
    let made = hub.app.auth.create_user(new, false, now_ms()).await.unwrap();
    let team = server::teams::scope(&hub.app.db, &made.person, made.team_id)
        .await
        .unwrap();
    let settings = server::keys::KeySettings::named("other");
    hub.app.keys.create(&team, settings, now_ms()).await.unwrap().shown
}

/// A request that says whose it is.
fn from(whose: &str) -> String {
    let mut body = hello();
    body["user"] = Value::from(whose);
    body.to_string()
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

async fn waiting(hub: &Hub, count: usize) {
    hub.until("it does not wait", || hub.relay.waiting() == count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_frees_up_goes_to_teams_in_turn_and_within_a_team_in_the_order_of_arrival() {
    let hub = spawn().await;
    let gate = narrow_account(&hub, "only").await;
    let key = hub.key().await;
    let others = another_teams_key(&hub).await;
    let path = "/v1/chat/completions";
    let mut sent = vec![tokio::spawn(status(key.post(path, from("a"))))];
    arrived(&hub, "only", 1).await;
    for nth in 0..20 {
        sent.push(tokio::spawn(status(key.post(path, from(&format!("a{nth}"))))));
        waiting(&hub, nth + 1).await;
    }
    let other = hub.client.post(hub.url(path)).bearer_auth(&others).body(from("b"));
    sent.push(tokio::spawn(status(other)));
    waiting(&hub, 21).await;
    // Whether it can be paid is tried when its wait begins.
    hub.until("who waits holds money", || hub.app.ledger.status().open_holds == 1)
        .await;

    gate.add_permits(22);
    for answered in sent {
        assert_eq!(answered.await.unwrap(), 200);
    }

    let order: Vec<String> = hub.upstream.arrived("only")[1..]
        .iter()
        .map(|call| call.json()["user"].as_str().unwrap().to_owned())
        .collect();
    let mut of_team_a = order.clone();
    let place = of_team_a.iter().position(|whose| whose == "b").unwrap();
    of_team_a.remove(place);
    assert!(place <= 1, "the other team was served as number {}", place + 1);
    let arrival: Vec<String> = (0..20).map(|nth| format!("a{nth}")).collect();
    assert_eq!(of_team_a, arrival);
    assert_eq!(hub.relay.waiting(), 0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_wait_in_all_and_of_a_team_and_who_leaves_makes_room() {
    let mut setup = Setup::default();
    (setup.relay.waiting, setup.relay.waiting_of_team) = (2, 1);
    setup.relay.heartbeat = Duration::from_millis(100);
    let hub = spawn_with(setup).await;
    let gate = narrow_account(&hub, "only").await;
    let key = hub.key().await;
    let others = another_teams_key(&hub).await;
    let path = "/v1/chat/completions";
    let running = tokio::spawn(status(key.post(path, from("running"))));
    arrived(&hub, "only", 1).await;
    let leaving = key.open(&hello_streamed()).await;
    waiting(&hub, 1).await;
    let refused = key.chat(&hello()).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limit_exceeded"));
    assert!(refused.header("retry-after").is_some());
    // Of another team one more may wait.
    let other = hub.client.post(hub.url(path)).bearer_auth(&others).body(from("other"));
    let other = tokio::spawn(status(other));
    waiting(&hub, 2).await;

    drop(leaving);
    waiting(&hub, 1).await;
    let staying = tokio::spawn(status(key.post(path, from("staying"))));
    waiting(&hub, 2).await;
    gate.add_permits(3);

    for answered in [running, other, staying] {
        assert_eq!(answered.await.unwrap(), 200);
    }
    let whose: Vec<_> = hub
        .upstream
        .arrived("only")
        .iter()
        .map(|call| call.json()["user"].clone())
        .collect();
    assert_eq!(whose, ["running", "other", "staying"]);
    assert_eq!(hub.charged().await, Nano(HELLO.0 * 3));
    drop(key);
    hub.close().await;
}

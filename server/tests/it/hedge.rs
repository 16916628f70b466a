//! Where an account keeps a stream waiting, another one is asked as well: the first content counts, both are on the record, and both are paid.

use crate::harness::{HELLO, Hub, Setup, hello, hello_streamed, spawn_with};
use crate::upstream::Reply;
use gateway_core::money::Nano;
use server::accounts::Standing;
use server::ledger::Outcome;
use server::metering::{self, Attempt, AttemptOutcome, Whose};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

async fn spawn_hedging(delay: Option<Duration>) -> Hub {
    let mut setup = Setup::default();
    setup.relay.hedge = delay;
    let hub = spawn_with(setup).await;
    for (priority, name) in (0..).zip(["first", "second"]) {
        hub.account_with(name, |new| {
            new.standing = Standing {
                priority,
                ..Standing::default()
            };
        })
        .await;
    }
    hub
}

fn soon() -> Option<Duration> {
    Some(Duration::from_millis(50))
}

fn outcomes(hold: &entity::hold::Model) -> Vec<AttemptOutcome> {
    Attempt::parse_list(&hold.attempts)
        .into_iter()
        .map(|attempt| attempt.outcome)
        .collect()
}

async fn arrived(hub: &Hub, name: &str) {
    hub.until("a request did not arrive", || !hub.upstream.arrived(name).is_empty())
        .await;
}

/// Two holds: what was outrun is charged on the first, the request ends on the second, and the receipt shows both.
async fn both_are_on_the_record(hub: &Hub, won: &str) {
    let holds = hub.holds().await;
    assert_eq!(holds.len(), 2);
    let (lost, last) = (&holds[0], &holds[1]);
    assert_eq!(
        (outcomes(lost), outcomes(last)),
        (vec![AttemptOutcome::Outrun], vec![AttemptOutcome::Ok])
    );
    assert_eq!((lost.state, lost.status, lost.failovers), (3, 0, 0));
    assert!(lost.posted > 0 && lost.posted < lost.held && lost.notes.contains("was given up"));
    assert_eq!((last.posted, last.status), (HELLO.0, 200));
    let request = metering::find(&hub.app.db, Whose::Everybody, lost.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((request.outcome(), request.status()), (Outcome::Ok, Some(200)));
    assert_eq!(request.attempts().len(), 2);
    assert_eq!(request.charged(), Nano(lost.posted + HELLO.0));
    let account = Attempt::parse_list(&last.attempts)[0].account_id().unwrap();
    let account = hub.app.fleet.get(account).await.unwrap();
    assert_eq!(account.label, won);
    hub.until("a slot is still taken", || hub.upstream.arrived_anywhere().len() == 2)
        .await;
    for account in hub.app.fleet.list().await.unwrap() {
        assert_eq!(account.live.in_flight, 0, "{}", account.label);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_account_that_has_content_first_answers_in_the_place_of_a_slow_one() {
    let hub = spawn_hedging(soon()).await;
    let never = Arc::new(Semaphore::new(0));
    let slow = Reply::stream(&["slow"], 10, 5).gated(&never);
    hub.upstream.answer("first", slow);
    let key = hub.key().await;
    let answer = key.chat(&hello_streamed()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("2")));
    assert!(answer.text().contains("[DONE]") && !answer.text().contains("slow"));
    both_are_on_the_record(&hub, "second").await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_account_still_answers_if_it_has_content_before_the_second() {
    let hub = spawn_hedging(soon()).await;
    let (gate, never) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    hub.upstream
        .answer("first", Reply::stream(&["first"], 10, 5).gated(&gate));
    hub.upstream
        .answer("second", Reply::stream(&["second"], 10, 5).gated(&never));
    let key = hub.key().await;
    let body = hello_streamed();
    let open = async {
        arrived(&hub, "second").await;
        gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(key.chat(&body), open);
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("first") && !answer.text().contains("second"));
    both_are_on_the_record(&hub, "first").await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_that_fails_leaves_the_request_to_the_other() {
    for fails in ["first", "second"] {
        let hub = spawn_hedging(soon()).await;
        let other = if fails == "first" { "second" } else { "first" };
        let (error, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        hub.upstream
            .answer(fails, Reply::error(500, "server_error").gated(&error));
        hub.upstream
            .answer(other, Reply::stream(&["hel", "lo"], 10, 5).gated(&answer));
        let key = hub.key().await;
        let body = hello_streamed();
        let open = async {
            arrived(&hub, "second").await;
            error.add_permits(1);
            let is_known = || async {
                let accounts = hub.app.fleet.list().await.unwrap();
                accounts
                    .iter()
                    .any(|account| account.live.health.as_ref().unwrap().state != "ready")
            };
            while !is_known().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            answer.add_permits(1);
        };
        let (answer, ()) = tokio::join!(key.chat(&body), open);
        assert_eq!(
            (answer.status, answer.header("x-ourhub-attempts")),
            (200, Some("2")),
            "{fails}"
        );
        let holds = hub.holds().await;
        assert_eq!(
            (outcomes(&holds[0]), holds[0].posted),
            (vec![AttemptOutcome::Failed], 0)
        );
        assert_eq!(
            (outcomes(&holds[1]), holds[1].posted),
            (vec![AttemptOutcome::Ok], HELLO.0)
        );
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_one_of_two_refuses_is_over_for_both() {
    let hub = spawn_hedging(soon()).await;
    let never = Arc::new(Semaphore::new(0));
    hub.upstream
        .answer("first", Reply::stream(&["slow"], 10, 5).gated(&never));
    hub.upstream.answer("second", Reply::error(400, "bad_value"));
    let key = hub.key().await;
    let answer = key.chat(&hello_streamed()).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad_value"));
    let holds = hub.holds().await;
    let request = metering::find(&hub.app.db, Whose::Everybody, holds[0].id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((request.outcome(), request.status()), (Outcome::ClientError, Some(400)));
    let mut seen: Vec<_> = request
        .attempts()
        .iter()
        .map(|attempt| attempt.outcome.name())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, ["outrun", "refused"]);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_asked_where_it_is_off_where_nothing_is_streamed_or_where_it_cannot_be_paid() {
    // The most that one call of the model costs: its prompt, and 4,096 tokens of $2 a million.
    let once = Nano(15_000_000);
    for (delay, body, cap) in [
        (None, hello_streamed(), None),
        (soon(), hello(), None),
        (soon(), hello_streamed(), Some(once)),
    ] {
        let hub = spawn_hedging(delay).await;
        let gate = Arc::new(Semaphore::new(0));
        let reply = if body["stream"] == true {
            Reply::stream(&["hel", "lo"], 10, 5)
        } else {
            Reply::chat("hello", 10, 5)
        };
        hub.upstream.answer("first", reply.gated(&gate));
        let key = hub
            .key_with(|settings| {
                settings.caps.day = cap;
                settings.clamp = false;
            })
            .await;
        let open = async {
            arrived(&hub, "first").await;
            tokio::time::sleep(Duration::from_millis(400)).await;
            gate.add_permits(1);
        };
        let (answer, ()) = tokio::join!(key.chat(&body), open);
        assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("1")));
        assert!(hub.upstream.arrived("second").is_empty());
        assert_eq!(hub.charged().await, HELLO);
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_whose_client_hung_up_one_at_most_costs_all_that_was_held() {
    let mut setup = Setup::default();
    setup.relay.hedge = soon();
    setup.relay.heartbeat = Duration::from_millis(20);
    setup.relay.drain = Duration::from_millis(100);
    let hub = spawn_with(setup).await;
    let never = Arc::new(Semaphore::new(0));
    for name in ["first", "second"] {
        hub.account(name).await;
        hub.upstream.answer(name, Reply::stream(&["slow"], 10, 5).gated(&never));
    }
    let key = hub.key().await;
    let stream = key.open(&hello_streamed()).await;
    hub.until("only one was asked", || hub.upstream.arrived_anywhere().len() == 2)
        .await;
    drop(stream);
    let holds = hub.holds().await;
    assert_eq!(holds.len(), 2);
    let whole = holds.iter().filter(|hold| hold.posted == hold.held).count();
    assert!(whole <= 1, "{holds:?}");
    drop(key);
    hub.close().await;
}

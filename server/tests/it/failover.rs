//! When an account fails, another takes over, and the client never knows.

use crate::harness::{HELLO, Hub, Setup, everywhere, hello, hello_streamed, spawn, spawn_with};
use crate::upstream::{Reply, delta, event};
use futures_util::StreamExt as _;
use gateway_core::money::Nano;
use sea_orm::EntityTrait as _;
use serde_json::json;
use server::accounts::{Grants, Standing};
use server::ledger::Outcome;
use server::metering::{Attempt, AttemptOutcome};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

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

fn attempts(hold: &entity::hold::Model) -> Vec<(AttemptOutcome, Option<u16>)> {
    let attempts = Attempt::parse_list(&hold.attempts).into_iter();
    attempts.map(|attempt| (attempt.outcome, attempt.status)).collect()
}

/// The `first` account fails with `reply`, the second answers; the client sees the answer alone.
async fn takes_over(reply: Reply, outcome: AttemptOutcome, is_streamed: bool) {
    let hub = spawn().await;
    account(&hub, "first", 0).await;
    account(&hub, "second", 1).await;
    hub.upstream.answer("first", reply);
    let key = hub.key().await;
    let answer = key.chat(&if is_streamed { hello_streamed() } else { hello() }).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-ourhub-attempts"), Some("2"));
    assert!(!answer.text().contains("the upstream says"));
    let holds = hub.holds().await;
    assert_eq!(holds.len(), 1, "an attempt that costs nothing hands its hold on");
    let hold = &holds[0];
    assert_eq!((hold.posted, hold.failovers), (HELLO.0, 1));
    assert_eq!(
        attempts(hold).iter().map(|it| it.0).collect::<Vec<_>>(),
        [outcome, AttemptOutcome::Ok]
    );
    assert_eq!(hub.upstream.arrived("second").len(), 1);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limited_account_is_left_for_another() {
    let reply = Reply::error(429, "rate_limit_exceeded").header("retry-after", "20");
    takes_over(reply.clone(), AttemptOutcome::RateLimited, false).await;
    takes_over(reply, AttemptOutcome::RateLimited, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_account_is_left_for_another() {
    for status in [500, 502, 504] {
        takes_over(
            Reply::body(status, "text/html", b"<h1>Bad gateway</h1>"),
            AttemptOutcome::Failed,
            false,
        )
        .await;
    }
    takes_over(
        Reply::error(503, "server_is_overloaded"),
        AttemptOutcome::RateLimited,
        true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_inside_a_successful_answer_is_a_failure_as_long_as_no_content_was_sent() {
    let error = json!({ "error": { "message": "the upstream says slow down", "code": "rate_limit_exceeded" } });
    let whole = Reply::json(200, &error);
    takes_over(whole, AttemptOutcome::RateLimited, false).await;
    let role = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    let streamed = Reply::events(&[role.to_owned(), error.to_string()]);
    takes_over(streamed, AttemptOutcome::RateLimited, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_a_key_or_money_takes_no_more_traffic() {
    for (reply, reason) in [
        (Reply::error(401, "invalid_api_key"), "bad_key"),
        (Reply::error(429, "insufficient_quota"), "no_money"),
    ] {
        let hub = spawn().await;
        let first = account(&hub, "first", 0).await;
        account(&hub, "second", 1).await;
        hub.upstream.answer("first", reply);
        let key = hub.key().await;
        for _ in 0..5 {
            assert_eq!(key.chat(&hello()).await.status, 200);
        }
        assert_eq!(
            hub.upstream.arrived("first").len(),
            1,
            "a parked account is asked again only after its pause"
        );
        let row = || async { hub.app.fleet.get(first).await.unwrap() };
        let parked = row().await.live.health.unwrap().reason.unwrap();
        assert_eq!(serde_json::to_value(parked).unwrap(), reason);
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_cannot_be_reached_is_left_for_another() {
    let hub = spawn().await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    hub.account_with("first", |new| new.base_url = Some(format!("http://{closed}/v1")))
        .await;
    account(&hub, "second", 1).await;
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("2")));
    let holds = hub.holds().await;
    assert_eq!(attempts(&holds[0])[0].0, AttemptOutcome::Unreachable);
    assert_eq!((holds.len(), holds[0].posted), (1, HELLO.0));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_does_not_answer_in_time_is_left_for_another_and_its_input_is_paid() {
    let mut setup = Setup::default();
    setup.relay.first_content = Duration::from_millis(200);
    setup.relay.whole = Duration::from_millis(200);
    let hub = spawn_with(setup).await;
    account(&hub, "first", 0).await;
    account(&hub, "second", 1).await;
    let never = Arc::new(Semaphore::new(0));
    hub.upstream.answer("first", Reply::chat("late", 10, 5).gated(&never));
    let key = hub.key().await;
    let answer = key.chat(&hello_streamed()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("2")));
    let holds = hub.holds().await;
    assert_eq!(holds.len(), 2);
    let (first, second) = (&holds[0], &holds[1]);
    assert_eq!(attempts(first), [(AttemptOutcome::TimedOut, None)]);
    assert_eq!(
        attempts(second),
        [(AttemptOutcome::Ok, Some(200))],
        "each attempt is recorded once"
    );
    assert_eq!((first.state, first.status, first.failovers), (3, 0, 1));
    assert!(first.posted > 0 && first.posted < first.held);
    assert_eq!((second.state, second.posted, second.failovers), (1, HELLO.0, 0));
    assert_eq!([first.request_id, second.request_id], [first.id, first.id]);
    assert_eq!(answer.request_id(), first.id);
    let hours = server::metering::find(&hub.app.db, server::metering::Whose::Everybody, first.id).await;
    let request = hours.unwrap().unwrap();
    assert_eq!((request.outcome(), request.status()), (Outcome::Ok, Some(200)));
    assert_eq!(request.attempts().len(), 2);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_after_the_request_was_sent_may_be_billed_so_its_input_is_paid() {
    let hub = spawn().await;
    account(&hub, "first", 0).await;
    account(&hub, "second", 1).await;
    hub.upstream.answer("first", Reply::hang_up());
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("2")));
    let holds = hub.holds().await;
    assert_eq!(holds.len(), 2);
    assert_eq!(attempts(&holds[0]), [(AttemptOutcome::Unreachable, None)]);
    assert!(holds[0].posted > 0 && holds[0].posted < holds[0].held && holds[0].notes.contains("estimate"));
    assert_eq!(holds[1].posted, HELLO.0);
    let hours = entity::usage_hour::Entity::find().all(&hub.app.db).await.unwrap();
    let sum = |count: fn(&entity::usage_hour::Model) -> i64| hours.iter().map(count).sum::<i64>();
    let sums = (
        sum(|hour| hour.requests),
        sum(|hour| hour.failed),
        sum(|hour| hour.failovers),
    );
    assert_eq!(sums, (1, 0, 1), "two holds are one request");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_own_fault_is_told_to_it_and_tried_nowhere_else() {
    let hub = spawn().await;
    let first = account(&hub, "first", 0).await;
    account(&hub, "second", 1).await;
    let error = json!({ "error": { "message": "Unknown value for sk-up-first", "type": "invalid_request_error", "code": "bad_value", "param": "seed" } });
    hub.upstream.answer("first", Reply::json(400, &error));
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!(answer.status, 400);
    let told = &answer.json()["error"];
    assert_eq!((&told["code"], &told["param"]), (&json!("bad_value"), &json!("seed")));
    assert!(told["message"].as_str().unwrap().starts_with("Unknown value"));
    assert!(!answer.text().contains("sk-up-first"), "the account's key is scrubbed");
    assert!(hub.upstream.arrived("second").is_empty());
    let holds = hub.holds().await;
    assert_eq!((holds[0].posted, holds[0].state, holds[0].status), (0, 2, 400));
    assert_eq!(answer.request_id(), holds[0].id);
    let health = hub.app.fleet.get(first).await.unwrap().live.health.unwrap();
    assert!(health.reason.is_none());
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_alone_says_of_a_request_reaches_clients_of_its_dialect_without_what_is_ours() {
    let hub = spawn().await;
    account(&hub, "first", 0).await;
    let error = json!({ "error": { "message": "Failed to call a function", "type": "invalid_request_error",
        "code": "tool_use_failed", "failed_generation": "<function=f> sk-up-first", "request_id": "req_of_theirs",
        "metadata": { "reasons": ["violence"], "raw": "org-AbC1 at https://api.example.com: sk-up-first",
            "user_id": "user_7", "project_id": "p-7", "sk-up-first": 1 } }, "user_id": "user_7" });
    hub.upstream.answer("first", Reply::json(400, &error));
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!(answer.status, 400);
    let told = json!({ "message": "Failed to call a function", "type": "invalid_request_error", "param": null,
        "code": "tool_use_failed", "failed_generation": "<function=f> [removed]",
        "metadata": { "reasons": ["violence"], "raw": "[removed] at [removed]: [removed]" } });
    assert_eq!(answer.json(), json!({ "error": told }));
    // One of another dialect is told in its own words.
    let body = json!({ "model": "small", "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] });
    let answer = key.send("/v1/messages", body.to_string()).await;
    assert_eq!(answer.status, 400);
    let told = json!({ "type": "invalid_request_error", "message": "Failed to call a function" });
    assert_eq!(answer.json()["error"], told);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_untried_account_is_asked_once_and_then_the_client_is_told() {
    let hub = spawn_with(Setup {
        flags: vec!["--wait", "0"],
        relay: server::relay::Config {
            wait: Duration::ZERO,
            ..server::relay::Config::default()
        },
    })
    .await;
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        hub.account(name).await;
        hub.upstream.answer(name, Reply::error(500, "server_error"));
    }
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_failed"));
    assert_eq!(answer.header("x-ourhub-attempts"), Some("5"));
    for name in names {
        assert_eq!(hub.upstream.arrived(name).len(), 1, "{name}");
    }
    let holds = hub.holds().await;
    assert_eq!((holds.len(), holds[0].posted, holds[0].status), (1, 0, 502));
    assert_eq!(attempts(&holds[0]).len(), 5);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_account_is_asked_again_once_when_there_is_no_other() {
    let hub = spawn().await;
    hub.account("only").await;
    hub.upstream.answer_each(
        "only",
        vec![Reply::error(500, "server_error"), Reply::chat("hello", 10, 5)],
    );
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("2")));
    let holds = hub.holds().await;
    assert_eq!(holds.len(), 2, "a wait holds no money");
    assert_eq!((holds[0].posted, holds[0].state, holds[0].status), (0, 2, 0));
    assert_eq!(attempts(&holds[0]).len() + attempts(&holds[1]).len(), 2);
    assert_eq!(answer.request_id(), holds[0].id);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_account_is_busy_the_request_waits_and_the_client_sees_no_429() {
    let hub = spawn().await;
    for name in ["one", "two"] {
        hub.account(name).await;
        let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after-ms", "700");
        hub.upstream.answer_each(name, vec![busy, Reply::chat("hello", 10, 5)]);
    }
    let key = hub.key_with(|settings| settings.rates.rpm = Some(10)).await;
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("3")));
    assert_eq!(
        answer.header("x-ratelimit-remaining-requests"),
        Some("9"),
        "a request that waited is one request"
    );
    for name in ["one", "two"] {
        let asked = hub.upstream.arrived(name);
        let too_early = |pair: &[crate::upstream::Arrived]| pair[1].at - pair[0].at < Duration::from_millis(700);
        assert!(!asked.windows(2).any(too_early), "{name} was asked before its time");
    }
    assert_eq!(hub.charged().await, HELLO);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_waits_for_a_slot_of_a_full_account() {
    let hub = spawn().await;
    hub.account_with("only", |new| {
        new.grants = Grants {
            max_in_flight: Some(1),
            ..Grants::default()
        };
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream.answer("only", Reply::chat("hello", 10, 5).gated(&gate));
    let key = hub.key().await;
    let body = hello();
    let (first, second) = tokio::join!(key.chat(&body), async {
        let second = key.chat(&body);
        let open = async {
            hub.until("no request came", || hub.upstream.arrived("only").len() == 1)
                .await;
            gate.add_permits(2);
        };
        tokio::join!(second, open).0
    });
    assert_eq!((first.status, second.status), (200, 200));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_waiting_room_the_client_is_told_when_an_account_is_free() {
    let hub = spawn_with(Setup {
        relay: server::relay::Config {
            wait: Duration::ZERO,
            ..server::relay::Config::default()
        },
        ..Setup::default()
    })
    .await;
    hub.account("one").await;
    hub.upstream.answer(
        "one",
        Reply::error(429, "rate_limit_exceeded").header("retry-after", "7"),
    );
    let key = hub.key().await;
    for calls in [1, 1] {
        let answer = key.chat(&hello()).await;
        assert_eq!((answer.status, answer.code().as_str()), (429, "rate_limit_exceeded"));
        let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((6..=7).contains(&seconds), "{seconds}");
        assert_eq!(
            hub.upstream.arrived("one").len(),
            calls,
            "a cooling account is not asked"
        );
    }
    assert_eq!(hub.charged().await, Nano(0));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_reaches_a_cooling_account_and_every_client_is_answered() {
    for hub in everywhere(Setup::default()).await {
        for name in ["cold", "warm"] {
            hub.account(name).await;
        }
        let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after", "3600");
        hub.upstream.answer("cold", busy);
        let key = hub.key().await;
        let ask = |conversation: u32| {
            let messages = json!([{ "role": "user", "content": format!("conversation {conversation}") }]);
            let body = json!({ "model": "small", "messages": messages });
            let key = &key;
            async move { key.chat(&body).await.status }
        };
        let statuses: Vec<u16> = futures_util::stream::iter(0..1_000)
            .map(ask)
            .buffer_unordered(32)
            .collect()
            .await;
        assert!(statuses.iter().all(|status| *status == 200));
        let cold = hub.upstream.arrived("cold");
        assert!(
            !cold.is_empty() && cold.len() <= 32,
            "{} requests before the account had answered",
            cold.len()
        );
        let answered = hub.upstream.arrived("warm");
        assert_eq!(answered.len(), 1_000);
        assert_eq!(hub.charged().await, Nano(HELLO.0 * 1_000));
        // Whoever asked it did so before its first answer was seen.
        assert!(hub.holds().await.iter().all(|hold| hold.failovers <= 1));
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_after_content_ends_the_stream_with_an_error_event_of_our_own_and_is_paid() {
    let hub = spawn().await;
    account(&hub, "first", 0).await;
    account(&hub, "second", 1).await;
    let secret = json!({ "error": { "message": "host 10.0.0.7 of sk-up-first failed", "type": "server_error" } });
    hub.upstream
        .answer("first", Reply::events(&[delta("hello"), secret.to_string()]));
    let key = hub.key().await;
    let answer = key.chat(&hello_streamed()).await;
    assert_eq!(answer.status, 200);
    let events = answer.events();
    assert_eq!(events[0], delta("hello"));
    let error: serde_json::Value = serde_json::from_str(&events[1]).unwrap();
    assert_eq!(error["error"]["code"], "upstream_cut");
    assert!(!answer.text().contains("10.0.0.7") && !answer.text().contains("[DONE]"));
    assert!(
        hub.upstream.arrived("second").is_empty(),
        "content was sent, so nobody takes over"
    );
    let hold = &hub.holds().await[0];
    assert_eq!((hold.outcome, hold.state), (Outcome::Cut.code(), 3));
    assert!(hold.posted > 0 && hold.posted < hold.held);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_after_content_that_is_about_the_input_is_told_in_the_upstreams_words() {
    let hub = spawn().await;
    hub.account("one").await;
    let said = "Tool choice is required, but sk-up-one did not call a tool";
    let error = json!({ "error": { "message": said, "type": "invalid_request_error", "code": "tool_use_failed" } });
    hub.upstream
        .answer("one", Reply::events(&[delta("hello"), error.to_string()]));
    let key = hub.key().await;
    let answer = key.chat(&hello_streamed()).await;
    let told: serde_json::Value = serde_json::from_str(&answer.events()[1]).unwrap();
    assert_eq!(told["error"]["code"], "tool_use_failed");
    let message = told["error"]["message"].as_str().unwrap();
    assert_eq!(message, "Tool choice is required, but [removed] did not call a tool");
    assert_eq!(hub.holds().await[0].outcome, Outcome::Cut.code());
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_after_content_says_so_and_one_that_only_lacks_its_mark_is_whole() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    hub.upstream
        .answer("one", Reply::stream(&["hel", "lo"], 10, 5).cut_after(1));
    let cut = key.chat(&hello_streamed()).await;
    assert!(cut.text().starts_with(&event(&delta("hel"))));
    assert!(cut.events().last().unwrap().contains("upstream_cut"));
    hub.upstream.answer(
        "one",
        Reply::events(&[
            delta("hello"),
            crate::upstream::finish(),
            crate::upstream::usage_chunk(10, 5),
        ]),
    );
    let unmarked = key.chat(&hello_streamed()).await;
    assert!(!unmarked.text().contains("upstream_cut"));
    let holds = hub.holds().await;
    assert_eq!(
        (holds[0].outcome, holds[1].outcome),
        (Outcome::Cut.code(), Outcome::Ok.code())
    );
    assert_eq!(holds[1].posted, HELLO.0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_an_upstream_closed_while_it_was_idle_costs_nothing() {
    let hub = spawn().await;
    hub.account("one").await;
    hub.upstream.answer("one", Reply::chat("hello", 10, 5).closing());
    let key = hub.key().await;
    for _ in 0..20 {
        let answer = key.chat(&hello()).await;
        assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("1")));
    }
    assert_eq!(hub.charged().await, Nano(HELLO.0 * 20));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_stays_on_its_account() {
    let hub = spawn().await;
    for name in ["a", "b", "c", "d"] {
        hub.account(name).await;
    }
    let key = hub.key().await;
    for conversation in 0..6 {
        let before = hub.upstream.arrived_anywhere().len();
        let mut messages = vec![json!({ "role": "user", "content": format!("conversation {conversation}") })];
        for turn in 0..4 {
            let body = json!({ "model": "small", "messages": messages });
            assert_eq!(key.chat(&body).await.status, 200);
            messages.push(json!({ "role": "assistant", "content": "hello" }));
            messages.push(json!({ "role": "user", "content": format!("turn {turn}") }));
        }
        let asked = hub.upstream.arrived_anywhere();
        let accounts: std::collections::BTreeSet<_> = asked[before..].iter().map(|call| &call.account).collect();
        assert_eq!(accounts.len(), 1, "conversation {conversation} moved: {accounts:?}");
    }
    let all = hub.upstream.arrived_anywhere();
    let accounts: std::collections::BTreeSet<_> = all.iter().map(|call| &call.account).collect();
    assert!(accounts.len() > 1, "every conversation is on one account");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_no_account_serves_is_refused_and_nothing_is_charged() {
    let hub = spawn().await;
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "no_account"));
    assert_eq!(hub.holds().await.len(), 0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maker_is_not_asked_for_what_others_make() {
    let hub = spawn().await;
    hub.account_with("maker", |new| {
        new.provider = "mistral".to_owned();
        new.base_url = None;
    })
    .await;
    let key = hub.key().await;
    let listed = || async {
        let list = key.get("/v1/models").await.json();
        let ids = list["data"].as_array().unwrap().iter();
        let ids = ids.map(|model| model["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let ids = listed().await;
    assert!(ids.iter().any(|id| id == "mistral-large-latest") && ids.iter().any(|id| id == "small"));
    assert!(!ids.iter().any(|id| id == "gpt-4o"), "{ids:?}");
    let mut body = hello();
    body["model"] = json!("gpt-4o");
    let refused = key.chat(&body).await;
    assert_eq!(
        (refused.status, refused.header("x-ourhub-attempts")),
        (503, None),
        "{refused:?}"
    );

    account(&hub, "open", 9).await;
    assert!(listed().await.iter().any(|id| id == "gpt-4o"));
    let answer = key.chat(&body).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("1")));
    assert_eq!(hub.upstream.arrived("open").len(), 1);
    drop(key);
    hub.close().await;
}

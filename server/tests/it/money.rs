//! Caps hold, whatever the clients do; what was used is charged, and what was not used is given back.

use crate::harness::{Answer, HELLO, Hub, Key, Setup, everywhere, hello, hello_streamed, spawn, spawn_with};
use crate::upstream::{Reply, completion_of, usage};
use futures_util::future::join_all;
use gateway_core::money::Nano;
use sea_orm::{ActiveModelTrait as _, ConnectionTrait as _, Set};
use serde_json::{Value, json};
use server::alerts;
use server::keys::KeyPatch;
use std::time::Duration;

/// A request whose answer is at most 100 tokens.
fn bounded() -> Value {
    let mut body = hello();
    body["max_tokens"] = json!(100);
    body
}

/// What is held for `body`.
async fn ceiling_of(hub: &Hub, body: &Value) -> Nano {
    let key = hub.key().await;
    let answer = key.chat(body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let holds = hub.holds().await;
    let hold = holds.iter().find(|hold| hold.id == answer.request_id()).unwrap();
    Nano(hold.held)
}

async fn capped(hub: &Hub, cap: Nano, clamp: bool) -> Key<'_> {
    hub.key_with(|settings| {
        settings.caps.day = Some(cap);
        settings.clamp = clamp;
    })
    .await
}

/// The upstream uses all it may: 20 tokens of input, and as many of output as it was asked for.
fn use_all(hub: &Hub, account: &str) {
    hub.upstream.behave(account, |call| {
        let asked = call.json();
        let most = asked["max_tokens"].as_u64().unwrap_or(4_096);
        Reply::chat("all of it", 20, most).after(Duration::from_millis(5))
    });
}

/// What the upstream's own counts of the calls of `since` on come to.
fn used(hub: &Hub, since: usize) -> i64 {
    let calls = &hub.upstream.arrived_anywhere()[since..];
    let cost = |call: &crate::upstream::Arrived| 20 * 1_000 + call.json()["max_tokens"].as_i64().unwrap() * 2_000;
    calls.iter().map(cost).sum()
}

async fn race_for_a_cap(hub: &Hub, clamp: bool) {
    let ceiling = ceiling_of(hub, &bounded()).await;
    let before = hub.charged().await;
    let asked_before = hub.upstream.arrived_anywhere().len();
    let cap = Nano(ceiling.0 * 10);
    let key = capped(hub, cap, clamp).await;
    let body = bounded();

    let answers = join_all((0..200).map(|_| key.chat(&body))).await;

    let answered = answers.iter().filter(|answer| answer.status == 200).count();
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(answered >= 10, "{answered} answers: the cap fits ten");
    assert!(
        refused
            .iter()
            .all(|answer| (answer.status, answer.code().as_str()) == (429, "insufficient_quota"))
    );
    assert_eq!(
        hub.upstream.arrived_anywhere().len() - asked_before,
        answered,
        "a refused request reaches no upstream"
    );
    let posted = Nano(hub.charged().await.0 - before.0);
    assert!(posted <= cap, "posted {posted} of {cap}");
    assert_eq!(posted.0, used(hub, asked_before));
    let told = key.get("/v1/key").await.json();
    let caps = told["caps"].as_array().unwrap();
    let day = caps
        .iter()
        .find(|cap| cap["scope"] == "key" && cap["period"] == "day")
        .unwrap();
    assert_eq!((&day["held"], &day["spent"]), (&json!("0.00"), &json!(posted.render())));
    hub.until("in flight", || hub.app.limits.in_flight(key.id) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_at_once_never_spend_more_than_a_cap_that_fits_ten() {
    for clamp in [false, true] {
        for hub in everywhere(Setup::default()).await {
            hub.account("one").await;
            use_all(&hub, "one");
            race_for_a_cap(&hub, clamp).await;
            hub.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn near_the_cap_the_output_is_clamped_to_what_fits_and_the_client_is_told() {
    let hub = spawn().await;
    hub.account("one").await;
    use_all(&hub, "one");
    let ceiling = ceiling_of(&hub, &bounded()).await;
    // Of the 100 tokens that were asked for, 40 fit.
    let cap = Nano(ceiling.0 - 60 * 2_000);
    let key = capped(&hub, cap, true).await;
    let answer = key.chat(&bounded()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("x-ourhub-notes"),
        Some("output limited to 40 tokens by what is left of a cap")
    );
    assert_eq!(hub.upstream.arrived("one")[1].json()["max_tokens"], 40);
    let hold = hub.holds().await.pop().unwrap();
    assert!(hold.held <= cap.0 && hold.notes.contains("40 tokens"));
    // Less than 16 tokens are no answer.
    let poor = capped(&hub, Nano(ceiling.0 - 85 * 2_000), true).await;
    assert_eq!(poor.chat(&bounded()).await.code(), "insufficient_quota");
    drop((key, poor));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_model_can_answer_is_asked_of_nobody() {
    let hub = spawn().await;
    hub.account("one").await;
    use_all(&hub, "one");
    let key = hub.key_with(|settings| settings.clamp = false).await;
    let mut body = hello();
    body["max_tokens"] = json!(64_000);
    let answer = key.chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.header("x-ourhub-notes"),
        Some("output limited to 4096 tokens, the most that the model can answer")
    );
    assert_eq!(hub.upstream.arrived("one")[0].json()["max_tokens"], 4_096);
    let hold = hub.holds().await.pop().unwrap();
    assert!(hold.posted <= hold.held, "{hold:?}");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_not_clamped_below_what_it_may_think() {
    let hub = spawn().await;
    hub.account_with("one", |new| new.dialect = Some("messages".to_owned()))
        .await;
    hub.upstream.behave("one", crate::spoken::reply);
    let ask = |budget: u64| {
        let thinking = json!({ "type": "enabled", "budget_tokens": budget });
        json!({ "model": "small", "max_tokens": 4_000, "thinking": thinking, "messages": [{ "role": "user", "content": "hi" }] })
    };
    let rich = hub.key().await;
    assert_eq!(rich.send("/v1/messages", ask(2_000).to_string()).await.status, 200);
    let held = hub.holds().await.pop().unwrap().held;
    // 2,500 of the 4,000 tokens fit.
    for (budget, status) in [(2_000, 200), (2_500, 402)] {
        let key = capped(&hub, Nano(held - 1_500 * 2_000), true).await;
        let answer = key.send("/v1/messages", ask(budget).to_string()).await;
        assert_eq!(answer.status, status, "{budget}: {}", answer.text());
    }
    let arrived = hub.upstream.arrived("one");
    assert_eq!((arrived.len(), &arrived[1].json()["max_tokens"]), (2, &json!(2_500)));
    // A model that answers no more than the budget refuses the request as it was made.
    let mut body = ask(5_000);
    body["max_tokens"] = json!(6_000);
    rich.send("/v1/messages", body.to_string()).await;
    assert_eq!(hub.upstream.arrived("one")[2].json()["max_tokens"], 6_000);
    drop(rich);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_bounds_one_input_of_many_and_not_their_sum() {
    let hub = spawn().await;
    hub.account("one").await;
    let new = server::catalog::NewModel {
        id: "narrow".to_owned(),
        context: Some(100),
        prices: server::catalog::Prices {
            input: "1".to_owned(),
            output: "2".to_owned(),
            ..Default::default()
        },
        ..Default::default()
    };
    hub.app.catalog.add_model(&new, hub.admin.user_id).await.unwrap();
    let inputs = vec!["ninety bytes ".repeat(7); 100];
    let answer = json!({ "object": "list", "model": "narrow", "data": [], "usage": { "prompt_tokens": 9_000, "total_tokens": 9_000 } });
    hub.upstream.answer("one", Reply::json(200, &answer));
    let key = hub.key().await;
    let body = json!({ "model": "narrow", "input": inputs });
    assert_eq!(key.send("/v1/embeddings", body.to_string()).await.status, 200);
    let hold = hub.holds().await.pop().unwrap();
    assert!(hold.posted == 9_000 * 1_000 && hold.held >= hold.posted, "{hold:?}");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_does_not_clamp_refuses_and_nothing_is_changed() {
    let hub = spawn().await;
    hub.account("one").await;
    let ceiling = ceiling_of(&hub, &bounded()).await;
    let key = hub
        .key_with(|settings| {
            settings.caps.day = Some(Nano(ceiling.0 - 1));
            settings.clamp = false;
            settings.rates.rpm = Some(10);
        })
        .await;
    let holds = hub.holds().await;
    let answer = key.chat(&bounded()).await;
    assert_eq!(answer.status, 429);
    let error = &answer.json()["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("insufficient_quota"), &json!("insufficient_quota"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("This key") && message.contains("daily cap") && message.contains("opens again at"),
        "{message}"
    );
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(hub.upstream.arrived("one").len(), 1);
    assert_eq!(hub.holds().await, holds);
    let told = key.get("/v1/key").await.json();
    assert_eq!(told["limits"]["requests_per_minute"]["remaining"], 10);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn team_and_month_and_total_are_caps_too() {
    let hub = spawn().await;
    hub.account("one").await;
    let ceiling = ceiling_of(&hub, &bounded()).await;
    let too_little = Some(Nano(ceiling.0 - 1));
    let month = hub
        .key_with(|settings| (settings.caps.month, settings.clamp) = (too_little, false))
        .await;
    let total = hub
        .key_with(|settings| (settings.caps.total, settings.clamp) = (too_little, false))
        .await;
    assert!(month.chat(&bounded()).await.text().contains("monthly cap"));
    let never_again = total.chat(&bounded()).await;
    assert!(never_again.text().contains("within its cap of") && !never_again.text().contains("opens again"));
    let key = hub.key_with(|settings| settings.clamp = false).await;
    let patch = server::teams::TeamPatch {
        cap_day: Some(Some(ceiling.0)),
        ..server::teams::TeamPatch::default()
    };
    server::teams::update(&hub.app.db, &hub.team, patch).await.unwrap();
    hub.app.keys.forget_team(hub.team.team_id());
    let refused = key.chat(&bounded()).await;
    assert!(refused.text().contains("The team"), "{}", refused.text());
    // A raised cap of the key lets it through again.
    let patch = KeyPatch {
        cap_month: Some(None),
        ..KeyPatch::default()
    };
    hub.app
        .keys
        .update(&hub.team, month.id, patch, server::clock::now_ms())
        .await
        .unwrap();
    assert!(month.chat(&bounded()).await.text().contains("The team"));
    drop((month, total, key));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_without_a_price_is_refused_and_the_admin_is_alerted() {
    let hub = spawn().await;
    hub.account("one").await;
    let row = entity::model::ActiveModel {
        id: Set("unpriced".to_owned()),
        provider: Set(String::new()),
        mode: Set("chat".to_owned()),
        context: Set(None),
        max_output: Set(None),
        capabilities: Set("[]".to_owned()),
        dialects: Set("[]".to_owned()),
        input_constant: Set(0),
        is_builtin: Set(false),
        created_at: Set(0),
    };
    row.insert(&hub.app.db).await.unwrap();
    server::stamp::renew(&hub.app.db, "catalog").await.unwrap();
    assert!(hub.app.catalog.refresh().await.unwrap());
    let key = hub.key().await;
    let mut body = hello();
    body["model"] = json!("unpriced");
    let answer = key.chat(&body).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "price_unknown"));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    let open = alerts::list_open(&hub.app.db).await.unwrap();
    assert!(
        open.iter()
            .any(|alert| alert.kind == "price_unknown" && alert.subject == "unpriced")
    );
    assert!(hub.upstream.arrived("one").is_empty() && hub.holds().await.is_empty());
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_free_model_costs_nothing_and_is_on_the_record() {
    let hub = spawn().await;
    hub.account("one").await;
    hub.model("free", "0", "0").await;
    let key = capped(&hub, Nano(1), true).await;
    let mut body = hello();
    body["model"] = json!("free");
    let answer = key.chat(&body).await;
    assert_eq!((answer.status, answer.header("x-ourhub-cost-usd")), (200, Some("0.00")));
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!((hold.state, hold.posted, hold.input, hold.output), (1, 0, 10, 5));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_that_is_missing_or_unusable_is_estimated_within_the_hold_and_flagged() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let negative = json!({ "prompt_tokens": -5, "completion_tokens": 2, "total_tokens": -3 });
    for body in [
        completion_of("some words", None),
        completion_of("some words", Some(negative)),
    ] {
        hub.upstream.answer("one", Reply::json(200, &body));
        assert_eq!(key.chat(&hello()).await.status, 200);
        let hold = hub.holds().await.pop().unwrap();
        assert_eq!(hold.state, 3, "flagged");
        assert!(hold.notes.contains("estimate: the upstream reported no usage"));
        assert!(hold.posted > 0 && hold.posted <= hold.held && hold.input > 0 && hold.output > 0);
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_before_a_stream_was_cut_is_the_least_that_is_charged() {
    let hub = spawn().await;
    hub.account_with("one", |new| new.dialect = Some("generate".to_owned()))
        .await;
    let chunk = json!({
        "candidates": [{ "index": 0, "content": { "parts": [{ "text": "abcd" }] } }],
        "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 1, "thoughtsTokenCount": 50, "totalTokenCount": 61 },
    });
    hub.upstream.answer("one", Reply::events(&[chunk.to_string()]));
    let key = hub.key().await;
    let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] });
    for path in [
        "/v1beta/models/small:streamGenerateContent?alt=sse",
        "/v1/chat/completions",
    ] {
        let body = if path.ends_with("sse") {
            &body
        } else {
            &hello_streamed()
        };
        key.send(path, body.to_string()).await;
        hub.quiet().await;
        let hold = hub.holds().await.pop().unwrap();
        assert_eq!((hold.state, hold.input, hold.output), (3, 10, 51), "{path}: {hold:?}");
        assert_eq!(hold.posted, 10 * 1_000 + 51 * 2_000, "{path}");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cached_tokens_are_charged_once_at_their_own_price() {
    let hub = spawn().await;
    hub.account("one").await;
    let new = server::catalog::NewModel {
        id: "cached".to_owned(),
        prices: server::catalog::Prices {
            input: "1".to_owned(),
            output: "2".to_owned(),
            cache_read: Some("0.1".to_owned()),
            cache_write: None,
            ..server::catalog::Prices::default()
        },
        ..Default::default()
    };
    hub.app.catalog.add_model(&new, hub.admin.user_id).await.unwrap();
    let mut counts = usage(100, 10);
    counts["prompt_tokens_details"] = json!({ "cached_tokens": 80 });
    hub.upstream
        .answer("one", Reply::json(200, &completion_of("hi", Some(counts))));
    let key = hub.key().await;
    let mut body = hello();
    body["model"] = json!("cached");
    assert_eq!(key.chat(&body).await.status, 200);
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!((hold.input, hold.cache_read, hold.output), (20, 80, 10));
    assert_eq!(hold.posted, 20 * 1_000 + 80 * 100 + 10 * 2_000);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_used_beyond_the_ceiling_is_posted_and_alerted() {
    let hub = spawn().await;
    hub.account("one").await;
    hub.upstream.answer("one", Reply::chat("endless", 10, 1_000_000));
    let key = hub.key().await;
    assert_eq!(key.chat(&bounded()).await.status, 200);
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!(hold.posted, 10 * 1_000 + 1_000_000 * 2_000);
    assert_eq!(hold.overrun, hold.posted - hold.held);
    let is_alerted = async || {
        let open = alerts::list_open(&hub.app.db).await.unwrap();
        open.iter()
            .any(|alert| alert.kind == "overrun" && alert.subject == "small")
    };
    while !is_alerted().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_attempt_that_does_not_fit_ends_the_request_and_the_first_is_paid() {
    let hub = spawn().await;
    hub.account("one").await;
    let ceiling = ceiling_of(&hub, &bounded()).await;
    hub.account("two").await;
    hub.upstream.answer("one", Reply::hang_up());
    hub.upstream.answer("two", Reply::hang_up());
    let key = capped(&hub, ceiling, false).await;
    let answer = key.chat(&bounded()).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "insufficient_quota"));
    assert_eq!(answer.header("x-ourhub-attempts"), Some("1"));
    hub.quiet().await;
    let request = server::metering::find(&hub.app.db, server::metering::Whose::Everybody, answer.request_id()).await;
    let request = request.unwrap().unwrap();
    assert!(request.charged() > Nano(0) && request.charged() < ceiling);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_ledger_cannot_write_nothing_is_admitted_and_no_byte_leaves() {
    for hub in everywhere(Setup::default()).await {
        hub.account("one").await;
        let key = hub.key().await;
        assert_eq!(key.chat(&hello()).await.status, 200);
        hub.quiet().await;
        let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
        hub.app
            .db
            .execute_unprepared(&rename("hold", "hold_away"))
            .await
            .unwrap();
        let first = key.chat(&hello()).await;
        let streamed = key.chat(&hello_streamed()).await;
        let asked = hub.upstream.arrived("one").len();
        let later = key.chat(&hello()).await;
        for answer in [&first, &streamed, &later] {
            assert_eq!((answer.status, answer.code().as_str()), (503, "ledger_unavailable"));
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!(hub.upstream.arrived("one").len(), asked, "no upstream is asked");
        let ready = hub.client.get(hub.url("/readyz")).send().await.unwrap();
        assert_eq!(ready.status(), 503);
        hub.app
            .db
            .execute_unprepared(&rename("hold_away", "hold"))
            .await
            .unwrap();
        hub.until("the ledger does not write again", || hub.app.ledger.status().writable)
            .await;
        assert_eq!(key.chat(&hello()).await.status, 200);
        assert_eq!(hub.charged().await, Nano(HELLO.0 * 2));
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepaid_teams_spend_what_was_granted_and_no_more() {
    let setup = Setup {
        flags: vec!["--prepaid"],
        ..Setup::default()
    };
    let hub = spawn_with(setup).await;
    hub.account("one").await;
    let key = hub.key_with(|settings| settings.clamp = false).await;
    let refused = key.chat(&bounded()).await;
    assert_eq!(refused.code(), "insufficient_quota");
    let text = refused.text();
    assert!(
        text.contains("The balance is at http://") && text.contains("/billing, or lower max_tokens"),
        "{text}"
    );
    let grant = server::ledger::Grant {
        team_id: hub.team.team_id(),
        kind: "grant".to_owned(),
        amount: Nano(1_000_000_000),
        reason: "welcome".to_owned(),
        actor_id: Some(hub.admin.user_id),
    };
    hub.app.ledger.grant(grant).await.unwrap();
    assert_eq!(key.chat(&bounded()).await.status, 200);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_of_zero_for_a_real_answer_is_no_usage_and_is_estimated() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    hub.upstream.answer("one", Reply::chat("some words", 0, 0));
    assert_eq!(key.chat(&hello()).await.status, 200);
    hub.upstream.answer("one", Reply::stream(&["some", "words"], 0, 0));
    assert_eq!(key.chat(&hello_streamed()).await.status, 200);
    // Vectors are no text, but they were made of one.
    let vectors = json!({
        "object": "list", "model": "small", "data": [{ "object": "embedding", "index": 0, "embedding": [0.5] }],
        "usage": { "prompt_tokens": 0, "total_tokens": 0 },
    });
    hub.upstream.answer("one", Reply::json(200, &vectors));
    let body = json!({ "model": "small", "input": "some words" }).to_string();
    assert_eq!(key.send("/v1/embeddings", body).await.status, 200);
    let holds = hub.holds().await;
    assert_eq!(holds.len(), 3);
    for hold in holds {
        assert!(hold.posted > 0 && hold.posted < hold.held, "{hold:?}");
        assert!(hold.notes.contains("estimate"), "{hold:?}");
    }
    drop(key);
    hub.close().await;
}

//! Service tiers: what a request that asks for one is held for and charged, and what it is where there is no price.

use crate::harness::{HELLO, Hub, Setup, everywhere, hello, hello_streamed, spawn};
use crate::upstream::{Reply, chunk, completion_of, finish, usage};
use gateway_core::money::Nano;
use serde_json::{Value, json};
use server::catalog::{AliasSettings, NewModel, Prices, TierPrices};
use server::metering::{self, Whose};

/// A model that costs half as much in the flex tier, and twice as much in the priority tier.
async fn tiered(hub: &Hub) {
    let tier = |input: &str, output: &str| {
        Some(TierPrices {
            input: input.to_owned(),
            output: output.to_owned(),
            ..TierPrices::default()
        })
    };
    let new = NewModel {
        id: "tiered".to_owned(),
        max_output: Some(4_096),
        prices: Prices {
            input: "1".to_owned(),
            output: "2".to_owned(),
            flex: tier("0.5", "1"),
            priority: tier("2", "4"),
            ..Prices::default()
        },
        ..NewModel::default()
    };
    hub.app.catalog.add_model(&new, hub.admin.user_id).await.unwrap();
}

fn asking(tier: Option<&str>) -> Value {
    let mut body = hello();
    body["model"] = json!("tiered");
    if let Some(tier) = tier {
        body["service_tier"] = json!(tier);
    }
    body
}

fn told(tier: Option<&str>) -> Reply {
    let mut completion = completion_of("hi", Some(usage(10, 5)));
    if let Some(tier) = tier {
        completion["service_tier"] = json!(tier);
    }
    Reply::json(200, &completion)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_held_for_the_dearer_tier_and_charged_by_the_one_that_served_it() {
    for hub in everywhere(Setup::default()).await {
        hub.account("one").await;
        tiered(&hub).await;
        let key = hub.key().await;
        let (half, twice) = (HELLO.0 / 2, HELLO.0 * 2);
        for (asked, served, held, posted, recorded) in [
            (None, None, 1, HELLO.0, None),
            (Some("flex"), Some("flex"), 1, half, Some("flex")),
            (Some("flex"), Some("default"), 1, HELLO.0, None),
            (Some("flex"), None, 1, HELLO.0, None),
            (Some("priority"), Some("priority"), 2, twice, Some("priority")),
            (Some("priority"), Some("default"), 2, HELLO.0, None),
            (Some("priority"), None, 2, twice, Some("priority")),
            (Some("fast"), Some("priority"), 2, twice, Some("priority")),
            (Some("auto"), Some("priority"), 2, twice, Some("priority")),
            (Some("auto"), None, 2, HELLO.0, None),
            // Of what the account chose on its own nothing was held.
            (None, Some("priority"), 1, HELLO.0, None),
        ] {
            hub.upstream.answer("one", told(served));
            let answer = key.chat(&asking(asked)).await;
            assert_eq!(answer.status, 200, "{asked:?} {}", answer.text());
            let holds = hub.holds().await;
            let hold = holds.last().unwrap();
            let what = format!("{asked:?} served as {served:?}");
            assert_eq!(hold.posted, posted, "{what}");
            assert_eq!((hold.held, hold.overrun), (holds[0].held * held, 0), "{what}");
            let details = recorded.map(|tier| format!(r#"{{"service_tier":"{tier}"}}"#));
            assert_eq!(hold.details, details, "{what}");
            let is_noted = hold.notes.contains("was not asked for");
            assert_eq!(is_noted, asked.is_none() && served.is_some(), "{what}: {}", hold.notes);
            let request = metering::find(&hub.app.db, Whose::Everybody, hold.request_id)
                .await
                .unwrap()
                .unwrap();
            let lines = metering::papers(&hub.app.db, &request).await.unwrap().lines;
            let sum: i64 = lines.iter().map(|line| line.pusd_per_token * line.tokens as i64).sum();
            assert_eq!(sum, posted * 1_000, "{what}");
            assert_eq!(request.usage().tier.as_str(), recorded.unwrap_or("standard"), "{what}");
        }
        let sent = hub.upstream.arrived("one");
        assert_eq!(sent[1].json()["service_tier"], "flex");
        drop(key);
        // The books are recomputed from the rows.
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_its_tier_and_the_cost_in_it_is_by_that() {
    let hub = spawn().await;
    hub.account("one").await;
    tiered(&hub).await;
    let key = hub.key().await;
    let half = HELLO.0 / 2;

    let mut streamed = hello_streamed();
    streamed["model"] = json!("tiered");
    streamed["service_tier"] = json!("flex");
    streamed["usage"] = json!({ "include": true });
    let with_tier = |data: String| {
        let mut data: Value = serde_json::from_str(&data).unwrap();
        data["service_tier"] = json!("flex");
        data.to_string()
    };
    let last = with_tier(chunk(&json!([]), &usage(10, 5)));
    let first = with_tier(chunk(
        &json!([{ "index": 0, "delta": { "content": "hi" } }]),
        &Value::Null,
    ));
    let events = [first, with_tier(finish()), last, "[DONE]".to_owned()];
    hub.upstream.answer("one", Reply::events(&events));
    let answer = key.chat(&streamed).await;
    let shown = answer.text();
    assert!(shown.contains(r#""cost":0.00001"#), "{shown}");
    assert_eq!(hub.holds().await.last().unwrap().posted, half);

    drop(key);
    hub.close().await;
}

/// A reply of `dialect` that was served in the flex tier.
fn flex(dialect: &str) -> Value {
    match dialect {
        "responses" => json!({ "id": "resp_1", "object": "response", "status": "completed", "model": "tiered",
            "output": [{ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "hi" }] }],
            "usage": { "input_tokens": 10, "output_tokens": 5, "total_tokens": 15 }, "service_tier": "flex" }),
        _ => {
            json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": "hi" }] }, "finishReason": "STOP" }],
            "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15, "serviceTier": "flex" },
            "modelVersion": "tiered" })
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_dialect_tells_its_tier_to_its_own_clients_and_to_others() {
    for (dialect, path, body) in [
        (
            "responses",
            "/v1/responses",
            json!({ "model": "tiered", "input": "hi", "service_tier": "flex" }),
        ),
        (
            "generate",
            "/v1beta/models/tiered:generateContent",
            json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }], "serviceTier": "SERVICE_TIER_FLEX" }),
        ),
    ] {
        let hub = spawn().await;
        hub.account_with("one", |new| new.dialect = Some(dialect.to_owned()))
            .await;
        tiered(&hub).await;
        let key = hub.key().await;
        hub.upstream.answer("one", Reply::json(200, &flex(dialect)));
        for (path, body) in [(path, body), ("/v1/chat/completions", asking(Some("flex")))] {
            let answer = key.send(path, body.to_string()).await;
            assert_eq!(answer.status, 200, "{dialect} {path}: {}", answer.text());
            let posted = hub.holds().await.last().unwrap().posted;
            assert_eq!(posted, HELLO.0 / 2, "{dialect} {path}");
        }
        let sent = hub.upstream.arrived("one").pop().unwrap().json();
        let named = sent.get("service_tier").or_else(|| sent.get("serviceTier"));
        assert_eq!(named, Some(&json!("flex")), "{sent}");
        // Vertex AI tells of it by the kind of traffic.
        if dialect == "generate" {
            let mut reply = flex(dialect);
            reply["usageMetadata"]["serviceTier"] = Value::Null;
            reply["usageMetadata"]["trafficType"] = json!("ON_DEMAND");
            hub.upstream.answer("one", Reply::json(200, &reply));
            assert_eq!(key.chat(&asking(Some("priority"))).await.status, 200);
            assert_eq!(hub.holds().await.last().unwrap().posted, HELLO.0);
        }
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tier_without_a_price_is_refused_by_name_and_an_alias_asks_whoever_has_one() {
    let hub = spawn().await;
    hub.account("one").await;
    tiered(&hub).await;
    let key = hub.key().await;
    for tier in ["flex", "priority", "scale"] {
        let mut body = asking(Some(tier));
        body["model"] = json!("small");
        let answer = key.chat(&body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "unsupported_parameter"),
            "{tier}"
        );
        assert_eq!(answer.json()["error"]["param"], "service_tier", "{tier}");
    }
    assert!(hub.upstream.arrived("one").is_empty());
    assert_eq!(hub.charged().await, Nano(0));
    let settings = AliasSettings {
        targets: vec!["small".to_owned(), "tiered".to_owned()],
        ..AliasSettings::default()
    };
    let actor = hub.admin.user_id;
    hub.app
        .catalog
        .add_alias(None, "either", settings, actor)
        .await
        .unwrap();
    hub.upstream.answer("one", told(Some("flex")));
    let mut body = asking(Some("flex"));
    body["model"] = json!("either");
    assert_eq!(key.chat(&body).await.status, 200);
    assert_eq!(hub.charged().await, Nano(HELLO.0 / 2));
    drop(key);
    hub.close().await;
}

//! Rerank: Cohere's and Jina's way of asking, charged by search or by token.

use crate::harness::{Hub, spawn};
use crate::upstream::Reply;
use gateway_core::money::Nano;
use serde_json::{Value, json};
use server::catalog::{NewModel, Prices};

fn asking(model: &str, documents: usize) -> Value {
    json!({ "model": model, "query": "capital", "documents": vec!["Oslo"; documents], "top_n": 1 })
}

async fn by_search(hub: &Hub) {
    let new = NewModel {
        id: "order".to_owned(),
        prices: Prices {
            input: "0".to_owned(),
            output: "0".to_owned(),
            search: Some("0.002".to_owned()),
            ..Prices::default()
        },
        ..NewModel::default()
    };
    hub.app.catalog.add_model(&new, hub.admin.user_id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_are_charged_as_they_are_told_or_by_the_hundred_documents() {
    let hub = spawn().await;
    by_search(&hub).await;
    hub.account_with("cohere", |new| {
        new.provider = "cohere".to_owned();
        new.base_url = Some(hub.upstream.base_url("cohere").replace("/v1", "/compatibility/v1"));
    })
    .await;
    let key = hub.key().await;
    let order = json!([{ "index": 0, "relevance_score": 0.98 }]);
    let told = json!({ "results": order, "id": "1", "meta": { "billed_units": { "search_units": 3 } } });
    hub.upstream.answer("cohere", Reply::json(200, &told));
    let answer = key.send("/v1/rerank", asking("order", 201).to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, told));
    let arrived = hub.upstream.arrived("cohere").pop().unwrap();
    assert_eq!(
        (arrived.path.as_str(), arrived.json()),
        ("/cohere/v2/rerank", asking("order", 201))
    );
    assert_eq!(hub.charged().await, Nano(3 * 2_000_000));
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!(
        (hold.details.as_deref(), hold.operation.as_str()),
        (Some(r#"{"searches":3}"#), "rerank")
    );
    assert!(hold.held >= hold.posted);

    hub.upstream
        .answer("cohere", Reply::json(200, &json!({ "results": order })));
    let before = hub.charged().await;
    assert_eq!(
        key.send("/v1/rerank", asking("order", 101).to_string()).await.status,
        200
    );
    assert_eq!(hub.charged().await.0 - before.0, 2 * 2_000_000, "two hundreds begun");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_charged_as_they_are_told_and_another_account_takes_over() {
    let hub = spawn().await;
    hub.account_with("a", |new| new.standing.priority = 0).await;
    hub.account_with("b", |new| new.standing.priority = 1).await;
    hub.upstream.answer("a", Reply::error(429, "rate_limit_exceeded"));
    let told = json!({ "model": "small", "results": [{ "index": 0, "relevance_score": 0.98, "document": { "text": "Oslo" } }],
        "usage": { "total_tokens": 25 } });
    hub.upstream.answer("b", Reply::json(200, &told));
    let key = hub.key().await;
    let answer = key.send("/v1/rerank", asking("small", 2).to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, told));
    assert_eq!(answer.header("x-ourhub-attempts"), Some("2"));
    assert_eq!(hub.charged().await, Nano(25 * 1_000));
    for (body, code) in [
        (json!({ "model": "small", "documents": ["x"] }), "missing_field"),
        (json!({ "model": "small", "query": "x" }), "missing_field"),
        (
            json!({ "model": "small", "query": "x", "documents": [] }),
            "invalid_type",
        ),
        (
            json!({ "model": "small", "query": "x", "documents": [{ "image": "https://x" }] }),
            "invalid_type",
        ),
        (
            json!({ "model": "small", "query": "x", "documents": ["x"], "Query": "y" }),
            "duplicate_field",
        ),
        (asking("embed-v4.0", 1), "unsupported_operation"),
    ] {
        let answer = key.send("/v1/rerank", body.to_string()).await;
        assert_eq!((answer.status, answer.code()), (400, code.to_owned()), "{body}");
    }
    drop(key);
    hub.close().await;
}

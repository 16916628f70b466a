//! Whoever asks for a cost finds it in the usage, and every other byte as the upstream sent it.

use crate::harness::{Answer, Hub, Key, hello, hello_streamed, spawn};
use crate::upstream::{Reply, completion_of, delta, event, finish, usage, usage_chunk};
use serde_json::{Value, json};

/// The charge of 10 tokens in and 5 out.
const COST: &str = "0.00002";

async fn ask_by_header(key: &Key<'_>, path: &str, body: &Value) -> Answer {
    let request = key.post(path, body.to_string()).header("x-ourhub-include-cost", "true");
    Answer::read(request.send().await.unwrap()).await
}

fn asking(mut body: Value) -> Value {
    body["usage"] = json!({ "include": true });
    body
}

fn last_request(hub: &Hub) -> String {
    hub.upstream.arrived("one").pop().unwrap().text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_answer_says_its_cost_to_those_who_ask() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let written = format!(" {}\n", completion_of("hi", Some(usage(10, 5))));
    let counts = usage(10, 5).to_string();
    let priced = counts.replace('}', &format!(r#","cost":{COST}}}"#));
    let expected = written.replace(&counts, &priced);
    assert_ne!(expected, written);
    hub.upstream
        .answer("one", Reply::body(200, "application/json", written.as_bytes()));

    assert_eq!(key.chat(&hello()).await.text(), written, "nobody asked");
    let by_header = ask_by_header(&key, "/v1/chat/completions", &hello()).await;
    assert_eq!(by_header.text(), expected);
    assert_eq!(by_header.header("x-ourhub-cost-usd"), Some(COST));
    assert_eq!(last_request(&hub), hello().to_string());
    assert_eq!(key.chat(&asking(hello())).await.text(), expected);
    let sent: Value = serde_json::from_str(&last_request(&hub)).unwrap();
    assert_eq!(sent, hello(), "the field is ours");
    let mut declined = hello();
    declined["usage"] = json!({ "include": false });
    assert_eq!(key.chat(&declined).await.text(), written);

    // Nothing to put it in.
    let bare = completion_of("hi", None).to_string();
    hub.upstream
        .answer("one", Reply::body(200, "application/json", bare.as_bytes()));
    let answer = key.chat(&asking(hello())).await;
    assert_eq!(answer.text(), bare);
    assert!(answer.header("x-ourhub-cost-usd").is_some());
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_says_its_cost_in_the_usage_chunk() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let words = [
        delta("hel"),
        delta("lo"),
        finish(),
        usage_chunk(10, 5),
        "[DONE]".to_owned(),
    ];
    let counts = usage(10, 5).to_string();
    let priced = counts.replace('}', &format!(r#","cost":{COST}}}"#));
    let stream: String = words.iter().map(|data| event(data)).collect();
    let expected = stream.replace(&counts, &priced);
    assert_ne!(expected, stream);
    let mut with_usage = hello_streamed();
    with_usage["stream_options"] = json!({ "include_usage": true });

    for size in [1, 7, 100_000] {
        hub.upstream.answer("one", Reply::events(&words).split_every(size));
        for body in [hello_streamed(), with_usage.clone()] {
            let by_header = ask_by_header(&key, "/v1/chat/completions", &body).await;
            assert_eq!(by_header.text(), expected, "pieces of {size}");
            assert_eq!(key.chat(&asking(body)).await.text(), expected);
            let sent: Value = serde_json::from_str(&last_request(&hub)).unwrap();
            assert_eq!(sent, with_usage);
        }
        assert_eq!(key.chat(&with_usage).await.text(), stream, "nobody asked");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_say_their_cost_too() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let body = json!({ "model": "small", "input": ["a", "b"] });
    for answer in [
        ask_by_header(&key, "/v1/embeddings", &body).await,
        key.send("/v1/embeddings", asking(body.clone()).to_string()).await,
    ] {
        assert!(answer.text().contains(r#""cost":0.00001}"#), "{answer:?}");
        let sent: Value = serde_json::from_str(&last_request(&hub)).unwrap();
        assert_eq!(sent, body);
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_itself_costs_stays_ours() {
    let hub = spawn().await;
    hub.account_with("one", |new| new.provider = "openrouter".to_owned())
        .await;
    let key = hub.key().await;
    let mut counts = usage(10, 5);
    counts["cost"] = json!(0.75);
    counts["cost_details"] = json!({ "upstream_inference_cost": 0.75 });
    counts["is_byok"] = json!(false);
    let last = json!({ "id": "1", "choices": [], "usage": counts }).to_string();
    let with_text = json!({
        "id": "1", "choices": [{ "index": 0, "delta": { "content": "hi" }, "finish_reason": "stop" }], "usage": counts,
    });
    let whole = Reply::json(200, &completion_of("hi", Some(counts)));
    let streams = [
        Reply::events(&[delta("hi"), finish(), last, "[DONE]".to_owned()]),
        Reply::events(&[with_text.to_string(), "[DONE]".to_owned()]),
    ];
    for reply in streams.into_iter().chain([whole]) {
        let is_whole = !reply.is_events();
        hub.upstream.answer("one", reply.split_every(7));
        let ask = || if is_whole { hello() } else { hello_streamed() };
        let mut with_usage = ask();
        if !is_whole {
            with_usage["stream_options"] = json!({ "include_usage": true });
        }
        let asked = key.chat(&asking(ask())).await;
        assert!(asked.text().contains(&format!(r#""cost":{COST}"#)), "{asked:?}");
        let sent: Value = serde_json::from_str(&last_request(&hub)).unwrap();
        assert_eq!(sent, asking(with_usage.clone()), "it knows the field");
        for answer in [asked, key.chat(&ask()).await, key.chat(&with_usage).await] {
            let text = answer.text();
            assert!(!text.contains("0.75") && !text.contains("byok"), "{text}");
            assert!(text.contains("hi"), "{text}");
        }
        let unasked = key.chat(&with_usage).await.text();
        assert!(
            unasked.contains(r#""total_tokens":15"#) && !unasked.contains("cost"),
            "{unasked}"
        );
    }
    drop(key);
    hub.close().await;
}

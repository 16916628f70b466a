//! What the client sent reaches the upstream, and what the upstream answered reaches the client, byte for byte.

use crate::harness::{HELLO, hello, hello_streamed, spawn};
use crate::upstream::{Reply, completion_of, delta, event, finish, usage, usage_chunk};
use gateway_core::id::{Kind, render};
use serde_json::json;
use server::accounts::{Models, Served};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_passes_byte_for_byte_and_unknown_fields_survive_both_ways() {
    let hub = spawn().await;
    let account = hub.account("one").await;
    let key = hub.key().await;
    let mut body = completion_of("hi", Some(usage(10, 5)));
    body["x_new"] = json!({ "a": [1, 2.50, null] });
    let written = format!(" {}\n", body);
    hub.upstream.answer(
        "one",
        Reply::body(200, "application/json; charset=utf-8", written.as_bytes()),
    );
    let asked = r#"{ "model":"small",  "messages":[{"role":"user","content":"hi \u00e9 é"}], "x_unknown":{"b":1.50}, "seed" : 7 }"#;

    let answer = key.send("/v1/chat/completions", asked).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), written);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let arrived = &hub.upstream.arrived("one")[0];
    assert_eq!(arrived.text(), asked);
    assert_eq!(arrived.path, "/one/v1/chat/completions");
    assert_eq!(arrived.header("authorization"), Some("Bearer sk-up-one"));
    for (name, _) in &arrived.headers {
        let sent = ["host", "authorization", "content-type", "content-length", "accept"];
        assert!(sent.contains(&name.as_str()), "{name} was sent upstream");
    }
    let holds = hub.holds().await;
    assert_eq!((holds.len(), holds[0].posted), (1, HELLO.0));
    assert_eq!(holds[0].id, answer.request_id());
    assert!(holds[0].attempts.contains(&account.to_string()));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_carry_the_headers_that_say_what_happened() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub
        .key_with(|settings| {
            settings.rates.rpm = Some(60);
            settings.rates.tpm = Some(100_000);
        })
        .await;

    let answer = key.chat(&hello()).await;
    let streamed = key.chat(&hello_streamed()).await;

    assert_eq!(answer.header("x-ourhub-attempts"), Some("1"));
    assert_eq!(answer.header("x-ourhub-model"), Some("small-2026-01-01"));
    assert_eq!(answer.header("x-ourhub-cost-usd"), Some("0.00002"));
    assert_eq!(answer.header("x-ourhub-notes"), None);
    assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("60"));
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("59"));
    assert_eq!(answer.header("x-ratelimit-limit-tokens"), Some("100000"));
    assert!(answer.header("x-ratelimit-reset-requests").unwrap().ends_with("ms"));
    assert_eq!(streamed.header("x-ourhub-attempts"), Some("1"));
    assert_eq!(streamed.header("x-ourhub-model"), Some("small-2026-01-01"));
    assert_eq!(streamed.header("x-ourhub-cost-usd"), None);
    assert_eq!(streamed.header("x-ratelimit-remaining-requests"), Some("58"));
    assert!(
        streamed
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    let ids: Vec<i64> = hub.holds().await.iter().map(|hold| hold.id).collect();
    assert_eq!(ids, [answer.request_id(), streamed.request_id()]);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_stay_on_their_side() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let told = |reply: Reply| {
        reply
            .header("set-cookie", "session=upstream")
            .header("x-request-id", "req_upstream")
            .header("server", "upstream/1.0")
            .header("openai-organization", "org-upstream")
            .header("x-ratelimit-remaining-requests", "7")
    };
    for (reply, body) in [
        (Reply::chat("hello", 10, 5), hello()),
        (Reply::stream(&["hello"], 10, 5), hello_streamed()),
        (Reply::error(400, "bad_value"), hello()),
    ] {
        hub.upstream.answer("one", told(reply));
        let request = key
            .post("/v1/chat/completions", body.to_string())
            .header("cookie", "session=client")
            .header("x-forwarded-for", "192.0.2.7")
            .header("user-agent", "client/1.0")
            .header("openai-organization", "org-client")
            .header("x-ourhub-include-cost", "false");
        let answer = crate::harness::Answer::read(request.send().await.unwrap()).await;
        for (name, value) in &answer.headers {
            let value = value.to_str().unwrap();
            assert!(!value.contains("upstream"), "{name}: {value}");
        }
        for name in ["set-cookie", "server", "x-ratelimit-remaining-requests"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        assert!(answer.header("x-request-id").unwrap().starts_with("req_"));
        let arrived = hub.upstream.arrived("one").pop().unwrap();
        assert_eq!(arrived.header("authorization"), Some("Bearer sk-up-one"));
        for (name, value) in &arrived.headers {
            let sent = ["host", "authorization", "content-type", "content-length", "accept"];
            assert!(sent.contains(&name.as_str()), "{name} was sent upstream");
            assert!(!value.contains(&key.text) && !value.contains("client"), "{name}");
        }
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_passes_event_for_event_however_the_network_cuts_it() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let words = [delta("h\u{e9}l"), delta("lo"), finish(), "[DONE]".to_owned()];
    let expected: String = words.iter().map(|data| event(data)).collect();
    let mut with_usage = words.to_vec();
    with_usage.insert(3, usage_chunk(10, 5));

    for size in [1, 7, 64, 100_000] {
        hub.upstream.answer("one", Reply::events(&with_usage).split_every(size));
        let answer = key.chat(&hello_streamed()).await;
        assert_eq!(answer.text(), expected, "pieces of {size}");
        assert!(hub.upstream.arrived("one").last().unwrap().json()["stream_options"]["include_usage"] == true);
    }

    let mut asked = hello_streamed();
    asked["stream_options"] = json!({ "include_usage": true });
    let answer = key.chat(&asked).await;
    assert_eq!(answer.events(), with_usage);
    let holds = hub.holds().await;
    assert!(
        holds
            .iter()
            .all(|hold| hold.posted == HELLO.0 && hold.is_stream && hold.ttft_ms.is_some())
    );
    assert_eq!(holds.len(), 5);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_sent_its_key_in_the_header_it_wants() {
    let hub = spawn().await;
    let account = hub
        .account_with("one", |new| new.auth_scheme = Some("api-key".to_owned()))
        .await;
    let key = hub.key().await;
    for body in [hello(), hello_streamed()] {
        assert_eq!(key.chat(&body).await.status, 200);
    }
    hub.app.fleet.test(account).await.unwrap();
    let arrived = hub.upstream.arrived("one");
    assert_eq!(arrived.len(), 3);
    for request in arrived {
        assert_eq!(request.header("api-key"), Some("sk-up-one"), "{}", request.path);
        assert_eq!(request.header("authorization"), None, "{}", request.path);
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_asked_for_the_model_by_the_name_it_knows() {
    let hub = spawn().await;
    hub.account_with("one", |new| {
        new.models = Models::Named(vec![Served {
            model: "small".to_owned(),
            upstream_model: Some("vendor/small-v2".to_owned()),
        }]);
    })
    .await;
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.status, 200);
    assert_eq!(hub.upstream.arrived("one")[0].json()["model"], "vendor/small-v2");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embeddings_are_charged_for_their_input() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let answer = key
        .send(
            "/v1/embeddings",
            r#"{"model":"small","input":["a","b"],"dimensions":2}"#,
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["data"][0]["embedding"], json!([0.25, -0.5]));
    assert_eq!(hub.upstream.arrived("one")[0].path, "/one/v1/embeddings");
    assert_eq!(hub.charged().await.0, 10_000);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sees_the_models_it_may_use_with_their_prices() {
    let hub = spawn().await;
    hub.account_with("one", |new| {
        let served = |model: &str| Served {
            model: model.to_owned(),
            upstream_model: None,
        };
        new.models = Models::Named(vec![served("small"), served("meta/tiny:free"), served("unpriced")]);
    })
    .await;
    hub.model("meta/tiny:free", "0", "0").await;
    hub.model("unserved", "1", "1").await;
    let key = hub.key().await;
    let narrow = hub
        .key_with(|settings| settings.models = vec!["meta/*".to_owned()])
        .await;

    let ids = |list: &serde_json::Value| -> Vec<String> {
        let data = list["data"].as_array().unwrap().iter();
        data.map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let list = key.get("/v1/models").await.json();
    assert_eq!(list["object"], "list");
    assert_eq!(ids(&list), ["meta/tiny:free", "small"]);
    assert_eq!(ids(&narrow.get("/v1/models").await.json()), ["meta/tiny:free"]);
    let small = key.get("/v1/models/small").await.json();
    assert_eq!(small["object"], "model");
    assert_eq!(small["prices_usd_per_million_tokens"]["input"], "1.00");
    assert_eq!(
        key.get("/v1/models/meta/tiny:free").await.json()["id"],
        "meta/tiny:free"
    );
    for unknown in ["unserved", "nothing", "unpriced"] {
        let answer = key.get(&format!("/v1/models/{unknown}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "model_not_found"));
    }
    assert_eq!(narrow.get("/v1/models/small").await.status, 404);
    drop((key, narrow));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_told_what_it_has_left() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub
        .key_with(|settings| {
            settings.caps.day = Some(gateway_core::money::Nano(1_000_000_000));
            settings.rates.rpm = Some(60);
            settings.rates.max_in_flight = Some(4);
        })
        .await;
    assert_eq!(key.chat(&hello()).await.status, 200);
    hub.quiet().await;
    let told = key.get("/v1/key").await.json();
    assert_eq!(told["id"], render(Kind::Key, key.id));
    let caps = told["caps"].as_array().unwrap();
    let day = caps
        .iter()
        .find(|cap| cap["scope"] == "key" && cap["period"] == "day")
        .unwrap();
    assert_eq!(day["cap"], "1.00");
    assert_eq!(day["spent"], "0.00002");
    assert_eq!(day["held"], "0.00");
    assert_eq!(day["left"], "0.99998");
    assert!(day["resets_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(told["limits"]["requests_per_minute"]["remaining"], 59);
    assert_eq!(told["limits"]["in_flight"], 0);
    assert!(!told.to_string().contains(&key.text[12..]));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_paths_and_methods_are_refused_in_the_clients_dialect() {
    let hub = spawn().await;
    let key = hub.key().await;
    for (method, path, status) in [
        ("GET", "/v1", 404),
        ("GET", "/v1/", 404),
        ("POST", "/v1/nothing", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("POST", "/v1//chat/completions", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/embeddings", 405),
        ("POST", "/v1/models", 405),
        ("PUT", "/v1/models/small", 405),
        ("POST", "/v1/key", 405),
    ] {
        let request = hub
            .client
            .request(method.parse().unwrap(), hub.url(path))
            .bearer_auth(&key.text);
        let answer = crate::harness::Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error", "{method} {path}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert!(answer.header("x-request-id").is_some());
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}");
    }
    drop(key);
    hub.close().await;
}

//! A client of any dialect is answered by an upstream of any other, and told what goes wrong in its own.

use crate::harness::{Answer, HELLO, Hub, Setup, hello, spawn, spawn_with};
use crate::spoken::{ARGUMENTS, SPOKEN, count_of_responses, heard, question, reply};
use crate::upstream::Reply;
use gateway_core::dialect::Dialect;
use serde_json::{Value, json};
use server::accounts::{Models, Served, Standing};
use server::catalog::{NewModel, Prices};
use std::time::Duration;

/// An account that speaks `dialect` alone and is asked after those of lower `priority`.
async fn account(hub: &Hub, name: &str, dialect: Dialect, priority: i32) -> i64 {
    hub.upstream.behave(name, reply);
    hub.account_with(name, |new| {
        new.dialect = Some(dialect.as_str().to_owned());
        new.standing = Standing {
            priority,
            ..Standing::default()
        };
    })
    .await
}

/// The path at which `dialect` is asked for an answer.
fn path(dialect: Dialect, is_streamed: bool) -> &'static str {
    match (dialect, is_streamed) {
        (Dialect::Responses, _) => "/responses",
        (Dialect::Messages, _) => "/messages",
        (Dialect::Generate, false) => "/models/small:generateContent",
        (Dialect::Generate, true) => "/models/small:streamGenerateContent?alt=sse",
        _ => "/chat/completions",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_calls_and_usage_pass_between_any_two_dialects_whole_and_streamed() {
    for upstream in SPOKEN {
        let hub = spawn().await;
        account(&hub, "one", upstream, 0).await;
        let key = hub.key().await;
        let mut asked = 0;
        for client in SPOKEN {
            for is_streamed in [false, true] {
                let name = format!("{client:?} to {upstream:?}, streamed: {is_streamed}");
                let (to, body) = question(client, "small", is_streamed);
                let answer = key.send(&to, body.to_string()).await;
                assert_eq!(answer.status, 200, "{name}: {}", answer.text());
                let (text, calls) = heard(client, &answer, is_streamed);
                let call = ("look_up".to_owned(), serde_json::from_str::<Value>(ARGUMENTS).unwrap());
                assert_eq!(
                    (text.as_str(), calls),
                    ("hello", vec![call]),
                    "{name}: {}",
                    answer.text()
                );
                let arrived = hub.upstream.arrived("one").pop().unwrap();
                assert_eq!(
                    arrived.path,
                    format!("/one/v1{}", path(upstream, is_streamed)),
                    "{name}"
                );
                assert!(
                    arrived.text().contains("hi") && arrived.text().contains("look_up"),
                    "{name}"
                );
                assert!(
                    !arrived.headers.iter().any(|(_, value)| value.contains(&key.text)),
                    "{name}"
                );
                asked += 1;
                let holds = hub.holds().await;
                assert_eq!(holds.len(), asked, "{name}");
                let hold = holds.last().unwrap();
                assert_eq!((hold.posted, hold.state), (HELLO.0, 1), "{name}");
                assert_eq!(hold.id, answer.request_id(), "{name}");
                let id = answer.header("request-id");
                assert_eq!(id.is_some(), client == Dialect::Messages, "{name}");
            }
        }
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_of_another_dialect_takes_over() {
    let hub = spawn().await;
    account(&hub, "first", Dialect::Messages, 0).await;
    account(&hub, "second", Dialect::Chat, 1).await;
    let overloaded = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    hub.upstream.answer("first", Reply::json(529, &overloaded));
    let key = hub.key().await;
    for client in SPOKEN {
        let (to, body) = question(client, "small", true);
        let answer = key.send(&to, body.to_string()).await;
        assert_eq!(answer.status, 200, "{client:?}: {}", answer.text());
        assert_eq!(heard(client, &answer, true).0, "hello", "{client:?}");
    }
    let of_messages = hub.upstream.arrived("first");
    assert!(of_messages.iter().all(|call| call.path == "/first/v1/messages"));
    assert!(!of_messages.is_empty());
    assert_eq!(hub.upstream.arrived("second").len(), SPOKEN.len());
    assert_eq!(hub.charged().await.0, HELLO.0 * 4);
    drop(key);
    hub.close().await;
}

/// The code, type or status word of an error in `dialect`.
fn word(dialect: Dialect, body: &Value) -> String {
    let word = match dialect {
        Dialect::Messages => {
            assert_eq!(body["type"], "error", "{body}");
            assert!(body["request_id"].as_str().unwrap().starts_with("req_"), "{body}");
            &body["error"]["type"]
        }
        Dialect::Generate => {
            assert!(body["error"]["code"].is_number(), "{body}");
            &body["error"]["status"]
        }
        _ => &body["error"]["type"],
    };
    word.as_str()
        .unwrap_or_else(|| panic!("{dialect:?}: {body}"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_told_in_the_callers_dialect() {
    let hub = spawn().await;
    let key = hub.key().await;
    let poor = hub
        .key_with(|settings| (settings.caps.day, settings.clamp) = (Some(gateway_core::money::Nano(1)), false))
        .await;
    for (dialect, key_word, model_word, busy) in [
        (
            Dialect::Chat,
            "invalid_request_error",
            "invalid_request_error",
            (503, "api_error"),
        ),
        (
            Dialect::Responses,
            "invalid_request_error",
            "invalid_request_error",
            (503, "api_error"),
        ),
        (
            Dialect::Messages,
            "authentication_error",
            "not_found_error",
            (529, "overloaded_error"),
        ),
        (Dialect::Generate, "UNAUTHENTICATED", "NOT_FOUND", (503, "UNAVAILABLE")),
    ] {
        let (to, body) = question(dialect, "small", false);
        let nobody = hub
            .client
            .post(hub.url(&to))
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let nobody = Answer::read(nobody).await;
        assert_eq!(
            (nobody.status, word(dialect, &nobody.json()).as_str()),
            (401, key_word),
            "{dialect:?}"
        );
        let (unknown, body) = question(dialect, "nothing-of-the-kind", false);
        let unknown = key.send(&unknown, body.to_string()).await;
        assert_eq!(
            (unknown.status, word(dialect, &unknown.json()).as_str()),
            (404, model_word),
            "{dialect:?}"
        );
        let (to, body) = question(dialect, "small", false);
        let unserved = key.send(&to, body.to_string()).await;
        assert_eq!(
            (unserved.status, word(dialect, &unserved.json()).as_str()),
            busy,
            "{dialect:?}"
        );
        assert_eq!(unserved.header("x-should-retry"), Some("false"), "{dialect:?}");
    }
    account(&hub, "one", Dialect::Chat, 0).await;
    for (dialect, money) in [
        (Dialect::Chat, (429, "insufficient_quota")),
        (Dialect::Responses, (429, "insufficient_quota")),
        (Dialect::Messages, (402, "billing_error")),
        (Dialect::Generate, (429, "RESOURCE_EXHAUSTED")),
    ] {
        let (to, body) = question(dialect, "small", false);
        let broke = poor.send(&to, body.to_string()).await;
        assert_eq!(
            (broke.status, word(dialect, &broke.json()).as_str()),
            money,
            "{dialect:?}"
        );
        assert_eq!(broke.header("x-should-retry"), Some("false"), "{dialect:?}");
    }
    for (path, dialect) in [
        ("/v1beta/nothing", Dialect::Generate),
        ("/v1beta/models/small:tuneModel", Dialect::Generate),
        ("/v1/messages/batches", Dialect::Messages),
        ("/v1/responses/resp_1/cancel", Dialect::Responses),
        ("/v1/nothing", Dialect::Chat),
    ] {
        let answer = key.send(path, "{}").await;
        assert_eq!(answer.status, 404, "{path}");
        word(dialect, &answer.json());
    }
    drop((key, poor));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_off_says_so_in_the_callers_dialect() {
    let hub = spawn().await;
    account(&hub, "one", Dialect::Chat, 0).await;
    let chunk = crate::upstream::delta("hel");
    hub.upstream
        .answer("one", Reply::events(&[chunk.as_str(), chunk.as_str()]).cut_after(1));
    let key = hub.key().await;
    for client in SPOKEN {
        let (to, body) = question(client, "small", true);
        let answer = key.send(&to, body.to_string()).await;
        assert_eq!(answer.status, 200, "{client:?}");
        let text = answer.text();
        let last = text
            .split("\n\n")
            .filter(|event| !event.trim().is_empty())
            .last()
            .unwrap();
        let data = last.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        match client {
            Dialect::Responses => assert_eq!(data["type"], "error", "{last}"),
            _ => drop(word(client, &data)),
        }
        let is_named = matches!(client, Dialect::Messages | Dialect::Responses);
        assert_eq!(last.starts_with("event: error\n"), is_named, "{last}");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_dialect_takes_a_key_where_its_sdks_put_it() {
    let hub = spawn().await;
    account(&hub, "one", Dialect::Chat, 0).await;
    let key = hub.key().await;
    for (dialect, place) in [
        (Dialect::Chat, "api-key"),
        (Dialect::Responses, "api-key"),
        (Dialect::Messages, "x-api-key"),
        (Dialect::Generate, "x-goog-api-key"),
    ] {
        let (to, body) = question(dialect, "small", false);
        let sent = hub
            .client
            .post(hub.url(&to))
            .header(place, &key.text)
            .body(body.to_string());
        let answer = Answer::read(sent.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{place}: {}", answer.text());
    }
    let (to, body) = question(Dialect::Generate, "small", true);
    let url = hub.url(&format!("{to}&key={}", key.text));
    let answer = Answer::read(hub.client.post(url).body(body.to_string()).send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for call in hub.upstream.arrived("one") {
        let said = format!("{} {:?} {}", call.path, call.headers, call.text());
        assert!(!said.contains(&key.text), "{said}");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_listed_in_the_shape_of_who_asks() {
    let hub = spawn().await;
    account(&hub, "one", Dialect::Chat, 0).await;
    hub.model("maker/large", "1", "2").await;
    let key = hub
        .key_with(|settings| settings.models = vec!["small".to_owned(), "maker/large".to_owned()])
        .await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        let mut request = hub.client.get(hub.url(path)).bearer_auth(&key.text);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.send().await.unwrap()).await.json()
    };
    let openai = get("/v1/models?limit=1", &[]).await;
    assert_eq!(
        (&openai["object"], openai["data"].as_array().unwrap().len()),
        (&json!("list"), 2)
    );
    let anthropic = get("/v1/models?limit=1000", &[("anthropic-version", "2023-06-01")]).await;
    assert_eq!(anthropic["has_more"], false);
    assert_eq!(anthropic["last_id"], "small");
    assert_eq!(anthropic["data"][1]["type"], "model");
    for google in [
        get("/v1beta/models?pageSize=5", &[]).await,
        get("/v1/models", &[("x-goog-api-key", key.text.as_str())]).await,
    ] {
        assert_eq!(google["models"][1]["name"], "models/small");
        assert_eq!(google["models"][1]["outputTokenLimit"], 4_096);
    }
    assert_eq!(get("/v1/models/maker/large", &[]).await["id"], "maker/large");
    let one = get("/v1/models/maker/large", &[("anthropic-version", "2023-06-01")]).await;
    assert_eq!(one["id"], "maker/large");
    assert_eq!(
        get("/v1beta/models/maker/large", &[]).await["name"],
        "models/maker/large"
    );
    let (_, body) = question(Dialect::Generate, "", false);
    let called = key
        .send("/v1beta/models/maker/large:generateContent", body.to_string())
        .await;
    assert_eq!(called.status, 200, "{}", called.text());
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_counted_by_who_can_or_estimated_and_cost_nothing() {
    let hub = spawn().await;
    let first = account(&hub, "chat", Dialect::Chat, 0).await;
    let key = hub.key().await;
    let (_, messages) = question(Dialect::Messages, "small", false);
    let (_, generate) = question(Dialect::Generate, "small", false);
    let count = async |path: &str, body: &Value| key.send(path, body.to_string()).await;
    let guess = count("/v1/messages/count_tokens", &messages).await;
    assert_eq!(guess.status, 200, "{}", guess.text());
    assert!(guess.json()["input_tokens"].as_u64().unwrap() > 0);
    assert!(guess.header("x-ourhub-notes").unwrap().contains("estimate"));
    let (_, responses) = question(Dialect::Responses, "small", false);
    let guess = count("/v1/responses/input_tokens", &responses).await;
    assert_eq!(guess.json()["object"], "response.input_tokens", "{}", guess.text());
    assert!(guess.json()["input_tokens"].as_u64().unwrap() > 0);
    let guess = count("/v1beta/models/small:countTokens", &generate).await;
    assert!(guess.json()["totalTokens"].as_u64().unwrap() > 0, "{}", guess.text());
    assert_eq!(hub.upstream.arrived_anywhere().len(), 0);
    account(&hub, "claude", Dialect::Messages, 0).await;
    account(&hub, "gemini", Dialect::Generate, 0).await;
    account(&hub, "gpt", Dialect::Responses, 0).await;
    let counted = count("/v1/responses/input_tokens", &responses).await;
    assert_eq!(counted.json(), count_of_responses(), "{}", counted.text());
    assert_eq!(counted.header("x-ourhub-notes"), None);
    let counted = count("/v1/messages/count_tokens", &messages).await;
    assert_eq!(counted.json(), json!({ "input_tokens": 77 }), "{}", counted.text());
    let counted = count("/v1beta/models/small:countTokens", &generate).await;
    assert_eq!(counted.json(), json!({ "totalTokens": 78 }), "{}", counted.text());
    assert_eq!(hub.charged().await.0, 0);
    assert_ne!(first, 0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistral_is_sent_no_options_of_streams_which_it_refuses() {
    let hub = spawn().await;
    hub.upstream.behave("mistral", reply);
    hub.account_with("mistral", |new| {
        new.provider = "mistral".to_owned();
        new.models = Models::Named(vec![Served {
            model: "small".to_owned(),
            upstream_model: None,
        }]);
    })
    .await;
    let key = hub.key().await;
    for dialect in [Dialect::Chat, Dialect::Messages] {
        let (path, mut body) = question(dialect, "small", true);
        if dialect == Dialect::Chat {
            body["stream_options"] = json!({ "include_usage": true });
        }
        let answer = key.send(&path, body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let arrived = hub.upstream.arrived("mistral").pop().unwrap().json();
        assert_eq!(
            (&arrived["stream"], arrived.get("stream_options")),
            (&json!(true), None)
        );
    }
    assert_ne!(hub.charged().await.0, 0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_one_dialect_has_is_asked_of_accounts_that_speak_it() {
    let hub = spawn().await;
    account(&hub, "claude", Dialect::Messages, 0).await;
    let key = hub.key().await;
    let embeddings = json!({ "model": "small", "input": "hi" });
    let refused = key.send("/v1/embeddings", embeddings.to_string()).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (404, "unsupported_operation")
    );
    let (to, mut body) = question(Dialect::Responses, "small", false);
    body["previous_response_id"] = json!("resp_1");
    let refused = key.send(&to, body.to_string()).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (404, "previous_response_not_found"),
        "{}",
        refused.text()
    );
    assert_eq!(hub.upstream.arrived("claude").len(), 0);
    account(&hub, "chat", Dialect::Chat, 1).await;
    hub.upstream.answer(
        "chat",
        Reply::json(
            200,
            &json!({
                "object": "list", "model": "small", "data": [{ "object": "embedding", "index": 0, "embedding": [0.5] }],
                "usage": { "prompt_tokens": 10, "total_tokens": 10 },
            }),
        ),
    );
    assert_eq!(key.send("/v1/embeddings", embeddings.to_string()).await.status, 200);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_google_stream_without_events_is_one_json_array() {
    for upstream in SPOKEN {
        let hub = spawn().await;
        account(&hub, "one", upstream, 0).await;
        let key = hub.key().await;
        let (_, body) = question(Dialect::Generate, "small", true);
        let answer = key
            .send("/v1beta/models/small:streamGenerateContent", body.to_string())
            .await;
        assert!(answer.header("content-type").unwrap().starts_with("application/json"));
        let list = answer.json();
        let parts = list.as_array().unwrap().iter();
        let text: String = parts
            .flat_map(|chunk| {
                chunk["candidates"][0]["content"]["parts"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default()
            })
            .filter_map(|part| part["text"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(text, "hello", "{upstream:?}: {list}");
        assert_eq!(hub.charged().await, HELLO);
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_gets_signs_of_life_of_its_own_dialect() {
    let mut setup = Setup::default();
    setup.relay.heartbeat = Duration::from_millis(50);
    let hub = spawn_with(setup).await;
    account(&hub, "one", Dialect::Chat, 0).await;
    hub.upstream
        .behave("one", |call| reply(call).after(Duration::from_millis(400)));
    let key = hub.key().await;
    for (client, sign) in [
        (Dialect::Messages, "event: ping\ndata: {\"type\": \"ping\"}\n\n"),
        (Dialect::Responses, ": waiting for the upstream\n\n"),
        (Dialect::Generate, ": waiting for the upstream\n\n"),
    ] {
        let (to, body) = question(client, "small", true);
        let answer = key.send(&to, body.to_string()).await;
        let text = answer.text();
        assert!(text.starts_with(sign), "{client:?}: {text}");
        let rest = Answer {
            body: text.replace(sign, "").into_bytes(),
            ..answer
        };
        assert_eq!(heard(client, &rest, true).0, "hello", "{client:?}");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knocks_before_asking_is_let_in_and_sockets_are_told_to_post() {
    let hub = spawn().await;
    let key = hub.key().await;
    let head = hub.client.head(hub.url("/")).send().await.unwrap();
    assert_eq!(head.status(), 200);
    let socket = hub.client.get(hub.url("/v1/responses")).bearer_auth(&key.text);
    let socket = socket.header("connection", "upgrade").header("upgrade", "websocket");
    assert_eq!(socket.send().await.unwrap().status(), 426);
    let plain = key.get("/v1/responses").await;
    assert_eq!((plain.status, plain.header("allow")), (405, Some("POST")));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_wants_of_anthropics_api_goes_there_and_nowhere_else() {
    let hub = spawn().await;
    account(&hub, "claude", Dialect::Messages, 0).await;
    let key = hub.key().await;
    let (_, body) = question(Dialect::Messages, "small", false);
    let send = async |path: &str, body: &Value| {
        let request = key
            .post(path, body.to_string())
            .header("anthropic-version", "2026-10-21")
            .header(
                "anthropic-beta",
                "interleaved-thinking-2025-05-14,context-1m-2025-08-07",
            )
            .header("x-app", "cli");
        Answer::read(request.send().await.unwrap()).await
    };
    assert_eq!(send("/v1/messages?beta=true", &body).await.status, 200);
    assert_eq!(send("/v1/chat/completions", &hello()).await.status, 200);
    let arrived = hub.upstream.arrived("claude");
    assert_eq!(
        arrived[0].header("anthropic-beta"),
        Some("interleaved-thinking-2025-05-14,context-1m-2025-08-07")
    );
    assert_eq!(arrived[0].header("anthropic-version"), Some("2026-10-21"));
    assert_eq!(arrived[1].header("anthropic-beta"), None);
    assert!(arrived.iter().all(|call| call.header("x-app").is_none()));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_longer_than_the_catalogue_knows_is_left_out_and_noted_since_nothing_is_held_for_it() {
    let hub = spawn().await;
    account(&hub, "claude", Dialect::Messages, 0).await;
    let key = hub.key().await;
    for (model, context, told) in [
        ("short", 200_000, Some("files")),
        ("long", 1_000_000, Some("files,context-1m-2025-08-07")),
    ] {
        let new = NewModel {
            id: model.to_owned(),
            context: Some(context),
            prices: Prices {
                input: "1".to_owned(),
                output: "2".to_owned(),
                ..Prices::default()
            },
            ..NewModel::default()
        };
        hub.app.catalog.add_model(&new, hub.admin.user_id).await.unwrap();
        let (to, body) = question(Dialect::Messages, model, false);
        let request = key
            .post(&to, body.to_string())
            .header("anthropic-beta", "files,context-1m-2025-08-07");
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        let arrived = hub.upstream.arrived("claude").pop().unwrap();
        assert_eq!(arrived.header("anthropic-beta"), told, "{model}");
        let notes = answer.header("x-ourhub-notes").unwrap_or_default();
        assert_eq!(notes.contains("context-1m"), model == "short", "{notes}");
    }
    drop(key);
    hub.close().await;
}

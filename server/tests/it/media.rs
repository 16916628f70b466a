//! Images and sound: forms that move to another account, sound that is streamed, and charges to the last digit.

use crate::harness::{Answer, Hub, Key, spawn};
use crate::upstream::{Arrived, Reply, event};
use gateway_core::money::Nano;
use serde_json::{Value, json};
use server::accounts::{Models, Served, Standing};
use server::catalog::{NewModel, Prices};

const FORM: &str = "multipart/form-data; boundary=b0undary";
const MIB: usize = 1 << 20;

/// A field of a form, with a file name where it is a file.
struct Field<'a>(&'a str, Option<&'a str>, &'a [u8]);

fn form(fields: &[Field<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for Field(name, file, value) in fields {
        let file = file.map_or_else(String::new, |file| {
            format!("; filename=\"{file}\"\r\nContent-Type: application/octet-stream")
        });
        let head = format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b0undary--\r\n");
    body
}

fn heard(model: &str, file: &[u8], more: &[Field<'_>]) -> Vec<u8> {
    let mut fields = vec![
        Field("file", Some("a.mp3"), file),
        Field("model", None, model.as_bytes()),
    ];
    fields.extend(more.iter().map(|Field(name, file, value)| Field(name, *file, value)));
    form(&fields)
}

async fn send_form(key: &Key<'_>, path: &str, body: Vec<u8>) -> Answer {
    let request = key.post_as(path, FORM, body);
    Answer::read(request.send().await.unwrap()).await
}

/// The values of the fields of a form that arrived, by name.
fn fields(call: &Arrived) -> Vec<(String, String)> {
    let content_type = call.header("content-type").unwrap();
    let (_, boundary) = content_type.split_once("boundary=").unwrap();
    let delimiter = format!("--{}", boundary.trim_matches('"'));
    let text = String::from_utf8_lossy(&call.body).into_owned();
    let parts = text.split(&delimiter).filter(|part| part.contains("name="));
    let read = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n").unwrap();
        let (_, name) = head.split_once("name=\"").unwrap();
        (
            name.split('"').next().unwrap().to_owned(),
            value.trim_end_matches("\r\n").to_owned(),
        )
    };
    parts.map(read).collect()
}

fn value_of(call: &Arrived, name: &str) -> Option<String> {
    let mut found = fields(call).into_iter().filter(|(known, _)| known == name);
    let value = found.next().map(|(_, value)| value);
    assert!(found.next().is_none(), "“{name}” twice");
    value
}

async fn model(hub: &Hub, id: &str, prices: Prices) {
    let new = NewModel {
        id: id.to_owned(),
        prices: Prices {
            input: if prices.input.is_empty() {
                "0".to_owned()
            } else {
                prices.input.clone()
            },
            output: if prices.output.is_empty() {
                "0".to_owned()
            } else {
                prices.output.clone()
            },
            ..prices
        },
        ..NewModel::default()
    };
    hub.app.catalog.add_model(&new, hub.admin.user_id).await.unwrap();
}

/// An account that names `model` otherwise, asked after those of lower `priority`.
async fn account(hub: &Hub, name: &str, provider: &str, model: &str, priority: i32) {
    hub.account_with(name, |new| {
        new.provider = provider.to_owned();
        new.models = Models::Named(vec![Served {
            model: model.to_owned(),
            upstream_model: Some(format!("{name}-{model}")),
        }]);
        new.standing = Standing {
            priority,
            ..Standing::default()
        };
    })
    .await;
}

fn by_second() -> Prices {
    Prices {
        second: Some("0.0001".to_owned()),
        ..Prices::default()
    }
}

fn uploads(hub: &Hub) -> usize {
    std::fs::read_dir(hub.place.dir.join("uploads")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_moves_to_another_account_byte_for_byte_and_leaves_no_file() {
    for size in [100, 3 * MIB] {
        let hub = spawn().await;
        model(&hub, "hear", by_second()).await;
        account(&hub, "full", "openai", "hear", 0).await;
        account(&hub, "free", "openai", "hear", 1).await;
        hub.upstream.answer("full", Reply::error(429, "rate_limit_exceeded"));
        let told = json!({ "text": "hello", "usage": { "type": "duration", "seconds": 9 } });
        hub.upstream.answer("free", Reply::json(200, &told));
        let key = hub.key().await;
        let file: Vec<u8> = (0..size).map(|at| u8::try_from(at * 7 % 256).unwrap()).collect();
        let form = |model: &str| heard(model, &file, &[Field("language", None, b"en")]);
        let answer = send_form(&key, "/v1/audio/transcriptions", form("hear")).await;
        assert_eq!((answer.status, answer.json()), (200, told.clone()), "{size}");
        assert_eq!(answer.header("x-ourhub-cost-usd"), Some("0.0009"));
        for name in ["full", "free"] {
            let arrived = hub.upstream.arrived(name).pop().unwrap();
            assert_eq!(arrived.path, format!("/{name}/v1/audio/transcriptions"));
            assert!(arrived.body == form(&format!("{name}-hear")), "{name} {size}");
        }
        assert_eq!(uploads(&hub), 0, "{size}");
        assert_eq!(hub.charged().await, Nano(9 * 100_000));
        let last = hub.holds().await.pop().unwrap();
        assert_eq!(last.details.as_deref(), Some(r#"{"seconds":9}"#));
        assert_eq!(
            (last.input, last.output, last.operation.as_str()),
            (0, 0, "transcriptions")
        );
        assert!(last.held >= last.posted);
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_heard_comes_in_the_form_that_was_asked_for_and_is_billed_by_what_the_upstream_told() {
    let hub = spawn().await;
    model(&hub, "hear", by_second()).await;
    account(&hub, "groq", "groq", "hear", 0).await;
    let detailed = json!({ "task": "transcribe", "duration": 61.2, "text": "Hi. There.", "segments": [
        { "id": 0, "start": 0.0, "end": 1.5, "text": " Hi." }, { "id": 1, "start": 1.5, "end": 61.2, "text": " There." },
    ] });
    hub.upstream.answer("groq", Reply::json(200, &detailed));
    let key = hub.key().await;
    for (format, kind, expected) in [
        ("text", "text/plain; charset=utf-8", "Hi. There.\n".to_owned()),
        (
            "srt",
            "text/plain; charset=utf-8",
            "1\n00:00:00,000 --> 00:00:01,500\nHi.\n\n2\n00:00:01,500 --> 00:01:01,200\nThere.\n\n".to_owned(),
        ),
        (
            "vtt",
            "text/vtt; charset=utf-8",
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHi.\n\n00:00:01.500 --> 00:01:01.200\nThere.\n\n".to_owned(),
        ),
        (
            "json",
            "application/json",
            r#"{"text":"Hi. There.","usage":{"type":"duration","seconds":62}}"#.to_owned(),
        ),
        ("verbose_json", "application/json", detailed.to_string()),
    ] {
        let before = hub.charged().await;
        let body = heard("hear", b"sound", &[Field("response_format", None, format.as_bytes())]);
        let answer = send_form(&key, "/v1/audio/transcriptions", body).await;
        assert_eq!((answer.status, answer.text()), (200, expected), "{format}");
        assert_eq!(answer.header("content-type"), Some(kind), "{format}");
        let arrived = hub.upstream.arrived("groq").pop().unwrap();
        assert_eq!(value_of(&arrived, "response_format").as_deref(), Some("verbose_json"));
        assert_eq!(value_of(&arrived, "model").as_deref(), Some("groq-hear"));
        assert_eq!(hub.charged().await.0 - before.0, 62 * 100_000, "{format}");
    }
    // What is shorter than what the provider bills at least.
    hub.upstream
        .answer("groq", Reply::json(200, &json!({ "duration": 1.1, "text": "Hi." })));
    let before = hub.charged().await;
    let answer = send_form(&key, "/v1/audio/translations", heard("hear", b"sound", &[])).await;
    assert_eq!(answer.json()["text"], "Hi.");
    assert_eq!(hub.charged().await.0 - before.0, 10 * 100_000);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_transcription_is_charged_by_its_tokens_and_one_that_is_not_streamed_after_all_passes() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let events = [
        json!({ "type": "transcript.text.delta", "delta": "Hi" }).to_string(),
        json!({ "type": "transcript.text.done", "text": "Hi.", "usage": { "type": "tokens", "input_tokens": 14,
            "input_token_details": { "audio_tokens": 12, "text_tokens": 2 }, "output_tokens": 5, "total_tokens": 19 } })
        .to_string(),
    ];
    let stream: String = events.iter().map(|data| event(data)).collect();
    hub.upstream.answer("one", Reply::events(&events).split_every(7));
    let body = || heard("small", b"sound", &[Field("stream", None, b"true")]);
    let answer = send_form(&key, "/v1/audio/transcriptions", body()).await;
    assert_eq!((answer.status, answer.text()), (200, stream));
    assert_eq!(hub.charged().await, Nano(14 * 1_000 + 5 * 2_000));
    assert_eq!(hub.holds().await[0].details.as_deref(), Some(r#"{"audio_input":12}"#));
    let whole = json!({ "text": "Hi.", "usage": { "type": "tokens", "input_tokens": 1, "output_tokens": 1, "total_tokens": 2 } });
    hub.upstream.answer("one", Reply::json(200, &whole));
    let answer = send_form(&key, "/v1/audio/transcriptions", body()).await;
    assert_eq!(
        (answer.json(), answer.header("content-type")),
        (whole, Some("application/json"))
    );
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_is_streamed_as_it_comes_and_paid_by_the_character() {
    let hub = spawn().await;
    let prices = Prices {
        character: Some("15".to_owned()),
        ..Prices::default()
    };
    model(&hub, "speak", prices).await;
    account(&hub, "full", "openai", "speak", 0).await;
    account(&hub, "free", "openai", "speak", 1).await;
    hub.upstream.answer("full", Reply::error(429, "rate_limit_exceeded"));
    let sound: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    hub.upstream
        .answer("free", Reply::body(200, "audio/mpeg", &sound).split_every(4_096));
    let key = hub.key().await;
    let text = "Grüße, 世界!";
    let body = json!({ "model": "speak", "input": text, "voice": "alloy" });
    let answer = key.send("/v1/audio/speech", body.to_string()).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("audio/mpeg"))
    );
    assert!(answer.body == sound);
    let arrived = hub.upstream.arrived("free").pop().unwrap();
    assert_eq!(
        arrived.json(),
        json!({ "model": "free-speak", "input": text, "voice": "alloy" })
    );
    let characters = i64::try_from(text.chars().count()).unwrap();
    assert_eq!(hub.charged().await, Nano(characters * 15_000));

    // A sound that breaks off says so by the end of its connection, and was read all the same.
    hub.upstream.answer(
        "free",
        Reply::body(200, "audio/mpeg", &sound).split_every(4_096).cut_after(3),
    );
    let request = key.post("/v1/audio/speech", body.to_string()).send().await.unwrap();
    assert_eq!(request.status(), 200);
    assert!(request.bytes().await.is_err());
    assert_eq!(hub.charged().await, Nano(2 * characters * 15_000));
    assert_eq!(
        hub.holds().await.last().unwrap().outcome,
        gateway_core::ledger::Outcome::Cut.code()
    );
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_paid_by_the_token_is_asked_for_in_events_and_handed_on_as_sound() {
    let hub = spawn().await;
    hub.account_with("one", |new| new.provider = "openai".to_owned()).await;
    let events = [
        json!({ "type": "speech.audio.delta", "audio": "YWI=" }).to_string(),
        json!({ "type": "speech.audio.delta", "audio": "Yw==" }).to_string(),
        json!({ "type": "speech.audio.done", "usage": { "input_tokens": 3, "output_tokens": 20, "total_tokens": 23 } })
            .to_string(),
    ];
    hub.upstream.answer("one", Reply::events(&events));
    let key = hub.key().await;
    let body = json!({ "model": "small", "input": "Hi.", "voice": "alloy", "response_format": "wav" });
    let answer = key.send("/v1/audio/speech", body.to_string()).await;
    assert_eq!(
        (answer.text().as_str(), answer.header("content-type")),
        ("abc", Some("audio/wav"))
    );
    let arrived = hub.upstream.arrived("one").pop().unwrap().json();
    assert_eq!(arrived["stream_format"], "sse");
    let charge = 3 * 1_000 + 20 * 2_000;
    assert_eq!(hub.charged().await, Nano(charge));
    let mut in_events = body;
    in_events["stream_format"] = json!("sse");
    let answer = key.send("/v1/audio/speech", in_events.to_string()).await;
    assert_eq!(answer.events(), events);
    assert_eq!(hub.charged().await, Nano(2 * charge));
    drop(key);
    hub.close().await;
}

fn made(images: usize, usage: Option<Value>) -> Value {
    let image = json!({ "b64_json": "eA==" });
    let mut made = json!({ "created": 1, "data": vec![image; images] });
    if let Some(usage) = usage {
        made["usage"] = usage;
    }
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_are_paid_each_or_by_their_tokens() {
    let hub = spawn().await;
    let prices = Prices {
        image: Some("0.04".to_owned()),
        ..Prices::default()
    };
    model(&hub, "paint", prices).await;
    hub.account("one").await;
    let key = hub.key().await;
    let body = json!({ "model": "paint", "prompt": "a cat", "n": 3 });
    hub.upstream.answer("one", Reply::json(200, &made(2, None)));
    let answer = key.send("/v1/images/generations", body.to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, made(2, None)));
    assert_eq!(hub.upstream.arrived("one")[0].json(), body);
    assert_eq!(hub.charged().await, Nano(2 * 40_000_000));
    let first = &hub.holds().await[0];
    assert_eq!(
        (first.held >= 3 * 40_000_000, first.details.as_deref()),
        (true, Some(r#"{"images":2}"#))
    );

    let usage = json!({ "input_tokens": 50, "input_tokens_details": { "text_tokens": 10, "image_tokens": 40 },
        "output_tokens": 4160, "total_tokens": 4210 });
    let event_of = |kind: &str, usage: Value| json!({ "type": kind, "b64_json": "eA==", "usage": usage }).to_string();
    let events = [
        event_of("image_generation.partial_image", Value::Null),
        event_of("image_generation.completed", usage.clone()),
    ];
    hub.upstream.answer("one", Reply::events(&events).split_every(5));
    let body = json!({ "model": "small", "prompt": "a cat", "stream": true, "partial_images": 1 });
    let before = hub.charged().await;
    let answer = key.send("/v1/images/generations", body.to_string()).await;
    assert_eq!(answer.events(), events);
    assert_eq!(hub.charged().await.0 - before.0, 50 * 1_000 + 4_160 * 2_000);
    let last = hub.holds().await.pop().unwrap();
    assert_eq!(
        last.details.as_deref(),
        Some(r#"{"image_input":40,"image_output":4160}"#)
    );

    // An edit as a form and as JSON.
    hub.upstream.answer("one", Reply::json(200, &made(1, Some(usage))));
    let fields = [
        Field("model", None, b"small"),
        Field("prompt", None, b"a hat on it"),
        Field("image[]", Some("a.png"), b"\x89PNG"),
        Field("image[]", Some("b.png"), b"\x89PNG"),
    ];
    let body = json!({ "model": "small", "prompt": "a hat on it", "images": [{ "file_id": "file-1" }] });
    let before = hub.charged().await;
    let by_form = send_form(&key, "/v1/images/edits", form(&fields)).await;
    let by_json = key.send("/v1/images/edits", body.to_string()).await;
    assert_eq!(
        (by_form.status, by_json.status),
        (200, 200),
        "{} {}",
        by_form.text(),
        by_json.text()
    );
    assert!(hub.upstream.arrived("one")[2].body == form(&fields));
    assert_eq!(hub.charged().await.0 - before.0, 2 * (50 * 1_000 + 4_160 * 2_000));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tells_no_usage_is_charged_what_was_held_and_says_so() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    hub.upstream.answer("one", Reply::json(200, &made(1, None)));
    let body = json!({ "model": "small", "prompt": "a cat", "quality": "low" });
    let answer = key.send("/v1/images/generations", body.to_string()).await;
    assert_eq!(answer.status, 200);
    let hold = hub.holds().await.pop().unwrap();
    assert_eq!(hold.posted, hold.held);
    assert!(hold.notes.contains("estimate"), "{}", hold.notes);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_cannot_be_read_or_priced_is_refused_before_anybody_is_asked() {
    let hub = spawn().await;
    hub.account("one").await;
    let prices = Prices {
        image: Some("0.04".to_owned()),
        ..Prices::default()
    };
    model(&hub, "paint", prices).await;
    let key = hub.key().await;
    let file = || Field("file", Some("a.mp3"), b"x");
    let small = || Field("model", None, b"small");
    for (body, status, code) in [
        (form(&[small(), file(), small()]), 400, "duplicate_field"),
        (
            form(&[file(), small(), Field("Model", None, b"big")]),
            400,
            "duplicate_field",
        ),
        (form(&[file()]), 400, "missing_field"),
        (form(&[small()]), 400, "missing_field"),
        (
            form(&[small(), Field("file", None, b"x"), Field("url", None, b"http://x")]),
            400,
            "unsupported_parameter",
        ),
        (
            form(&[small(), file(), Field("stream", None, b"maybe")]),
            400,
            "invalid_type",
        ),
        (
            form(&[Field("model", Some("m"), b"small"), file()]),
            400,
            "invalid_type",
        ),
        (b"--b0undary\r\nnothing".to_vec(), 400, "invalid_form"),
        (form(&[small(), file()])[..60].to_vec(), 400, "invalid_form"),
        (form(&[Field("model", None, b"nobody"), file()]), 404, "model_not_found"),
        (form(&[Field("model", None, b"paint"), file()]), 503, "price_unknown"),
        (vec![b'x'; 33 * MIB], 413, "request_too_large"),
    ] {
        let answer = send_form(&key, "/v1/audio/transcriptions", body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code.to_owned()),
            "{}",
            answer.text()
        );
    }
    let json = key
        .send("/v1/audio/transcriptions", json!({ "model": "small" }).to_string())
        .await;
    assert_eq!((json.status, json.code()), (400, "invalid_form".to_owned()));
    for (path, body, code) in [
        (
            "/v1/images/generations",
            json!({ "model": "small", "prompt": "x", "n": 0 }),
            "invalid_type",
        ),
        (
            "/v1/images/generations",
            json!({ "model": "small", "prompt": "x", "svg": { "model": "y" } }),
            "unsupported_parameter",
        ),
        (
            "/v1/images/edits",
            json!({ "model": "small", "prompt": "x" }),
            "missing_field",
        ),
        ("/v1/audio/speech", json!({ "model": "small" }), "missing_field"),
        (
            "/v1/audio/speech",
            json!({ "model": "whisper-1", "input": "x" }),
            "unsupported_operation",
        ),
        (
            "/v1/chat/completions",
            json!({ "model": "tts-1", "messages": [{ "role": "user", "content": "x" }] }),
            "unsupported_operation",
        ),
    ] {
        let answer = key.send(path, body.to_string()).await;
        assert_eq!((answer.status, answer.code()), (400, code.to_owned()), "{path} {body}");
    }
    let chat = json!({ "model": "paint", "messages": [{ "role": "user", "content": "x" }] });
    assert_eq!(
        key.chat(&chat).await.code(),
        "price_unknown",
        "it has no price by the token"
    );
    let narrow = hub
        .key_with(|settings| settings.models = vec!["other".to_owned()])
        .await;
    let answer = send_form(&narrow, "/v1/audio/transcriptions", form(&[small(), file()])).await;
    assert_eq!((answer.status, answer.code()), (403, "model_not_allowed".to_owned()));
    assert_eq!(hub.upstream.arrived_anywhere().len(), 0);
    assert_eq!((hub.charged().await, uploads(&hub)), (Nano::ZERO, 0));
    drop((key, narrow));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_asked_only_for_what_its_provider_serves() {
    let hub = spawn().await;
    hub.account_with("deepseek", |new| new.provider = "deepseek".to_owned())
        .await;
    hub.account_with("claude", |new| new.dialect = Some("messages".to_owned()))
        .await;
    let key = hub.key().await;
    let answer = key
        .send(
            "/v1/audio/speech",
            json!({ "model": "small", "input": "x" }).to_string(),
        )
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (404, "unsupported_operation".to_owned()),
        "{}",
        answer.text()
    );
    assert_eq!(hub.upstream.arrived_anywhere().len(), 0);
    hub.account_with("azure", |new| {
        new.provider = "azure".to_owned();
        new.base_url = Some(format!(
            "{}/openai/deployments?api-version=2025-04-01",
            hub.upstream.base_url("azure")
        ));
        new.models = Models::Named(vec![Served {
            model: "small".to_owned(),
            upstream_model: Some("my-tts".to_owned()),
        }]);
    })
    .await;
    hub.upstream.answer("azure", Reply::body(200, "audio/mpeg", b"sound"));
    let answer = key
        .send(
            "/v1/audio/speech",
            json!({ "model": "small", "input": "x" }).to_string(),
        )
        .await;
    assert_eq!(answer.text(), "sound");
    let arrived = hub.upstream.arrived("azure").pop().unwrap();
    assert_eq!(
        arrived.path,
        "/azure/v1/openai/deployments/my-tts/audio/speech?api-version=2025-04-01"
    );
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subtitles_are_asked_for_in_segments_and_what_was_heard_for_nothing_is_charged() {
    let hub = spawn().await;
    model(&hub, "hear", by_second()).await;
    account(&hub, "groq", "groq", "hear", 0).await;
    let detailed =
        json!({ "duration": 11.0, "text": "Hi.", "segments": [{ "start": 0.0, "end": 1.5, "text": "Hi." }] });
    hub.upstream.answer("groq", Reply::json(200, &detailed));
    let key = hub.key().await;
    let body = || {
        let more = [
            Field("response_format", None, b"srt"),
            Field("timestamp_granularities[]", None, b"word"),
        ];
        heard("hear", b"sound", &more)
    };
    let answer = send_form(&key, "/v1/audio/transcriptions", body()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let arrived = hub.upstream.arrived("groq").pop().unwrap();
    assert_eq!(
        value_of(&arrived, "timestamp_granularities[]").as_deref(),
        Some("segment")
    );
    let before = hub.charged().await;
    let bare = json!({ "duration": 11.0, "text": "Hi." });
    hub.upstream.answer("groq", Reply::json(200, &bare));
    let answer = send_form(&key, "/v1/audio/transcriptions", body()).await;
    assert!(answer.status >= 500, "{}", answer.text());
    assert!(hub.charged().await > before, "it was listened to");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_images_that_is_answered_in_json_is_billed_once() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let usage = json!({ "input_tokens": 10, "output_tokens": 100, "total_tokens": 110 });
    hub.upstream
        .answer("one", Reply::json(200, &made(1, Some(usage.clone()))));
    let body = json!({ "model": "small", "prompt": "a cat", "stream": true });
    let answer = key.send("/v1/images/generations", body.to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, made(1, Some(usage))));
    assert_eq!(hub.upstream.arrived("one").len(), 1);
    assert_eq!(hub.charged().await, Nano(10 * 1_000 + 100 * 2_000));
    drop(key);
    hub.close().await;
}

//! Bedrock as an account: whole answers, streams in Amazon's frames, its exceptions, and what it is not asked for.
//!
//! Invariant: a stand-in is an upstream of its own, since the address of Bedrock has no path. Wire facts: AWS's event stream encoding and
//! the AWS SDKs' model of the Bedrock runtime.

use crate::harness::{HELLO, Hub, spawn};
use crate::spoken::{ARGUMENTS, heard, message, messages_events, question};
use crate::upstream::{Arrived, Reply, Upstream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_core::dialect::Dialect;
use serde_json::{Value, json};
use server::accounts::{Models, Served, Standing};
use server::secrets::Secret;

const CLIENTS: [Dialect; 2] = [Dialect::Chat, Dialect::Messages];
const NOVA: &str = "amazon.nova-micro-v1:0";
const CLAUDE: &str = "eu.anthropic.claude-small-v1:0";
/// The name by which a stand-in knows all of its calls: the first part of their paths.
const ANY: &str = "model";

/// A stand-in for Bedrock, and an account there that serves `small` as `model`.
async fn account(hub: &Hub, model: &str, priority: i32) -> Upstream {
    let bedrock = Upstream::start().await;
    bedrock.behave(ANY, reply);
    hub.account_with(&format!("bedrock {priority}"), |new| {
        new.provider = "bedrock".to_owned();
        new.base_url = Some(format!("http://{}", bedrock.address()));
        new.secret = Secret::new("bedrock-key".to_owned());
        new.models = Models::Named(vec![Served {
            model: "small".to_owned(),
            upstream_model: Some(model.to_owned()),
        }]);
        new.standing = Standing {
            priority,
            ..Standing::default()
        };
    })
    .await;
    bedrock
}

fn reply(call: &Arrived) -> Reply {
    match call.path.rsplit('/').next().unwrap() {
        "converse" => Reply::json(200, &converse()),
        "converse-stream" => framed(&converse_events()),
        "invoke" => Reply::json(200, &message()),
        _ => framed(&messages_events().iter().map(chunk).collect::<Vec<_>>()),
    }
}

fn converse() -> Value {
    json!({
        "output": { "message": { "role": "assistant", "content": [
            { "text": "hello" },
            { "toolUse": { "toolUseId": "tooluse_1", "name": "look_up", "input": { "city": "Oslo" } } },
        ] } },
        "stopReason": "tool_use", "usage": { "inputTokens": 10, "outputTokens": 5, "totalTokens": 15 },
        "metrics": { "latencyMs": 1 },
    })
}

fn converse_events() -> Vec<Vec<u8>> {
    let more = |index: u32, delta: Value| {
        let data = json!({ "contentBlockIndex": index, "delta": delta, "p": "abcd" });
        frame("event", "contentBlockDelta", &data)
    };
    let stop = |index: u32| frame("event", "contentBlockStop", &json!({ "contentBlockIndex": index }));
    let call = json!({ "toolUse": { "toolUseId": "tooluse_1", "name": "look_up" } });
    let usage = json!({ "inputTokens": 10, "outputTokens": 5, "totalTokens": 15 });
    vec![
        frame("event", "messageStart", &json!({ "role": "assistant" })),
        more(0, json!({ "text": "hel" })),
        more(0, json!({ "text": "lo" })),
        stop(0),
        frame(
            "event",
            "contentBlockStart",
            &json!({ "contentBlockIndex": 1, "start": call }),
        ),
        more(1, json!({ "toolUse": { "input": &ARGUMENTS[..5] } })),
        more(1, json!({ "toolUse": { "input": &ARGUMENTS[5..] } })),
        stop(1),
        frame("event", "messageStop", &json!({ "stopReason": "tool_use" })),
        frame(
            "event",
            "metadata",
            &json!({ "usage": usage, "metrics": { "latencyMs": 1 } }),
        ),
    ]
}

/// An event of the model's maker, as InvokeModel wraps it.
fn chunk((_, data): &(&'static str, Value)) -> Vec<u8> {
    frame(
        "event",
        "chunk",
        &json!({ "bytes": STANDARD.encode(data.to_string()), "p": "ab" }),
    )
}

/// These frames, cut where no frame ends.
fn framed(frames: &[Vec<u8>]) -> Reply {
    Reply::body(200, "application/vnd.amazon.eventstream", &frames.concat()).split_every(37)
}

fn frame(message: &str, name: &str, payload: &Value) -> Vec<u8> {
    let payload = payload.to_string();
    let kind = if message == "event" {
        ":event-type"
    } else {
        ":exception-type"
    };
    let mut headers = Vec::new();
    for (name, value) in [
        (kind, name),
        (":content-type", "application/json"),
        (":message-type", message),
    ] {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let number = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let mut frame = number(16 + headers.len() + payload.len()).to_vec();
    frame.extend_from_slice(&number(headers.len()));
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    let checksum = crc32(&frame);
    frame.extend_from_slice(&checksum.to_be_bytes());
    frame
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| {
        if crc & 1 == 1 {
            (crc >> 1) ^ 0xedb8_8320
        } else {
            crc >> 1
        }
    };
    !bytes
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_calls_and_usage_come_from_bedrock_whole_and_in_frames() {
    for (model, client, path) in [
        (NOVA, Dialect::Chat, "/model/amazon.nova-micro-v1%3A0/converse"),
        (NOVA, Dialect::Messages, "/model/amazon.nova-micro-v1%3A0/converse"),
        (NOVA, Dialect::Responses, "/model/amazon.nova-micro-v1%3A0/converse"),
        (
            CLAUDE,
            Dialect::Messages,
            "/model/eu.anthropic.claude-small-v1%3A0/invoke",
        ),
    ] {
        let hub = spawn().await;
        let bedrock = account(&hub, model, 0).await;
        let key = hub.key().await;
        for is_streamed in [false, true] {
            let name = format!("{client:?} of {model}, streamed: {is_streamed}");
            let (to, body) = question(client, "small", is_streamed);
            let answer = key.send(&to, body.to_string()).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            let call = ("look_up".to_owned(), serde_json::from_str::<Value>(ARGUMENTS).unwrap());
            let (text, calls) = heard(client, &answer, is_streamed);
            assert_eq!((text.as_str(), calls), ("hello", vec![call]), "{name}");
            let arrived = bedrock.arrived(ANY).pop().unwrap();
            let streamed = match (is_streamed, path.ends_with("invoke")) {
                (false, _) => "",
                (true, false) => "-stream",
                (true, true) => "-with-response-stream",
            };
            assert_eq!(arrived.path, format!("{path}{streamed}"), "{name}");
            assert_eq!(arrived.header("authorization"), Some("Bearer bedrock-key"), "{name}");
            assert!(
                arrived.text().contains("look_up") && arrived.json().get("stream").is_none(),
                "{name}"
            );
            let hold = hub.holds().await.pop().unwrap();
            assert_eq!((hold.posted, hold.state), (HELLO.0, 1), "{name}");
        }
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_before_content_lets_another_account_take_over() {
    for client in CLIENTS {
        let hub = spawn().await;
        let (first, second) = (account(&hub, NOVA, 0).await, account(&hub, NOVA, 1).await);
        let busy = frame(
            "exception",
            "throttlingException",
            &json!({ "message": "Too many requests" }),
        );
        first.answer(ANY, framed(&[converse_events().remove(0), busy]));
        let key = hub.key().await;
        let (to, body) = question(client, "small", true);
        let answer = key.send(&to, body.to_string()).await;
        assert_eq!(heard(client, &answer, true).0, "hello", "{client:?}: {}", answer.text());
        assert_eq!(
            (first.arrived(ANY).len(), second.arrived(ANY).len()),
            (1, 1),
            "{client:?}"
        );
        assert_eq!(hub.charged().await, HELLO, "{client:?}");
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_after_content_is_an_error_in_the_callers_stream() {
    for client in CLIENTS {
        let hub = spawn().await;
        let (first, second) = (account(&hub, NOVA, 0).await, account(&hub, NOVA, 1).await);
        let broken = frame(
            "exception",
            "modelStreamErrorException",
            &json!({ "message": "It stumbled" }),
        );
        let mut frames = converse_events();
        frames.truncate(2);
        frames.push(broken);
        first.answer(ANY, framed(&frames));
        let key = hub.key().await;
        let (to, body) = question(client, "small", true);
        let answer = key.send(&to, body.to_string()).await;
        let text = answer.text();
        assert!(answer.status == 200 && text.contains("hel"), "{client:?}: {text}");
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        let data: Value = serde_json::from_str(last.rsplit("data: ").next().unwrap()).unwrap();
        assert!(data["error"]["message"].is_string(), "{client:?}: {text}");
        assert!(
            !text.contains("[DONE]") && !text.contains("message_stop"),
            "{client:?}: {text}"
        );
        assert_eq!(second.arrived(ANY).len(), 0, "{client:?}");
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_damaged_or_cut_before_content_are_another_accounts_turn() {
    let hub = spawn().await;
    let (first, second) = (account(&hub, NOVA, 0).await, account(&hub, NOVA, 1).await);
    let mut damaged = converse_events().remove(0);
    *damaged.last_mut().unwrap() ^= 1;
    let cut = converse_events()[0][..20].to_vec();
    let key = hub.key().await;
    let (to, body) = question(Dialect::Chat, "small", true);
    for (count, frames) in [(1, damaged), (2, cut)] {
        first.answer(ANY, framed(&[frames]));
        let answer = key.send(&to, body.to_string()).await;
        assert_eq!(heard(Dialect::Chat, &answer, true).0, "hello", "{}", answer.text());
        assert_eq!(second.arrived(ANY).len(), count);
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_wants_of_anthropics_api_is_told_bedrock_in_the_body_as_far_as_it_knows_it() {
    let hub = spawn().await;
    let bedrock = account(&hub, CLAUDE, 0).await;
    let key = hub.key().await;
    let (to, body) = question(Dialect::Messages, "small", false);
    for (asked, told) in [
        (
            "interleaved-thinking-2025-05-14, files-api-2025-04-14,context-1m-2025-08-07",
            json!(["interleaved-thinking-2025-05-14", "context-1m-2025-08-07"]),
        ),
        ("files-api-2025-04-14", Value::Null),
    ] {
        let request = key.post(&to, body.to_string()).header("anthropic-beta", asked);
        assert_eq!(request.send().await.unwrap().status(), 200, "{asked}");
        let arrived = bedrock.arrived(ANY).pop().unwrap();
        assert_eq!(arrived.json()["anthropic_beta"], told, "{asked}");
        assert_eq!(arrived.header("anthropic-beta"), None);
    }
    drop(key);
    hub.close().await;
}

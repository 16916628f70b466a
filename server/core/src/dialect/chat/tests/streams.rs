//! Streams: fixtures cut at every byte, deviations of services, and what SDKs put together from ours.
//!
//! Invariant: however a stream is cut, the same is read. Pure.

use super::super::super::UpstreamError;
use super::super::super::exchange::*;
use super::super::super::sse::{Events, data, split};
use super::super::{Decoder, Encoder};
use crate::usage::Usage;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The events of `stream`, which arrives in `pieces`.
fn decoded<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let (mut events, mut decoder, mut out) = (Events::default(), Decoder::default(), Vec::new());
    for piece in pieces {
        let block = events.push(Bytes::copy_from_slice(piece)).unwrap();
        for event in split(&block) {
            if let (Some(data), None) = (data(&event), over(&out)) {
                decoder.push(None, &data, &mut out);
            }
        }
    }
    if over(&out).is_none() {
        decoder.finish(&mut out);
    }
    out
}

fn over(out: &[Event]) -> Option<&Event> {
    out.iter().find(|event| matches!(event, Event::Done | Event::Error(_)))
}

fn assembled(events: Vec<Event>) -> Result<Reply, UpstreamError> {
    keeps_the_order(&events);
    let mut assembler = Assembler::default();
    events.into_iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

/// What `Event` promises.
fn keeps_the_order(events: &[Event]) {
    let mut open: Vec<(u32, u32)> = Vec::new();
    let mut seen = open.clone();
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start(_) => assert_eq!(at, 0),
            Event::Open { choice, block, .. } => {
                assert!(!seen.contains(&(*choice, *block)));
                seen.push((*choice, *block));
                open.push((*choice, *block));
            }
            Event::Delta { choice, block, .. } => assert!(open.contains(&(*choice, *block))),
            Event::Close { choice, block } => {
                let place = open.iter().position(|known| known == &(*choice, *block)).unwrap();
                open.remove(place);
            }
            Event::Finish { choice, .. } => assert!(open.iter().all(|(known, _)| known != choice)),
            Event::Done => assert!(open.is_empty() && at + 1 == events.len()),
            Event::Error(_) => assert_eq!(at + 1, events.len()),
            Event::ServiceTier(_) | Event::Usage(_) => assert!(at > 0),
        }
    }
}

/// The stream in a fixture, and what is expected of it.
macro_rules! fixture {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../../../tests/fixtures/chat/", $name, ".sse")).as_slice(),
            include_str!(concat!("../../../../tests/fixtures/chat/", $name, ".expected.json")),
        )
    };
}

#[test]
fn the_shapes_of_services_read_the_same_however_they_are_cut() {
    for (name, bytes, expected) in [
        fixture!("azure"),
        fixture!("cut"),
        fixture!("deepseek"),
        fixture!("error-event"),
        fixture!("error-first"),
        fixture!("groq"),
        fixture!("mistral"),
        fixture!("negative"),
        fixture!("openai"),
        fixture!("openrouter-error"),
        fixture!("tools-crlf"),
        fixture!("two-choices"),
        fixture!("xai"),
    ] {
        let whole = decoded(std::iter::once(bytes));
        assert_eq!(decoded(bytes.chunks(1)), whole, "{name}");
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(decoded([head, tail].into_iter()), whole, "{name} at {cut}");
        }
        let expected: Value = serde_json::from_str(expected).unwrap();
        let used = whole.iter().rev().find_map(|event| match event {
            Event::Usage(usage) => Some(*usage),
            _ => None,
        });
        // Before an error, too.
        let usage: Option<Usage> = serde_json::from_value(expected["usage"].clone()).unwrap();
        assert_eq!(used, usage, "{name}");
        match assembled(whole) {
            Ok(reply) => {
                assert_eq!(reply.usage, usage, "{name}");
                assert_eq!(Some(reply.model.as_str()), expected["model"].as_str(), "{name}");
            }
            Err(error) => assert_eq!(json!(error.message), expected["error"]["message"], "{name}"),
        }
    }
}

fn chunks(deltas: &[Value]) -> Vec<Event> {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    for delta in deltas {
        let chunk = json!({"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta}]});
        decoder.push(None, chunk.to_string().as_bytes(), &mut out);
    }
    decoder.push(
        None,
        br#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        &mut out,
    );
    decoder.push(None, b"[DONE]", &mut out);
    out
}

#[test]
fn calls_come_together_however_they_are_numbered() {
    let call = |value: Value| json!({"tool_calls": [value]});
    for (deltas, expected) in [
        (
            vec![
                call(json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}})),
                call(json!({"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}})),
                call(json!({"index": 0, "function": {"arguments": "{\"x\":"}})),
                call(json!({"index": 1, "function": {"arguments": "{}"}})),
                call(json!({"index": 0, "function": {"arguments": "1}"}})),
            ],
            vec![("a", "f", r#"{"x":1}"#), ("b", "g", "{}")],
        ),
        // Id and name are repeated.
        (
            vec![
                call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}})),
                call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}})),
            ],
            vec![("a", "f", "{}")],
        ),
        // Whole calls, all with the same index.
        (
            vec![
                call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}})),
                call(json!({"index": 0, "id": "b", "function": {"name": "f", "arguments": "{}"}})),
            ],
            vec![("a", "f", "{}"), ("b", "f", "{}")],
        ),
        // Neither index nor id.
        (
            vec![
                call(json!({"function": {"name": "f", "arguments": "{"}})),
                call(json!({"function": {"arguments": "}"}})),
                call(json!({"function": {"name": "g", "arguments": {"y": 2}}})),
            ],
            vec![("call_r_0_0", "f", "{}"), ("call_r_0_1", "g", r#"{"y":2}"#)],
        ),
        // The name comes late.
        (
            vec![
                call(json!({"index": 0, "id": "a", "function": {"name": "", "arguments": "{"}})),
                call(json!({"index": 0, "function": {"name": "f", "arguments": "}"}})),
            ],
            vec![("a", "f", "{}")],
        ),
        (
            vec![
                json!({"function_call": {"name": "f", "arguments": "{"}}),
                json!({"function_call": {"arguments": "}"}}),
            ],
            vec![("call_r_0_0", "f", "{}")],
        ),
        // Without arguments; a custom tool may be given nothing.
        (
            vec![
                call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}})),
                call(json!({"index": 1, "id": "b", "function": {"name": "g"}})),
                call(json!({"index": 2, "id": "c", "type": "custom", "custom": {"name": "h", "input": ""}})),
            ],
            vec![("a", "f", "{}"), ("b", "g", "{}"), ("c", "h", "")],
        ),
    ] {
        let reply = assembled(chunks(&deltas)).unwrap();
        let found: Vec<(String, String, String)> = reply.choices[0]
            .output
            .iter()
            .map(|output| match output {
                Output::Call(call) => (call.id.clone(), call.name.clone(), call.arguments.clone()),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected: Vec<(String, String, String)> = expected
            .iter()
            .map(|(id, name, arguments)| ((*id).into(), (*name).into(), (*arguments).into()))
            .collect();
        assert_eq!(found, expected, "{deltas:?}");
        assert_eq!(reply.choices[0].finish, Some(Finish::ToolCalls));
    }
}

#[test]
fn thoughts_are_told_once_and_sealed_at_their_end() {
    let reply = assembled(chunks(&[
        json!({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}]}),
        json!({"reasoning": "b", "reasoning_details": [{"type": "reasoning.text", "text": "b", "index": 0}]}),
        json!({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0}]}),
        json!({"content": "t"}),
    ]))
    .unwrap();
    let Output::Thought(thought) = &reply.choices[0].output[0] else {
        panic!()
    };
    assert_eq!(thought.text, "ab");
    let blob: Value = serde_json::from_str(thought.blob.as_ref().unwrap()).unwrap();
    assert_eq!(
        blob,
        json!([{"type": "reasoning.text", "text": "ab", "signature": "s", "index": 0}])
    );
    assert_eq!(reply.choices[0].output.len(), 2);
    let late = assembled(chunks(&[
        json!({"content": "t"}),
        json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "index": 0}]}),
    ]))
    .unwrap();
    assert!(matches!(&late.choices[0].output[1], Output::Thought(thought) if thought.blob.is_some()));
}

#[test]
fn errors_end_a_stream_wherever_they_stand() {
    for frame in [
        r#"{"error":{"message":"m","code":502},"choices":[]}"#,
        r#"{"object":"error","message":"m","code":502}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"message":"m","code":502}}]}"#,
    ] {
        let mut out = Vec::new();
        Decoder::default().push(None, frame.as_bytes(), &mut out);
        let [Event::Error(error)] = out.as_slice() else {
            panic!("{out:?}")
        };
        assert_eq!((error.status, error.message.as_str()), (Some(502), "m"), "{frame}");
    }
}

#[test]
fn garbage_does_no_harm() {
    for frame in [
        "",
        "7",
        "[]",
        "null",
        "{",
        "\"x\"",
        "\u{0}",
        r#"{"choices":7}"#,
        r#"{"choices":[7]}"#,
        r#"{"choices":[{}]}"#,
        r#"{"choices":[{"index":-1,"delta":null}]}"#,
        r#"{"choices":[{"delta":{"content":7,"tool_calls":7,"images":{}}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{}]}}]}"#,
        r#"{"choices":[{"delta":{"reasoning_details":[7]}}]}"#,
        r#"{"id":7,"model":[],"created":"x","usage":7,"service_tier":7,"choices":[]}"#,
    ] {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        decoder.push(None, frame.as_bytes(), &mut out);
        decoder.finish(&mut out);
        assert!(
            out.iter().all(|event| matches!(event, Event::Start(_))),
            "{frame} {out:?}"
        );
    }
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    decoder.push(None, b"\xff\xfe", &mut out);
    assert!(out.is_empty());
}

/// Puts chunks together as OpenAI's Python SDK does: texts grow, lists go by `index`, without which it raises.
fn accumulate(known: &mut Map<String, Value>, delta: &Map<String, Value>) {
    for (name, value) in delta {
        match (known.get_mut(name), value) {
            (None | Some(Value::Null), value) => {
                known.insert(name.clone(), value.clone());
            }
            (Some(place), value) if name == "index" || name == "type" => *place = value.clone(),
            (Some(Value::String(text)), Value::String(more)) => text.push_str(more),
            (Some(Value::Object(inner)), Value::Object(more)) => accumulate(inner, more),
            (Some(Value::Array(list)), Value::Array(more)) => {
                for entry in more {
                    let index = usize::try_from(entry["index"].as_u64().unwrap()).unwrap();
                    match list.get_mut(index) {
                        Some(Value::Object(inner)) => accumulate(inner, entry.as_object().unwrap()),
                        _ => list.push(entry.clone()),
                    }
                }
            }
            _ => {}
        }
    }
}

fn written(events: &[Event], include_usage: bool) -> (Vec<Value>, String) {
    let request = Request {
        model: "asked".into(),
        include_usage,
        ..Request::default()
    };
    let mut encoder = Encoder::new(Ask {
        request: request.into(),
        id: "7".into(),
        created_s: 5,
        is_array: false,
    });
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    let text = String::from_utf8(out).unwrap();
    let chunks = text
        .split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").unwrap())
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    (chunks, text)
}

fn sample() -> Reply {
    Reply {
        id: "up".into(),
        model: "m".into(),
        created_s: Some(5),
        choices: vec![Choice {
            index: 0,
            output: vec![
                Output::Thought(Thought {
                    text: "w".into(),
                    blob: Some("b1".into()),
                    ..Thought::default()
                }),
                Output::Thought(Thought {
                    blob: Some("b2".into()),
                    is_redacted: true,
                    ..Thought::default()
                }),
                Output::Text {
                    text: "t".into(),
                    citations: vec![
                        Citation {
                            url: Some("u".into()),
                            ..Citation::default()
                        },
                        Citation::default(),
                    ],
                    logprobs: vec![Logprob {
                        token: "t".into(),
                        logprob: (-1).into(),
                        top: Vec::new(),
                    }],
                },
                Output::Call(Call {
                    id: "c1".into(),
                    name: "f".into(),
                    arguments: "{}".into(),
                    ..Call::default()
                }),
                Output::Call(Call {
                    id: "c2".into(),
                    name: "g".into(),
                    arguments: "x".into(),
                    kind: CallKind::Custom,
                    namespace: None,
                }),
                Output::Image {
                    media_type: "image/png".into(),
                    base64: "AA".into(),
                },
            ],
            finish: Some(Finish::ToolCalls),
        }],
        usage: Some(Usage {
            input: 3,
            output: 2,
            ..Usage::default()
        }),
        service_tier: None,
    }
}

#[test]
fn sdks_put_our_stream_together_again() {
    let (chunks, text) = written(&sample().into_events(), true);
    assert!(text.ends_with("data: [DONE]\n\n"));
    let mut message = Map::new();
    let mut finishes = Vec::new();
    for chunk in &chunks {
        assert_eq!(
            (&chunk["id"], &chunk["object"], &chunk["created"], &chunk["model"]),
            (
                &json!("chatcmpl-7"),
                &json!("chat.completion.chunk"),
                &json!(5),
                &json!("m")
            )
        );
        for choice in chunk["choices"].as_array().unwrap() {
            assert_eq!(choice["index"], 0);
            accumulate(&mut message, choice["delta"].as_object().unwrap());
            finishes.extend(choice["finish_reason"].as_str());
        }
    }
    assert_eq!(finishes, ["tool_calls"]);
    assert_eq!(
        (&message["role"], &message["content"]),
        (&json!("assistant"), &json!("t"))
    );
    assert_eq!(message["reasoning_content"], "w");
    assert_eq!(message["reasoning_details"][0]["data"], "b1");
    assert_eq!(message["reasoning_details"][1]["data"], "b2");
    assert_eq!(
        message["tool_calls"],
        json!([
            {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"index": 1, "id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}},
        ])
    );
    assert_eq!(message["images"][0]["image_url"]["url"], "data:image/png;base64,AA");
    assert_eq!(message["annotations"].as_array().unwrap().len(), 2);
    let roles = chunks
        .iter()
        .filter(|chunk| chunk["choices"][0]["delta"].get("role").is_some());
    assert_eq!(roles.count(), 1);
    let last = chunks.last().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]["total_tokens"]),
        (&json!([]), &json!(5))
    );
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk["usage"].is_null()));
}

#[test]
fn usage_goes_to_whom_asked_for_it() {
    let (chunks, _) = written(&sample().into_events(), false);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.get("usage").is_none() && !chunk["choices"].as_array().unwrap().is_empty())
    );
}

#[test]
fn our_stream_read_again_says_the_same() {
    let (_, text) = written(&sample().into_events(), true);
    let mut reply = assembled(decoded(std::iter::once(text.as_bytes()))).unwrap();
    let calls = |reply: &Reply| -> Vec<Output> {
        let output = reply.choices[0].output.iter();
        output
            .filter(|output| matches!(output, Output::Call(_) | Output::Image { .. }))
            .cloned()
            .collect()
    };
    assert_eq!(calls(&reply), calls(&sample()));
    assert_eq!(reply.usage.take(), sample().usage);
    assert_eq!(reply.choices[0].finish, Some(Finish::ToolCalls));
}

#[test]
fn an_answer_without_an_end_is_given_one_and_an_error_ends_all() {
    let mut events = sample().into_events();
    events.retain(|event| !matches!(event, Event::Finish { .. }));
    let (chunks, _) = written(&events, false);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    let (chunks, text) = written(
        &[Event::Error(UpstreamError {
            code: Some("c".into()),
            ..UpstreamError::default()
        })],
        true,
    );
    assert_eq!(chunks[0]["error"]["code"], "c");
    assert!(!text.contains("[DONE]"));
}

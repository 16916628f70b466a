//! How fast requests, replies and streams go from one dialect to another, in bytes read a second.
//!
//! Invariant: each step of each dialect has a row of its own, beside the same other side. Pure but for the clock.
//! `cargo bench -p gateway-core --bench translate`.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use gateway_core::dialect::exchange::{Ask, Origin, Rules, Target};
use gateway_core::dialect::{Dialect, MaxOutputField, Operation, Tally};
use gateway_core::translate::{Through, decode, encode};
use serde_json::json;
use std::hint::black_box;

const CLIENTS: [Dialect; 4] = [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Generate];

const fn origin(dialect: Dialect) -> Origin {
    Origin { dialect, account: 1 }
}

/// The dialect on the other side of `dialect`.
fn other(dialect: Dialect) -> Dialect {
    if dialect == Dialect::Chat {
        Dialect::Messages
    } else {
        Dialect::Chat
    }
}

/// A request of a long conversation with tools.
fn conversation() -> Vec<u8> {
    let mut messages = vec![json!({"role": "system", "content": "Be brief. ".repeat(200)})];
    for turn in 0..50 {
        let id = format!("call_{turn}");
        let call =
            json!({"id": id, "type": "function", "function": {"name": "look_up", "arguments": "{\"key\":\"a\"}"}});
        messages.extend([
            json!({"role": "user", "content": format!("Question {turn}: {}", "what is it? ".repeat(20))}),
            json!({"role": "assistant", "content": null, "tool_calls": [call]}),
            json!({"role": "tool", "tool_call_id": id, "content": "It is a thing.\n".repeat(40)}),
            json!({"role": "assistant", "content": "An answer, with “quotes” and a line.\n".repeat(10)}),
        ]);
    }
    messages.push(json!({"role": "user", "content": "And now?"}));
    let schema = json!({"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]});
    let tool =
        json!({"type": "function", "function": {"name": "look_up", "description": "Looks up.", "parameters": schema}});
    json!({"model": "m", "max_tokens": 1000, "stream": true, "tools": [tool], "messages": messages})
        .to_string()
        .into_bytes()
}

/// The stream of an answer of a thousand words and a call, in the chat dialect.
fn stream() -> Vec<u8> {
    let chunk = |delta: serde_json::Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        let chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "m", "choices": [choice],
        });
        format!("data: {chunk}\n\n")
    };
    let mut stream = String::new();
    for word in 0..1000 {
        stream.push_str(&chunk(json!({"content": format!(" wörd{word}")}), None));
    }
    let call =
        json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": ""}});
    stream.push_str(&chunk(json!({"tool_calls": [call]}), None));
    for piece in 0..200 {
        let call = json!({"index": 0, "function": {"arguments": format!("{piece},")}});
        stream.push_str(&chunk(json!({"tool_calls": [call]}), None));
    }
    stream.push_str(&chunk(json!({}), Some("tool_calls")));
    stream.push_str(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1201,\"total_tokens\":1210}}\n\n",
    );
    stream.push_str("data: [DONE]\n\n");
    stream.into_bytes()
}

/// What a client of `client` gets of `body`, in one piece or as a stream.
fn carried(client: Dialect, upstream: Dialect, body: &Bytes, is_stream: bool) -> Vec<u8> {
    // About as much as a connection gives at once.
    const PIECE: usize = 4096;
    let mut through = if is_stream {
        Through::stream(client, origin(upstream), Ask::default(), None)
    } else {
        Through::whole(client, origin(upstream), Ask::default())
    };
    let mut out = Vec::new();
    for at in (0..body.len()).step_by(PIECE) {
        let piece = body.slice(at..body.len().min(at + PIECE));
        out.extend_from_slice(&through.push(piece).unwrap().forward);
    }
    out.extend_from_slice(&through.finish().rest);
    out
}

fn target(rules: &Rules) -> Target<'_> {
    Target {
        model: "m",
        max_output: None,
        max_output_field: MaxOutputField::MaxTokens,
        rules,
        provider: "openai",
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, bytes: usize, mut step: impl FnMut() -> usize) {
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(name, |bencher| bencher.iter(|| black_box(step())));
}

fn requests(criterion: &mut Criterion) {
    let rules = Rules::default();
    let chat = conversation();
    let request = decode(Dialect::Chat, &chat, None).unwrap();
    let mut group = criterion.benchmark_group("request");
    for dialect in Dialect::ALL {
        let target = target(&rules);
        let body = encode(&request, origin(dialect), &target).unwrap().body;
        if CLIENTS.contains(&dialect) {
            measure(&mut group, &format!("decode {}", dialect.as_str()), body.len(), || {
                decode(dialect, &body, Some(("m", true))).unwrap().items.len()
            });
        }
        measure(&mut group, &format!("encode {}", dialect.as_str()), body.len(), || {
            encode(&request, origin(dialect), &target).unwrap().body.len()
        });
    }
    group.finish();
}

/// A chat reply of the same words.
fn reply() -> Vec<u8> {
    let call =
        json!({"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{\"key\":\"a\"}"}});
    let message = json!({"role": "assistant", "content": "An answer, with “quotes” and a line.\n".repeat(300), "tool_calls": [call]});
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1201, "total_tokens": 1210},
    })
    .to_string()
    .into_bytes()
}

fn answers(criterion: &mut Criterion) {
    for (name, chat, is_stream) in [("reply", reply(), false), ("stream", stream(), true)] {
        let chat = Bytes::from(chat);
        let mut group = criterion.benchmark_group(name);
        for upstream in CLIENTS {
            let body = if upstream == Dialect::Chat {
                chat.clone()
            } else {
                Bytes::from(carried(upstream, Dialect::Chat, &chat, is_stream))
            };
            let client = other(upstream);
            let name = format!("{} to {}", upstream.as_str(), client.as_str());
            measure(&mut group, &name, body.len(), || {
                carried(client, upstream, &body, is_stream).len()
            });
            if upstream != Dialect::Chat && upstream != Dialect::Messages {
                let name = format!("chat to {}", upstream.as_str());
                measure(&mut group, &name, chat.len(), || {
                    carried(upstream, Dialect::Chat, &chat, is_stream).len()
                });
            }
        }
        group.finish();
    }
    let frames = Bytes::from_static(include_bytes!("../tests/fixtures/converse/thought_text_call.sse"));
    let mut group = criterion.benchmark_group("converse");
    measure(&mut group, "stream to chat", frames.len(), || {
        carried(Dialect::Chat, Dialect::Converse, &frames, true).len()
    });
    let whole = Bytes::from_static(include_bytes!("../fuzz/seeds/replies/converse/all.json"));
    measure(&mut group, "reply to chat", whole.len(), || {
        carried(Dialect::Chat, Dialect::Converse, &whole, false).len()
    });
    group.finish();
}

/// For comparison: a stream that passes.
fn passing(criterion: &mut Criterion) {
    let body = Bytes::from(stream());
    let mut group = criterion.benchmark_group("passing");
    measure(&mut group, "stream chat", body.len(), || {
        let mut tally = Tally::stream(Operation::Chat, false);
        tally.push(body.clone()).unwrap().forward.len()
    });
    group.finish();
}

criterion_group!(all, requests, answers, passing);
criterion_main!(all);

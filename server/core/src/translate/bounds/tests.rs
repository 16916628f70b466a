//! What a stream may come to: open blocks, blocks in all, answers, what waits and what is kept.

#![allow(clippy::unwrap_used)]
use super::super::{Origin, Through, Translator};
use super::*;
use crate::dialect::exchange::Ask;
use crate::dialect::{Dialect, Observed};
use bytes::Bytes;
use serde_json::json;

/// What becomes of `events`, named and not, of an upstream that speaks `dialect`.
fn read(dialect: Dialect, events: impl IntoIterator<Item = (&'static str, String)>) -> Observed {
    let origin = Origin { dialect, account: 1 };
    let client = if dialect == Dialect::Messages {
        Dialect::Responses
    } else {
        Dialect::Messages
    };
    let mut reader = Translator::Through(Box::new(Through::stream(client, origin, Ask::default(), None)));
    for (name, data) in events {
        let event = format!("event: {name}\ndata: {data}\n\n");
        reader.push(Bytes::from(event)).unwrap();
    }
    reader.finish()
}

/// The event with which the call `number` begins.
fn call(dialect: Dialect, number: usize) -> (&'static str, String) {
    let id = format!("c{number}");
    match dialect {
        Dialect::Chat => {
            let call = json!({"index": number, "id": id, "function": {"name": "f", "arguments": ""}});
            (
                "",
                json!({"id": "r", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).to_string(),
            )
        }
        Dialect::Responses => {
            let item = json!({"type": "function_call", "call_id": id, "name": "f", "arguments": ""});
            let event = json!({"type": "response.output_item.added", "output_index": number, "item": item});
            ("response.output_item.added", event.to_string())
        }
        Dialect::Messages => {
            let block = json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
            let event = json!({"type": "content_block_start", "index": number, "content_block": block});
            ("content_block_start", event.to_string())
        }
        Dialect::Generate => {
            let call = json!({"functionCall": {"name": "f", "args": {}}});
            let candidate = json!({"index": 0, "content": {"role": "model", "parts": [call]}});
            ("", json!({"candidates": [candidate]}).to_string())
        }
        Dialect::Converse => {
            let start = json!({"toolUse": {"toolUseId": id, "name": "f"}});
            (
                "contentBlockStart",
                json!({"contentBlockIndex": number, "start": start}).to_string(),
            )
        }
    }
}

#[test]
fn a_stream_of_too_many_open_blocks_fails() {
    for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Converse] {
        let all = |count: usize| read(dialect, (0..count).map(|number| call(dialect, number)));
        assert_eq!(all(OPEN_MAX).error, None, "{dialect:?}");
        assert_eq!(all(OPEN_MAX + 9).error, Some(UpstreamError::boundless()), "{dialect:?}");
    }
}

#[test]
fn a_chunk_of_too_many_calls_fails() {
    let calls: Vec<_> = (0..50_000)
        .map(|number| json!({"index": number, "function": {"name": "f"}}))
        .collect();
    let chunk = json!({"id": "r", "choices": [{"index": 0, "delta": {"tool_calls": calls}}]});
    // A chunk may have many lines.
    let data = serde_json::to_string_pretty(&chunk).unwrap().replace('\n', "\ndata: ");
    let observed = read(Dialect::Chat, [("", data)]);
    assert_eq!(observed.error, Some(UpstreamError::boundless()));
}

#[test]
fn a_stream_of_too_many_blocks_fails_even_if_each_is_closed() {
    let blocks = |count: usize| {
        (0..count).flat_map(|number| {
            let stop = json!({"type": "content_block_stop", "index": number});
            [
                call(Dialect::Messages, number),
                ("content_block_stop", stop.to_string()),
            ]
        })
    };
    assert!(read(Dialect::Messages, blocks(BLOCKS_MAX + 1)).error.is_some());
    let calls = (0..BLOCKS_MAX).map(|number| call(Dialect::Generate, number));
    assert_eq!(read(Dialect::Generate, calls).error, None);
}

#[test]
fn a_stream_of_more_answers_than_can_be_asked_for_fails() {
    let chat = |index: u64| json!({"id": "r", "choices": [{"index": index, "delta": {}}]});
    let generate = |index: u64| json!({"candidates": [{"index": index, "content": {"parts": [{"text": "a"}]}}]});
    let all = |dialect: Dialect, answers: u64, one: &dyn Fn(u64) -> serde_json::Value| {
        read(dialect, (0..answers).map(|index| ("", one(index).to_string()))).error
    };
    for (dialect, one) in [
        (Dialect::Chat, &chat as &dyn Fn(u64) -> serde_json::Value),
        (Dialect::Generate, &generate),
    ] {
        assert_eq!(all(dialect, CHOICES_MAX, one), None, "{dialect:?}");
        assert!(all(dialect, CHOICES_MAX + 1, one).is_some(), "{dialect:?}");
    }
}

#[test]
fn what_waits_for_a_name_or_for_the_end_of_a_thought_is_bounded() {
    let words = "x".repeat(900_000);
    let nameless = json!({"tool_calls": [{"index": 0, "function": {"arguments": words}}]});
    let sealed = json!({"reasoning_details": [{"type": "reasoning.encrypted", "index": 0, "data": words}]});
    for delta in [nameless, sealed] {
        let chunk = json!({"id": "r", "choices": [{"index": 0, "delta": delta}]}).to_string();
        let all = |count: usize| read(Dialect::Chat, (0..count).map(|_| ("", chunk.clone()))).error;
        assert_eq!(all(15), None);
        assert!(all(20).is_some());
    }
}

#[test]
fn what_is_kept_until_the_end_is_bounded() {
    let full = || Bounds {
        bytes: BYTES_MAX,
        ..Bounds::default()
    };
    let delta = |delta: Delta| Event::Delta {
        choice: 0,
        block: 0,
        delta,
    };
    for (event, is_over) in [
        (Event::Close { choice: 0, block: 0 }, false),
        (delta(Delta::Text(String::new())), false),
        (delta(Delta::Text("a".to_owned())), true),
        (delta(Delta::Citation(Default::default())), true),
        (
            Event::Open {
                choice: 0,
                block: 0,
                kind: Kind::Text,
            },
            true,
        ),
    ] {
        let mut events = vec![Event::Start(Default::default()), event.clone(), Event::Done];
        full().keep(9, 0, &mut events);
        assert_eq!(
            events.contains(&Event::Error(UpstreamError::boundless())),
            is_over,
            "{event:?}"
        );
        assert_eq!(events.contains(&Event::Done), !is_over, "{event:?}");
    }
}

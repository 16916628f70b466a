//! Streams in pieces, in wholes, cut anywhere, broken off, and of rubbish.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{Assembler, Delta, Event, Finish, Output, Thought};
use super::super::super::sse;
use super::super::decode_reply;
use super::Decoder;
use bytes::Bytes;
use serde_json::json;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/fixtures/responses/codec/", $name)).as_slice()
    };
}

fn decode(chunks: &[&[u8]]) -> Vec<Event> {
    let mut reader = sse::Events::default();
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    for chunk in chunks {
        let block = reader.push(Bytes::copy_from_slice(chunk)).unwrap();
        for event in sse::split(&block) {
            if let Some(data) = sse::data(&event) {
                decoder.push(None, &data, &mut out);
            }
        }
    }
    decoder.finish(&mut out);
    out
}

fn of(events: &[serde_json::Value]) -> Vec<Event> {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    for event in events {
        decoder.push(None, event.to_string().as_bytes(), &mut out);
    }
    decoder.finish(&mut out);
    out
}

/// The same stream whose pieces are joined, so that streams that were cut otherwise compare.
fn reply(events: Vec<Event>) -> super::super::super::exchange::Reply {
    let mut assembler = Assembler::default();
    events.into_iter().for_each(|event| assembler.push(event));
    assembler.finish().unwrap()
}

#[test]
fn pieces_wholes_items_and_the_last_event_alone_say_the_same_as_the_whole_reply() {
    let expected = decode_reply(fixture!("tools.json")).unwrap();
    assert_eq!(expected.choices[0].finish, Some(Finish::ToolCalls));
    assert_eq!(expected.choices[0].output.len(), 4);
    for stream in [
        fixture!("pieces.sse"),
        fixture!("done.sse"),
        fixture!("items.sse"),
        fixture!("final.sse"),
    ] {
        let events = decode(&[stream]);
        assert_eq!(events.last(), Some(&Event::Done));
        assert_eq!(reply(events), expected);
    }
}

#[test]
fn a_stream_cut_at_every_byte_is_the_same() {
    for stream in [fixture!("pieces.sse"), fixture!("done.sse")] {
        let whole = decode(&[stream]);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(decode(&bytes), whole);
        for cut in (0..stream.len()).step_by(211) {
            assert_eq!(decode(&[&stream[..cut], &stream[cut..]]), whole, "{cut}");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_closes_what_is_open_and_is_not_done() {
    let stream = fixture!("pieces.sse");
    for end in (0..stream.len() - 40).step_by(7) {
        let events = decode(&[&stream[..end]]);
        let opened = events
            .iter()
            .filter(|event| matches!(event, Event::Open { .. }))
            .count();
        let closed = events
            .iter()
            .filter(|event| matches!(event, Event::Close { .. }))
            .count();
        assert_eq!(opened, closed, "{end}");
        assert!(!events.contains(&Event::Done), "{end}");
    }
}

#[test]
fn calls_overlap_as_they_came() {
    let events = decode(&[fixture!("pieces.sse")]);
    let blocks: Vec<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Delta {
                block,
                delta: Delta::Arguments(_),
                ..
            } => Some(*block),
            _ => None,
        })
        .collect();
    assert_eq!(blocks, [2, 3, 2]);
}

#[test]
fn a_thought_is_told_by_its_summary_or_by_itself_never_twice() {
    let summary =
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "s"});
    let raw = json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "raw"});
    let item = json!({"type": "response.output_item.done", "output_index": 0, "item": {
        "type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}],
        "content": [{"type": "reasoning_text", "text": "raw"}], "encrypted_content": "b",
    }});
    for (events, text, is_summary) in [
        (vec![summary.clone(), raw.clone(), item.clone()], "s", true),
        (vec![raw, summary, item.clone()], "raw", false),
        (vec![item], "s", true),
    ] {
        let output = reply(of(&events)).choices.remove(0).output;
        let [Output::Thought(thought)] = output.as_slice() else {
            panic!("{output:?}");
        };
        let expected = Thought {
            id: thought.id.clone(),
            text: text.to_owned(),
            is_summary,
            blob: Some("b".to_owned()),
            is_redacted: false,
        };
        assert_eq!(*thought, expected);
    }
}

#[test]
fn a_failed_response_and_an_error_end_the_stream_with_what_went_wrong() {
    for (event, code, message) in [
        (
            json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "insufficient_quota", "message": "m"}}}),
            "insufficient_quota",
            "m",
        ),
        (
            json!({"type": "response.failed", "response": {"status": "failed", "error": null}}),
            "server_error",
            "",
        ),
        (
            json!({"type": "error", "code": "rate_limit_exceeded", "message": "m", "param": null}),
            "rate_limit_exceeded",
            "m",
        ),
        (
            json!({"type": "error", "error": {"code": "c", "message": "m"}}),
            "c",
            "m",
        ),
        (json!({"error": {"code": "c", "message": "m"}}), "c", "m"),
    ] {
        let events = of(std::slice::from_ref(&event));
        let Some(Event::Error(error)) = events.last() else {
            panic!("{event}: {events:?}");
        };
        assert_eq!(
            (error.code.as_deref(), error.message.as_str()),
            (Some(code), message),
            "{event}"
        );
    }
}

#[test]
fn why_it_ended() {
    for (kind, response, expected) in [
        ("response.completed", json!({"status": "completed"}), Finish::Stop),
        (
            "response.incomplete",
            json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}),
            Finish::Length,
        ),
        (
            "response.incomplete",
            json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}),
            Finish::ContentFilter(None),
        ),
        (
            "response.incomplete",
            json!({"status": "incomplete", "incomplete_details": {"reason": "steered"}}),
            Finish::Stop,
        ),
    ] {
        let finish = reply(of(&[json!({"type": kind, "response": response})])).choices[0]
            .finish
            .clone();
        assert_eq!(finish, Some(expected), "{response}");
    }
}

#[test]
fn likelihoods_and_refusals() {
    let events = of(&[
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a",
            "logprobs": [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -2}]}]}),
        json!({"type": "response.refusal.done", "output_index": 0, "content_index": 1, "refusal": "no"}),
        json!({"type": "response.completed", "response": {}}),
    ]);
    let output = reply(events).choices.remove(0).output;
    let Output::Text { logprobs, .. } = &output[0] else {
        panic!("{output:?}");
    };
    assert_eq!(logprobs[0].top[0].0, "b");
    assert_eq!(output[1], Output::Refusal("no".to_owned()));
}

#[test]
fn rubbish_does_no_harm() {
    let wrong = json!([null, 7, "x", [], {}, [[]], {"type": 7}, {"type": "message", "content": 7}, {"type": "reasoning", "summary": [7]}]);
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    for data in ["", "[DONE]", "7", "null", "[]", "{", "{\"type\":null}", "\u{fffd}"] {
        decoder.push(None, data.as_bytes(), &mut out);
        decoder.push(Some("response.output_text.delta"), data.as_bytes(), &mut out);
    }
    for kind in [
        "response.created",
        "response.output_item.added",
        "response.output_text.delta",
        "response.reasoning_summary_text.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.unheard.of",
    ] {
        for value in wrong.as_array().unwrap() {
            let mut event = json!({"type": kind});
            for name in [
                "response",
                "item",
                "part",
                "delta",
                "output_index",
                "content_index",
                "arguments",
            ] {
                event[name] = value.clone();
            }
            decoder.push(None, event.to_string().as_bytes(), &mut out);
        }
    }
    decoder.push(None, &[0xff, 0xfe], &mut out);
    decoder.finish(&mut out);
    assert!(!out.iter().any(|event| matches!(event, Event::Error(_) | Event::Done)));
}

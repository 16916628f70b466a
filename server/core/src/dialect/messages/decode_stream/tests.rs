//! Streams of upstreams: whole, cut at every byte, broken off, and garbage.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{Assembler, Delta, Event, Finish, Kind, Start};
use super::super::super::sse;
use super::super::decode_reply;
use super::Decoder;
use bytes::Bytes;

/// The fixture of a stream with everything in it, and the reply it stands for.
const TOOLS: &[u8] = include_bytes!("../../../../tests/fixtures/messages/codec/tools.sse");
const REPLY: &[u8] = include_bytes!("../../../../tests/fixtures/messages/codec/tools.json");

/// Feeds `pieces` through the reader of events.
fn decoded(pieces: &[&[u8]]) -> Vec<Event> {
    let mut events = sse::Events::default();
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    for piece in pieces {
        let block = events.push(Bytes::copy_from_slice(piece)).unwrap();
        for event in sse::split(&block) {
            let text = String::from_utf8_lossy(&event).into_owned();
            let name = text.lines().find_map(|line| line.strip_prefix("event: "));
            if let Some(data) = sse::data(&event) {
                decoder.push(name, &data, &mut out);
            }
        }
    }
    decoder.finish(&mut out);
    out
}

/// What `frames` give, one after another.
fn events(frames: &[&str]) -> Vec<Event> {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    for frame in frames {
        decoder.push(None, frame.as_bytes(), &mut out);
    }
    decoder.finish(&mut out);
    out
}

const START: &str =
    r#"{"type":"message_start","message":{"id":"i","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}"#;

#[test]
fn a_stream_is_the_reply_it_stands_for() {
    let mut assembler = Assembler::default();
    let found = decoded(&[TOOLS]);
    assert_eq!(found.last(), Some(&Event::Done));
    found.into_iter().for_each(|event| assembler.push(event));
    assert_eq!(assembler.finish().unwrap(), decode_reply(REPLY).unwrap());
}

#[test]
fn a_stream_gives_the_same_wherever_it_is_cut() {
    let whole = decoded(&[TOOLS]);
    for cut in 0..TOOLS.len() {
        let (before, after) = TOOLS.split_at(cut);
        assert_eq!(decoded(&[before, after]), whole, "{cut}");
    }
}

#[test]
fn blocks_are_numbered_without_gaps_and_closed_once() {
    let mut opened = Vec::new();
    let mut closed = Vec::new();
    for event in decoded(&[TOOLS]) {
        match event {
            Event::Open { block, .. } => opened.push(block),
            Event::Close { block, .. } => closed.push(block),
            _ => {}
        }
    }
    assert_eq!(opened, [0, 1, 2, 3, 4]);
    assert_eq!(closed, opened);
}

#[test]
fn a_stream_that_breaks_off_closes_its_blocks() {
    let found = events(&[
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}"#,
    ]);
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(found[4], Event::Close { choice: 0, block: 0 });
    let Event::Start(start) = &found[0] else {
        panic!("{found:?}")
    };
    assert_eq!(start.usage.map(|usage| usage.input), Some(3));
}

#[test]
fn an_end_without_the_ends_before_it() {
    let found = events(&[
        r#"{"type":"content_block_start","index":7,"content_block":{"type":"tool_use","id":"c","name":"f","input":{"a":1}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":4}}"#,
        r#"{"type":"content_block_start","index":8,"content_block":{"type":"text","text":"late"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":3,"output_tokens":5}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let arguments = Delta::Arguments(r#"{"a":1}"#.to_owned());
    assert_eq!(found[0], Event::Start(Start::default()));
    assert!(matches!(
        &found[1],
        Event::Open {
            kind: Kind::Call { .. },
            ..
        }
    ));
    assert_eq!(
        found[2],
        Event::Delta {
            choice: 0,
            block: 0,
            delta: arguments
        }
    );
    assert_eq!(found[3], Event::Close { choice: 0, block: 0 });
    let reason = Finish::ToolCalls;
    assert_eq!(found[4], Event::Finish { choice: 0, reason });
    assert!(
        matches!(found[5], Event::Usage(usage) if usage.output == 5),
        "{found:?}"
    );
    assert_eq!(found[6..], [Event::Done]);
}

#[test]
fn an_error_within_the_stream() {
    for frame in [
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#,
    ] {
        let found = events(&[START, frame]);
        let Event::Error(error) = &found[1] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (error.kind.as_deref(), error.message.as_str()),
            (Some("overloaded_error"), "Overloaded")
        );
    }
    let mut out = Vec::new();
    Decoder::default().push(Some("error"), b"broken", &mut out);
    assert!(matches!(out[..], [Event::Error(_)]));
}

#[test]
fn garbage_does_no_harm() {
    let found = events(&[
        "",
        "7",
        "[]",
        "{}",
        "null",
        r#"{"type":7}"#,
        r#"{"type":"content_block_delta"}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"a"}}"#,
        r#"{"type":"content_block_start","index":0}"#,
        r#"{"type":"content_block_start","index":0,"content_block":7}"#,
        r#"{"type":"content_block_stop","index":99}"#,
        r#"{"type":"message_delta"}"#,
        r#"{"type":"content_block_start","index":-1,"content_block":{"type":"text","text":""}}"#,
    ]);
    assert_eq!(found, [Event::Start(Start::default())]);
    let mut out = Vec::new();
    Decoder::default().push(None, &[0xff, 0xfe], &mut out);
    assert!(out.is_empty());
}

//! Streams by their fixtures, cut anywhere, and garbage.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{Assembler, Finish, Output, Reply, Thought};
use super::super::super::sse;
use super::*;
use crate::usage::Usage;
use bytes::Bytes;

const TOOLS: &[u8] = include_bytes!("../../../../tests/fixtures/converse/thought_text_call.sse");
const ERROR: &[u8] = include_bytes!("../../../../tests/fixtures/converse/error.sse");
const CUT: &[u8] = include_bytes!("../../../../tests/fixtures/converse/cut.sse");

fn decode(pieces: &[&[u8]]) -> Vec<Event> {
    let (mut reader, mut decoder, mut out) = (sse::Events::default(), Decoder::default(), Vec::new());
    for piece in pieces {
        let block = reader.push(Bytes::copy_from_slice(piece)).unwrap();
        for event in sse::split(&block) {
            let text = std::str::from_utf8(&event).unwrap();
            let name = text.lines().find_map(|line| line.strip_prefix("event: "));
            if let Some(data) = sse::data(&event) {
                decoder.push(name, &data, &mut out);
            }
        }
    }
    decoder.finish(&mut out);
    out
}

fn assembled(events: Vec<Event>) -> Reply {
    let mut assembler = Assembler::default();
    events.into_iter().for_each(|event| assembler.push(event));
    assembler.finish().unwrap()
}

#[test]
fn a_stream_with_everything() {
    let events = decode(&[TOOLS]);
    assert_eq!(events.first(), Some(&Event::Start(Start::default())));
    assert_eq!(events.last(), Some(&Event::Done));
    let reply = assembled(events);
    let [choice] = reply.choices.as_slice() else { panic!() };
    assert_eq!(choice.finish, Some(Finish::ToolCalls));
    let [thought, hidden, text, call, other] = choice.output.as_slice() else {
        panic!("{:?}", choice.output)
    };
    let expected = Thought {
        text: "I look it up.".to_owned(),
        blob: Some("c2lnbmVk".to_owned()),
        ..Thought::default()
    };
    assert_eq!(thought, &Output::Thought(expected));
    let expected = Thought {
        blob: Some("aGlkZGVu".to_owned()),
        is_redacted: true,
        ..Thought::default()
    };
    assert_eq!(hidden, &Output::Thought(expected));
    assert!(matches!(text, Output::Text { text, .. } if text == "Möglich: one moment."));
    assert!(matches!(call, Output::Call(call) if call.arguments == r#"{"city":"Graz"}"# && call.id == "tooluse_a"));
    assert!(matches!(other, Output::Call(call) if call.arguments == "{}" && call.name == "now"));
    let usage = Usage {
        input: 20,
        cache_read: 100,
        cache_write: 5,
        output: 30,
        ..Usage::default()
    };
    assert_eq!(reply.usage, Some(usage));
    assert_eq!(reply.service_tier.as_deref(), Some("default"));
}

#[test]
fn wherever_it_is_cut_the_events_are_the_same() {
    for fixture in [TOOLS, ERROR, CUT] {
        let whole = decode(&[fixture]);
        for cut in 0..=fixture.len() {
            assert_eq!(decode(&[&fixture[..cut], &fixture[cut..]]), whole, "{cut}");
        }
    }
}

#[test]
fn an_exception_ends_it() {
    let events = decode(&[ERROR]);
    let Some(Event::Error(error)) = events.iter().find(|event| matches!(event, Event::Error(_))) else {
        panic!()
    };
    assert_eq!((error.status, error.message.as_str()), (Some(429), "Too many tokens"));
}

#[test]
fn a_broken_connection_leaves_no_block_open() {
    let events = decode(&[CUT]);
    assert_eq!(events.last(), Some(&Event::Close { choice: 0, block: 0 }));
    assert!(!events.contains(&Event::Done));
}

#[test]
fn garbage_does_no_harm() {
    for data in [
        "",
        "null",
        "[]",
        "{}",
        "{\"delta\":7}",
        "{\"contentBlockIndex\":-1}",
        "\u{0}",
        "{\"start\":{}}",
    ] {
        for name in [
            None,
            Some("messageStart"),
            Some("contentBlockStart"),
            Some("contentBlockDelta"),
            Some("contentBlockStop"),
            Some("messageStop"),
            Some("metadata"),
            Some("error"),
            Some("x"),
        ] {
            Decoder::default().push(name, data.as_bytes(), &mut Vec::new());
        }
    }
}

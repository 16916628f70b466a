//! What clients are sent of a stream, put together as the SDKs do it.
#![allow(clippy::unwrap_used)]

use super::super::super::UpstreamError;
use super::super::super::exchange::{Ask, Assembler, CallKind, Citation, Delta, Event, Finish, Kind, Reply, Start};
use super::super::{Decoder, decode_reply};
use super::Encoder;
use crate::usage::Usage;
use serde_json::{Value, json};

/// The fixture of a reply with everything in it.
const TOOLS: &[u8] = include_bytes!("../../../../tests/fixtures/messages/codec/tools.json");

fn encoded(events: &[Event]) -> Vec<(String, Value)> {
    let mut encoder = Encoder::new(Ask {
        id: "7".to_owned(),
        ..Ask::default()
    });
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    let text = String::from_utf8(out).unwrap();
    let frames = text.split_terminator("\n\n").map(|frame| {
        let (name, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        let name = name.strip_prefix("event: ").unwrap().to_owned();
        assert_eq!(data["type"], name);
        (name, data)
    });
    frames.collect()
}

/// The message that an SDK makes of `frames`; blocks must come one after another.
fn put_together(frames: &[(String, Value)]) -> Value {
    let mut message = json!(null);
    let mut open = None;
    let mut json_text = String::new();
    for (name, data) in frames {
        let index = usize::try_from(data["index"].as_u64().unwrap_or(0)).unwrap();
        match name.as_str() {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => {
                assert_eq!(open.replace(index), None);
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(content.len(), index);
                content.push(data["content_block"].clone());
                json_text.clear();
            }
            "content_block_delta" => {
                assert_eq!(open, Some(index));
                let delta = &data["delta"];
                let block = &mut message["content"][index];
                let (field, more) = match delta["type"].as_str().unwrap() {
                    "text_delta" => ("text", &delta["text"]),
                    "thinking_delta" => ("thinking", &delta["thinking"]),
                    "signature_delta" => ("signature", &delta["signature"]),
                    "input_json_delta" => {
                        json_text.push_str(delta["partial_json"].as_str().unwrap());
                        continue;
                    }
                    _ => {
                        block["citations"] = json!([delta["citation"]]);
                        continue;
                    }
                };
                block[field] = json!(format!("{}{}", block[field].as_str().unwrap(), more.as_str().unwrap()));
            }
            "content_block_stop" => {
                assert_eq!(open.take(), Some(index));
                if !json_text.is_empty() {
                    message["content"][index]["input"] = serde_json::from_str(&json_text).unwrap();
                }
            }
            "message_delta" => {
                for (name, value) in data["delta"].as_object().unwrap() {
                    message[name.as_str()] = value.clone();
                }
                message["usage"] = data["usage"].clone();
            }
            _ => assert_eq!(name, "message_stop"),
        }
    }
    assert_eq!(open, None);
    message
}

fn open(block: u32, kind: Kind) -> Event {
    Event::Open { choice: 0, block, kind }
}

fn delta(block: u32, delta: Delta) -> Event {
    Event::Delta {
        choice: 0,
        block,
        delta,
    }
}

fn close(block: u32) -> Event {
    Event::Close { choice: 0, block }
}

fn words(text: &str) -> Delta {
    Delta::Text(text.to_owned())
}

fn arguments(text: &str) -> Delta {
    Delta::Arguments(text.to_owned())
}

fn call(id: &str, kind: CallKind) -> Kind {
    Kind::Call {
        id: id.to_owned(),
        name: "f".to_owned(),
        namespace: None,
        kind,
    }
}

fn thought(is_redacted: bool) -> Kind {
    Kind::Thought {
        id: None,
        is_summary: true,
        is_redacted,
    }
}

#[test]
fn a_reply_as_a_stream_is_the_same_reply() {
    let reply = decode_reply(TOOLS).unwrap();
    let frames = encoded(&reply.clone().into_events());
    let message = put_together(&frames);
    let again = decode_reply(message.to_string().as_bytes()).unwrap();
    let expected = Reply {
        id: "msg_7".to_owned(),
        ..reply.clone()
    };
    let arguments = |reply: &Reply| format!("{:?}", reply.choices).replace(' ', "");
    assert_eq!(arguments(&again), arguments(&expected));
    assert_eq!(
        (again.usage, again.id, again.service_tier),
        (expected.usage, expected.id, expected.service_tier)
    );
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for (name, data) in &frames {
        decoder.push(Some(name), data.to_string().as_bytes(), &mut events);
    }
    let mut assembler = Assembler::default();
    events.into_iter().for_each(|event| assembler.push(event));
    assert_eq!(assembler.finish().unwrap().choices, reply.choices);
}

#[test]
fn blocks_that_overlap_come_one_after_another() {
    let frames = encoded(&[
        Event::Start(Start::default()),
        open(0, call("a", CallKind::Function)),
        open(1, call("b", CallKind::Function)),
        open(2, Kind::Text),
        delta(1, arguments("{\"x\"")),
        delta(0, arguments("{\"y\":")),
        delta(2, words("late")),
        delta(1, arguments(":1}")),
        close(1),
        delta(0, arguments("2}")),
        close(0),
        delta(2, words("r")),
        close(2),
        Event::Done,
    ]);
    let message = put_together(&frames);
    assert_eq!(
        message["content"],
        json!([
            {"type": "tool_use", "id": "a", "name": "f", "input": {"y": 2}},
            {"type": "tool_use", "id": "b", "name": "f", "input": {"x": 1}},
            {"type": "text", "text": "later"},
        ])
    );
    assert_eq!(message["stop_reason"], "tool_use");
}

#[test]
fn what_is_empty_does_not_begin() {
    let citation = Citation {
        url: Some("u".to_owned()),
        ..Citation::default()
    };
    let message = put_together(&encoded(&[
        Event::Start(Start::default()),
        open(0, Kind::Text),
        delta(0, words("")),
        close(0),
        open(1, thought(false)),
        close(1),
        open(2, thought(true)),
        close(2),
        open(
            3,
            Kind::Image {
                media_type: "image/png".to_owned(),
            },
        ),
        delta(3, words("AAAA")),
        close(3),
        open(4, thought(false)),
        delta(4, Delta::Blob("old".to_owned())),
        delta(4, words("hm")),
        delta(4, Delta::Blob("new".to_owned())),
        close(4),
        open(5, thought(false)),
        delta(5, Delta::Blob("alone".to_owned())),
        close(5),
        open(6, thought(true)),
        delta(6, Delta::Blob("hidden".to_owned())),
        close(6),
        open(7, Kind::Refusal),
        delta(7, words("no")),
        close(7),
        open(8, Kind::Text),
        delta(8, words("yes")),
        delta(8, Delta::Citation(citation)),
        Event::Done,
    ]));
    let cited = json!([{"type": "web_search_result_location", "url": "u", "title": "", "cited_text": "", "encrypted_index": ""}]);
    assert_eq!(
        message["content"],
        json!([
            {"type": "thinking", "thinking": "hm", "signature": "new"},
            {"type": "thinking", "thinking": "", "signature": "alone"},
            {"type": "redacted_thinking", "data": "hidden"},
            {"type": "text", "text": "no"},
            {"type": "text", "text": "yes", "citations": cited},
        ])
    );
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    for pieces in [vec![], vec![""], vec![" "], vec!["{}"], vec!["", "{", "}"]] {
        let mut events = vec![open(0, call("c", CallKind::Function))];
        events.extend(pieces.iter().map(|piece| delta(0, arguments(piece))));
        events.extend([close(0), Event::Done]);
        let frames = encoded(&events);
        let sent: String = frames
            .iter()
            .filter_map(|(_, data)| data["delta"]["partial_json"].as_str())
            .collect();
        assert_eq!(sent, "{}", "{pieces:?}");
        assert_eq!(frames[1].1["content_block"]["input"], json!({}));
    }
    let custom = encoded(&[
        open(0, call("c", CallKind::Custom)),
        delta(0, arguments("a \"b")),
        close(0),
        Event::Done,
    ]);
    assert_eq!(put_together(&custom)["content"][0]["input"], json!({"input": "a \"b"}));
}

#[test]
fn the_end_waits_for_usage() {
    let usage = |input, output| Usage {
        input,
        output,
        ..Usage::default()
    };
    let start = Start {
        model: "m".to_owned(),
        usage: Some(usage(3, 0)),
        ..Start::default()
    };
    let reason = Finish::StopSequence("END".to_owned());
    let events = [
        Event::Start(start),
        Event::Usage(usage(3, 1)),
        Event::Finish { choice: 0, reason },
        Event::Finish {
            choice: 1,
            reason: Finish::Length,
        },
        Event::Usage(usage(3, 9)),
        Event::ServiceTier("priority".to_owned()),
    ];
    assert_eq!(encoded(&events).len(), 1);
    let whole: Vec<Event> = events.into_iter().chain([Event::Done, Event::Done]).collect();
    let frames = encoded(&whole);
    let names: Vec<&str> = frames.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["message_start", "message_delta", "message_stop"]);
    let message = &frames[0].1["message"];
    assert_eq!((&message["id"], &message["model"]), (&json!("msg_7"), &json!("m")));
    assert_eq!(
        (&message["content"], &message["stop_reason"]),
        (&json!([]), &json!(null))
    );
    assert_eq!(message["usage"]["input_tokens"], 3);
    let end = &frames[1].1;
    assert_eq!(
        end["delta"],
        json!({"stop_reason": "stop_sequence", "stop_sequence": "END"})
    );
    assert_eq!(
        (&end["usage"]["output_tokens"], &end["usage"]["service_tier"]),
        (&json!(9), &json!("priority"))
    );
}

#[test]
fn an_error_ends_the_stream() {
    let error = UpstreamError {
        status: Some(529),
        message: "two\n\nlines".to_owned(),
        ..UpstreamError::default()
    };
    let frames = encoded(&[Event::Start(Start::default()), Event::Error(error), Event::Done]);
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1].0, "error");
    assert_eq!(
        frames[1].1["error"],
        json!({"type": "overloaded_error", "message": "two\n\nlines"})
    );
}

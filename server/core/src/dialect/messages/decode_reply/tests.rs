//! What upstreams reply, and what it is taken for.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{Call, CallKind, Citation, Finish, Output, Thought};
use super::decode_reply;
use crate::usage::Usage;
use serde_json::{Value, json};

/// The fixture of a reply with everything in it.
const TOOLS: &[u8] = include_bytes!("../../../../tests/fixtures/messages/codec/tools.json");

#[test]
fn a_reply_with_everything_in_it() {
    let reply = decode_reply(TOOLS).unwrap();
    let call = |id: &str, name: &str, arguments: &str| {
        Output::Call(Call {
            id: id.to_owned(),
            name: name.to_owned(),
            namespace: None,
            arguments: arguments.to_owned(),
            kind: CallKind::Function,
        })
    };
    let citation = Citation {
        url: Some("https://rain.example/".to_owned()),
        title: Some("Rain".to_owned()),
        quote: Some("Rain falls.".to_owned()),
        start: None,
        end: None,
    };
    assert_eq!(
        reply.choices[0].output,
        [
            Output::Thought(Thought {
                id: None,
                text: "Two cities, two calls: Zürich über alles.".to_owned(),
                is_summary: true,
                blob: Some("c2lnbmF0dXJl".to_owned()),
                is_redacted: false,
            }),
            Output::Thought(Thought {
                blob: Some("cmVkYWN0ZWQ=".to_owned()),
                is_redacted: true,
                ..Thought::default()
            }),
            Output::Text {
                text: "It rains 🌧 somewhere.".to_owned(),
                citations: vec![citation],
                logprobs: Vec::new(),
            },
            call("toolu_1", "weather", r#"{"city": "Bern"}"#),
            call("toolu_2", "now", "{}"),
        ]
    );
    assert_eq!(reply.choices[0].finish, Some(Finish::ToolCalls));
    assert_eq!(
        (reply.id.as_str(), reply.model.as_str()),
        ("msg_example", "claude-example")
    );
    assert_eq!(reply.service_tier.as_deref(), Some("default"));
    let expected = Usage {
        input: 21,
        cache_read: 7,
        cache_write: 3,
        cache_write_long: 2,
        output: 88,
        reasoning: 30,
        ..Usage::default()
    };
    assert_eq!(reply.usage, Some(expected));
}

#[test]
fn every_reason_to_stop() {
    let stop = |fields: Value| {
        let mut body = json!({"content": []});
        for (name, value) in fields.as_object().unwrap() {
            body[name.as_str()] = value.clone();
        }
        decode_reply(body.to_string().as_bytes()).unwrap().choices[0]
            .finish
            .clone()
    };
    for (reason, expected) in [
        ("end_turn", Finish::Stop),
        ("pause_turn", Finish::Stop),
        ("new_reason", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("model_context_window_exceeded", Finish::Length),
        ("compaction", Finish::Length),
        ("stop_sequence", Finish::StopSequence(String::new())),
        ("tool_use", Finish::ToolCalls),
        ("refusal", Finish::ContentFilter(None)),
    ] {
        assert_eq!(stop(json!({"stop_reason": reason})), Some(expected), "{reason}");
    }
    assert_eq!(stop(json!({"stop_reason": null})), None);
    let ended = stop(json!({"stop_reason": "stop_sequence", "stop_sequence": "END"}));
    assert_eq!(ended, Some(Finish::StopSequence("END".to_owned())));
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "why"});
    let refused = stop(json!({"stop_reason": "refusal", "stop_details": details}));
    assert_eq!(refused, Some(Finish::ContentFilter(Some("why".to_owned()))));
}

#[test]
fn what_is_no_message_is_unreadable() {
    for body in [
        "",
        "{}",
        "[]",
        r#"{"type":"error","error":{"message":"m"}}"#,
        r#"{"content":"x"}"#,
        "<html>",
    ] {
        assert!(decode_reply(body.as_bytes()).is_err(), "{body}");
    }
    for cut in 0..TOOLS.trim_ascii_end().len() {
        assert!(decode_reply(&TOOLS[..cut]).is_err(), "{cut}");
    }
    let odd =
        decode_reply(br#"{"content":[7,{"type":"text","text":9},{"type":"x"},{"type":"text"}],"usage":7}"#).unwrap();
    assert_eq!(odd.choices[0].output.len(), 1);
    assert_eq!(odd.usage, None);
}

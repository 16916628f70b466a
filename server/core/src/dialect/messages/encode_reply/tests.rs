//! What clients are sent of a reply.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{Ask, Call, CallKind, Choice, Finish, Output, Reply, Request, Thought};
use super::super::decode_reply;
use super::encode_reply;
use crate::usage::Usage;
use serde_json::{Value, json};
use std::sync::Arc;

/// The fixture of a reply with everything in it.
const TOOLS: &[u8] = include_bytes!("../../../../tests/fixtures/messages/codec/tools.json");

fn ask() -> Ask {
    Ask {
        id: "7".to_owned(),
        request: Arc::new(Request {
            stop: vec!["END".to_owned()],
            ..Request::default()
        }),
        ..Ask::default()
    }
}

fn encoded(output: Vec<Output>, finish: Option<Finish>) -> Value {
    let reply = Reply {
        model: "m".to_owned(),
        choices: vec![Choice {
            index: 0,
            output,
            finish,
        }],
        ..Reply::default()
    };
    serde_json::from_slice(&encode_reply(&reply, &ask())).unwrap()
}

fn text(text: &str) -> Output {
    Output::Text {
        text: text.to_owned(),
        citations: Vec::new(),
        logprobs: Vec::new(),
    }
}

#[test]
fn a_reply_comes_back_as_it_was() {
    let reply = decode_reply(TOOLS).unwrap();
    let again = decode_reply(&encode_reply(&reply, &ask())).unwrap();
    assert_eq!(again.id, "msg_7");
    assert_eq!(
        Reply {
            id: reply.id.clone(),
            ..again
        },
        reply
    );
}

#[test]
fn the_envelope_is_whole() {
    let found = encoded(
        vec![text("hi"), text(""), Output::Refusal("no".to_owned())],
        Some(Finish::Stop),
    );
    assert_eq!(
        found,
        json!({
            "id": "msg_7", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "no"}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {
                "input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            },
        })
    );
    let nothing = encode_reply(&Reply::default(), &ask());
    let nothing: Value = serde_json::from_slice(&nothing).unwrap();
    assert_eq!(nothing["content"], json!([]));
}

#[test]
fn every_reason_to_stop() {
    let call = || {
        vec![Output::Call(Call {
            id: "c".to_owned(),
            name: "f".to_owned(),
            ..Call::default()
        })]
    };
    let stopped = |text: &str| Some(Finish::StopSequence(text.to_owned()));
    for (output, finish, reason, sequence) in [
        (Vec::new(), Some(Finish::Stop), "end_turn", json!(null)),
        (Vec::new(), None, "end_turn", json!(null)),
        (Vec::new(), Some(Finish::ToolCalls), "end_turn", json!(null)),
        (call(), Some(Finish::ToolCalls), "tool_use", json!(null)),
        (call(), Some(Finish::Stop), "tool_use", json!(null)),
        (call(), Some(Finish::Length), "max_tokens", json!(null)),
        (Vec::new(), stopped("X"), "stop_sequence", json!("X")),
        (Vec::new(), stopped(""), "stop_sequence", json!("END")),
        (Vec::new(), Some(Finish::ContentFilter(None)), "refusal", json!(null)),
        (
            Vec::new(),
            Some(Finish::Failed("bad".to_owned())),
            "end_turn",
            json!(null),
        ),
    ] {
        let found = encoded(output, finish.clone());
        assert_eq!(
            (&found["stop_reason"], &found["stop_sequence"]),
            (&json!(reason), &sequence),
            "{finish:?}"
        );
    }
    let refused = encoded(Vec::new(), Some(Finish::ContentFilter(Some("why".to_owned()))));
    assert_eq!(
        refused["stop_details"],
        json!({"type": "refusal", "category": null, "explanation": "why"})
    );
}

#[test]
fn thoughts_with_and_without_what_only_their_account_reads() {
    let thought = |text: &str, blob: Option<&str>, is_redacted| {
        let thought = Thought {
            text: text.to_owned(),
            blob: blob.map(str::to_owned),
            is_redacted,
            ..Thought::default()
        };
        encoded(vec![Output::Thought(thought)], None)["content"].clone()
    };
    let words = |text: &str, signature: &str| json!([{"type": "thinking", "thinking": text, "signature": signature}]);
    assert_eq!(thought("hm", None, false), words("hm", ""));
    assert_eq!(thought("", Some("s"), false), words("", "s"));
    assert_eq!(thought("", None, false), json!([]));
    assert_eq!(
        thought("", Some("d"), true),
        json!([{"type": "redacted_thinking", "data": "d"}])
    );
}

#[test]
fn an_input_is_an_object() {
    for (arguments, kind, input) in [
        ("", CallKind::Function, json!({})),
        (r#"{"a":1}"#, CallKind::Function, json!({"a": 1})),
        ("x", CallKind::Function, json!({"_raw": "x"})),
        ("x", CallKind::Custom, json!({"input": "x"})),
    ] {
        let call = Call {
            arguments: arguments.to_owned(),
            kind,
            ..Call::default()
        };
        assert_eq!(
            encoded(vec![Output::Call(call)], None)["content"][0]["input"],
            input,
            "{arguments}"
        );
    }
}

#[test]
fn counts_add_up_to_all_that_was_counted() {
    let usage = Usage {
        input: 1,
        cache_read: 2,
        cache_read_audio: 4,
        cache_write: 8,
        cache_write_long: 16,
        audio_input: 32,
        image_input: 64,
        output: 3,
        image_output: 5,
        ..Usage::default()
    };
    let reply = Reply {
        usage: Some(usage),
        ..Reply::default()
    };
    let found: Value = serde_json::from_slice(&encode_reply(&reply, &ask())).unwrap();
    let counts = &found["usage"];
    assert_eq!(counts["input_tokens"], 97);
    assert_eq!(counts["cache_read_input_tokens"], 6);
    assert_eq!(counts["cache_creation_input_tokens"], 24);
    assert_eq!(counts["output_tokens"], 8);
}

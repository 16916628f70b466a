//! Whole replies, both ways.
//!
//! Invariant: what one side says the other reads. Pure.

use super::super::super::exchange::*;
use super::super::{decode_reply, encode_reply};
use crate::usage::Usage;
use serde_json::{Value, json};

fn output(message: Value) -> Vec<Output> {
    let body = json!({"id": "r", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    let mut reply = decode_reply(body.to_string().as_bytes()).unwrap();
    reply.choices.remove(0).output
}

fn text(text: &str) -> Output {
    Output::Text {
        text: text.into(),
        citations: Vec::new(),
        logprobs: Vec::new(),
    }
}

fn thought(text: &str, blob: Option<&str>) -> Output {
    Output::Thought(Thought {
        text: text.into(),
        blob: blob.map(str::to_owned),
        ..Thought::default()
    })
}

#[test]
fn messages_in_every_providers_words() {
    let call = |id: &str, name: &str, arguments: &str, kind| {
        Output::Call(Call {
            id: id.into(),
            name: name.into(),
            namespace: None,
            arguments: arguments.into(),
            kind,
        })
    };
    let details = json!([{"format": "f", "index": 0, "text": "w", "type": "reasoning.text", "signature": "s"}]);
    let sealed = details.to_string();
    for (message, expected) in [
        (
            json!({"role": "assistant", "content": "t", "refusal": null}),
            vec![text("t")],
        ),
        (
            json!({"content": "t", "reasoning_content": "w", "reasoning": "w"}),
            vec![thought("w", None), text("t")],
        ),
        (
            json!({"content": "t", "reasoning": "w", "reasoning_details": details}),
            vec![thought("w", Some(&sealed)), text("t")],
        ),
        (
            json!({"content": "t", "reasoning_details": [{"type": "reasoning.summary", "summary": "w", "index": 0}]}),
            vec![thought("w", None), text("t")],
        ),
        (
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "w"}]}, {"type": "text", "text": "t"}]}),
            vec![thought("w", None), text("t")],
        ),
        (
            json!({"content": null, "refusal": "no"}),
            vec![Output::Refusal("no".into())],
        ),
        (
            json!({"content": null, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "custom": {"name": "", "input": ""}},
                {"id": "e", "type": "custom", "custom": {"name": "g", "input": "x"}},
                {"function": {"name": "h", "arguments": {"a": 1}}}]}),
            vec![
                call("c", "f", "{}", CallKind::Function),
                call("e", "g", "x", CallKind::Custom),
                call("call_r_0_2", "h", r#"{"a":1}"#, CallKind::Function),
            ],
        ),
        (
            json!({"content": null, "function_call": {"name": "f", "arguments": "{}"}}),
            vec![call("call_r_0_0", "f", "{}", CallKind::Function)],
        ),
        (
            json!({"content": "t", "function_call": {"name": "", "arguments": ""}}),
            vec![text("t")],
        ),
        (
            json!({"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}),
            vec![Output::Image {
                media_type: "image/png".into(),
                base64: "AA".into(),
            }],
        ),
        (
            json!({"content": "t", "annotations": [{"type": "url_citation", "url_citation": {
                "url": "u", "title": "i", "start_index": 0, "end_index": 1}}]}),
            vec![Output::Text {
                text: "t".into(),
                citations: vec![Citation {
                    url: Some("u".into()),
                    title: Some("i".into()),
                    quote: None,
                    start: Some(0),
                    end: Some(1),
                }],
                logprobs: Vec::new(),
            }],
        ),
    ] {
        assert_eq!(output(message.clone()), expected, "{message}");
    }
}

#[test]
fn why_it_ended_in_every_providers_words() {
    for (choice, expected) in [
        (json!({"finish_reason": "stop"}), Finish::Stop),
        (
            json!({"finish_reason": "stop", "stop_reason": "###"}),
            Finish::StopSequence("###".into()),
        ),
        (json!({"finish_reason": "stop", "stop_reason": 154827}), Finish::Stop),
        (json!({"finish_reason": "length"}), Finish::Length),
        (json!({"finish_reason": "model_length"}), Finish::Length),
        (json!({"finish_reason": "content_filter"}), Finish::ContentFilter(None)),
        (json!({"finish_reason": "function_call"}), Finish::ToolCalls),
        (
            json!({"finish_reason": "insufficient_system_resource"}),
            Finish::Failed("insufficient_system_resource".into()),
        ),
        (json!({"finish_reason": "error"}), Finish::Failed("error".into())),
        (json!({"finish_reason": "eos"}), Finish::Stop),
        (
            json!({"finish_reason": "stop", "message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}}),
            Finish::ToolCalls,
        ),
    ] {
        let reply = decode_reply(json!({"id": "r", "choices": [choice]}).to_string().as_bytes()).unwrap();
        assert_eq!(reply.choices[0].finish, Some(expected), "{choice}");
    }
}

#[test]
fn what_is_no_reply_is_unreadable() {
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"choices":[]}"#,
        r#"{"choices":7}"#,
        r#"{"error":{"message":"m"}}"#,
    ] {
        assert_eq!(decode_reply(body.as_bytes()), Err(Unreadable), "{body}");
    }
}

#[test]
fn a_reply_comes_back_from_its_own_encoding() {
    let reply = Reply {
        id: "chatcmpl-7".into(),
        model: "m".into(),
        created_s: Some(5),
        choices: vec![
            Choice {
                index: 0,
                output: vec![
                    Output::Text {
                        text: "t".into(),
                        citations: vec![Citation {
                            url: Some("u".into()),
                            title: Some("i".into()),
                            quote: None,
                            start: Some(0),
                            end: Some(1),
                        }],
                        logprobs: vec![Logprob {
                            token: "t".into(),
                            logprob: (-1).into(),
                            top: vec![("u".into(), (-2).into())],
                        }],
                    },
                    Output::Call(Call {
                        id: "c".into(),
                        name: "f".into(),
                        arguments: "{}".into(),
                        ..Call::default()
                    }),
                ],
                finish: Some(Finish::ToolCalls),
            },
            Choice {
                index: 1,
                output: vec![Output::Refusal("no".into())],
                finish: Some(Finish::Length),
            },
        ],
        usage: Some(Usage {
            input: 3,
            cache_read: 4,
            cache_write: 5,
            output: 6,
            reasoning: 2,
            ..Usage::default()
        }),
        service_tier: Some("default".into()),
    };
    let ask = Ask {
        id: "7".into(),
        created_s: 5,
        ..Ask::default()
    };
    assert_eq!(decode_reply(&encode_reply(&reply, &ask)).unwrap(), reply);
}

#[test]
fn usage_of_every_kind_comes_back() {
    let usage = Usage {
        input: 1,
        cache_read: 2,
        cache_write: 4,
        cache_write_long: 5,
        audio_input: 6,
        image_input: 7,
        output: 8,
        audio_output: 9,
        image_output: 10,
        reasoning: 3,
        ..Usage::default()
    };
    let reply = Reply {
        choices: vec![Choice {
            output: vec![text("t")],
            ..Choice::default()
        }],
        usage: Some(usage),
        ..Reply::default()
    };
    let body = encode_reply(&reply, &Ask::default());
    assert_eq!(decode_reply(&body).unwrap().usage, Some(usage));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&body["usage"]["prompt_tokens"], &body["usage"]["completion_tokens"]),
        (&json!(25), &json!(27))
    );
}

#[test]
fn a_class_of_service_is_told_in_words_that_sdks_know() {
    for (tier, expected) in [
        ("flex", json!("flex")),
        ("on_demand", json!("default")),
        ("standard", json!("default")),
        ("provisioned", Value::Null),
    ] {
        let reply = Reply {
            service_tier: Some(tier.into()),
            ..Reply::default()
        };
        let body: Value = serde_json::from_slice(&encode_reply(&reply, &Ask::default())).unwrap();
        assert_eq!(body["service_tier"], expected, "{tier}");
    }
}

#[test]
fn a_reply_has_the_official_shape() {
    let reply = Reply {
        choices: vec![Choice {
            output: vec![
                thought("w", Some("b")),
                Output::Thought(Thought {
                    blob: Some("z".into()),
                    is_redacted: true,
                    ..Thought::default()
                }),
                Output::Image {
                    media_type: "image/png".into(),
                    base64: "AA".into(),
                },
            ],
            finish: Some(Finish::ContentFilter(Some("because".into()))),
            ..Choice::default()
        }],
        ..Reply::default()
    };
    let request = Request {
        model: "asked".into(),
        ..Request::default()
    };
    let ask = Ask {
        request: request.into(),
        id: "7".into(),
        created_s: 5,
        is_array: false,
    };
    let body: Value = serde_json::from_slice(&encode_reply(&reply, &ask)).unwrap();
    assert_eq!(
        body,
        json!({"id": "chatcmpl-7", "object": "chat.completion", "created": 5, "model": "asked", "choices": [{
            "index": 0, "logprobs": null, "finish_reason": "content_filter",
            "message": {
                "role": "assistant", "content": null, "refusal": "because", "reasoning_content": "w",
                "reasoning_details": [
                    {"type": "reasoning.encrypted", "data": "b", "index": 0},
                    {"type": "reasoning.encrypted", "data": "z", "format": "redacted", "index": 1}],
                "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}, "index": 0}],
            },
        }]})
    );
}

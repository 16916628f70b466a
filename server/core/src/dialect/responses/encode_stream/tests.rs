//! Streams to a client: the order of events, what ends them, and that they say what was said.
#![allow(clippy::unwrap_used)]

use super::super::super::UpstreamError;
use super::super::super::exchange::{
    Ask, Assembler, Call, CallKind, Choice, Citation, Delta, Event, Finish, Kind, Output, Reply, Request, Start,
    Thought,
};
use super::super::{Decoder, encode_reply};
use super::Encoder;
use crate::usage::Usage;
use serde_json::{Value, json};
use std::sync::Arc;

fn ask() -> Ask {
    Ask {
        request: Arc::new(Request {
            model: "fast".to_owned(),
            ..Request::default()
        }),
        id: "x".to_owned(),
        created_s: 1_790_000_000,
        is_array: false,
    }
}

/// The events as their names and data.
fn encode(events: &[Event]) -> Vec<Value> {
    let mut encoder = Encoder::new(ask());
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    let text = String::from_utf8(out).unwrap();
    let mut told = Vec::new();
    for (at, event) in text.split_terminator("\n\n").enumerate() {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], name);
        assert_eq!(data["sequence_number"], at);
        told.push(data);
    }
    told
}

fn names(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().filter_map(|event| event["type"].as_str());
    kinds.map(|kind| kind.trim_start_matches("response.")).collect()
}

fn call(kind: CallKind, namespace: Option<&str>) -> Output {
    Output::Call(Call {
        id: "call_1".to_owned(),
        name: "f".to_owned(),
        namespace: namespace.map(str::to_owned),
        arguments: "{}".to_owned(),
        kind,
    })
}

fn said(text: &str) -> Output {
    Output::Text {
        text: text.to_owned(),
        citations: Vec::new(),
        logprobs: Vec::new(),
    }
}

fn reply(output: Vec<Output>, finish: Finish) -> Reply {
    Reply {
        id: "u".to_owned(),
        model: "m".to_owned(),
        created_s: Some(1_790_000_000),
        choices: vec![Choice {
            index: 0,
            output,
            finish: Some(finish),
        }],
        usage: Some(Usage {
            input: 7,
            cache_read: 3,
            output: 5,
            reasoning: 2,
            ..Usage::default()
        }),
        service_tier: Some("default".to_owned()),
    }
}

fn thought() -> Output {
    Output::Thought(Thought {
        id: Some("rs_1".to_owned()),
        text: "hm".to_owned(),
        is_summary: true,
        blob: Some("b".to_owned()),
        is_redacted: false,
    })
}

#[test]
fn the_official_order_of_events() {
    let cited = Output::Text {
        text: "hi".to_owned(),
        citations: vec![Citation {
            url: Some("https://example.com".to_owned()),
            ..Citation::default()
        }],
        logprobs: Vec::new(),
    };
    let told = encode(
        &reply(
            vec![thought(), cited, call(CallKind::Function, None)],
            Finish::ToolCalls,
        )
        .into_events(),
    );
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names(&told), expected);
    assert_eq!(told[7]["item"]["encrypted_content"], "b");
    assert_eq!(told[10]["output_index"], 1);
    assert_eq!(told[10]["item_id"], told[8]["item"]["id"]);
    assert_eq!(told[10]["logprobs"], json!([]));
    assert_eq!(told[17]["name"], "f");
}

#[test]
fn the_last_event_is_the_whole_reply() {
    for (output, finish) in [
        (
            vec![thought(), said("hi"), call(CallKind::Function, Some("n"))],
            Finish::ToolCalls,
        ),
        (
            vec![call(CallKind::Custom, None), call(CallKind::Function, None)],
            Finish::ToolCalls,
        ),
        (vec![said("hi"), Output::Refusal("no".to_owned())], Finish::Stop),
        (vec![said("hal")], Finish::Length),
        (vec![], Finish::ContentFilter(None)),
        (vec![said("hal")], Finish::Failed("overloaded".to_owned())),
        (
            vec![Output::Image {
                media_type: "image/webp".to_owned(),
                base64: "AAAA".to_owned(),
            }],
            Finish::Stop,
        ),
    ] {
        let reply = reply(output, finish);
        let told = encode(&reply.clone().into_events());
        let whole: Value = serde_json::from_slice(&encode_reply(&reply, &ask())).unwrap();
        let last = told.last().unwrap();
        assert_eq!(last["response"], whole);
        assert_eq!(last["type"], format!("response.{}", whole["status"].as_str().unwrap()));
        let done: Vec<&Value> = told
            .iter()
            .filter(|event| event["type"] == "response.output_item.done")
            .map(|event| &event["item"])
            .collect();
        assert_eq!(json!(done), whole["output"]);
    }
}

#[test]
fn what_is_told_decodes_to_what_was_said() {
    let reply = reply(
        vec![
            thought(),
            said("hi"),
            Output::Refusal("no".to_owned()),
            call(CallKind::Function, Some("n")),
            call(CallKind::Custom, None),
        ],
        Finish::ToolCalls,
    );
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for event in encode(&reply.clone().into_events()) {
        decoder.push(None, event.to_string().as_bytes(), &mut events);
    }
    let mut assembler = Assembler::default();
    events.into_iter().for_each(|event| assembler.push(event));
    let expected = Reply {
        id: "resp_x".to_owned(),
        ..reply
    };
    assert_eq!(assembler.finish().unwrap(), expected);
}

#[test]
fn blocks_that_overlap_end_each_in_its_own_item() {
    let open = |block, kind| Event::Open { choice: 0, block, kind };
    let close = |block| Event::Close { choice: 0, block };
    let text = |block, text: &str| Event::Delta {
        choice: 0,
        block,
        delta: Delta::Text(text.to_owned()),
    };
    let called = Kind::Call {
        id: "c".to_owned(),
        name: "f".to_owned(),
        namespace: None,
        kind: CallKind::Function,
    };
    let told = encode(&[
        Event::Start(Start::default()),
        open(0, Kind::Text),
        text(0, "a"),
        open(1, called),
        text(0, "b"),
        open(2, Kind::Text),
        close(0),
        text(2, "c"),
        close(1),
        close(2),
        Event::Done,
    ]);
    let response = &told.last().unwrap()["response"];
    let texts: Vec<&Value> = [0, 2]
        .iter()
        .map(|at| &response["output"][*at]["content"][0]["text"])
        .collect();
    assert_eq!(texts, ["ab", "c"]);
    assert_eq!(response["output"][1]["type"], "function_call");
    assert_eq!(
        names(&told).iter().filter(|name| **name == "output_item.done").count(),
        3
    );
}

#[test]
fn an_error_fails_what_has_begun_and_stands_alone_where_nothing_has() {
    let error = UpstreamError {
        status: Some(429),
        message: "slow down".to_owned(),
        ..UpstreamError::default()
    };
    let told = encode(&[Event::Error(error.clone()), Event::Done]);
    assert_eq!(
        told,
        [
            json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null, "sequence_number": 0})
        ]
    );
    let told = encode(&[
        Event::Start(Start::default()),
        Event::Open {
            choice: 0,
            block: 0,
            kind: Kind::Text,
        },
        Event::Error(error),
        Event::Done,
    ]);
    let last = told.last().unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["status"], "failed");
    assert_eq!(
        last["response"]["error"],
        json!({"code": "rate_limit_exceeded", "message": "slow down"})
    );
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
}

#[test]
fn only_the_first_answer_has_a_place() {
    let mut reply = reply(vec![said("one")], Finish::Stop);
    reply.choices.push(Choice {
        index: 1,
        output: vec![said("two")],
        finish: Some(Finish::Length),
    });
    let told = encode(&reply.into_events());
    let response = &told.last().unwrap()["response"];
    assert_eq!(response["status"], "completed");
    assert_eq!(response["output"].as_array().unwrap().len(), 1);
}

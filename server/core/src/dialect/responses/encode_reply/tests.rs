//! What a response repeats of its request, and what it says of usage and of withheld thoughts.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{Ask, Choice, Item, Output, Reply, Thought};
use super::super::decode_request;
use super::encode_reply;
use crate::usage::Usage;
use serde_json::{Value, json};
use std::sync::Arc;

fn encode(request: &Value, reply: &Reply) -> Value {
    let ask = Ask {
        request: Arc::new(decode_request(request.to_string().as_bytes()).unwrap()),
        id: "x".to_owned(),
        created_s: 7,
        is_array: false,
    };
    serde_json::from_slice(&encode_reply(reply, &ask)).unwrap()
}

#[test]
fn the_request_is_repeated() {
    let request = json!({
        "model": "m", "input": "hi", "instructions": "Be brief.", "temperature": 0.5, "max_output_tokens": 64,
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true, "description": "d"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]},
            {"type": "custom", "name": "c", "format": {"type": "text"}},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "custom", "name": "c"}, "parallel_tool_calls": false,
        "reasoning": {"effort": "high", "summary": "auto"}, "metadata": {"a": "b"}, "prompt_cache_key": "k",
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {}}, "verbosity": "low"},
    });
    let response = encode(&request, &Reply::default());
    for name in [
        "model",
        "instructions",
        "temperature",
        "max_output_tokens",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "metadata",
        "prompt_cache_key",
    ] {
        assert_eq!(response[name], request[name], "{name}");
    }
    assert_eq!(response["tools"][0], request["tools"][0]);
    assert_eq!(response["tools"][1]["tools"][0]["name"], "g");
    assert_eq!(response["tools"][2], request["tools"][2]);
    assert_eq!(response["tools"][3], request["tools"][3]);
    assert_eq!(response["text"]["format"]["name"], "s");
    assert_eq!(
        (&response["id"], &response["created_at"]),
        (&json!("resp_x"), &json!(7))
    );
}

#[test]
fn what_nobody_asked_for_has_its_default() {
    let response = encode(&json!({"model": "m", "input": "hi"}), &Reply::default());
    for (name, value) in [
        ("object", json!("response")),
        ("status", json!("completed")),
        ("tools", json!([])),
        ("tool_choice", json!("auto")),
        ("parallel_tool_calls", json!(true)),
        ("store", json!(false)),
        ("temperature", json!(1)),
        ("truncation", json!("disabled")),
        ("error", Value::Null),
        ("incomplete_details", Value::Null),
        ("instructions", Value::Null),
        ("usage", Value::Null),
        ("metadata", json!({})),
        ("output", json!([])),
    ] {
        assert_eq!(response[name], value, "{name}");
        assert!(response.as_object().unwrap().contains_key(name), "{name}");
    }
}

#[test]
fn usage_counts_each_kind_where_it_belongs() {
    let reply = Reply {
        usage: Some(Usage {
            input: 1,
            cache_read: 2,
            cache_write: 4,
            cache_write_long: 8,
            output: 16,
            reasoning: 5,
            ..Usage::default()
        }),
        ..Reply::default()
    };
    let response = encode(&json!({"model": "m", "input": "hi"}), &reply);
    assert_eq!(
        response["usage"],
        json!({
            "input_tokens": 15, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 12},
            "output_tokens": 16, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 31,
        })
    );
}

#[test]
fn withheld_thoughts_come_back_as_they_were() {
    for is_redacted in [false, true] {
        let thought = Thought {
            id: Some("rs_1".to_owned()),
            blob: Some("oh1.messages.00.b".to_owned()),
            is_redacted,
            ..Thought::default()
        };
        let reply = Reply {
            choices: vec![Choice {
                output: vec![Output::Thought(thought.clone())],
                ..Choice::default()
            }],
            ..Reply::default()
        };
        let response = encode(&json!({"model": "m", "input": "hi"}), &reply);
        let again = json!({"model": "m", "input": response["output"]});
        let request = decode_request(again.to_string().as_bytes()).unwrap();
        assert_eq!(request.items, [Item::Thought(thought)]);
    }
}

//! Whole replies: what they say, what is missing, what went wrong.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{Choice, Finish, Output, Unreadable};
use super::decode_reply;
use serde_json::json;

fn choice(reply: serde_json::Value) -> Choice {
    decode_reply(reply.to_string().as_bytes()).unwrap().choices.remove(0)
}

#[test]
fn a_failed_response_says_so_at_its_end() {
    for (reply, code) in [
        (
            json!({"status": "failed", "output": [], "error": {"code": "server_error", "message": "m"}}),
            "server_error",
        ),
        (json!({"status": "failed", "output": []}), "server_error"),
        (json!({"status": "cancelled", "output": []}), "cancelled"),
    ] {
        assert_eq!(choice(reply).finish, Some(Finish::Failed(code.to_owned())));
    }
}

#[test]
fn what_has_neither_output_nor_error_is_unreadable() {
    for body in ["", "7", "[]", "{}", "{\"output\":7}", "<html>"] {
        assert_eq!(decode_reply(body.as_bytes()), Err(Unreadable), "{body}");
    }
}

#[test]
fn pictures_refusals_and_arguments_that_are_objects() {
    let found = choice(json!({"created_at": 1.5, "output": [
        {"type": "image_generation_call", "result": "AAAA", "output_format": "webp"},
        {"type": "message", "content": [{"type": "refusal", "refusal": "no"}, {"type": "unheard_of"}]},
        {"type": "function_call", "id": "fc_1", "name": "f", "arguments": {"a": 1}},
        {"type": "unheard_of"},
        7,
    ]}));
    let [Output::Image { media_type, .. }, Output::Refusal(_), Output::Call(call)] = found.output.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(media_type, "image/webp");
    assert_eq!((call.id.as_str(), call.arguments.as_str()), ("fc_1", "{\"a\":1}"));
    assert_eq!(found.finish, Some(Finish::ToolCalls));
}

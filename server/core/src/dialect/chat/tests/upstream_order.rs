//! What upstreams are sent of a conversation's order and of who speaks in it.
//!
//! Invariant: each provider gets the messages in an order it takes. Pure.

use super::super::super::MaxOutputField;
use super::super::super::exchange::*;
use super::super::encode_request;
use super::upstream_requests::{encoded, request, sent};
use serde_json::{Value, json};

fn roles(body: &Value) -> Vec<&str> {
    let messages = body["messages"].as_array().unwrap();
    messages.iter().map(|m| m["role"].as_str().unwrap()).collect()
}

#[test]
fn only_openai_is_sent_system_messages_anywhere() {
    let fields = json!({"messages": [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "v"},
        {"role": "system", "content": "later"},
        {"role": "system", "content": ""},
        {"role": "user", "content": "w"},
    ]});
    for provider in ["vllm", "mistral", "deepseek", "groq", "somebody"] {
        let (body, notes) = encoded(provider, &Rules::default(), &request(fields.clone())).unwrap();
        assert_eq!(
            roles(&body),
            ["system", "user", "assistant", "user", "user"],
            "{provider}"
        );
        assert_eq!(body["messages"][0]["content"], "a\n\nb\n\nc");
        assert_eq!(
            body["messages"][3]["content"],
            "<system-reminder>\nlater\n</system-reminder>"
        );
        assert_eq!(notes.len(), 1, "{notes:?}");
    }
    let body = sent("azure", fields);
    let expected = ["system", "developer", "user", "assistant", "system", "system", "user"];
    assert_eq!(roles(&body), expected);
    let marked = json!({"messages": [
        {"role": "system", "content": "a"},
        {"role": "system", "content": [{"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]},
    ]});
    let body = sent("openrouter", marked);
    assert_eq!(roles(&body), ["system"]);
    assert_eq!(body["messages"][0]["content"][1]["cache_control"]["type"], "ephemeral");
    let words = Rules {
        takes_json_schema: false,
        ..Rules::default()
    };
    let schema = json!({
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "u"}],
    });
    let (body, _) = encoded("deepseek", &words, &request(schema)).unwrap();
    assert_eq!(roles(&body), ["system", "user"]);
}

#[test]
fn outcomes_stand_right_after_their_calls() {
    let call = |id: &str| {
        Item::Call(Call {
            id: id.into(),
            name: "f".into(),
            ..Call::default()
        })
    };
    let outcome = |id: &str| {
        Item::Outcome(Outcome {
            call_id: id.into(),
            parts: vec![Part::text(id)],
            ..Outcome::default()
        })
    };
    let said = |role| {
        Item::Message(Message {
            role,
            parts: vec![Part::text("t")],
            name: None,
        })
    };
    let outcomes = |items: Vec<Item>| {
        let request = Request {
            items,
            ..Request::default()
        };
        let (body, _) = encoded("openai", &Rules::default(), &request).unwrap();
        let roles = roles(&body).join(" ");
        let ids = body["messages"].as_array().unwrap().iter();
        let ids: Vec<String> = ids
            .filter_map(|message| message["tool_call_id"].as_str().map(str::to_owned))
            .collect();
        (roles, ids.join(" "))
    };
    for (items, roles, ids) in [
        (
            vec![call("a"), call("b"), outcome("a"), said(Role::User), outcome("b")],
            "assistant tool tool user",
            "a b",
        ),
        (
            vec![call("a"), said(Role::Developer), outcome("a"), said(Role::User)],
            "assistant tool developer user",
            "a",
        ),
        (
            vec![
                call("a"),
                call("b"),
                outcome("b"),
                call("c"),
                outcome("c"),
                outcome("a"),
            ],
            "assistant tool tool assistant tool",
            "b a c",
        ),
        (
            vec![
                call("a"),
                outcome("a"),
                call("a"),
                said(Role::User),
                outcome("a"),
                outcome("x"),
            ],
            "assistant tool assistant tool user tool",
            "a a x",
        ),
        (
            vec![outcome("a"), call("a"), said(Role::User)],
            "tool assistant user",
            "a",
        ),
    ] {
        assert_eq!(outcomes(items), (roles.to_owned(), ids.to_owned()));
    }
}

#[test]
fn an_end_user_is_told_by_name_only() {
    let long = "u".repeat(65);
    let machine = r#"{"device_id":"d","account_uuid":"a"}"#;
    for (provider, field) in [("openai", "safety_identifier"), ("azure", "user"), ("vllm", "user")] {
        assert_eq!(sent(provider, json!({"user": "u"}))[field], "u");
        for user in [long.as_str(), machine] {
            let (body, notes) = encoded(provider, &Rules::default(), &request(json!({"user": user}))).unwrap();
            assert_eq!((body.get(field), notes.len()), (None, 1), "{provider} {user}");
        }
    }
}

#[test]
fn long_ids_of_calls_are_shortened_in_calls_and_outcomes_alike() {
    let id = "c".repeat(41);
    let body = sent(
        "openai",
        json!({"messages": [
            {"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": {"name": "f", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": id, "content": "o"}]}),
    );
    let short = body["messages"][0]["tool_calls"][0]["id"].as_str().unwrap();
    assert_eq!(short.len(), 40);
    assert_eq!(body["messages"][1]["tool_call_id"], short);
}

#[test]
fn a_model_nobody_knows_at_a_service_nobody_knows_is_not_told_how_much_to_think() {
    let asked = request(json!({"reasoning_effort": "high"}));
    let (body, notes) = encoded("vllm", &Rules::default(), &asked).unwrap();
    assert_eq!((body.get("reasoning_effort"), notes.len()), (None, 1));
    let thinks = Rules {
        thinking: ThinkingRule::Effort,
        ..Rules::default()
    };
    let (body, notes) = encoded("vllm", &thinks, &asked).unwrap();
    assert_eq!((&body["reasoning_effort"], notes.len()), (&json!("high"), 0));
    let target = Target {
        model: "gpt-5.6-sol",
        max_output: None,
        max_output_field: MaxOutputField::default(),
        rules: &thinks,
        provider: "openai",
    };
    let most = request(json!({"reasoning_effort": "max"}));
    let body = encode_request(&most, &target, &mut Notes::default()).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["reasoning_effort"], "xhigh");
}

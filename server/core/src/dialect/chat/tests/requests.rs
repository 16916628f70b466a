//! What clients send, as requests in no dialect.
//!
//! Invariant: every field is carried, noted or refused. Pure.

use super::super::super::exchange::*;
use super::super::decode_message::{Conversation, decode};
use super::super::decode_request;
use serde_json::{Value, json};

fn decoded(fields: Value) -> Request {
    let mut body = json!({"model": "m", "messages": []});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    decode_request(body.to_string().as_bytes()).unwrap()
}

fn refused(fields: Value) -> Untranslatable {
    let mut body = json!({"model": "m", "messages": []});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    decode_request(body.to_string().as_bytes()).unwrap_err()
}

fn message(role: Role, parts: Vec<Part>) -> Item {
    Item::Message(Message {
        role,
        parts,
        name: None,
    })
}

#[test]
fn messages_become_items_in_their_order() {
    let image = |source| Part::from(PartKind::Image { source, detail: None });
    for (messages, expected) in [
        (
            json!([{"role": "developer", "content": "d"}, {"role": "user", "content": "u"}, {"role": "system", "content": "s"}]),
            vec![
                message(Role::Developer, vec![Part::text("d")]),
                message(Role::User, vec![Part::text("u")]),
                message(Role::System, vec![Part::text("s")]),
            ],
        ),
        (
            json!([{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": "https://a.example/b.png"},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,BBBB", "filename": "f.pdf"}},
                {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
            ]}]),
            vec![message(
                Role::User,
                vec![
                    image(Source::Data {
                        media_type: "image/png".into(),
                        base64: "AAAA".into(),
                    }),
                    image(Source::Url("https://a.example/b.png".into())),
                    Part::from(PartKind::File {
                        source: Source::Data {
                            media_type: "application/pdf".into(),
                            base64: "BBBB".into(),
                        },
                        name: Some("f.pdf".into()),
                    }),
                    Part::from(PartKind::Audio(Source::Data {
                        media_type: "audio/mpeg".into(),
                        base64: "CCCC".into(),
                    })),
                ],
            )],
        ),
        (
            json!([
                {"role": "assistant", "content": "t", "refusal": "r", "reasoning_content": "w",
                 "reasoning_details": [{"type": "reasoning.encrypted", "data": "b", "index": 0}],
                 "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "o"}]},
                {"role": "tool", "tool_call_id": "c2", "content": "p"},
            ]),
            vec![
                Item::Thought(Thought {
                    text: "w".into(),
                    blob: Some("b".into()),
                    ..Thought::default()
                }),
                message(
                    Role::Assistant,
                    vec![Part::text("t"), Part::from(PartKind::Refusal("r".into()))],
                ),
                Item::Call(Call {
                    id: "c1".into(),
                    name: "f".into(),
                    arguments: "{}".into(),
                    ..Call::default()
                }),
                Item::Call(Call {
                    id: "c2".into(),
                    name: "g".into(),
                    arguments: "x".into(),
                    kind: CallKind::Custom,
                    namespace: None,
                }),
                Item::Outcome(Outcome {
                    call_id: "c1".into(),
                    parts: vec![Part::text("o")],
                    ..Outcome::default()
                }),
                Item::Outcome(Outcome {
                    call_id: "c2".into(),
                    parts: vec![Part::text("p")],
                    kind: CallKind::Custom,
                    ..Outcome::default()
                }),
            ],
        ),
        (
            json!([
                {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "o"},
            ]),
            vec![
                Item::Call(Call {
                    id: "call_0".into(),
                    name: "f".into(),
                    arguments: "{}".into(),
                    ..Call::default()
                }),
                Item::Outcome(Outcome {
                    call_id: "call_0".into(),
                    name: Some("f".into()),
                    parts: vec![Part::text("o")],
                    ..Outcome::default()
                }),
            ],
        ),
        (
            json!([{"role": "assistant", "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "w"}]}, {"type": "text", "text": "t"}]}]),
            vec![
                Item::Thought(Thought {
                    text: "w".into(),
                    ..Thought::default()
                }),
                message(Role::Assistant, vec![Part::text("t")]),
            ],
        ),
        (
            json!([{"role": "user", "content": [{"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}]),
            vec![message(
                Role::User,
                vec![Part {
                    kind: PartKind::Text("t".into()),
                    cache: Some("1h".into()),
                }],
            )],
        ),
    ] {
        assert_eq!(decoded(json!({"messages": messages})).items, expected, "{messages}");
    }
}

#[test]
fn what_was_sealed_comes_back_as_what_it_was() {
    let messages = json!([{"role": "assistant", "content": "t", "reasoning_content": "w", "reasoning_details": [
        {"type": "reasoning.encrypted", "data": "r", "format": "redacted", "index": 0},
        {"type": "reasoning.encrypted", "data": "s", "format": "summary", "id": "rs_1", "index": 1}]}]);
    let items = decoded(json!({"messages": messages})).items;
    let redacted = Thought {
        blob: Some("r".into()),
        is_redacted: true,
        ..Thought::default()
    };
    let summary = Thought {
        id: Some("rs_1".into()),
        text: "w".into(),
        is_summary: true,
        blob: Some("s".into()),
        is_redacted: false,
    };
    assert_eq!(items[..2], [Item::Thought(redacted), Item::Thought(summary)]);
}

#[test]
fn fields_have_one_place_each() {
    let found = decoded(json!({
        "stream": true, "stream_options": {"include_usage": true}, "n": 2, "max_tokens": 5, "max_completion_tokens": 7,
        "stop": "x", "seed": 3, "temperature": 0.5, "user": "u", "safety_identifier": "s", "logprobs": true, "top_logprobs": 4,
        "verbosity": "low", "prompt_cache_key": "k", "service_tier": "flex", "parallel_tool_calls": false, "metadata": {"a": "b"},
        "unknown": 1, "top_p": null,
    }));
    assert!(found.stream && found.include_usage);
    assert_eq!(
        (found.choices, found.max_output, found.logprobs),
        (Some(2), Some(7), Some(4))
    );
    assert_eq!(found.stop, ["x"]);
    assert_eq!(found.user.as_deref(), Some("s"));
    assert_eq!(found.sampling.temperature, serde_json::Number::from_f64(0.5));
    assert_eq!(found.sampling.seed, Some(3.into()));
    assert_eq!((found.parallel_tools, found.sampling.top_p), (Some(false), None));
    assert_eq!(decoded(json!({"random_seed": 9})).sampling.seed, Some(9.into()));
    assert_eq!(decoded(json!({"stop": ["a", "b"]})).stop, ["a", "b"]);
    assert_eq!(decoded(json!({"max_tokens": 5})).max_output, Some(5));
}

#[test]
fn thinking_is_asked_for_in_every_providers_words() {
    let reasoning = |effort, budget, thinking, summary: Option<&str>| {
        Some(Reasoning {
            effort,
            budget,
            thinking,
            summary: summary.map(str::to_owned),
        })
    };
    for (fields, expected) in [
        (
            json!({"reasoning_effort": "xhigh"}),
            reasoning(Some(Effort::XHigh), None, None, None),
        ),
        (json!({"reasoning_effort": "default"}), None),
        (
            json!({"reasoning": {"effort": "low", "exclude": true}}),
            reasoning(Some(Effort::Low), None, None, Some("omitted")),
        ),
        (
            json!({"reasoning": {"max_tokens": 900}}),
            reasoning(None, Some(900), None, None),
        ),
        (
            json!({"reasoning": {"enabled": true}}),
            reasoning(None, None, Some(Thinking::On), None),
        ),
        (
            json!({"thinking": {"type": "disabled"}}),
            reasoning(None, None, Some(Thinking::Off), None),
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            reasoning(None, Some(2048), Some(Thinking::On), None),
        ),
        (json!({"thinking": {"clear_thinking": false}}), None),
    ] {
        assert_eq!(decoded(fields.clone()).reasoning, expected, "{fields}");
    }
}

#[test]
fn tools_and_their_choice() {
    let found = decoded(json!({"tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": true}},
        {"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "d"}}}},
        {"type": "openrouter:web_search"}], "functions": [{"name": "old"}]}));
    let names: Vec<&str> = found.tools.iter().map(Tool::name).collect();
    assert_eq!(names, ["f", "g", "openrouter:web_search", "old"]);
    let Tool::Custom { format, .. } = &found.tools[1] else {
        panic!()
    };
    assert_eq!(
        *format,
        Some(json!({"type": "grammar", "syntax": "lark", "definition": "d"}))
    );
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
        {"type": "function", "function": {"name": "f"}}]}});
    for (fields, expected) in [
        (json!({"tool_choice": "auto"}), ToolChoice::Auto),
        (json!({"tool_choice": "none"}), ToolChoice::None),
        (json!({"tool_choice": "required"}), ToolChoice::Required),
        (json!({"tool_choice": "any"}), ToolChoice::Required),
        (
            json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}),
            ToolChoice::Tool("f".into()),
        ),
        (
            json!({"tool_choice": {"type": "custom", "custom": {"name": "g"}}}),
            ToolChoice::Tool("g".into()),
        ),
        (
            json!({"function_call": {"name": "old"}}),
            ToolChoice::Tool("old".into()),
        ),
        (
            json!({"tool_choice": allowed}),
            ToolChoice::Allowed {
                names: vec!["f".into()],
                is_required: true,
            },
        ),
    ] {
        assert_eq!(decoded(fields.clone()).tool_choice, expected, "{fields}");
    }
}

#[test]
fn forms_of_the_answer() {
    assert_eq!(
        decoded(json!({"response_format": {"type": "text"}})).format,
        Format::Text
    );
    assert_eq!(
        decoded(json!({"response_format": {"type": "json_object"}})).format,
        Format::JsonObject
    );
    let schema =
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}});
    assert_eq!(
        decoded(json!({"response_format": schema})).format,
        Format::JsonSchema {
            name: "n".into(),
            description: None,
            schema: json!({"type": "object"}),
            strict: Some(true)
        }
    );
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    for (fields, field) in [
        (json!({"messages": "x"}), "messages"),
        (json!({"messages": [7]}), "messages[0]"),
        (json!({"messages": [{"content": "x"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "judge", "content": "x"}]}),
            "messages[0].role",
        ),
        (user(json!(7)), "messages[0].content"),
        (
            user(json!([{"type": "image_url", "image_url": {"url": 7}}])),
            "messages[0].content[0].image_url.url",
        ),
        (user(json!([{"type": "hologram"}])), "messages[0].content[0].type"),
        (
            json!({"messages": [{"role": "tool", "content": "x"}]}),
            "messages[0].tool_call_id",
        ),
        (
            json!({"messages": [{"role": "function", "name": "f", "content": "x"}]}),
            "messages[0].name",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}]}),
            "messages[0].tool_calls[0].function",
        ),
        (
            json!({"tools": [{"type": "function", "function": {}}]}),
            "tools[0].function.name",
        ),
        (json!({"tool_choice": 7}), "tool_choice"),
        (json!({"stop": [7]}), "stop"),
        (json!({"reasoning_effort": "huge"}), "reasoning_effort"),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"n": -1}), "n"),
        (json!({"model": 7}), "model"),
    ] {
        assert_eq!(refused(fields.clone()).field(), field, "{fields}");
    }
    for body in ["", "[]", "{", "{}", "7"] {
        assert!(decode_request(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn many_outcomes_find_their_calls_in_one_pass() {
    // With the square of it this would not end.
    const MANY: usize = 50_000;
    let calls: Vec<Value> = (0..MANY)
        .map(|number| json!({"id": format!("c{number}"), "type": "custom", "custom": {"name": "f", "input": ""}}))
        .collect();
    let mut conversation = Conversation::default();
    decode(
        json!({"role": "assistant", "tool_calls": calls}),
        String::new(),
        &mut conversation,
    )
    .unwrap();
    for number in 0..MANY {
        let outcome = json!({"role": "tool", "tool_call_id": format!("c{number}"), "content": ""});
        decode(outcome, String::new(), &mut conversation).unwrap();
    }
    let items = conversation.into_items();
    let is_custom = |item: &Item| matches!(item, Item::Outcome(outcome) if outcome.kind == CallKind::Custom);
    assert_eq!(items.iter().filter(|item| is_custom(item)).count(), MANY);
}

//! Requests of clients: what each field and item becomes, and what is refused where.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{
    Call, CallKind, Effort, Format, Item, Message, Outcome, Part, PartKind, Reasoning, Request, Role, Source, Thought,
    Tool, ToolChoice, Untranslatable,
};
use super::decode_request;
use serde_json::{Value, json};

fn decode(mut body: Value) -> Result<Request, Untranslatable> {
    if body.get("model").is_none() {
        body["model"] = json!("m");
    }
    if body.get("input").is_none() {
        body["input"] = json!([]);
    }
    decode_request(body.to_string().as_bytes())
}

fn items(input: Value) -> Vec<Item> {
    decode(json!({"input": input})).unwrap().items
}

fn message(role: Role, parts: Vec<Part>) -> Item {
    Item::Message(Message {
        role,
        parts,
        name: None,
    })
}

#[test]
fn texts_and_messages_in_every_form() {
    for (body, expected) in [
        (
            json!({"input": "hi"}),
            vec![message(Role::User, vec![Part::text("hi")])],
        ),
        (
            json!({"instructions": "be", "input": [{"role": "developer", "content": "d"}]}),
            vec![
                message(Role::System, vec![Part::text("be")]),
                message(Role::Developer, vec![Part::text("d")]),
            ],
        ),
        (
            json!({"input": [
                {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "s"}]},
                {"role": "assistant", "phase": "commentary", "content": [
                    {"type": "output_text", "text": "a", "annotations": []}, {"type": "refusal", "refusal": "no"},
                ]},
            ]}),
            vec![
                message(Role::System, vec![Part::text("s")]),
                message(
                    Role::Assistant,
                    vec![Part::text("a"), PartKind::Refusal("no".to_owned()).into()],
                ),
            ],
        ),
    ] {
        assert_eq!(decode(body.clone()).unwrap().items, expected, "{body}");
    }
}

#[test]
fn media() {
    let data = |media_type: &str| Source::Data {
        media_type: media_type.to_owned(),
        base64: "AAAA".to_owned(),
    };
    for (part, expected) in [
        (
            json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}),
            PartKind::Image {
                source: data("image/png"),
                detail: Some("low".to_owned()),
            },
        ),
        (
            json!({"type": "input_image", "image_url": "https://e.com/a"}),
            PartKind::Image {
                source: Source::Url("https://e.com/a".to_owned()),
                detail: None,
            },
        ),
        (
            json!({"type": "input_image", "file_id": "file_1"}),
            PartKind::Image {
                source: Source::Id("file_1".to_owned()),
                detail: None,
            },
        ),
        (
            json!({"type": "input_file", "filename": "a.txt", "file_data": "AAAA"}),
            PartKind::File {
                source: data("text/plain"),
                name: Some("a.txt".to_owned()),
            },
        ),
        (
            json!({"type": "input_file", "file_url": "https://e.com/a.pdf"}),
            PartKind::File {
                source: Source::Url("https://e.com/a.pdf".to_owned()),
                name: None,
            },
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}),
            PartKind::Audio(data("audio/mpeg")),
        ),
    ] {
        let found = items(json!([{"role": "user", "content": [part]}]));
        assert_eq!(found, [message(Role::User, vec![expected.into()])], "{part}");
    }
    let marked = items(json!([{"role": "user", "content": [
        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"ttl": "12h"}},
    ]}]));
    let part = Part {
        kind: PartKind::Text("a".to_owned()),
        cache: Some("12h".to_owned()),
    };
    assert_eq!(marked, [message(Role::User, vec![part])]);
}

#[test]
fn calls_outcomes_and_thoughts() {
    let found = items(json!([
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "b", "summary": [
            {"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"},
        ]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "namespace": "n", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "free"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "x"}]},
    ]));
    let expected = [
        Item::Thought(Thought {
            id: Some("rs_1".to_owned()),
            text: "a\n\nb".to_owned(),
            is_summary: true,
            blob: Some("b".to_owned()),
            is_redacted: false,
        }),
        Item::Thought(Thought {
            text: "raw".to_owned(),
            ..Thought::default()
        }),
        Item::Call(Call {
            id: "c1".to_owned(),
            name: "f".to_owned(),
            namespace: Some("n".to_owned()),
            arguments: "{}".to_owned(),
            kind: CallKind::Function,
        }),
        Item::Call(Call {
            id: "c2".to_owned(),
            name: "g".to_owned(),
            namespace: None,
            arguments: "free".to_owned(),
            kind: CallKind::Custom,
        }),
        Item::Outcome(Outcome {
            call_id: "c1".to_owned(),
            parts: vec![Part::text("done")],
            ..Outcome::default()
        }),
        Item::Outcome(Outcome {
            call_id: "c2".to_owned(),
            parts: vec![Part::text("x")],
            kind: CallKind::Custom,
            ..Outcome::default()
        }),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_picture_of_an_earlier_answer_is_the_models_own() {
    let found = items(json!([
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "output_format": "webp", "result": "AAAA"},
        {"type": "image_generation_call", "id": "ig_2", "status": "failed", "result": null},
    ]));
    let source = Source::Data {
        media_type: "image/webp".to_owned(),
        base64: "AAAA".to_owned(),
    };
    let part = Part::from(PartKind::Image { source, detail: None });
    assert_eq!(found, [message(Role::Assistant, vec![part])]);
}

#[test]
fn tools_of_every_kind_also_from_items() {
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "start: \"a\""});
    let request = decode(json!({
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true},
            {"type": "custom", "name": "c", "format": grammar},
            {"type": "web_search", "external_web_access": false},
        ],
        "input": [{"type": "additional_tools", "role": "developer", "tools": [
            {"type": "namespace", "name": "n", "description": "", "tools": [
                {"type": "function", "name": "g"}, {"type": "custom", "name": "c"},
            ]},
            {"type": "function", "name": "f"},
        ]}],
    }))
    .unwrap();
    let function = |name: &str, namespace: Option<&str>| Tool::Function {
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
    };
    let expected = [
        Tool::Function {
            name: "f".to_owned(),
            namespace: None,
            description: Some("d".to_owned()),
            parameters: Some(json!({"type": "object"})),
            strict: Some(true),
            cache: None,
        },
        Tool::Custom {
            name: "c".to_owned(),
            namespace: None,
            description: None,
            format: Some(grammar),
        },
        Tool::Hosted {
            kind: "web_search".to_owned(),
            raw: json!({"type": "web_search", "external_web_access": false}),
        },
        function("g", Some("n")),
        Tool::Custom {
            name: "c".to_owned(),
            namespace: Some("n".to_owned()),
            description: None,
            format: None,
        },
    ];
    assert_eq!(request.tools, expected);
}

#[test]
fn what_must_be_called() {
    for (choice, expected) in [
        (Value::Null, ToolChoice::Auto),
        (json!("auto"), ToolChoice::Auto),
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required),
        (
            json!({"type": "function", "name": "f"}),
            ToolChoice::Tool("f".to_owned()),
        ),
        (json!({"type": "custom", "name": "c"}), ToolChoice::Tool("c".to_owned())),
        (
            json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}),
            ToolChoice::Allowed {
                names: vec!["f".to_owned(), "web_search".to_owned()],
                is_required: true,
            },
        ),
    ] {
        let request = decode(json!({"tool_choice": choice})).unwrap();
        assert_eq!(request.tool_choice, expected, "{choice}");
    }
}

#[test]
fn options() {
    let request = decode(json!({
        "stream": true, "store": true, "truncation": "auto", "parallel_tool_calls": false, "max_output_tokens": 9,
        "temperature": 0.2, "top_p": 1, "top_logprobs": 2, "include": ["reasoning.encrypted_content"],
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {}, "strict": true}, "verbosity": "low"},
        "reasoning": {"effort": "xhigh", "summary": "concise"}, "prompt_cache_key": "k", "user": "u",
        "safety_identifier": "s", "service_tier": "flex", "metadata": {"a": "b"}, "client_metadata": {"x": "y"},
    }))
    .unwrap();
    assert!(request.stream);
    assert_eq!(
        (request.parallel_tools, request.max_output, request.logprobs),
        (Some(false), Some(9), Some(2))
    );
    assert_eq!(
        request.format,
        Format::JsonSchema {
            name: "s".to_owned(),
            description: None,
            schema: json!({}),
            strict: Some(true),
        }
    );
    assert_eq!(request.verbosity.as_deref(), Some("low"));
    let reasoning = Reasoning {
        effort: Some(Effort::XHigh),
        summary: Some("concise".to_owned()),
        ..Reasoning::default()
    };
    assert_eq!(request.reasoning, Some(reasoning));
    assert_eq!(
        (request.user.as_deref(), request.cache_key.as_deref()),
        (Some("s"), Some("k"))
    );
    assert_eq!(request.service_tier.as_deref(), Some("flex"));
    let likely = decode(json!({"include": ["message.output_text.logprobs"]})).unwrap();
    assert_eq!(likely.logprobs, Some(0));
}

#[test]
fn what_only_works_where_the_state_is_kept_is_refused_by_name() {
    for (body, field) in [
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "p"}}), "prompt"),
        (json!({"background": true}), "background"),
        (
            json!({"input": [{"type": "item_reference", "id": "msg_1"}]}),
            "input[0]",
        ),
        (json!({"input": [{"id": "msg_1"}]}), "input[0]"),
        (
            json!({"input": [{"type": "compaction", "encrypted_content": "b"}]}),
            "input[0]",
        ),
        (json!({"input": [{"type": "computer_call"}]}), "input[0]"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}),
            "input[0].content[0].type",
        ),
        (json!({"tool_choice": {"type": "file_search"}}), "tool_choice.type"),
    ] {
        match decode(body.clone()) {
            Err(Untranslatable::NoCounterpart { field: found, .. }) => assert_eq!(found, field, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (body, field) in [
        (json!({"model": 7}), "model"),
        (json!({"input": 7}), "input"),
        (json!({"input": [7]}), "input[0]"),
        (json!({"input": [{"role": "nobody", "content": "x"}]}), "input[0].role"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
            "input[0].content[0].text",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,x"}]}]}),
            "input[0].content[0].image_url",
        ),
        (
            json!({"input": [{"type": "function_call", "name": "f", "arguments": ""}]}),
            "input[0].call_id",
        ),
        (json!({"tools": [{"name": "f"}]}), "tools[0].type"),
        (
            json!({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]}),
            "tools[0].tools[0].name",
        ),
        (
            json!({"tools": [{"type": "function", "name": "f", "parameters": 7}]}),
            "tools[0].parameters",
        ),
        (json!({"tool_choice": "f"}), "tool_choice"),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "s"}}}),
            "text.format.schema",
        ),
        (json!({"reasoning": {"effort": "huge"}}), "reasoning.effort"),
        (json!({"max_output_tokens": -1}), "max_output_tokens"),
        (json!({"metadata": []}), "metadata"),
    ] {
        match decode(body.clone()) {
            Err(Untranslatable::Wrong { field: found, .. }) => assert_eq!(found, field, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

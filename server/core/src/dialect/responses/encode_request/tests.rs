//! Requests to an upstream: what each thing becomes, what is dropped with a note, what is refused.
#![allow(clippy::unwrap_used)]

use super::super::super::MaxOutputField;
use super::super::super::exchange::{
    Call, CallKind, Effort, Format, Item, Message, Notes, Outcome, Part, PartKind, Reasoning, Request, Role, Rules,
    Sampling, Source, Target, Thinking, ThinkingRule, Thought, Tool, ToolChoice, Untranslatable,
};
use super::super::decode_request;
use super::encode_request;
use serde_json::{Value, json};

fn encode_by(rules: &Rules, request: &Request) -> Result<(Value, Vec<String>), Untranslatable> {
    let mut notes = Notes::default();
    let target = Target {
        model: "gpt",
        max_output: None,
        max_output_field: MaxOutputField::default(),
        rules,
        provider: "openai",
    };
    let body = encode_request(request, &target, &mut notes)?;
    Ok((serde_json::from_slice(&body).unwrap(), notes.into_vec()))
}

fn encode(request: &Request) -> (Value, Vec<String>) {
    encode_by(&Rules::default(), request).unwrap()
}

fn of(items: Vec<Item>) -> Request {
    Request {
        items,
        ..Request::default()
    }
}

fn message(role: Role, parts: Vec<Part>) -> Item {
    Item::Message(Message {
        role,
        parts,
        name: None,
    })
}

#[test]
fn nothing_is_kept_and_thoughts_come_back() {
    let thinks = Rules {
        thinking: ThinkingRule::Effort,
        ..Rules::default()
    };
    let hi = of(vec![message(Role::User, vec![Part::text("hi")])]);
    let (body, notes) = encode_by(&thinks, &hi).unwrap();
    let expected = json!({
        "model": "gpt", "store": false, "stream": false, "include": ["reasoning.encrypted_content"],
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
    });
    assert_eq!(body, expected);
    assert_eq!(notes, Vec::<String>::new());
    let rules = Rules {
        thinking: ThinkingRule::Never,
        ..Rules::default()
    };
    let (body, _) = encode_by(&rules, &Request::default()).unwrap();
    assert_eq!(body.get("include"), None);
}

#[test]
fn what_was_decoded_is_encoded_to_the_same() {
    let original = json!({
        "model": "gpt", "store": false, "stream": true, "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "input": [
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "s"}]},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                {"type": "input_file", "file_url": "https://example.com/b.pdf"},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "b"},
            {"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "a", "annotations": []}, {"type": "refusal", "refusal": "no"},
            ]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "c", "input": "free"},
            {"type": "function_call_output", "call_id": "c1", "output": "done"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [
                {"type": "input_text", "text": "x"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
            ]},
        ],
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": false},
            {"type": "namespace", "name": "n", "description": "", "tools": [
                {"type": "function", "name": "g", "description": "d", "parameters": {"type": "object"}, "strict": true},
                {"type": "custom", "name": "d", "format": {"type": "text"}},
            ]},
            {"type": "custom", "name": "c", "format": {"type": "text"}},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}]},
        "parallel_tool_calls": true, "max_output_tokens": 64, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 3,
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": true}, "verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "auto"}, "prompt_cache_key": "k", "safety_identifier": "u",
        "service_tier": "flex", "metadata": {"a": "b"},
    });
    let request = decode_request(original.to_string().as_bytes()).unwrap();
    let (body, notes) = encode(&request);
    assert_eq!(body, original);
    assert_eq!(notes, Vec::<String>::new());
}

#[test]
fn functions_have_the_keys_that_are_required() {
    let request = Request {
        tools: vec![
            Tool::Function {
                name: "f".to_owned(),
                namespace: None,
                description: None,
                parameters: None,
                strict: None,
                cache: None,
            },
            Tool::Custom {
                name: "c".to_owned(),
                namespace: None,
                description: Some("d".to_owned()),
                format: Some(json!({"type": "grammar", "syntax": "regex", "definition": "a+"})),
            },
            Tool::Hosted {
                kind: "web_search_20250305".to_owned(),
                raw: json!({}),
            },
        ],
        tool_choice: ToolChoice::Tool("c".to_owned()),
        ..Request::default()
    };
    let (body, notes) = encode(&request);
    assert_eq!(
        body["tools"],
        json!([
            {"type": "function", "name": "f", "description": null, "strict": false, "parameters": {"type": "object", "properties": {}}},
            {"type": "custom", "name": "c", "description": "d", "format": {"type": "grammar", "syntax": "regex", "definition": "a+"}},
        ])
    );
    assert_eq!(body["tool_choice"], json!({"type": "custom", "name": "c"}));
    assert_eq!(notes.len(), 1, "{notes:?}");
    let rules = Rules {
        takes_forced_tool: false,
        ..Rules::default()
    };
    let (body, notes) = encode_by(&rules, &request).unwrap();
    assert_eq!(body.get("tool_choice"), None);
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[test]
fn what_the_dialect_or_the_model_lacks_is_dropped_with_a_note() {
    let one = || Some(1.into());
    let request = Request {
        sampling: Sampling {
            temperature: one(),
            top_p: None,
            top_k: one(),
            presence_penalty: one(),
            frequency_penalty: one(),
            seed: one(),
            logit_bias: Some(json!({})),
        },
        stop: vec!["END".to_owned()],
        user: Some("u".repeat(65)),
        service_tier: Some("standard_only".to_owned()),
        tool_choice: ToolChoice::Required,
        items: vec![
            Item::Thought(Thought {
                text: "t".to_owned(),
                ..Thought::default()
            }),
            Item::Outcome(Outcome {
                call_id: "c".to_owned(),
                is_error: true,
                ..Outcome::default()
            }),
        ],
        ..Request::default()
    };
    let (body, notes) = encode(&request);
    for name in [
        "top_k",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "logit_bias",
        "stop",
    ] {
        assert!(notes.iter().any(|note| note.contains(name)), "{name}: {notes:?}");
        assert_eq!(body.get(name), None, "{name}");
    }
    assert_eq!(notes.len(), 11, "{notes:?}");
    assert_eq!(body["temperature"], 1);
    assert_eq!(
        body["input"],
        json!([{"type": "function_call_output", "call_id": "c", "output": ""}])
    );
    let rules = Rules {
        takes_sampling: false,
        ..Rules::default()
    };
    let (body, notes) = encode_by(&rules, &request).unwrap();
    assert_eq!(body.get("temperature"), None);
    assert_eq!(notes.len(), 12, "{notes:?}");
}

#[test]
fn how_much_to_think() {
    let asked = |effort, budget, thinking| Reasoning {
        effort,
        budget,
        thinking,
        summary: None,
    };
    let summarised = Reasoning {
        summary: Some("summarized".to_owned()),
        ..Reasoning::default()
    };
    for (rule, reasoning, expected) in [
        (
            ThinkingRule::Unknown,
            asked(Some(Effort::Max), None, None),
            json!({"effort": "max"}),
        ),
        (
            ThinkingRule::Effort,
            asked(None, Some(2048), Some(Thinking::On)),
            json!({"effort": "medium"}),
        ),
        (
            ThinkingRule::Effort,
            asked(None, None, Some(Thinking::Off)),
            json!({"effort": "none"}),
        ),
        (
            ThinkingRule::Always,
            asked(None, None, Some(Thinking::Off)),
            json!({"effort": "low"}),
        ),
        (ThinkingRule::Never, asked(Some(Effort::High), None, None), Value::Null),
        (ThinkingRule::Unknown, summarised, json!({"summary": "auto"})),
    ] {
        let rules = Rules {
            thinking: rule,
            ..Rules::default()
        };
        let request = Request {
            reasoning: Some(reasoning.clone()),
            ..Request::default()
        };
        let (body, _) = encode_by(&rules, &request).unwrap();
        assert_eq!(body["reasoning"], expected, "{reasoning:?}");
    }
}

#[test]
fn a_schema_without_a_name_gets_one_and_the_limit_of_the_server_stands() {
    let request = Request {
        format: Format::JsonSchema {
            name: String::new(),
            description: None,
            schema: json!({}),
            strict: None,
        },
        max_output: Some(100),
        ..Request::default()
    };
    let target = Target {
        model: "gpt",
        max_output: Some(50),
        max_output_field: MaxOutputField::default(),
        rules: &Rules::default(),
        provider: "openai",
    };
    let body: Value =
        serde_json::from_slice(&encode_request(&request, &target, &mut Notes::default()).unwrap()).unwrap();
    assert_eq!(body["text"]["format"]["name"], "answer");
    assert_eq!(body["max_output_tokens"], 50);
}

#[test]
fn what_would_change_what_was_asked_is_refused() {
    let image = |source| message(Role::User, vec![PartKind::Image { source, detail: None }.into()]);
    let id = || Source::Id("file_1".to_owned());
    for request in [
        of(vec![image(id())]),
        of(vec![message(
            Role::User,
            vec![PartKind::Audio(Source::Url("u".to_owned())).into()],
        )]),
        Request {
            choices: Some(2),
            ..Request::default()
        },
    ] {
        let refused = encode_by(&Rules::default(), &request);
        assert!(
            matches!(refused, Err(Untranslatable::NoCounterpart { .. })),
            "{request:?}"
        );
    }
    let rules = Rules {
        takes_prefill: false,
        ..Rules::default()
    };
    let begun = of(vec![message(Role::Assistant, vec![Part::text("{")])]);
    assert!(encode_by(&rules, &begun).is_err());
    assert!(encode_by(&Rules::default(), &begun).is_ok());
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let call = Item::Call(Call {
        id: "c".to_owned(),
        name: "f".to_owned(),
        namespace: Some("n".to_owned()),
        arguments: String::new(),
        kind: CallKind::Function,
    });
    let (body, _) = encode(&of(vec![call]));
    assert_eq!(
        body["input"],
        json!([{"type": "function_call", "call_id": "c", "name": "f", "namespace": "n", "arguments": "{}"}])
    );
}

#[test]
fn a_model_nobody_knows_is_asked_for_thoughts_only_where_the_request_is_about_them() {
    let plain = of(vec![message(Role::User, vec![Part::text("hi")])]);
    let reasoning = Request {
        reasoning: Some(Reasoning::default()),
        ..Request::default()
    };
    let thought = of(vec![Item::Thought(Thought::default())]);
    for (request, is_asked) in [(plain, false), (reasoning, true), (thought, true)] {
        let (body, _) = encode(&request);
        let expected = if is_asked {
            json!(["reasoning.encrypted_content"])
        } else {
            Value::Null
        };
        assert_eq!(body["include"], expected, "{request:?}");
    }
}

#[test]
fn long_ids_of_calls_are_shortened_in_calls_and_outcomes_alike() {
    let id = "c".repeat(65);
    let call = Item::Call(Call {
        id: id.clone(),
        name: "f".to_owned(),
        ..Call::default()
    });
    let outcome = Item::Outcome(Outcome {
        call_id: id,
        ..Outcome::default()
    });
    let (body, _) = encode(&of(vec![call, outcome]));
    let short = body["input"][0]["call_id"].as_str().unwrap();
    assert_eq!(short.len(), 64);
    assert_eq!(body["input"][1]["call_id"], short);
}

#[test]
fn pictures_a_model_made_are_left_out_of_what_it_said() {
    let picture = || {
        PartKind::Image {
            source: Source::Id("i".to_owned()),
            detail: None,
        }
        .into()
    };
    let (body, notes) = encode(&of(vec![
        message(Role::Assistant, vec![Part::text("a"), picture()]),
        message(Role::Assistant, vec![picture()]),
    ]));
    let said = json!([{"type": "output_text", "text": "a", "annotations": []}]);
    assert_eq!(
        body["input"],
        json!([{"type": "message", "role": "assistant", "content": said}])
    );
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn effort_is_put_in_a_word_that_the_model_knows() {
    let request = Request {
        reasoning: Some(Reasoning {
            effort: Some(Effort::Max),
            ..Reasoning::default()
        }),
        ..Request::default()
    };
    for (model, expected) in [("gpt-5.1", "high"), ("gpt-5.2", "xhigh"), ("gpt-6", "max")] {
        let target = Target {
            model,
            max_output: None,
            max_output_field: MaxOutputField::default(),
            rules: &Rules::default(),
            provider: "openai",
        };
        let body = encode_request(&request, &target, &mut Notes::default()).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["reasoning"]["effort"], expected, "{model}");
    }
}

//! What is sent of a request, for models of every kind.
#![allow(clippy::unwrap_used)]

use super::super::super::MaxOutputField;
use super::super::super::exchange::{
    Call, CallKind, Effort, Format, Item, Message, Notes, Outcome, Part, PartKind, Reasoning, Request, Role, Rules,
    Sampling, Source, Target, Thinking, ThinkingRule, Thought, Tool, ToolChoice, Untranslatable,
};
use super::encode_request;
use serde_json::{Number, Value, json};

fn encoded(request: &Request, rules: &Rules) -> Result<(Value, Vec<String>), Untranslatable> {
    encoded_for("claude-x", request, rules)
}

fn encoded_for(model: &str, request: &Request, rules: &Rules) -> Result<(Value, Vec<String>), Untranslatable> {
    let target = Target {
        model,
        max_output: None,
        max_output_field: MaxOutputField::default(),
        rules,
        provider: "anthropic",
    };
    let mut notes = Notes::default();
    let body = encode_request(request, &target, &mut notes)?;
    Ok((serde_json::from_slice(&body).unwrap(), notes.into_vec()))
}

fn said(role: Role, text: &str) -> Item {
    Item::Message(Message {
        role,
        parts: vec![Part::text(text)],
        name: None,
    })
}

fn call(id: &str, arguments: &str) -> Item {
    Item::Call(Call {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        ..Call::default()
    })
}

fn outcome(call_id: &str, text: &str) -> Item {
    Item::Outcome(Outcome {
        call_id: call_id.to_owned(),
        parts: vec![Part::text(text)],
        ..Outcome::default()
    })
}

fn of(items: Vec<Item>) -> Request {
    Request {
        items,
        ..Request::default()
    }
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn hi() -> Request {
    of(vec![said(Role::User, "hi")])
}

fn function(name: &str) -> Tool {
    Tool::Function {
        name: name.to_owned(),
        namespace: None,
        description: None,
        parameters: Some(json!({"type": "object", "properties": {}})),
        strict: None,
        cache: None,
    }
}

#[test]
fn the_limit_on_the_output_is_always_said() {
    for (asked, most, expected) in [
        (None, None, 8192),
        (None, Some(64_000), 64_000),
        (Some(5), Some(64_000), 5),
        (Some(99_999), Some(64_000), 64_000),
        (Some(99_999), None, 99_999),
    ] {
        let request = Request {
            max_output: asked,
            ..hi()
        };
        let rules = Rules {
            max_output: most,
            ..Rules::default()
        };
        let (body, notes) = encoded(&request, &rules).unwrap();
        let messages = json!([{"role": "user", "content": [text("hi")]}]);
        assert_eq!(
            body,
            json!({"model": "claude-x", "max_tokens": expected, "messages": messages})
        );
        assert!(notes.is_empty());
    }
}

#[test]
fn turns_are_as_the_provider_wants_them() {
    use Role::{Assistant, Developer, System, User};
    let user = |blocks: Value| json!({"role": "user", "content": blocks});
    let assistant = |blocks: Value| json!({"role": "assistant", "content": blocks});
    let result = |id: &str, words: &str| json!({"type": "tool_result", "tool_use_id": id, "content": [text(words)]});
    let uses = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let reminder = |words: &str| text(&format!("<system-reminder>\n{words}\n</system-reminder>"));
    for (items, expected) in [
        (vec![], json!([user(json!([text(".")]))])),
        (vec![said(System, "s")], json!([user(json!([text(".")]))])),
        (
            vec![said(User, "a"), said(User, " "), said(User, "b")],
            json!([user(json!([text("a"), text("b")]))]),
        ),
        (
            vec![said(Assistant, "a"), said(User, "b")],
            json!([
                user(json!([text(".")])),
                assistant(json!([text("a")])),
                user(json!([text("b")]))
            ]),
        ),
        (
            vec![said(User, "a"), said(Assistant, "b \n")],
            json!([user(json!([text("a")])), assistant(json!([text("b")]))]),
        ),
        (
            vec![said(User, "a"), said(Assistant, " ")],
            json!([user(json!([text("a")]))]),
        ),
        (
            vec![
                said(User, "a"),
                call("c", "{}"),
                call("d", ""),
                said(System, "s"),
                outcome("c", "1"),
                said(User, "x"),
                outcome("d", "2"),
            ],
            json!([
                user(json!([text("a")])),
                assistant(json!([uses("c"), uses("d")])),
                user(json!([result("c", "1"), result("d", "2"), reminder("s"), text("x")])),
            ]),
        ),
        (
            vec![said(User, "a"), said(Developer, "s"), said(User, "b")],
            json!([user(json!([text("a"), reminder("s"), text("b")]))]),
        ),
    ] {
        let (body, _) = encoded(&of(items.clone()), &Rules::default()).unwrap();
        assert_eq!(body["messages"], expected, "{items:?}");
    }
}

#[test]
fn instructions_within_a_conversation_stay_where_the_model_takes_them() {
    use Role::{Assistant, System, User};
    let rules = Rules {
        takes_system_anywhere: true,
        ..Rules::default()
    };
    let roles = |items: Vec<Item>| {
        let (body, _) = encoded(&of(items), &rules).unwrap();
        let turns = body["messages"].as_array().unwrap().clone();
        turns
            .iter()
            .map(|turn| turn["role"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(roles(vec![said(User, "a"), said(System, "s")]), ["user", "system"]);
    assert_eq!(
        roles(vec![
            said(User, "a"),
            said(System, "s"),
            said(Assistant, "b"),
            said(User, "c")
        ]),
        ["user", "system", "assistant", "user"]
    );
    assert_eq!(
        roles(vec![said(User, "a"), said(System, "s"), said(User, "b")]),
        ["user"]
    );
    assert_eq!(
        roles(vec![
            said(User, "a"),
            call("c", "{}"),
            said(System, "s"),
            outcome("c", "x")
        ]),
        ["user", "assistant", "user"]
    );
    let (body, _) = encoded(
        &of(vec![said(System, "s"), said(Role::Developer, "d"), said(User, "a")]),
        &rules,
    )
    .unwrap();
    assert_eq!(body["system"], json!([text("s"), text("d")]));
}

#[test]
fn only_thoughts_that_the_account_knows_go_back() {
    let thought = |text: &str, blob: Option<&str>, is_redacted| {
        Item::Thought(Thought {
            text: text.to_owned(),
            blob: blob.map(str::to_owned),
            is_redacted,
            ..Thought::default()
        })
    };
    let request = of(vec![
        said(Role::User, "a"),
        thought("hm", Some("s"), false),
        thought("", Some("d"), true),
        thought("foreign", None, false),
        call("c", "{}"),
        outcome("c", "1"),
    ]);
    let (body, notes) = encoded(&request, &Rules::default()).unwrap();
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {}},
        ])
    );
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn ids_and_arguments_of_calls_are_made_fit() {
    let long = "x".repeat(65);
    for id in ["call:1", "", "é", long.as_str(), "call:2"] {
        let (body, _) = encoded(
            &of(vec![said(Role::User, "a"), call(id, "{}"), outcome(id, "1")]),
            &Rules::default(),
        )
        .unwrap();
        let sent = body["messages"][1]["content"][0]["id"].as_str().unwrap();
        let is_fit = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        assert!(
            sent.len() <= 64 && !sent.is_empty() && sent.chars().all(is_fit),
            "{sent}"
        );
        assert_eq!(body["messages"][2]["content"][0]["tool_use_id"], sent, "{id}");
    }
    for (arguments, input) in [
        (r#"{"a":1}"#, json!({"a": 1})),
        ("  ", json!({})),
        (r#"{"a":"#, json!({"_raw": r#"{"a":"#})),
        ("[1]", json!({"_raw": "[1]"})),
    ] {
        let (body, _) = encoded(
            &of(vec![said(Role::User, "a"), call("c", arguments)]),
            &Rules::default(),
        )
        .unwrap();
        assert_eq!(body["messages"][1]["content"][0]["input"], input, "{arguments}");
    }
    let custom = Item::Call(Call {
        id: "c".to_owned(),
        name: "f".to_owned(),
        namespace: Some("n".to_owned()),
        arguments: "free".to_owned(),
        kind: CallKind::Custom,
    });
    let (body, _) = encoded(&of(vec![said(Role::User, "a"), custom]), &Rules::default()).unwrap();
    let sent = &body["messages"][1]["content"][0];
    assert_eq!(
        (&sent["name"], &sent["input"]),
        (&json!("n__f"), &json!({"input": "free"}))
    );
}

#[test]
fn media_that_are_taken_and_media_that_are_not() {
    let data = |media_type: &str| Source::Data {
        media_type: media_type.to_owned(),
        base64: "AA==".to_owned(),
    };
    let image = |source| PartKind::Image { source, detail: None };
    let file = |source| PartKind::File { source, name: None };
    let base64 = |media_type: &str| json!({"type": "base64", "media_type": media_type, "data": "AA=="});
    let url = || Source::Url("https://x.example/a".to_owned());
    let at = json!({"type": "url", "url": "https://x.example/a"});
    let sent = |kind: PartKind| {
        let parts = vec![Part::from(kind)];
        let message = Item::Message(Message {
            role: Role::User,
            parts,
            name: None,
        });
        encoded(&of(vec![message]), &Rules::default()).map(|(body, _)| body["messages"][0]["content"][0].clone())
    };
    for (kind, expected) in [
        (
            image(data("image/webp")),
            json!({"type": "image", "source": base64("image/webp")}),
        ),
        (
            image(data("image/jpg")),
            json!({"type": "image", "source": base64("image/jpeg")}),
        ),
        (image(url()), json!({"type": "image", "source": at})),
        (
            file(data("application/pdf")),
            json!({"type": "document", "source": base64("application/pdf")}),
        ),
        (file(url()), json!({"type": "document", "source": at})),
        (
            file(Source::Data {
                media_type: "text/csv".to_owned(),
                base64: "YSxi".to_owned(),
            }),
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}}),
        ),
        (
            file(Source::Text("t".to_owned())),
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}}),
        ),
    ] {
        assert_eq!(sent(kind), Ok(expected));
    }
    for (kind, field) in [
        (image(data("image/bmp")), "image"),
        (image(Source::Id("f".to_owned())), "image"),
        (image(Source::Url("gs://a".to_owned())), "image"),
        (file(data("video/mp4")), "file"),
        (file(Source::Id("f".to_owned())), "file"),
        (PartKind::Audio(data("audio/wav")), "input_audio"),
    ] {
        assert_eq!(sent(kind).unwrap_err().field(), field);
    }
}

#[test]
fn thinking_by_every_rule() {
    use ThinkingRule::{Always, Budget, Effort as ByEffort, Never, Unknown};
    let effort = |effort| Reasoning {
        effort: Some(effort),
        ..Reasoning::default()
    };
    let off = Reasoning {
        thinking: Some(Thinking::Off),
        ..Reasoning::default()
    };
    let tokens = |budget| Reasoning {
        budget: Some(budget),
        thinking: Some(Thinking::On),
        ..Reasoning::default()
    };
    let shown = Reasoning {
        summary: Some("auto".to_owned()),
        ..effort(Effort::Minimal)
    };
    let adaptive = json!({"type": "adaptive"});
    let enabled = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    let config = |word: &str| json!({"effort": word});
    for (rule, reasoning, thinking, output_config, notes) in [
        (Never, effort(Effort::High), json!(null), json!(null), 1),
        (Never, off.clone(), json!(null), json!(null), 0),
        (Budget, effort(Effort::High), enabled(4096), json!(null), 0),
        (Budget, effort(Effort::Minimal), enabled(1024), json!(null), 0),
        (Budget, tokens(7), enabled(1024), json!(null), 0),
        (Budget, effort(Effort::Max), json!(null), json!(null), 1),
        (Budget, effort(Effort::None), json!(null), json!(null), 0),
        (ByEffort, effort(Effort::Minimal), adaptive.clone(), config("low"), 0),
        (ByEffort, tokens(5000), adaptive.clone(), config("high"), 0),
        (
            ByEffort,
            effort(Effort::None),
            json!({"type": "disabled"}),
            json!(null),
            0,
        ),
        (
            ByEffort,
            shown,
            json!({"type": "adaptive", "display": "summarized"}),
            config("low"),
            0,
        ),
        (Always, effort(Effort::XHigh), adaptive.clone(), config("xhigh"), 0),
        (Always, off, json!(null), json!(null), 1),
        (Unknown, tokens(2000), enabled(2000), json!(null), 0),
        (Unknown, effort(Effort::Low), adaptive, config("low"), 0),
    ] {
        let request = Request {
            reasoning: Some(reasoning.clone()),
            ..hi()
        };
        let rules = Rules {
            thinking: rule,
            ..Rules::default()
        };
        let (body, said) = encoded(&request, &rules).unwrap();
        assert_eq!(body["thinking"], thinking, "{rule:?} {reasoning:?}");
        assert_eq!(body["output_config"], output_config, "{rule:?} {reasoning:?}");
        assert_eq!(said.len(), notes, "{rule:?} {reasoning:?} {said:?}");
    }
}

#[test]
fn efforts_are_said_in_words_that_the_model_knows() {
    let asked = |model: &str, thinking| {
        let request = Request {
            reasoning: Some(Reasoning {
                effort: Some(Effort::XHigh),
                ..Reasoning::default()
            }),
            max_output: Some(10_000),
            ..hi()
        };
        let rules = Rules {
            thinking,
            ..Rules::default()
        };
        let (body, _) = encoded_for(model, &request, &rules).unwrap();
        json!([body["thinking"], body["output_config"]["effort"]])
    };
    let adaptive = json!({"type": "adaptive"});
    assert_eq!(
        asked("claude-opus-4-8", ThinkingRule::Effort),
        json!([adaptive, "xhigh"])
    );
    assert_eq!(
        asked("claude-opus-4-6", ThinkingRule::Effort),
        json!([adaptive, "high"])
    );
    let enabled = json!({"type": "enabled", "budget_tokens": 8192});
    assert_eq!(asked("of-another-maker", ThinkingRule::Unknown), json!([enabled, null]));
}

#[test]
fn a_budget_needs_the_thoughts_of_the_calls_before() {
    let rules = Rules {
        thinking: ThinkingRule::Budget,
        ..Rules::default()
    };
    let reasoning = Some(Reasoning {
        effort: Some(Effort::Low),
        ..Reasoning::default()
    });
    let thought = Item::Thought(Thought {
        blob: Some("s".to_owned()),
        ..Thought::default()
    });
    let loops = |middle: Vec<Item>| {
        let mut items = vec![said(Role::User, "a")];
        items.extend(middle);
        let request = Request {
            reasoning: reasoning.clone(),
            ..of(items)
        };
        encoded(&request, &rules).unwrap().0["thinking"].is_object()
    };
    assert!(loops(vec![thought, call("c", "{}"), outcome("c", "1")]));
    assert!(!loops(vec![call("c", "{}"), outcome("c", "1")]));
    assert!(!loops(vec![said(Role::Assistant, "begun")]));
    assert!(loops(vec![said(Role::Assistant, "done"), said(Role::User, "next")]));
}

#[test]
fn sampling_that_is_taken_and_sampling_that_is_not() {
    let number = |text: &str| text.parse::<Number>().ok();
    let sampling = |temperature, top_p, top_k| Sampling {
        temperature,
        top_p,
        top_k,
        ..Sampling::default()
    };
    let plain = Rules::default();
    let none = Rules {
        takes_sampling: false,
        ..Rules::default()
    };
    for (asked, rules, is_thinking, sent, notes) in [
        (
            sampling(number("0.5"), None, number("3")),
            &plain,
            false,
            json!([0.5, null, 3]),
            0,
        ),
        (
            sampling(number("1.7"), None, None),
            &plain,
            false,
            json!([1, null, null]),
            1,
        ),
        (
            sampling(number("0.5"), number("0.9"), None),
            &plain,
            false,
            json!([0.5, null, null]),
            1,
        ),
        (
            sampling(number("0.5"), number("1"), None),
            &plain,
            false,
            json!([0.5, null, null]),
            0,
        ),
        (
            sampling(None, number("0.9"), None),
            &plain,
            false,
            json!([null, 0.9, null]),
            0,
        ),
        (
            sampling(number("0.5"), number("0.9"), number("3")),
            &none,
            false,
            json!([null, null, null]),
            3,
        ),
        (
            sampling(number("1"), number("1.0"), None),
            &none,
            false,
            json!([null, null, null]),
            0,
        ),
        (
            sampling(number("0.5"), None, number("3")),
            &plain,
            true,
            json!([null, null, null]),
            2,
        ),
    ] {
        let request = Request {
            sampling: asked.clone(),
            reasoning: is_thinking.then_some(Reasoning {
                effort: Some(Effort::Low),
                ..Reasoning::default()
            }),
            ..hi()
        };
        let (body, said) = encoded(&request, rules).unwrap();
        assert_eq!(
            json!([body["temperature"], body["top_p"], body["top_k"]]),
            sent,
            "{asked:?}"
        );
        assert_eq!(said.len(), notes, "{asked:?} {said:?}");
    }
}

#[test]
fn what_the_dialect_does_not_have_is_noted() {
    let number = |text: &str| text.parse::<Number>().ok();
    let request = Request {
        sampling: Sampling {
            seed: number("7"),
            presence_penalty: number("0.5"),
            frequency_penalty: number("0"),
            logit_bias: Some(json!({"5": 1})),
            ..Sampling::default()
        },
        logprobs: Some(0),
        verbosity: Some("low".to_owned()),
        metadata: json!({"a": "b"}).as_object().cloned(),
        service_tier: Some("flex".to_owned()),
        user: Some("a@b.example".to_owned()),
        stop: vec!["\n".to_owned(), "END".to_owned()],
        tools: vec![Tool::Hosted {
            kind: "web_search".to_owned(),
            raw: json!({}),
        }],
        cache_key: Some("k".to_owned()),
        ..hi()
    };
    let (body, notes) = encoded(&request, &Rules::default()).unwrap();
    assert_eq!(body["stop_sequences"], json!(["END"]));
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    let told: Vec<&str> = notes.iter().filter_map(|note| note.split(':').next()).collect();
    for name in [
        "seed",
        "presence_penalty",
        "logit_bias",
        "logprobs",
        "verbosity",
        "metadata",
        "service_tier",
        "user",
        "stop",
        "prompt_cache_key",
    ] {
        assert!(told.contains(&format!("dropped {name}").as_str()), "{name} in {told:?}");
    }
    assert_eq!(notes.len(), 11, "{notes:?}");
    let several = Request {
        choices: Some(2),
        ..hi()
    };
    assert_eq!(encoded(&several, &Rules::default()).unwrap_err().field(), "n");
    for (user, is_sent) in [("u-1", true), ("+49 170 1234567", false), ("550e8400-e29b", true)] {
        let request = Request {
            user: Some(user.to_owned()),
            ..hi()
        };
        let (body, _) = encoded(&request, &Rules::default()).unwrap();
        assert_eq!(body["metadata"]["user_id"] == user, is_sent, "{user}");
    }
}

#[test]
fn a_begun_answer_is_refused_where_the_model_does_not_go_on() {
    let rules = Rules {
        takes_prefill: false,
        ..Rules::default()
    };
    let begun = of(vec![said(Role::User, "a"), said(Role::Assistant, "b")]);
    assert_eq!(encoded(&begun, &rules).unwrap_err().field(), "messages");
    assert!(encoded(&of(vec![said(Role::User, "a"), said(Role::Assistant, " ")]), &rules).is_ok());
}

#[test]
fn tools_and_choices_among_them() {
    let rules = Rules {
        takes_forced_tool: false,
        ..Rules::default()
    };
    let allowed = |is_required| ToolChoice::Allowed {
        names: vec!["g".to_owned()],
        is_required,
    };
    for (choice, parallel, rules, sent, count) in [
        (ToolChoice::Auto, None, &Rules::default(), json!(null), 2),
        (
            ToolChoice::Auto,
            Some(false),
            &Rules::default(),
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            2,
        ),
        (
            ToolChoice::None,
            Some(false),
            &Rules::default(),
            json!({"type": "none"}),
            2,
        ),
        (ToolChoice::Required, None, &Rules::default(), json!({"type": "any"}), 2),
        (
            ToolChoice::Tool("g".to_owned()),
            None,
            &Rules::default(),
            json!({"type": "tool", "name": "g"}),
            2,
        ),
        (ToolChoice::Tool("g".to_owned()), None, &rules, json!(null), 2),
        (allowed(true), None, &Rules::default(), json!({"type": "any"}), 1),
        (allowed(false), None, &Rules::default(), json!(null), 1),
    ] {
        let request = Request {
            tools: vec![function("f"), function("g")],
            tool_choice: choice.clone(),
            parallel_tools: parallel,
            ..hi()
        };
        let (body, _) = encoded(&request, rules).unwrap();
        assert_eq!(body["tool_choice"], sent, "{choice:?}");
        assert_eq!(body["tools"].as_array().unwrap().len(), count, "{choice:?}");
    }
    let none = Request {
        tool_choice: ToolChoice::Required,
        ..hi()
    };
    assert!(
        encoded(&none, &Rules::default())
            .unwrap()
            .0
            .get("tool_choice")
            .is_none()
    );
}

#[test]
fn a_tool_takes_an_object() {
    let with = |parameters: Option<Value>| {
        let mut tool = function("f");
        if let Tool::Function { parameters: own, .. } = &mut tool {
            *own = parameters;
        }
        let request = Request {
            tools: vec![tool],
            ..hi()
        };
        encoded(&request, &Rules::default()).unwrap().0["tools"][0]["input_schema"].clone()
    };
    let empty = json!({"type": "object", "properties": {}});
    assert_eq!(with(None), empty);
    assert_eq!(with(Some(json!(true))), empty);
    assert_eq!(
        with(Some(json!({"properties": {"a": {}}}))),
        json!({"type": "object", "properties": {"a": {}}})
    );
    assert_eq!(
        with(Some(json!({"type": "object", "anyOf": []}))),
        json!({"type": "object"})
    );
    let custom = Request {
        tools: vec![Tool::Custom {
            name: "patch".to_owned(),
            namespace: None,
            description: Some("d".to_owned()),
            format: Some(json!({"type": "grammar", "syntax": "lark", "definition": "start: X"})),
        }],
        ..hi()
    };
    let (body, _) = encoded(&custom, &Rules::default()).unwrap();
    let tool = &body["tools"][0];
    assert_eq!(tool["input_schema"]["required"], json!(["input"]));
    assert!(tool["description"].as_str().unwrap().ends_with("grammar:\nstart: X"));
}

#[test]
fn the_form_of_the_answer() {
    let asked = |schema: Value, takes_json_schema| {
        let request = Request {
            format: Format::JsonSchema {
                name: "n".to_owned(),
                description: None,
                schema,
                strict: Some(true),
            },
            ..hi()
        };
        let rules = Rules {
            takes_json_schema,
            ..Rules::default()
        };
        encoded(&request, &rules).unwrap()
    };
    let plain = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1, "description": "d"}}, "required": ["a"]});
    let (body, notes) = asked(plain.clone(), true);
    let closed = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"type": "integer", "description": "d\n{minimum: 1}"}},
    });
    assert_eq!(
        body["output_config"]["format"],
        json!({"type": "json_schema", "schema": closed})
    );
    assert!(notes.is_empty());
    for (schema, takes) in [
        (plain, false),
        (json!({"type": "object"}), true),
        (
            json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}),
            true,
        ),
        (
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}, "x": 1}),
            true,
        ),
        (
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}},
                   "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}),
            true,
        ),
    ] {
        let (body, notes) = asked(schema.clone(), takes);
        if schema.get("$ref").is_none() {
            assert!(body.get("output_config").is_none(), "{schema}");
            assert!(
                body["system"][0]["text"]
                    .as_str()
                    .unwrap()
                    .contains(&schema.to_string()),
                "{schema}"
            );
            assert_eq!(notes.len(), 1);
        }
    }
    let object = Request {
        format: Format::JsonObject,
        ..hi()
    };
    let (body, notes) = encoded(&object, &Rules::default()).unwrap();
    assert_eq!((body["system"].as_array().unwrap().len(), notes.len()), (1, 1));
}

#[test]
fn at_most_four_marks_go_out() {
    let mark = |text: &str, mark: &str| Part {
        cache: Some(mark.to_owned()),
        ..Part::text(text)
    };
    let parts = vec![
        mark("1", ""),
        mark("2", "5m"),
        mark("3", "1h"),
        mark("4", "30m"),
        mark("5", ""),
        mark("6", ""),
    ];
    let request = of(vec![Item::Message(Message {
        role: Role::User,
        parts,
        name: None,
    })]);
    let (body, notes) = encoded(&request, &Rules::default()).unwrap();
    let marks: Vec<Value> = body["messages"][0]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| block["cache_control"].clone())
        .collect();
    let short = json!({"type": "ephemeral"});
    let long = json!({"type": "ephemeral", "ttl": "1h"});
    assert_eq!(
        marks,
        [json!(null), short.clone(), long, json!(null), short.clone(), short]
    );
    assert_eq!(notes.len(), 2);
}

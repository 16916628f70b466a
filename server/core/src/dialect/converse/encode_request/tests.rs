//! Requests as Bedrock takes them.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{
    Call, CallKind, Effort, Item, Message, Outcome, Part, PartKind, Reasoning, Role, Source, Thinking, ThinkingRule,
    Thought, Tool, ToolChoice,
};
use super::*;
use crate::dialect::MaxOutputField;

const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn encode_for(request: &Request, model: &str, rules: &Rules) -> (Result<Value, Untranslatable>, Vec<String>) {
    let target = Target {
        model,
        max_output: None,
        max_output_field: MaxOutputField::MaxTokens,
        rules,
        provider: "bedrock",
    };
    let mut notes = Notes::default();
    let encoded = encode_request(request, &target, &mut notes);
    (
        encoded.map(|body| serde_json::from_slice(&body).unwrap()),
        notes.into_vec(),
    )
}

fn encode(request: &Request) -> Value {
    encode_for(request, CLAUDE, &Rules::default()).0.unwrap()
}

fn said(role: Role, text: &str) -> Item {
    of_parts(role, vec![Part::text(text)])
}

fn of_parts(role: Role, parts: Vec<Part>) -> Item {
    let name = None;
    Item::Message(Message { role, parts, name })
}

fn with(items: Vec<Item>) -> Request {
    Request {
        items,
        ..Request::default()
    }
}

fn asking() -> Request {
    with(vec![said(Role::User, "hi")])
}

fn call(id: &str, name: &str, arguments: &str) -> Item {
    Item::Call(Call {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        ..Call::default()
    })
}

fn outcome(id: &str, parts: Vec<Part>, is_error: bool) -> Item {
    Item::Outcome(Outcome {
        call_id: id.to_owned(),
        parts,
        is_error,
        ..Outcome::default()
    })
}

fn function(name: &str) -> Tool {
    Tool::Function {
        name: name.to_owned(),
        namespace: None,
        description: Some("d".to_owned()),
        parameters: Some(json!({"type": "object"})),
        strict: None,
        cache: None,
    }
}

fn thought(text: &str, blob: Option<&str>, is_redacted: bool) -> Item {
    Item::Thought(Thought {
        text: text.to_owned(),
        blob: blob.map(str::to_owned),
        is_redacted,
        ..Thought::default()
    })
}

fn messages(items: Vec<Item>) -> Value {
    encode(&with(items))["messages"].take()
}

#[test]
fn turns() {
    let user = |content: Value| json!({"role": "user", "content": content});
    let model = |content: Value| json!({"role": "assistant", "content": content});
    for (items, expected) in [
        (vec![said(Role::User, "a")], json!([user(json!([{"text": "a"}]))])),
        (
            vec![said(Role::User, "a"), said(Role::User, ""), said(Role::User, "b")],
            json!([user(json!([{"text": "a"}, {"text": "b"}]))]),
        ),
        (
            vec![said(Role::Assistant, "a"), said(Role::User, "b")],
            json!([
                user(json!([{"text": "."}])),
                model(json!([{"text": "a"}])),
                user(json!([{"text": "b"}]))
            ]),
        ),
        (
            vec![
                said(Role::User, "a"),
                said(Role::System, "s"),
                said(Role::Assistant, "b "),
            ],
            json!([
                user(json!([{"text": "a"}, {"text": "<system-reminder>\ns\n</system-reminder>"}])),
                model(json!([{"text": "b"}])),
            ]),
        ),
        (vec![], json!([user(json!([{"text": "."}]))])),
    ] {
        assert_eq!(messages(items), expected);
    }
    let request = with(vec![
        said(Role::System, "s"),
        said(Role::Developer, "d"),
        said(Role::User, "u"),
    ]);
    assert_eq!(encode(&request)["system"], json!([{"text": "s"}, {"text": "d"}]));
    let within = with(vec![said(Role::User, "a"), said(Role::System, "s")]);
    let rules = Rules {
        takes_system_anywhere: true,
        ..Rules::default()
    };
    let (encoded, notes) = encode_for(&within, CLAUDE, &rules);
    assert_eq!(
        encoded.unwrap()["messages"][1],
        json!({"role": "system", "content": [{"text": "s"}]})
    );
    assert!(notes.is_empty());
}

#[test]
fn calls_and_what_they_brought() {
    let long = "x".repeat(65);
    let items = vec![
        said(Role::User, "a"),
        thought("hm", Some("sig"), false),
        thought("", Some("hid"), true),
        thought("words only", None, false),
        call("c1", "f", r#"{"b": 1.0, "a": 2}"#),
        call("a b", "f", ""),
        call(&long, "f", "no json"),
        said(Role::User, "and"),
        outcome("c1", vec![Part::text("ok")], false),
        outcome("a b", vec![], true),
    ];
    let request = Request {
        tools: vec![function("f")],
        ..with(items)
    };
    let (encoded, notes) = encode_for(&request, CLAUDE, &Rules::default());
    let encoded = encoded.unwrap();
    let turn = &encoded["messages"][1]["content"];
    assert_eq!(
        turn[0],
        json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}})
    );
    assert_eq!(turn[1], json!({"reasoningContent": {"redactedContent": "hid"}}));
    assert_eq!(
        turn[2],
        json!({"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 2, "b": 1.0}}})
    );
    assert_eq!(turn[3]["toolUse"]["input"], json!({}));
    assert_eq!(turn[4]["toolUse"]["input"], json!({"_raw": "no json"}));
    let ids: Vec<_> = (2..5)
        .map(|at| turn[at]["toolUse"]["toolUseId"].as_str().unwrap())
        .collect();
    assert!(ids[1].starts_with("ab_") && ids.iter().all(|id| id.len() <= 64));
    let results = &encoded["messages"][2]["content"];
    assert_eq!(
        results[0],
        json!({"toolResult": {"toolUseId": "c1", "content": [{"text": "ok"}], "status": "success"}})
    );
    assert_eq!(
        results[1],
        json!({"toolResult": {"toolUseId": ids[1], "content": [{"text": "."}], "status": "error"}})
    );
    assert_eq!(results[2], json!({"text": "and"}));
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn tools_and_their_choice() {
    let config = |tool_choice: ToolChoice, items: Vec<Item>| {
        let request = Request {
            tools: vec![function("f"), function("g")],
            tool_choice,
            ..with(items)
        };
        encode(&request)["toolConfig"].take()
    };
    let asked = || vec![said(Role::User, "a")];
    let spec = |name: &str| json!({"toolSpec": {"name": name, "description": "d", "inputSchema": {"json": {"type": "object"}}}});
    let both = json!([spec("f"), spec("g")]);
    assert_eq!(config(ToolChoice::Auto, asked()), json!({"tools": both}));
    assert_eq!(config(ToolChoice::None, asked()), Value::Null);
    assert_eq!(
        config(ToolChoice::Required, asked()),
        json!({"tools": both, "toolChoice": {"any": {}}})
    );
    assert_eq!(
        config(ToolChoice::Tool("g".to_owned()), asked()),
        json!({"tools": both, "toolChoice": {"tool": {"name": "g"}}})
    );
    let allowed = ToolChoice::Allowed {
        names: vec!["g".to_owned()],
        is_required: true,
    };
    assert_eq!(
        config(allowed, asked()),
        json!({"tools": [spec("g")], "toolChoice": {"any": {}}})
    );
    let history = || vec![said(Role::User, "a"), call("c", "f", "{}"), outcome("c", vec![], false)];
    assert_eq!(config(ToolChoice::None, history()), json!({"tools": both}));
    let without = encode(&with(history()));
    assert_eq!(without["toolConfig"]["tools"][0]["toolSpec"]["name"], "f");
}

#[test]
fn free_text_tools_namespaces_and_hosted_tools() {
    let request = Request {
        tools: vec![
            Tool::Custom {
                name: "patch".to_owned(),
                namespace: None,
                description: None,
                format: None,
            },
            Tool::Hosted {
                kind: "web_search".to_owned(),
                raw: json!({}),
            },
            Tool::Function {
                name: "f".to_owned(),
                namespace: Some("n".to_owned()),
                description: Some(String::new()),
                parameters: None,
                strict: Some(true),
                cache: Some("1h".to_owned()),
            },
        ],
        items: vec![
            said(Role::User, "a"),
            Item::Call(Call {
                id: "c".to_owned(),
                name: "patch".to_owned(),
                arguments: "*** x".to_owned(),
                kind: CallKind::Custom,
                ..Call::default()
            }),
            outcome("c", vec![], false),
        ],
        ..Request::default()
    };
    let (encoded, notes) = encode_for(&request, CLAUDE, &Rules::default());
    let encoded = encoded.unwrap();
    let tools = encoded["toolConfig"]["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 3);
    assert_eq!(
        tools[0]["toolSpec"]["inputSchema"]["json"]["required"],
        json!(["input"])
    );
    assert_eq!(
        tools[1],
        json!({"toolSpec": {"name": "n__f", "strict": true, "inputSchema": {"json": {"type": "object", "properties": {}}}}})
    );
    assert_eq!(tools[2], json!({"cachePoint": {"type": "default", "ttl": "1h"}}));
    assert_eq!(
        encoded["messages"][1]["content"][0]["toolUse"]["input"],
        json!({"input": "*** x"})
    );
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn media() {
    let data = |media_type: &str| Source::Data {
        media_type: media_type.to_owned(),
        base64: "AAAA".to_owned(),
    };
    let image = |source| PartKind::Image { source, detail: None };
    let file = |source, name: &str| PartKind::File {
        source,
        name: Some(name.to_owned()),
    };
    for (kind, expected) in [
        (
            image(data("image/jpeg")),
            json!([{"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}}]),
        ),
        (
            file(data("application/pdf"), "a/b  c.pdf"),
            json!([{"document": {"format": "pdf", "name": "a b c pdf", "source": {"bytes": "AAAA"}}}, {"text": "."}]),
        ),
        (
            file(Source::Text("hi".to_owned()), ""),
            json!([{"document": {"format": "txt", "name": "document", "source": {"bytes": "aGk="}}}, {"text": "."}]),
        ),
    ] {
        let found = messages(vec![of_parts(Role::User, vec![Part::from(kind)])]);
        assert_eq!(found[0]["content"], expected);
    }
    for (kind, field) in [
        (image(data("image/bmp")), "image_url"),
        (image(Source::Url("https://a.example/b.png".to_owned())), "image_url"),
        (image(Source::Id("file_1".to_owned())), "image_url"),
        (file(data("video/mp4"), ""), "file"),
        (file(Source::Url("https://a.example/b.pdf".to_owned()), ""), "file"),
        (PartKind::Audio(data("audio/wav")), "input_audio"),
    ] {
        let request = with(vec![of_parts(Role::User, vec![Part::from(kind)])]);
        let refused = encode_for(&request, CLAUDE, &Rules::default()).0.unwrap_err();
        assert_eq!(refused.field(), field);
    }
}

#[test]
fn marks_of_the_cache() {
    let marked = |text: &str, time: &str| Part {
        cache: Some(time.to_owned()),
        ..Part::text(text)
    };
    let mut parts = vec![marked("0", "1h")];
    parts.extend((1..5).map(|at| marked(&at.to_string(), "")));
    let request = with(vec![of_parts(Role::User, parts)]);
    let (encoded, notes) = encode_for(&request, CLAUDE, &Rules::default());
    let content = encoded.unwrap()["messages"][0]["content"].take();
    let kinds: Vec<bool> = content
        .as_array()
        .unwrap()
        .iter()
        .map(|block| block.get("cachePoint").is_some())
        .collect();
    assert_eq!(kinds, [false, false, true, false, true, false, true, false, true]);
    assert_eq!(content[2], json!({"cachePoint": {"type": "default"}}));
    assert_eq!(notes.len(), 1);
    let (encoded, notes) = encode_for(&request, "meta.llama3-1-70b-instruct-v1:0", &Rules::default());
    assert!(!encoded.unwrap().to_string().contains("cachePoint"));
    assert_eq!(notes.len(), 1);
}

#[test]
fn how_the_next_token_is_chosen() {
    let number = |text: &str| serde_json::from_str::<Number>(text).unwrap();
    let request = Request {
        sampling: Sampling {
            temperature: Some(number("0.70")),
            top_k: Some(number("5")),
            seed: Some(number("1")),
            ..Sampling::default()
        },
        stop: vec!["END".to_owned(), " ".to_owned()],
        max_output: Some(500),
        service_tier: Some("flex".to_owned()),
        ..asking()
    };
    let (encoded, notes) = encode_for(&request, CLAUDE, &Rules::default());
    let encoded = encoded.unwrap();
    assert_eq!(
        encoded["inferenceConfig"],
        json!({"maxTokens": 500, "temperature": 0.70, "stopSequences": ["END"]})
    );
    assert_eq!(encoded["additionalModelRequestFields"], json!({"top_k": 5}));
    assert_eq!(encoded["serviceTier"], json!({"type": "flex"}));
    assert_eq!(notes.len(), 2, "{notes:?}");
    let rules = Rules {
        takes_sampling: false,
        max_output: Some(100),
        ..Rules::default()
    };
    let (encoded, _) = encode_for(&request, CLAUDE, &rules);
    let encoded = encoded.unwrap();
    assert_eq!(
        encoded["inferenceConfig"],
        json!({"maxTokens": 100, "stopSequences": ["END"]})
    );
    assert_eq!(encoded["additionalModelRequestFields"], Value::Null);
    let (encoded, _) = encode_for(&request, "eu.amazon.nova-pro-v1:0", &Rules::default());
    assert_eq!(
        encoded.unwrap()["additionalModelRequestFields"],
        json!({"inferenceConfig": {"topK": 5}})
    );
    let hot = Request {
        sampling: Sampling {
            temperature: Some(number("1.5")),
            top_p: Some(number("0.9")),
            ..Sampling::default()
        },
        ..asking()
    };
    assert_eq!(encode(&hot)["inferenceConfig"], json!({"temperature": 1}));
    assert_eq!(
        encode(&asking()),
        json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})
    );
}

#[test]
fn how_much_to_think() {
    let plan = |rule: ThinkingRule, reasoning: Reasoning, max_output: Option<u64>| {
        let request = Request {
            reasoning: Some(reasoning),
            max_output,
            tools: vec![function("f")],
            tool_choice: ToolChoice::Required,
            ..asking()
        };
        let rules = Rules {
            thinking: rule,
            ..Rules::default()
        };
        let encoded = encode_for(&request, CLAUDE, &rules).0.unwrap();
        let parts = ["additionalModelRequestFields", "outputConfig"].map(|name| encoded[name].clone());
        (parts, encoded["toolConfig"].get("toolChoice").is_some())
    };
    let effort = |effort| Reasoning {
        effort: Some(effort),
        ..Reasoning::default()
    };
    let budget = |tokens| Reasoning {
        budget: Some(tokens),
        ..Reasoning::default()
    };
    let off = Reasoning {
        thinking: Some(Thinking::Off),
        ..Reasoning::default()
    };
    let enabled = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    let adaptive = || json!({"thinking": {"type": "adaptive"}});
    let high = || json!({"effort": "high"});
    let null = || Value::Null;
    use ThinkingRule::{Always, Budget, Effort as ByEffort, Never, Unknown};
    for (rule, reasoning, max_output, fields, output) in [
        (Budget, effort(Effort::High), None, enabled(4096), null()),
        (Budget, budget(10), None, enabled(1024), null()),
        (Budget, budget(9000), Some(3000), enabled(2999), null()),
        (Budget, budget(9000), Some(1024), null(), null()),
        (Budget, off.clone(), None, null(), null()),
        (ByEffort, effort(Effort::High), None, adaptive(), high()),
        (ByEffort, budget(5000), None, adaptive(), high()),
        (ByEffort, effort(Effort::None), None, null(), null()),
        (Always, effort(Effort::High), None, null(), high()),
        (Always, off, None, null(), json!({"effort": "low"})),
        (Never, effort(Effort::High), None, null(), null()),
        (Unknown, budget(2000), None, enabled(2000), null()),
        (
            Unknown,
            effort(Effort::Minimal),
            None,
            adaptive(),
            json!({"effort": "low"}),
        ),
    ] {
        let (found, is_forced) = plan(rule, reasoning.clone(), max_output);
        assert_eq!(found, [fields, output], "{rule:?} {reasoning:?}");
        let thinks = found[0] != Value::Null || found[1] == high();
        assert_eq!(is_forced, !thinks, "{rule:?} {reasoning:?}");
    }
}

#[test]
fn thinking_of_other_makers_and_amid_calls() {
    let request = Request {
        reasoning: Some(Reasoning {
            effort: Some(Effort::Max),
            ..Reasoning::default()
        }),
        ..asking()
    };
    let (encoded, _) = encode_for(&request, "openai.gpt-oss-120b-1:0", &Rules::default());
    assert_eq!(
        encoded.unwrap()["additionalModelRequestFields"],
        json!({"reasoning_effort": "high"})
    );
    let (encoded, notes) = encode_for(&request, "meta.llama3-1-70b-instruct-v1:0", &Rules::default());
    assert_eq!(
        (encoded.unwrap()["additionalModelRequestFields"].clone(), notes.len()),
        (Value::Null, 1)
    );
    let rules = Rules {
        thinking: ThinkingRule::Budget,
        ..Rules::default()
    };
    for (blob, expected) in [(None, true), (Some("s"), false)] {
        let request = Request {
            items: vec![
                said(Role::User, "a"),
                thought("hm", blob, false),
                call("c", "f", "{}"),
                outcome("c", vec![], false),
            ],
            ..request.clone()
        };
        let (encoded, _) = encode_for(&request, CLAUDE, &rules);
        assert_eq!(encoded.unwrap()["additionalModelRequestFields"].is_null(), expected);
    }
}

#[test]
fn the_form_of_the_answer() {
    let formed = |format: Format, rules: &Rules| {
        let request = Request { format, ..asking() };
        encode_for(&request, CLAUDE, rules).0.unwrap()
    };
    let schema = || Format::JsonSchema {
        name: "n".to_owned(),
        description: None,
        schema: json!({"type": "object"}),
        strict: Some(true),
    };
    assert_eq!(
        formed(schema(), &Rules::default())["outputConfig"],
        json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "n", "schema": "{\"type\":\"object\"}"}}}})
    );
    let rules = Rules {
        takes_json_schema: false,
        ..Rules::default()
    };
    for (format, word) in [(schema(), "JSON schema"), (Format::JsonObject, "JSON object")] {
        let encoded = formed(format, &rules);
        assert!(encoded["system"][0]["text"].as_str().unwrap().contains(word));
        assert_eq!(encoded["outputConfig"], Value::Null);
    }
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    let several = Request {
        choices: Some(2),
        ..asking()
    };
    assert_eq!(
        encode_for(&several, CLAUDE, &Rules::default()).0.unwrap_err().field(),
        "n"
    );
    let begun = with(vec![said(Role::User, "a"), said(Role::Assistant, "b")]);
    let rules = Rules {
        takes_prefill: false,
        ..Rules::default()
    };
    assert_eq!(encode_for(&begun, CLAUDE, &rules).0.unwrap_err().field(), "messages");
}

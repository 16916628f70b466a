//! What upstreams are sent.
//!
//! Invariant: each provider gets the fields it knows and no others. Pure.

use super::super::super::MaxOutputField;
use super::super::super::exchange::*;
use super::super::{decode_request, encode_request};
use serde_json::{Value, json};

pub(super) fn encoded(
    provider: &str,
    rules: &Rules,
    request: &Request,
) -> Result<(Value, Vec<String>), Untranslatable> {
    let target = Target {
        model: "up",
        max_output: None,
        max_output_field: MaxOutputField::default(),
        rules,
        provider,
    };
    let mut notes = Notes::default();
    let bytes = encode_request(request, &target, &mut notes)?;
    Ok((serde_json::from_slice(&bytes).unwrap(), notes.into_vec()))
}

pub(super) fn sent(provider: &str, fields: Value) -> Value {
    encoded(provider, &Rules::default(), &request(fields)).unwrap().0
}

pub(super) fn request(fields: Value) -> Request {
    let mut body = json!({"model": "m", "messages": []});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    decode_request(body.to_string().as_bytes()).unwrap()
}

#[test]
fn an_openai_request_survives_the_way_through() {
    let fields = json!({
        "model": "up", "n": 2, "temperature": 0.5, "stop": ["x"], "seed": 4, "max_completion_tokens": 9, "top_logprobs": 2,
        "logprobs": true, "reasoning_effort": "low", "verbosity": "high", "prompt_cache_key": "k", "safety_identifier": "s",
        "service_tier": "flex", "metadata": {"a": "b"}, "parallel_tool_calls": true, "stream": true,
        "stream_options": {"include_usage": true},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}},
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}},
            {"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "d"}}}},
        ],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            {"type": "custom", "custom": {"name": "g"}}, {"type": "function", "function": {"name": "f"}}]}},
        "messages": [
            {"role": "developer", "content": "d"},
            {"role": "user", "name": "bo", "content": [
                {"type": "text", "text": "t"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "f.pdf"}}]},
            {"role": "assistant", "content": "a", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "e", "type": "custom", "custom": {"name": "g", "input": "x"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "o"},
            {"role": "tool", "tool_call_id": "e", "content": "p"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"role": "user", "content": "u"},
        ],
    });
    assert_eq!(sent("openai", fields.clone()), fields);
}

#[test]
fn pictures_a_tool_brought_follow_all_outcomes() {
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}});
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": ""}});
    let fields = json!({"messages": [
        {"role": "assistant", "tool_calls": [call("c1"), call("c2")]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "o"}, picture]},
        {"role": "tool", "tool_call_id": "c2", "content": [picture]},
        {"role": "user", "content": "u"},
    ]});
    let (body, notes) = encoded("openai", &Rules::default(), &request(fields)).unwrap();
    let roles: Vec<&str> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user", "user"]);
    assert_eq!(body["messages"][0]["tool_calls"][0]["function"]["arguments"], "{}");
    assert_eq!(body["messages"][1]["content"], "o");
    assert_eq!(body["messages"][3]["content"][1], picture);
    assert_eq!(body["messages"][3]["content"].as_array().unwrap().len(), 4);
    assert_eq!(notes.len(), 1);
}

#[test]
fn what_an_assistant_did_in_a_row_is_one_message() {
    let thought = |text: &str| {
        Item::Thought(Thought {
            text: text.into(),
            ..Thought::default()
        })
    };
    let call = |id: &str| {
        Item::Call(Call {
            id: id.into(),
            name: "f".into(),
            arguments: "{}".into(),
            ..Call::default()
        })
    };
    let said = |text: &str| {
        Item::Message(Message {
            role: Role::Assistant,
            parts: vec![Part::text(text)],
            name: None,
        })
    };
    let items = vec![thought("w"), said("t"), call("c1"), thought("v"), call("c2")];
    let request = Request {
        items,
        ..Request::default()
    };
    let (body, _) = encoded("vllm", &Rules::default(), &request).unwrap();
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
    assert_eq!(body["messages"][0]["reasoning_content"], "wv");
    assert_eq!(body["messages"][0]["tool_calls"].as_array().unwrap().len(), 2);
    let (body, notes) = encoded("openai", &Rules::default(), &request).unwrap();
    assert_eq!(body["messages"][0].get("reasoning_content"), None);
    assert_eq!(notes.len(), 1);
}

#[test]
fn mistral_has_ways_of_its_own() {
    let body = sent(
        "mistral",
        json!({
            "seed": 4, "max_completion_tokens": 9, "user": "u", "logit_bias": {"1": 2}, "reasoning_effort": "medium",
            "stream": true, "stream_options": {"include_usage": true},
            "tools": [
                {"type": "function", "function": {"name": "f", "strict": true, "parameters": {
                    "$schema": "s", "type": "object", "additionalProperties": false,
                    "properties": {"$id": {"type": "string", "$id": "x"}, "a": {"type": "object", "additionalProperties": false}}}}},
                {"type": "function", "function": {"name": "g"}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "messages": [
                {"role": "developer", "content": "d", "name": "n"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call_long_id", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "Ab3456789", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "call_long_id", "content": "o"},
                {"role": "tool", "tool_call_id": "Ab3456789", "content": "o"},
                {"role": "assistant", "content": "begun", "reasoning_content": "w"}],
        }),
    );
    for absent in ["seed", "max_completion_tokens", "user", "logit_bias", "stream_options"] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    assert_eq!((&body["random_seed"], &body["max_tokens"]), (&json!(4), &json!(9)));
    assert_eq!(
        (&body["tool_choice"], &body["reasoning_effort"]),
        (&json!("any"), &json!("high"))
    );
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "function": {"name": "f", "parameters": {
            "type": "object", "properties": {"$id": {"type": "string"}, "a": {"type": "object"}}}}}])
    );
    let messages = &body["messages"];
    assert_eq!(messages[0], json!({"role": "system", "content": "d"}));
    let id = messages[1]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(
        id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{id}"
    );
    assert_eq!(messages[2]["tool_call_id"], id);
    assert_eq!(messages[3]["tool_call_id"], "Ab3456789");
    assert_eq!(messages[4]["prefix"], true);
    assert_eq!(messages[4]["content"][0]["type"], "thinking");
    assert!(!body.to_string().contains("null"));
}

#[test]
fn deepseek_wants_its_thoughts_back() {
    let body = sent(
        "deepseek",
        json!({
            "thinking": {"type": "enabled"}, "reasoning_effort": "high",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": "t"}, {"role": "user", "content": "u"},
                {"role": "assistant", "content": "t", "reasoning_content": "w"}, {"role": "user", "content": "u"}],
        }),
    );
    assert_eq!(body["messages"][0]["content"], "a\n\nb");
    assert_eq!(body["messages"][1]["reasoning_content"], " ");
    assert_eq!(body["messages"][3]["reasoning_content"], "w");
    assert_eq!(
        (&body["thinking"], &body["reasoning_effort"]),
        (&json!({"type": "enabled"}), &json!("high"))
    );
    let off = sent(
        "deepseek",
        json!({"thinking": {"type": "disabled"}, "messages": [{"role": "assistant", "content": "t"}]}),
    );
    assert_eq!(off["messages"][0].get("reasoning_content"), None);
    assert_eq!(off["thinking"], json!({"type": "disabled"}));
}

#[test]
fn openrouter_keeps_marks_and_details() {
    let details = r#"[{"type":"reasoning.text","text":"w","signature":"s"}]"#;
    let mut request = request(json!({
        "reasoning_effort": "max",
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "v", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}],
    }));
    request.items.push(Item::Thought(Thought {
        text: "w".into(),
        blob: Some(details.into()),
        ..Thought::default()
    }));
    request.items.push(Item::Message(Message {
        role: Role::Assistant,
        parts: vec![Part::text("a")],
        name: None,
    }));
    let (body, _) = encoded("openrouter", &Rules::default(), &request).unwrap();
    assert_eq!(body["reasoning"], json!({"effort": "xhigh"}));
    let content = &body["messages"][0]["content"];
    assert_eq!(content[0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(content[1]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    assert_eq!(
        body["messages"][1]["reasoning_details"].to_string(),
        serde_json::from_str::<Value>(details).unwrap().to_string()
    );
    let (body, notes) = encoded("openai", &Rules::default(), &request).unwrap();
    assert!(!body.to_string().contains("cache_control"));
    assert_eq!(notes.len(), 2);
}

#[test]
fn what_a_model_refuses_is_left_out_and_noted() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let strict = Rules {
        takes_sampling: false,
        takes_forced_tool: false,
        thinking: ThinkingRule::Always,
        ..Rules::default()
    };
    let asked = request(json!({
        "temperature": 1, "top_p": 1, "reasoning_effort": "none", "tools": tools, "tool_choice": "required"}));
    let (body, notes) = encoded("openai", &strict, &asked).unwrap();
    for absent in ["temperature", "top_p", "reasoning_effort", "tool_choice"] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    assert_eq!(notes.len(), 4);
    let never = Rules {
        thinking: ThinkingRule::Never,
        ..Rules::default()
    };
    let (body, notes) = encoded("openai", &never, &request(json!({"reasoning_effort": "low"}))).unwrap();
    assert_eq!((body.get("reasoning_effort"), notes.len()), (None, 1));
    let none = Rules {
        tools_need_effort_none: true,
        ..Rules::default()
    };
    let (body, _) = encoded("openai", &none, &request(json!({"tools": tools}))).unwrap();
    assert_eq!(body["reasoning_effort"], "none");
    let responses = Rules {
        tools_need_responses: true,
        ..Rules::default()
    };
    assert_eq!(
        encoded("openai", &responses, &request(json!({"tools": tools})))
            .unwrap_err()
            .field(),
        "tools"
    );
    let prefill = Rules {
        takes_prefill: false,
        ..Rules::default()
    };
    let begun = request(json!({"messages": [{"role": "assistant", "content": "a"}]}));
    assert_eq!(encoded("openai", &prefill, &begun).unwrap_err().field(), "messages");
    let words = Rules {
        takes_json_schema: false,
        ..Rules::default()
    };
    let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}});
    let (body, _) = encoded("deepseek", &words, &request(json!({"response_format": schema}))).unwrap();
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    assert!(
        body["messages"][0]["content"]
            .as_str()
            .unwrap()
            .contains(r#"{"type":"object"}"#)
    );
}

#[test]
fn tools_that_only_openai_has_are_told_otherwise_elsewhere() {
    let custom = json!([{"type": "custom", "custom": {"name": "g"}}, {"type": "function", "function": {"name": "f"}}, {"type": "web"}]);
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "custom", "custom": {"name": "g"}}]}});
    let body = sent(
        "groq",
        json!({
        "tools": custom, "tool_choice": allowed,
        "messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "g", "input": "x"}}]}]}),
    );
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(body["tools"][0]["function"]["parameters"]["required"], json!(["input"]));
    assert_eq!(body["tool_choice"], "required");
    assert_eq!(
        body["messages"][0]["tool_calls"][0]["function"]["arguments"],
        r#"{"input":"x"}"#
    );
    let mut hosted = request(json!({"tools": [{"type": "web"}]}));
    let (body, notes) = encoded("openai", &Rules::default(), &hosted).unwrap();
    assert_eq!((body.get("tools"), notes.len()), (None, 1));
    hosted.tool_choice = ToolChoice::Required;
    assert!(encoded("openai", &Rules::default(), &hosted).is_err());
    let spaced = Request {
        tools: vec![Tool::Function {
            name: "f".into(),
            namespace: Some("n".into()),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
        }],
        tool_choice: ToolChoice::Tool("f".into()),
        ..Request::default()
    };
    let (body, _) = encoded("openai", &Rules::default(), &spaced).unwrap();
    assert_eq!(body["tool_choice"]["function"]["name"], "n__f");
    assert_eq!(body["tools"][0]["function"]["name"], "n__f");
}

#[test]
fn effort_is_put_in_each_providers_words() {
    for (provider, asked, field, expected) in [
        (
            "openai",
            json!({"reasoning_effort": "xhigh"}),
            "reasoning_effort",
            json!("xhigh"),
        ),
        (
            "openai",
            json!({"thinking": {"type": "enabled", "budget_tokens": 4096}}),
            "reasoning_effort",
            json!("high"),
        ),
        (
            "groq",
            json!({"reasoning_effort": "max"}),
            "reasoning_effort",
            json!("high"),
        ),
        (
            "groq",
            json!({"reasoning_effort": "none"}),
            "reasoning_effort",
            json!("none"),
        ),
        (
            "openrouter",
            json!({"reasoning": {"max_tokens": 50}}),
            "reasoning",
            json!({"max_tokens": 50}),
        ),
        (
            "openrouter",
            json!({"reasoning": {"enabled": true}}),
            "reasoning",
            json!({"enabled": true}),
        ),
        (
            "openrouter",
            json!({"reasoning_effort": "none"}),
            "reasoning",
            json!({"enabled": false}),
        ),
        (
            "openai",
            json!({"thinking": {"type": "enabled"}}),
            "reasoning_effort",
            Value::Null,
        ),
        (
            "xai",
            json!({"reasoning_effort": "low"}),
            "reasoning_effort",
            json!("low"),
        ),
    ] {
        assert_eq!(sent(provider, asked.clone())[field], expected, "{provider} {asked}");
    }
}

#[test]
fn media_without_a_counterpart_are_refused_by_their_place() {
    for kind in [
        PartKind::Image {
            source: Source::Id("i".into()),
            detail: None,
        },
        PartKind::File {
            source: Source::Url("u".into()),
            name: None,
        },
        PartKind::Audio(Source::Data {
            media_type: "audio/flac".into(),
            base64: "AA".into(),
        }),
    ] {
        let items = vec![Item::Message(Message {
            role: Role::User,
            parts: vec![Part::text("t"), Part::from(kind)],
            name: None,
        })];
        let request = Request {
            items,
            ..Request::default()
        };
        let refused = encoded("openai", &Rules::default(), &request).unwrap_err();
        assert_eq!(refused.field(), "messages[0].content[1]");
    }
}

//! What clients write, and what it is taken for.
#![allow(clippy::unwrap_used)]

use super::super::super::exchange::{
    Call, CallKind, Effort, Format, Item, Message, Outcome, Part, PartKind, Reasoning, Request, Role, Source, Thinking,
    Thought, Tool, ToolChoice, Untranslatable,
};
use super::decode_request;
use serde_json::{Value, json};

/// A request with `fields` beside what every request has.
fn with(fields: &Value) -> Result<Request, Untranslatable> {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in fields.as_object().unwrap() {
        body[name.as_str()] = value.clone();
    }
    decode_request(body.to_string().as_bytes())
}

fn items(messages: &Value) -> Vec<Item> {
    with(&json!({"messages": messages})).unwrap().items
}

fn said(role: Role, parts: Vec<Part>) -> Item {
    Item::Message(Message {
        role,
        parts,
        name: None,
    })
}

fn marked(text: &str, mark: &str) -> Part {
    Part {
        cache: Some(mark.to_owned()),
        ..Part::text(text)
    }
}

#[test]
fn the_smallest_request() {
    let request = with(&json!({})).unwrap();
    let expected = Request {
        model: "m".to_owned(),
        max_output: Some(9),
        items: vec![said(Role::User, vec![Part::text("hi")])],
        ..Request::default()
    };
    assert_eq!(request, expected);
    assert_eq!(with(&json!({"max_tokens": 0})).unwrap().max_output, Some(0));
}

#[test]
fn instructions_stand_first_and_where_they_were_said() {
    let hi = said(Role::User, vec![Part::text("hi")]);
    for (system, expected) in [
        (json!("s"), vec![Part::text("s")]),
        (
            json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]),
            vec![Part::text("a"), marked("b", "")],
        ),
        (
            json!([{"type": "text", "text": "x-anthropic-billing-header: v=1;"}, {"type": "text", "text": "b"}]),
            vec![Part::text("b")],
        ),
    ] {
        let request = with(&json!({"system": system})).unwrap();
        assert_eq!(request.items, [said(Role::System, expected), hi.clone()], "{system}");
    }
    for nothing in [json!(""), json!([]), json!(null)] {
        assert_eq!(
            with(&json!({"system": nothing})).unwrap().items,
            std::slice::from_ref(&hi)
        );
    }
    let later = json!([{"role": "user", "content": "hi"}, {"role": "system", "content": [
        {"type": "text", "text": "be brief"}, {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "f"}}
    ]}]);
    assert_eq!(items(&later), [hi, said(Role::System, vec![Part::text("be brief")])]);
}

#[test]
fn a_turn_with_tools_keeps_its_order() {
    let messages = json!([
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "look"},
            {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "srv", "content": []},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"b": 1, "a": 2}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c", "is_error": true, "cache_control": {"type": "ephemeral", "ttl": "1h"},
             "content": [{"type": "text", "text": "no"}, {"type": "image", "source": {"type": "url", "url": "u"}}]},
            {"type": "tool_result", "tool_use_id": "d", "content": "ok"},
            {"type": "tool_result", "tool_use_id": "e"},
            {"type": "text", "text": "go on"},
        ]},
    ]);
    let thought = |thought| Item::Thought(thought);
    let outcome = |call_id: &str, parts, is_error| {
        Item::Outcome(Outcome {
            call_id: call_id.to_owned(),
            parts,
            is_error,
            ..Outcome::default()
        })
    };
    let image = PartKind::Image {
        source: Source::Url("u".to_owned()),
        detail: None,
    };
    let image = Part {
        kind: image,
        cache: Some("1h".to_owned()),
    };
    let found = items(&messages);
    assert_eq!(
        found,
        [
            thought(Thought {
                text: "hm".to_owned(),
                is_summary: true,
                blob: Some("s".to_owned()),
                ..Thought::default()
            }),
            thought(Thought {
                blob: Some("d".to_owned()),
                is_redacted: true,
                ..Thought::default()
            }),
            said(Role::Assistant, vec![Part::text("look")]),
            Item::Call(Call {
                id: "c".to_owned(),
                name: "f".to_owned(),
                namespace: None,
                arguments: json!({"b": 1, "a": 2}).to_string(),
                kind: CallKind::Function,
            }),
            outcome("c", vec![Part::text("no"), image], true),
            outcome("d", vec![Part::text("ok")], false),
            outcome("e", Vec::new(), false),
            said(Role::User, vec![Part::text("go on")]),
        ]
    );
}

#[test]
fn arguments_keep_the_order_of_the_client() {
    let body = r#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{"z":1.0,"a":2}}]}]}"#;
    let request = decode_request(body.as_bytes()).unwrap();
    let Item::Call(call) = &request.items[0] else {
        panic!("{request:?}")
    };
    assert_eq!(call.arguments, r#"{"z":1.0,"a":2}"#);
}

#[test]
fn media_of_every_kind() {
    let data = |media_type: &str| Source::Data {
        media_type: media_type.to_owned(),
        base64: "AA==".to_owned(),
    };
    let file = |source| PartKind::File {
        source,
        name: Some("t".to_owned()),
    };
    let image = |source| PartKind::Image { source, detail: None };
    let base64 = |media_type: &str| json!({"type": "base64", "media_type": media_type, "data": "AA=="});
    for (block, expected) in [
        (
            json!({"type": "image", "source": base64("image/png")}),
            vec![image(data("image/png"))],
        ),
        (
            json!({"type": "image", "source": {"type": "file", "file_id": "f"}}),
            vec![image(Source::Id("f".to_owned()))],
        ),
        (
            json!({"type": "document", "title": "t", "source": base64("application/pdf")}),
            vec![file(data("application/pdf"))],
        ),
        (
            json!({"type": "document", "title": "t", "context": "c", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}),
            vec![PartKind::Text("c".to_owned()), file(Source::Text("d".to_owned()))],
        ),
        (
            json!({"type": "document", "title": "t", "source": {"type": "url", "url": "u"}}),
            vec![file(Source::Url("u".to_owned()))],
        ),
        (
            json!({"type": "document", "title": "t", "source": {"type": "content", "content": [
                {"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "image", "source": {"type": "url", "url": "u"}}
            ]}}),
            vec![
                file(Source::Text("a\nb".to_owned())),
                image(Source::Url("u".to_owned())),
            ],
        ),
        (
            json!({"type": "search_result", "title": "t", "source": "s", "content": [{"type": "text", "text": "w"}]}),
            vec![PartKind::Text("t\ns\n\nw".to_owned())],
        ),
    ] {
        let found = items(&json!([{"role": "user", "content": [block]}]));
        let parts = expected.into_iter().map(Part::from).collect();
        assert_eq!(found, [said(Role::User, parts)], "{block}");
    }
}

#[test]
fn options_and_what_they_mean() {
    let thinking = |thinking, budget, effort| Reasoning {
        effort,
        budget,
        thinking,
        summary: None,
    };
    for (fields, expected) in [
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            thinking(Some(Thinking::On), Some(1024), None),
        ),
        (
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}),
            thinking(Some(Thinking::Adaptive), None, Some(Effort::XHigh)),
        ),
        (
            json!({"thinking": {"type": "between_tools"}}),
            thinking(Some(Thinking::Adaptive), None, None),
        ),
        (
            json!({"thinking": {"type": "disabled"}}),
            thinking(Some(Thinking::Off), None, None),
        ),
        (
            json!({"output_config": {"effort": "low"}}),
            thinking(None, None, Some(Effort::Low)),
        ),
    ] {
        assert_eq!(with(&fields).unwrap().reasoning, Some(expected), "{fields}");
    }
    let shown = with(&json!({"thinking": {"type": "adaptive", "display": "omitted"}})).unwrap();
    assert_eq!(shown.reasoning.unwrap().summary.as_deref(), Some("omitted"));
    for (choice, expected, parallel) in [
        (
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            ToolChoice::Auto,
            Some(false),
        ),
        (
            json!({"type": "any", "disable_parallel_tool_use": false}),
            ToolChoice::Required,
            Some(true),
        ),
        (
            json!({"type": "tool", "name": "f"}),
            ToolChoice::Tool("f".to_owned()),
            None,
        ),
        (json!({"type": "none"}), ToolChoice::None, None),
    ] {
        let request = with(&json!({"tool_choice": choice})).unwrap();
        assert_eq!(
            (request.tool_choice, request.parallel_tools),
            (expected, parallel),
            "{choice}"
        );
    }
    let schema = json!({"type": "object"});
    for name in ["output_format", "output_config"] {
        let format = json!({"type": "json_schema", "schema": schema});
        let value = if name == "output_config" {
            json!({"format": format})
        } else {
            format
        };
        let Format::JsonSchema { schema: found, .. } = with(&json!({name: value})).unwrap().format else {
            panic!("{name}")
        };
        assert_eq!(found, schema);
    }
    let request = with(&json!({
        "stop_sequences": ["a"], "temperature": 0.5, "top_p": 1, "top_k": 4, "stream": true, "service_tier": "standard_only",
        "metadata": {"user_id": "u"}, "context_management": {"edits": []}, "inference_geo": "global",
    }))
    .unwrap();
    assert_eq!(request.stop, ["a"]);
    assert_eq!(request.sampling.temperature.unwrap().to_string(), "0.5");
    assert_eq!(request.sampling.top_k.unwrap().to_string(), "4");
    assert_eq!((request.stream, request.user.as_deref()), (true, Some("u")));
    assert_eq!(request.service_tier.as_deref(), Some("default"));
}

#[test]
fn tools_of_the_client_and_tools_that_run_elsewhere() {
    let search = json!({"type": "web_search_20250305", "name": "web_search"});
    let server = json!({"type": "url", "url": "u", "name": "s"});
    let request = with(&json!({
        "tools": [
            {"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral", "ttl": "5m"}},
            {"type": "custom", "name": "g", "strict": true},
            search,
        ],
        "mcp_servers": [server],
    }))
    .unwrap();
    let function = |name: &str, description: Option<&str>, parameters, strict, cache: Option<&str>| Tool::Function {
        name: name.to_owned(),
        namespace: None,
        description: description.map(str::to_owned),
        parameters,
        strict,
        cache: cache.map(str::to_owned),
    };
    let hosted = |kind: &str, raw| Tool::Hosted {
        kind: kind.to_owned(),
        raw,
    };
    assert_eq!(
        request.tools,
        [
            function("f", Some("d"), Some(json!({"type": "object"})), None, Some("5m")),
            function("g", None, None, Some(true), None),
            hosted("web_search_20250305", search),
            hosted("mcp_servers", server),
        ]
    );
}

#[test]
fn a_mark_on_the_whole_stands_on_the_last_part() {
    let request = with(&json!({"cache_control": {"type": "ephemeral"}})).unwrap();
    assert_eq!(request.items, [said(Role::User, vec![marked("hi", "")])]);
}

#[test]
fn a_wrong_request_names_the_field() {
    let block =
        |block: Value| json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [block]}]});
    for (fields, field) in [
        (json!({"model": 7}), "model"),
        (json!({"messages": null}), "messages"),
        (json!({"messages": {}}), "messages"),
        (json!({"messages": [7]}), "messages[0]"),
        (
            json!({"messages": [{"role": "tool", "content": ""}]}),
            "messages[0].role",
        ),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (
            json!({"messages": [{"role": "user", "content": 7}]}),
            "messages[0].content",
        ),
        (block(json!({"type": "text"})), "messages[1].content[0].text"),
        (
            block(json!({"type": "tool_use", "id": "c", "name": "f", "input": "x"})),
            "messages[1].content[0].input",
        ),
        (
            block(json!({"type": "image", "source": {"type": "x"}})),
            "messages[1].content[0].source.type",
        ),
        (
            block(json!({"type": "container_upload", "file_id": "f"})),
            "messages[1].content[0]",
        ),
        (
            block(json!({"type": "tool_result", "content": []})),
            "messages[1].content[0].tool_use_id",
        ),
        (json!({"system": [{"type": "image"}]}), "system[0].type"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"tools": [{"input_schema": {}}]}), "tools[0].name"),
        (json!({"tool_choice": {"type": "x"}}), "tool_choice.type"),
        (json!({"thinking": {"type": "x"}}), "thinking.type"),
        (json!({"output_config": {"effort": "x"}}), "output_config.effort"),
        (json!({"stop_sequences": [7]}), "stop_sequences[0]"),
        (json!({"inference_geo": "us"}), "inference_geo"),
    ] {
        assert_eq!(with(&fields).unwrap_err().field(), field, "{fields}");
    }
    for garbage in ["", "[]", "{", "\"x\"", "{\"model\":\"\\ud800\"}"] {
        assert!(decode_request(garbage.as_bytes()).is_err(), "{garbage}");
    }
    assert!(decode_request(&[0xff]).is_err());
    let whole = json!({"model": "m", "system": "s", "messages": [{"role": "user", "content": [{"type": "text", "text": "é"}]}]});
    let whole = whole.to_string().into_bytes();
    for cut in 0..whole.len() {
        assert!(decode_request(&whole[..cut]).is_err(), "{cut}");
        let mut changed = whole.clone();
        changed[cut] ^= 1;
        let _ = decode_request(&changed);
    }
}

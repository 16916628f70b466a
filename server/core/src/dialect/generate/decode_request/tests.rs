//! What of a request of the generate dialect has which place in the hub, and what is refused by name.

#![allow(clippy::unwrap_used)]
use super::super::super::Dialect;
use super::super::super::exchange::{
    Call, Effort, Format, Origin, Outcome, Reasoning, Sampling, Source, Thinking, Thought, Tool, ToolChoice, pack,
};
use super::super::opaque;
use super::*;
use serde_json::json;

fn decode(body: &Value) -> Result<Request, Untranslatable> {
    decode_request(body.to_string().as_bytes(), "m", false)
}

fn items(contents: &Value) -> Vec<Item> {
    decode(&json!({"contents": contents})).unwrap().items
}

fn said(role: Role, parts: &[&str]) -> Item {
    Item::Message(Message {
        role,
        parts: parts.iter().copied().map(Part::text).collect(),
        name: None,
    })
}

fn called(id: &str, name: &str, arguments: &str) -> Item {
    Item::Call(Call {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        ..Call::default()
    })
}

fn brought(call_id: &str, name: &str, text: &str, is_error: bool) -> Item {
    Item::Outcome(Outcome {
        call_id: call_id.to_owned(),
        name: Some(name.to_owned()),
        parts: vec![Part::text(text)],
        is_error,
        ..Outcome::default()
    })
}

fn thought(text: &str, blob: Option<&str>) -> Item {
    Item::Thought(Thought {
        text: text.to_owned(),
        is_summary: true,
        blob: blob.map(str::to_owned),
        ..Thought::default()
    })
}

#[test]
fn contents_become_items_in_order() {
    for (contents, expected) in [
        (json!([{"parts": [{"text": "hi"}]}]), vec![said(Role::User, &["hi"])]),
        (
            json!({"role": "user", "parts": {"text": "one for a list"}}),
            vec![said(Role::User, &["one for a list"])],
        ),
        (
            json!([{"role": "user", "parts": [{"text": "a"}, {"text": ""}, {"text": "b"}]}, {"role": "user", "parts": [{"text": "c"}]}]),
            vec![said(Role::User, &["a", "", "b"]), said(Role::User, &["c"])],
        ),
        (
            // A streamed answer, as SDKs keep it.
            json!([{"parts": [{"text": "q"}]}, {"role": "model", "parts": [{"text": "He"}]}, {"role": "model", "parts": [{"text": "llo"}]}]),
            vec![said(Role::User, &["q"]), said(Role::Assistant, &["Hello"])],
        ),
        (
            json!([{"role": "model", "parts": [
                {"executableCode": {"code": "1", "language": "PYTHON"}, "thoughtSignature": "s"},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK"}}, {"text": "one"}]}]),
            vec![said(Role::Assistant, &["one"])],
        ),
    ] {
        assert_eq!(items(&contents), expected, "{contents}");
    }
}

#[test]
fn outcomes_find_their_calls() {
    for (contents, expected) in [
        (
            json!([
                {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"x": 1}}}, {"function_call": {"name": "f"}}, {"functionCall": {"name": "g"}}]},
                {"role": "function", "parts": [
                    {"functionResponse": {"name": "g", "response": {"output": "three"}}},
                    {"function_response": {"name": "f", "response": {"result": 1}}},
                    {"functionResponse": {"name": "f", "response": {"error": "broke"}}}]}
            ]),
            vec![
                called("call_1", "f", r#"{"x":1}"#),
                called("call_2", "f", "{}"),
                called("call_3", "g", "{}"),
                brought("call_3", "g", "three", false),
                brought("call_1", "f", r#"{"result":1}"#, false),
                brought("call_2", "f", "broke", true),
            ],
        ),
        (
            // By id, wherever; the same id again is the next call.
            json!([
                {"role": "model", "parts": [{"functionCall": {"id": "a", "name": "f"}}, {"functionCall": {"id": "b", "name": "f"}}]},
                {"parts": [{"functionResponse": {"id": "b", "name": "f", "response": {"output": {"k": 1}}}}, {"functionResponse": {"id": "a", "name": "f", "response": {"output": "1"}}}]},
                {"role": "model", "parts": [{"functionCall": {"id": "a", "name": "f"}}]},
                {"parts": [{"functionResponse": {"id": "a", "name": "f", "response": {"output": "2", "more": 1}}}]}
            ]),
            vec![
                called("a", "f", "{}"),
                called("b", "f", "{}"),
                brought("b", "f", r#"{"k":1}"#, false),
                brought("a", "f", "1", false),
                called("a", "f", "{}"),
                brought("a", "f", r#"{"output":"2","more":1}"#, false),
            ],
        ),
        (
            // The client made an id up for the outcome only.
            json!([
                {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
                {"parts": [{"functionResponse": {"id": "own", "name": "f", "response": {"output": "1"}}}]}
            ]),
            vec![called("call_1", "f", "{}"), brought("call_1", "f", "1", false)],
        ),
    ] {
        assert_eq!(items(&contents), expected, "{contents}");
    }
}

#[test]
fn signatures_are_of_the_thought_before() {
    let origin = Origin {
        dialect: Dialect::Messages,
        account: 7,
    };
    let packed = pack(origin, "blob");
    for (parts, expected) in [
        (
            json!([{"text": "hm", "thought": true}, {"text": "so", "thoughtSignature": "CgQ="}]),
            vec![thought("hm", Some("CgQ=")), said(Role::Assistant, &["so"])],
        ),
        (
            json!([{"functionCall": {"name": "f"}, "thought_signature": "CgQ="}, {"functionCall": {"name": "g"}}]),
            vec![
                thought("", Some("CgQ=")),
                called("call_1", "f", "{}"),
                called("call_2", "g", "{}"),
            ],
        ),
        (
            json!([{"text": "a"}, {"text": "", "thoughtSignature": opaque::seal(&packed)}]),
            vec![said(Role::Assistant, &["a"]), thought("", Some(&packed))],
        ),
        (
            json!([{"text": "h", "thought": true}, {"text": "m", "thought": true, "thoughtSignature": "CgQ="}, {"text": "n", "thought": true}]),
            vec![thought("hm", Some("CgQ=")), thought("n", None)],
        ),
        (
            json!([{"functionCall": {"name": "f"}, "thoughtSignature": "skip_thought_signature_validator"}]),
            vec![called("call_1", "f", "{}")],
        ),
    ] {
        assert_eq!(items(&json!([{"role": "model", "parts": parts}])), expected, "{parts}");
    }
}

#[test]
fn media_by_their_type() {
    let data = |media_type: &str, base64: &str| Source::Data {
        media_type: media_type.to_owned(),
        base64: base64.to_owned(),
    };
    for (part, expected) in [
        (
            json!({"inlineData": {"mimeType": "image/png", "data": "_-8"}}),
            PartKind::Image {
                source: data("image/png", "/+8="),
                detail: None,
            },
        ),
        (
            json!({"inline_data": {"mime_type": "audio/wav", "data": "AAAA"}}),
            PartKind::Audio(data("audio/wav", "AAAA")),
        ),
        (
            json!({"inlineData": {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a.pdf"}}),
            PartKind::File {
                source: data("application/pdf", "AAAA"),
                name: Some("a.pdf".to_owned()),
            },
        ),
        (
            json!({"fileData": {"file_uri": "https://example.com/a", "mime_type": "image/jpeg"}}),
            PartKind::Image {
                source: Source::Url("https://example.com/a".to_owned()),
                detail: None,
            },
        ),
        (
            json!({"fileData": {"fileUri": "gs://bucket/a.pdf"}}),
            PartKind::File {
                source: Source::Id("gs://bucket/a.pdf".to_owned()),
                name: None,
            },
        ),
    ] {
        let message = Message {
            role: Role::User,
            parts: vec![expected.into()],
            name: None,
        };
        assert_eq!(items(&json!([{"parts": [part]}])), [Item::Message(message)], "{part}");
    }
}

#[test]
fn instructions_in_every_form() {
    for given in [
        json!("be brief"),
        json!({"parts": {"text": "be brief"}}),
        json!({"role": "user", "parts": [{"text": "be brief"}]}),
        json!([{"text": "be brief"}]),
    ] {
        for name in ["systemInstruction", "system_instruction"] {
            let request = decode(&json!({name: given, "contents": [{"parts": [{"text": "q"}]}]})).unwrap();
            assert_eq!(request.items[0], said(Role::System, &["be brief"]), "{given}");
        }
    }
}

#[test]
fn tools_and_what_must_be_called() {
    let request = decode(&json!({
        "contents": [{"parts": [{"text": "q"}]}],
        "tools": [
            {"functionDeclarations": [
                {"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {"x": {"type": "STRING"}}}},
                {"name": "g", "parameters_json_schema": {"type": "object", "$ref": "#/$defs/A"}},
                {"name": "h"}],
             "google_search": {}},
        ],
    }))
    .unwrap();
    let function = |name: &str, description: Option<&str>, parameters| Tool::Function {
        name: name.to_owned(),
        namespace: None,
        description: description.map(str::to_owned),
        parameters,
        strict: None,
        cache: None,
    };
    let f = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    let g = json!({"type": "object", "$ref": "#/$defs/A"});
    let search = Tool::Hosted {
        kind: "googleSearch".to_owned(),
        raw: json!({"google_search": {}}),
    };
    let expected = [
        function("f", Some("d"), Some(f)),
        function("g", None, Some(g)),
        function("h", None, None),
        search,
    ];
    assert_eq!(request.tools, expected);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (config, expected) in [
        (json!({"mode": "AUTO"}), ToolChoice::Auto),
        (json!({"mode": "none"}), ToolChoice::None),
        (json!({"mode": "ANY"}), ToolChoice::Required),
        (
            json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
            ToolChoice::Tool("f".to_owned()),
        ),
        (
            json!({"mode": "ANY", "allowed_function_names": ["f", "g"]}),
            ToolChoice::Allowed {
                names: names(&["f", "g"]),
                is_required: true,
            },
        ),
        (
            json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
            ToolChoice::Allowed {
                names: names(&["f"]),
                is_required: false,
            },
        ),
        (json!({"mode": "VALIDATED"}), ToolChoice::Auto),
    ] {
        let body = json!({"contents": [{"parts": []}], "toolConfig": {"functionCallingConfig": config}});
        assert_eq!(decode(&body).unwrap().tool_choice, expected, "{config}");
    }
}

#[test]
fn how_the_answer_is_made() {
    let request = decode(&json!({
        "contents": [{"parts": [{"text": "q"}]}],
        "serviceTier": "standard",
        "labels": {"team": "a"},
        "generation_config": {
            "temperature": 0.70, "top_p": 0.5, "topK": 40, "candidateCount": 2, "maxOutputTokens": "100",
            "stopSequences": ["x"], "seed": 7, "presencePenalty": 1, "frequencyPenalty": -1,
            "responseLogprobs": true, "logprobs": 3, "responseModalities": ["TEXT"],
        },
    }))
    .unwrap();
    let number = |text: &str| serde_json::from_str(text).ok();
    let sampling = Sampling {
        temperature: number("0.70"),
        top_p: number("0.5"),
        top_k: number("40"),
        presence_penalty: number("1"),
        frequency_penalty: number("-1"),
        seed: number("7"),
        logit_bias: None,
    };
    assert_eq!(request.sampling, sampling);
    assert_eq!(
        (request.choices, request.max_output, request.logprobs),
        (Some(2), Some(100), Some(3))
    );
    assert_eq!(request.stop, ["x"]);
    assert_eq!(request.service_tier.as_deref(), Some("default"));
    assert_eq!(request.metadata.unwrap()["team"], "a");
}

#[test]
fn the_form_of_the_answer_and_its_thoughts() {
    let schema = |schema: Value| Format::JsonSchema {
        name: String::new(),
        description: None,
        schema,
        strict: None,
    };
    for (config, expected) in [
        (json!({}), Format::Text),
        (json!({"responseMimeType": "application/json"}), Format::JsonObject),
        (
            json!({"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}}),
            schema(json!({"type": "object"})),
        ),
        (
            json!({"response_mime_type": "application/json", "response_json_schema": {"type": "object", "title": "T"}}),
            schema(json!({"type": "object", "title": "T"})),
        ),
    ] {
        let body = json!({"contents": [{"parts": []}], "generationConfig": config});
        assert_eq!(decode(&body).unwrap().format, expected, "{config}");
    }
    let summary = |word: &str| Some(word.to_owned());
    for (config, expected) in [
        (
            json!({"thinkingBudget": 0}),
            Reasoning {
                thinking: Some(Thinking::Off),
                ..Reasoning::default()
            },
        ),
        (
            json!({"thinkingBudget": -1}),
            Reasoning {
                thinking: Some(Thinking::Adaptive),
                ..Reasoning::default()
            },
        ),
        (
            json!({"thinking_budget": 500, "includeThoughts": true}),
            Reasoning {
                thinking: Some(Thinking::On),
                budget: Some(500),
                summary: summary("auto"),
                ..Reasoning::default()
            },
        ),
        (
            json!({"thinkingLevel": "LOW", "includeThoughts": false}),
            Reasoning {
                effort: Some(Effort::Low),
                summary: summary("omitted"),
                ..Reasoning::default()
            },
        ),
    ] {
        let body = json!({"contents": [{"parts": []}], "generationConfig": {"thinkingConfig": config}});
        assert_eq!(decode(&body).unwrap().reasoning, Some(expected), "{config}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (body, field) in [
        (json!([]), "body"),
        (json!({}), "contents"),
        (json!({"contents": "hi"}), "contents[0]"),
        (
            json!({"contents": [{"role": "system", "parts": []}]}),
            "contents[0].role",
        ),
        (
            json!({"contents": [{"parts": [{"text": 1}]}]}),
            "contents[0].parts[0].text",
        ),
        (
            json!({"contents": [{"parts": [{"hologram": {}}]}]}),
            "contents[0].parts[0]",
        ),
        (
            json!({"contents": [{"parts": [{"inlineData": {"data": "AA"}}]}]}),
            "contents[0].parts[0].inlineData.mimeType",
        ),
        (
            json!({"contents": [{"parts": [{"functionCall": {"name": "f"}}]}]}),
            "contents[0].parts[0].functionCall",
        ),
        (
            json!({"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": "x"}}]}]}),
            "contents[0].parts[0].functionCall.args",
        ),
        (
            json!({"contents": [{"parts": [{"functionResponse": {"name": "f"}}]}]}),
            "contents[0].parts[0].functionResponse",
        ),
        (
            json!({"contents": [{}], "tools": [{"functionDeclarations": [{}]}]}),
            "tools[0].functionDeclarations[0].name",
        ),
        (
            json!({"contents": [{}], "cachedContent": "cachedContents/a"}),
            "cachedContent",
        ),
        (
            json!({"contents": [{}], "cached_content": "cachedContents/a"}),
            "cachedContent",
        ),
        (
            json!({"contents": [{}], "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}),
            "generationConfig.responseModalities[1]",
        ),
        (
            json!({"contents": [{}], "generationConfig": {"responseMimeType": "text/x.enum"}}),
            "generationConfig.responseMimeType",
        ),
        (
            json!({"contents": [{}], "generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}}),
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (
            json!({"contents": [{}], "generationConfig": {"maxOutputTokens": 1.5}}),
            "generationConfig.maxOutputTokens",
        ),
    ] {
        assert_eq!(decode(&body).unwrap_err().field(), field, "{body}");
    }
}

#[test]
fn many_outcomes_find_their_calls_in_one_pass_by_id_and_by_name() {
    // With the square of it this would not end.
    const MANY: usize = 50_000;
    for has_ids in [true, false] {
        let id = |number: usize| has_ids.then(|| format!("c{number}"));
        let calls: Vec<Value> = (0..MANY)
            .map(|number| json!({"functionCall": {"name": "f", "id": id(number)}}))
            .collect();
        // Last first; without ids, in the order of the calls.
        let outcomes: Vec<Value> = (0..MANY)
            .rev()
            .map(|number| json!({"functionResponse": {"name": "f", "id": id(number)}}))
            .collect();
        let mut conversation = Conversation::default();
        for (role, parts) in [("model", calls), ("user", outcomes)] {
            let content = json!({"role": role, "parts": parts});
            conversation.read(Fields::read("", content).unwrap()).unwrap();
        }
        let items = conversation.into_items();
        let Some(Item::Outcome(first)) = items.get(MANY) else {
            panic!("no outcome");
        };
        assert_eq!(first.call_id, if has_ids { "c49999" } else { "call_1" });
        assert_eq!(items.len(), 2 * MANY);
    }
}

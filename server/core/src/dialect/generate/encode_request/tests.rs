//! What requests become for which Gemini, and what is left out and noted.

#![allow(clippy::unwrap_used)]
use super::super::super::MaxOutputField;
use super::super::super::exchange::{
    Call, CallKind, Effort, Format, Item, Message, Outcome, Part, PartKind, Reasoning, Role, Rules, Sampling, Source,
    Thinking, ThinkingRule, Thought, Tool, ToolChoice,
};
use super::*;
use serde_json::json;

fn encode_for(
    model: &str,
    provider: &str,
    rules: &Rules,
    request: &Request,
) -> (Result<Value, Untranslatable>, Vec<String>) {
    let target = Target {
        model,
        max_output: None,
        max_output_field: MaxOutputField::default(),
        rules,
        provider,
    };
    let mut notes = Notes::default();
    let body = encode_request(request, &target, &mut notes);
    let body = body.map(|body| serde_json::from_slice(&body).unwrap());
    (body, notes.into_vec())
}

fn encode(model: &str, request: &Request) -> Value {
    encode_for(model, "google", &Rules::default(), request).0.unwrap()
}

fn of(items: Vec<Item>) -> Request {
    Request {
        items,
        ..Request::default()
    }
}

fn said(role: Role, text: &str) -> Item {
    message(role, PartKind::Text(text.to_owned()))
}

fn message(role: Role, kind: PartKind) -> Item {
    Item::Message(Message {
        role,
        parts: vec![kind.into()],
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

fn brought(id: &str, text: &str) -> Item {
    Item::Outcome(Outcome {
        call_id: id.to_owned(),
        parts: vec![Part::text(text)],
        ..Outcome::default()
    })
}

fn signed(text: &str, blob: &str) -> Item {
    Item::Thought(Thought {
        text: text.to_owned(),
        blob: Some(blob.to_owned()),
        ..Thought::default()
    })
}

#[test]
fn turns_alternate_and_begin_with_a_person() {
    for (items, expected) in [
        (vec![], json!([{"role": "user", "parts": [{"text": " "}]}])),
        (
            vec![said(Role::User, "a"), said(Role::User, "b"), said(Role::User, "")],
            json!([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]),
        ),
        (
            vec![said(Role::Assistant, "a"), said(Role::User, "b")],
            json!([
                {"role": "user", "parts": [{"text": " "}]}, {"role": "model", "parts": [{"text": "a"}]},
                {"role": "user", "parts": [{"text": "b"}]}
            ]),
        ),
        (
            vec![said(Role::User, "a"), said(Role::Developer, "s"), said(Role::User, "b")],
            json!([{"role": "user", "parts": [{"text": "a"}, {"text": "<system-reminder>\ns\n</system-reminder>"}, {"text": "b"}]}]),
        ),
    ] {
        assert_eq!(encode("gemini-2.5-flash", &of(items))["contents"], expected);
    }
    let request = of(vec![
        said(Role::System, "s"),
        said(Role::Developer, "d"),
        said(Role::User, "a"),
    ]);
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "s"}, {"text": "d"}]},
        "contents": [{"role": "user", "parts": [{"text": "a"}]}],
    });
    assert_eq!(encode("gemini-2.5-flash", &request), expected);
}

#[test]
fn outcomes_follow_their_calls_in_order_and_by_name() {
    let items = vec![
        said(Role::User, "q"),
        called("1", "f", r#"{"x":1}"#),
        called("2", "g", ""),
        said(Role::Developer, "s"),
        brought("2", r#"{"y":2}"#),
        brought("1", "[3]"),
        Item::Call(Call {
            id: "3".to_owned(),
            name: "f".to_owned(),
            namespace: Some("n".to_owned()),
            arguments: "oops".to_owned(),
            kind: CallKind::Function,
        }),
        Item::Outcome(Outcome {
            call_id: "3".to_owned(),
            parts: vec![Part::text("broke")],
            is_error: true,
            ..Outcome::default()
        }),
    ];
    let expected = json!([
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"x": 1}}}, {"functionCall": {"name": "g", "args": {}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {"output": "[3]"}}},
            {"functionResponse": {"name": "g", "response": {"y": 2}}},
            {"text": "<system-reminder>\ns\n</system-reminder>"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "n__f", "args": {"_raw": "oops"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "n__f", "response": {"error": "broke"}}}]}
    ]);
    assert_eq!(encode("gemini-2.5-flash", &of(items))["contents"], expected);
    let orphan = of(vec![brought("9", "x")]);
    let (found, _) = encode_for("gemini-2.5-flash", "google", &Rules::default(), &orphan);
    assert_eq!(found.unwrap_err().field(), "the outcome of a call");
}

#[test]
fn new_models_get_ids_and_signatures() {
    let items = vec![
        said(Role::User, "q"),
        signed("hm", "SIG"),
        called("1", "f", "{}"),
        called("2", "f", "{}"),
        brought("1", "a"),
        brought("2", "b"),
        called("3", "f", "{}"),
        brought("3", "c"),
        said(Role::Assistant, "done"),
        signed("", "END"),
    ];
    let call = |id: &str| json!({"id": id, "name": "f", "args": {}});
    let outcome =
        |id: &str, text: &str| json!({"functionResponse": {"id": id, "name": "f", "response": {"output": text}}});
    let expected = json!([
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [
            {"text": "hm", "thought": true}, {"functionCall": call("1"), "thoughtSignature": "SIG"}, {"functionCall": call("2")}]},
        {"role": "user", "parts": [outcome("1", "a"), outcome("2", "b")]},
        {"role": "model", "parts": [{"functionCall": call("3"), "thoughtSignature": "skip_thought_signature_validator"}]},
        {"role": "user", "parts": [outcome("3", "c")]},
        {"role": "model", "parts": [{"text": "done"}, {"text": "", "thoughtSignature": "END"}]}
    ]);
    assert_eq!(encode("gemini-3-flash-preview", &of(items))["contents"], expected);
}

#[test]
fn thoughts_without_a_signature_stay_behind() {
    let words = Item::Thought(Thought {
        text: "hm".to_owned(),
        ..Thought::default()
    });
    let request = of(vec![said(Role::User, "q"), words, said(Role::Assistant, "a")]);
    let (body, notes) = encode_for("gemini-3-flash-preview", "google", &Rules::default(), &request);
    assert_eq!(
        body.unwrap()["contents"][1],
        json!({"role": "model", "parts": [{"text": "a"}]})
    );
    assert_eq!(
        notes,
        ["dropped thoughts: the model takes only such as it signed itself"]
    );
}

#[test]
fn media_here_and_elsewhere() {
    let data = Source::Data {
        media_type: "image/png".to_owned(),
        base64: "AAAA".to_owned(),
    };
    let url = |url: &str| Source::Url(url.to_owned());
    let image = |source| PartKind::Image { source, detail: None };
    for (model, provider, kind, expected) in [
        (
            "gemini-2.0-flash",
            "google",
            image(data.clone()),
            Ok(json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})),
        ),
        (
            "gemini-2.5-flash",
            "google",
            image(url("https://example.com/a.JPG?x=1")),
            Ok(json!({"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.JPG?x=1"}})),
        ),
        (
            "gemini-2.5-flash",
            "google",
            image(url("https://example.com/a")),
            Ok(json!({"fileData": {"fileUri": "https://example.com/a"}})),
        ),
        (
            "gemini-2.5-flash",
            "vertex",
            image(url("https://example.com/a")),
            Err("an image"),
        ),
        (
            "gemini-2.0-flash",
            "google",
            image(url("https://example.com/a.png")),
            Err("an image"),
        ),
        (
            "gemini-2.5-flash",
            "google",
            image(url("http://example.com/a.png")),
            Err("an image"),
        ),
        (
            "gemini-2.5-flash",
            "google",
            PartKind::Audio(Source::Id("file_1".to_owned())),
            Err("sound"),
        ),
        (
            "gemini-2.5-flash",
            "google",
            PartKind::File {
                source: Source::Text("plain".to_owned()),
                name: None,
            },
            Ok(json!({"text": "plain"})),
        ),
    ] {
        let request = of(vec![message(Role::User, kind)]);
        let (found, _) = encode_for(model, provider, &Rules::default(), &request);
        let found = found.map(|body| body["contents"][0]["parts"][0].clone());
        let found = found.as_ref().map_err(Untranslatable::field);
        assert_eq!(found, expected.as_ref().map_err(|field| *field));
    }
}

#[test]
fn pictures_that_tools_bring() {
    let outcome = Item::Outcome(Outcome {
        call_id: "1".to_owned(),
        parts: vec![
            Part::text("see"),
            PartKind::Image {
                source: Source::Data {
                    media_type: "image/png".to_owned(),
                    base64: "AAAA".to_owned(),
                },
                detail: None,
            }
            .into(),
        ],
        ..Outcome::default()
    });
    let request = of(vec![called("1", "f", "{}"), outcome]);
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    assert_eq!(
        encode("gemini-3-pro", &request)["contents"][2]["parts"],
        json!([{"functionResponse": {"id": "1", "name": "f", "response": {"output": "see"}, "parts": [picture]}}])
    );
    assert_eq!(
        encode("gemini-2.5-pro", &request)["contents"][2]["parts"],
        json!([{"functionResponse": {"name": "f", "response": {"output": "see"}}}, picture])
    );
}

#[test]
fn tools_and_the_choice_of_them() {
    let function = |name: &str, parameters| Tool::Function {
        name: name.to_owned(),
        namespace: None,
        description: Some("d".to_owned()),
        parameters,
        strict: Some(true),
        cache: None,
    };
    let custom = Tool::Custom {
        name: "c".to_owned(),
        namespace: None,
        description: None,
        format: None,
    };
    let hosted = Tool::Hosted {
        kind: "web_search".to_owned(),
        raw: json!({}),
    };
    let mut request = of(vec![said(Role::User, "q")]);
    request.tools = vec![
        function("f", Some(json!({"$schema": "x", "type": "object"}))),
        function("g", None),
        custom,
        hosted.clone(),
    ];
    let (body, notes) = encode_for("gemini-2.5-flash", "google", &Rules::default(), &request);
    let expected = json!([{"functionDeclarations": [
        {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}},
        {"name": "g", "description": "d"},
        {"name": "c", "parametersJsonSchema": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}}
    ]}]);
    assert_eq!(body.unwrap()["tools"], expected);
    assert_eq!(
        notes,
        [
            "dropped strict: Google does not have it",
            "dropped a tool of the provider's own: this provider does not have it"
        ]
    );
    let names = vec!["f".to_owned(), "g".to_owned()];
    for (choice, expected) in [
        (ToolChoice::Auto, Value::Null),
        (ToolChoice::None, json!({"mode": "NONE"})),
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (
            ToolChoice::Tool("f".to_owned()),
            json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ),
        (
            ToolChoice::Allowed {
                names: names.clone(),
                is_required: true,
            },
            json!({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}),
        ),
        (
            ToolChoice::Allowed {
                names,
                is_required: false,
            },
            json!({"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}),
        ),
    ] {
        request.tool_choice = choice;
        let body = encode("gemini-2.5-flash", &request);
        assert_eq!(body["toolConfig"]["functionCallingConfig"], expected);
    }
    request.tool_choice = ToolChoice::Required;
    let unforced = Rules {
        takes_forced_tool: false,
        ..Rules::default()
    };
    let (body, notes) = encode_for("gemini-2.5-flash", "google", &unforced, &request);
    assert_eq!(body.unwrap().get("toolConfig"), None);
    assert_eq!(
        notes[2],
        "changed the choice of a tool: this model is never made to call one"
    );
    request.tools = vec![hosted];
    let body = encode("gemini-2.5-flash", &request);
    assert_eq!((body.get("tools"), body.get("toolConfig")), (None, None));
}

#[test]
fn how_the_answer_is_made() {
    let number = |text: &str| serde_json::from_str(text).ok();
    let request = Request {
        items: vec![said(Role::User, "q")],
        max_output: Some(9),
        choices: Some(2),
        stop: ["a", "b", "", "c", "d", "e", "f"].map(str::to_owned).to_vec(),
        logprobs: Some(3),
        service_tier: Some("default".to_owned()),
        sampling: Sampling {
            temperature: number("0.5"),
            top_p: number("0.9"),
            top_k: number("3"),
            presence_penalty: number("1"),
            frequency_penalty: number("1.5"),
            seed: number("7"),
            logit_bias: Some(json!({"1": 1})),
        },
        format: Format::JsonSchema {
            name: "n".to_owned(),
            description: None,
            schema: json!({"$schema": "x", "type": "object", "additionalProperties": false}),
            strict: Some(true),
        },
        ..Request::default()
    };
    let (body, notes) = encode_for("gemini-2.5-flash", "google", &Rules::default(), &request);
    let body = body.unwrap();
    let expected = json!({
        "maxOutputTokens": 9, "candidateCount": 2, "temperature": 0.5, "topP": 0.9, "topK": 3, "presencePenalty": 1,
        "frequencyPenalty": 1.5, "seed": 7, "stopSequences": ["a", "b", "c", "d", "e"], "responseLogprobs": true,
        "logprobs": 3, "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "additionalProperties": false},
    });
    assert_eq!(body["generationConfig"], expected);
    assert_eq!(body["serviceTier"], "standard");
    assert_eq!(notes.len(), 2, "{notes:?}");
    let strict = Rules {
        takes_sampling: false,
        takes_json_schema: false,
        ..Rules::default()
    };
    let (body, notes) = encode_for("gemini-4-argon", "google", &strict, &request);
    let config = body.unwrap()["generationConfig"].clone();
    assert_eq!(config["seed"], 7);
    for name in [
        "temperature",
        "topP",
        "topK",
        "presencePenalty",
        "frequencyPenalty",
        "responseJsonSchema",
    ] {
        assert_eq!(config.get(name), None, "{name}");
    }
    assert_eq!(notes.len(), 8, "{notes:?}");
}

#[test]
fn how_much_to_think() {
    let effort = |effort| Reasoning {
        effort: Some(effort),
        ..Reasoning::default()
    };
    let budget = |tokens| Reasoning {
        budget: Some(tokens),
        ..Reasoning::default()
    };
    let thinking = |thinking| Reasoning {
        thinking: Some(thinking),
        ..Reasoning::default()
    };
    for (model, reasoning, expected) in [
        (
            "gemini-2.5-flash",
            effort(Effort::High),
            json!({"thinkingBudget": 4096, "includeThoughts": true}),
        ),
        ("gemini-2.5-flash", effort(Effort::None), json!({"thinkingBudget": 0})),
        (
            "gemini-2.5-flash",
            thinking(Thinking::Off),
            json!({"thinkingBudget": 0}),
        ),
        ("gemini-2.5-pro", effort(Effort::None), json!({"thinkingBudget": 128})),
        (
            "gemini-2.5-pro",
            budget(64),
            json!({"thinkingBudget": 128, "includeThoughts": true}),
        ),
        (
            "gemini-2.5-flash-lite",
            budget(100_000),
            json!({"thinkingBudget": 24576, "includeThoughts": true}),
        ),
        (
            "gemini-2.5-flash",
            thinking(Thinking::Adaptive),
            json!({"thinkingBudget": -1, "includeThoughts": true}),
        ),
        (
            "gemini-3.5-flash",
            effort(Effort::None),
            json!({"thinkingLevel": "minimal"}),
        ),
        (
            "gemini-3.1-pro-preview",
            effort(Effort::Minimal),
            json!({"thinkingLevel": "low", "includeThoughts": true}),
        ),
        (
            "gemini-3.5-flash",
            effort(Effort::Max),
            json!({"thinkingLevel": "high", "includeThoughts": true}),
        ),
        (
            "gemini-4-hydrogen",
            effort(Effort::Max),
            json!({"thinkingLevel": "xhigh", "includeThoughts": true}),
        ),
        (
            "gemini-4-argon",
            budget(2048),
            json!({"thinkingLevel": "medium", "includeThoughts": true}),
        ),
        (
            "gemini-3.5-flash",
            thinking(Thinking::Adaptive),
            json!({"includeThoughts": true}),
        ),
        (
            "gemini-3.5-flash",
            Reasoning {
                summary: Some("omitted".to_owned()),
                ..effort(Effort::Low)
            },
            json!({"thinkingLevel": "low"}),
        ),
        (
            "gemini-3.5-flash",
            Reasoning {
                summary: Some("auto".to_owned()),
                ..Reasoning::default()
            },
            json!({"includeThoughts": true}),
        ),
        ("gemini-2.0-flash", effort(Effort::High), Value::Null),
    ] {
        let request = Request {
            reasoning: Some(reasoning.clone()),
            ..of(vec![said(Role::User, "q")])
        };
        let found = encode(model, &request)["generationConfig"]["thinkingConfig"].clone();
        assert_eq!(found, expected, "{model} {reasoning:?}");
    }
    let never = Rules {
        thinking: ThinkingRule::Never,
        ..Rules::default()
    };
    let request = Request {
        reasoning: Some(effort(Effort::High)),
        ..of(vec![said(Role::User, "q")])
    };
    let (body, notes) = encode_for("gemini-4-argon", "google", &never, &request);
    assert_eq!(body.unwrap().get("generationConfig"), None);
    assert_eq!(notes, ["dropped reasoning: this model does not think"]);
}

#[test]
fn an_answer_that_was_begun_needs_a_model_that_goes_on() {
    let request = of(vec![said(Role::User, "q"), said(Role::Assistant, "Once")]);
    assert!(
        encode_for("gemini-2.5-flash", "google", &Rules::default(), &request)
            .0
            .is_ok()
    );
    let strict = Rules {
        takes_prefill: false,
        ..Rules::default()
    };
    assert!(encode_for("gemini-2.5-flash", "google", &strict, &request).0.is_err());
}

//! Peek and rewrite of every operation but chat and embeddings: what is understood, refused, left out and replaced.
#![allow(clippy::unwrap_used)]

use gateway_core::dialect::{
    Asked, Body, Envelope, Hosted, IMAGE_TOKENS_MAX, MaxOutputField, Operation, PeekError, Rewrite, peek,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const GOOGLE: [Operation; 4] = [
    Operation::Generate,
    Operation::CountGenerate,
    Operation::EmbedContent,
    Operation::BatchEmbedContents,
];

fn read(operation: Operation, body: &str) -> Result<(Envelope, Body), PeekError> {
    let model = GOOGLE.contains(&operation).then_some("m");
    let asked = Asked {
        operation,
        model,
        stream: false,
        hosted: Hosted::None,
    };
    peek(asked, body.as_bytes())
}

fn envelope(operation: Operation, body: &str) -> Envelope {
    read(operation, body)
        .unwrap_or_else(|error| panic!("{error}: {body}"))
        .0
}

/// The body for an upstream that calls the model `up`, with a limit where `limit` is one.
fn sent(operation: Operation, body: &str, limit: Option<u64>) -> String {
    let (_, fields) = read(operation, body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let rewrite = Rewrite {
        model: "up",
        max_output: limit,
        max_output_field: MaxOutputField::MaxCompletionTokens,
        include_usage: true,
        keep_cost_option: false,
    };
    let sent = String::from_utf8(fields.rewrite(body.as_bytes(), &rewrite)).unwrap();
    serde_json::from_str::<Value>(&sent).unwrap_or_else(|error| panic!("{error}: {sent}"));
    sent
}

fn responses(fields: &str) -> String {
    format!(r#"{{"model":"m",{fields}"input":"hi"}}"#)
}

fn messages(fields: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":9,{fields}"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

fn generate(fields: &str) -> String {
    format!(r#"{{{fields}"contents":[{{"role":"user","parts":[{{"text":"hi"}}]}}]}}"#)
}

#[test]
fn every_operation_has_an_envelope() {
    for (operation, body) in [
        (Operation::Completions, r#"{"model":"m","prompt":"hi"}"#.to_owned()),
        (Operation::Moderations, r#"{"model":"m","input":"hi"}"#.to_owned()),
        (Operation::Responses, responses("")),
        (Operation::Compact, responses("")),
        (Operation::CountResponses, responses("")),
        (Operation::Messages, messages("")),
        (Operation::CountTokens, messages("")),
        (Operation::Generate, generate("")),
        (Operation::CountGenerate, generate("")),
        (
            Operation::EmbedContent,
            r#"{"content":{"parts":[{"text":"hi"}]}}"#.to_owned(),
        ),
        (
            Operation::BatchEmbedContents,
            r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"hi"}]}}]}"#.to_owned(),
        ),
    ] {
        let envelope = envelope(operation, &body);
        assert_eq!((envelope.model.as_str(), envelope.choices), ("m", 1), "{operation:?}");
        assert!(operation.is_free() || envelope.input_bound >= 2, "{operation:?}");
        assert!(
            !envelope.is_unsized && !envelope.needs_state && envelope.notes.is_empty(),
            "{operation:?}"
        );
    }
}

#[test]
fn the_path_names_the_model_and_the_stream_of_google() {
    let body = generate("");
    let asked = Asked::of_method("gemini-x:streamGenerateContent").unwrap();
    let (envelope, _) = peek(asked, body.as_bytes()).unwrap();
    assert_eq!((envelope.model.as_str(), envelope.stream), ("gemini-x", true));
    assert_eq!(
        peek(Operation::Generate, body.as_bytes()).unwrap_err(),
        PeekError::Missing { field: "model" }
    );
    let other = read(Operation::Generate, &generate(r#""model":"models/other","#));
    assert_eq!(other.unwrap_err().field(), Some("model"));
}

#[test]
fn limits_and_choices_in_every_spelling() {
    for (operation, body, limit, choices) in [
        (Operation::Responses, responses(r#""max_output_tokens":7,"#), Some(7), 1),
        (Operation::Responses, responses(r#""max_output_tokens":null,"#), None, 1),
        (Operation::Messages, messages(""), Some(9), 1),
        (
            Operation::Generate,
            generate(r#""generationConfig":{"maxOutputTokens":7,"candidateCount":3},"#),
            Some(7),
            3,
        ),
        (
            Operation::Generate,
            generate(r#""generation_config":{"max_output_tokens":7,"candidate_count":3},"#),
            Some(7),
            3,
        ),
        (
            Operation::Completions,
            r#"{"model":"m","prompt":["a","b"],"n":3,"max_tokens":7}"#.to_owned(),
            Some(7),
            6,
        ),
        (
            Operation::Completions,
            r#"{"model":"m","prompt":[1,2],"n":3}"#.to_owned(),
            None,
            3,
        ),
        (
            Operation::Completions,
            r#"{"model":"m","prompt":[[1,2],[3]]}"#.to_owned(),
            None,
            2,
        ),
    ] {
        let envelope = envelope(operation, &body);
        assert_eq!((envelope.max_output, envelope.choices), (limit, choices), "{body}");
    }
    let warm = envelope(
        Operation::Messages,
        r#"{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"x"}]}"#,
    );
    assert_eq!(warm.max_output, Some(0));
    let old = envelope(
        Operation::Messages,
        &messages(r#""thinking":{"type":"enabled","budget_tokens":2000},"#),
    );
    assert_eq!(old.prediction_bound, 2000);
}

#[test]
fn what_has_no_price_or_two_meanings_is_refused_by_name() {
    for (operation, body, field) in [
        (Operation::Responses, responses(r#""background":true,"#), "background"),
        (
            Operation::Responses,
            responses(r#""service_tier":"ultrafast","#),
            "service_tier",
        ),
        (Operation::Responses, responses(r#""prompt":{"id":"p"},"#), "prompt"),
        (
            Operation::Responses,
            responses(r#""prompt_cache_options":{"ttl":"12h"},"#),
            "prompt_cache_options.ttl",
        ),
        (
            Operation::Responses,
            responses(r#""context_management":[{"type":"compaction"}],"#),
            "context_management",
        ),
        (
            Operation::Responses,
            responses(r#""reasoning":{"mode":"pro"},"#),
            "reasoning.mode",
        ),
        (Operation::Responses, responses(r#""stream":1,"#), "stream"),
        (Operation::Responses, responses(r#""Model":"x","#), "Model"),
        (
            Operation::Responses,
            responses(r#""max_output_tokens":0,"#),
            "max_output_tokens",
        ),
        (Operation::Responses, r#"{"model":"m"}"#.to_owned(), "input"),
        (Operation::Responses, r#"{"model":"m","input":7}"#.to_owned(), "input"),
        (Operation::Messages, messages(r#""speed":"fast","#), "speed"),
        (
            Operation::Messages,
            messages(r#""service_tier":"priority","#),
            "service_tier",
        ),
        (
            Operation::Messages,
            messages(r#""inference_geo":"us","#),
            "inference_geo",
        ),
        (Operation::Messages, messages(r#""container":"c","#), "container"),
        (Operation::Messages, messages(r#""mcp_servers":[{}],"#), "mcp_servers"),
        (Operation::Messages, messages(r#""fallbacks":[{}],"#), "fallbacks"),
        (
            Operation::Messages,
            messages(r#""cache_control":{"ttl":"2h"},"#),
            "cache_control.ttl",
        ),
        (
            Operation::Messages,
            messages(r#""system":[{"type":"text","text":"x","cache_control":{"ttl":"2h"}}],"#),
            "cache_control.ttl",
        ),
        (
            Operation::Messages,
            messages(r#""context_management":{"edits":[{"type":"compact_20260112"}]},"#),
            "context_management",
        ),
        (Operation::Messages, messages(r#""max_tokens":9,"#), "max_tokens"),
        (
            Operation::Messages,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#.to_owned(),
            "max_tokens",
        ),
        (
            Operation::Messages,
            r#"{"model":"m","max_tokens":9,"messages":[]}"#.to_owned(),
            "messages",
        ),
        (
            Operation::Generate,
            generate(r#""serviceTier":"fastest","#),
            "service_tier",
        ),
        (
            Operation::Generate,
            generate(r#""cachedContent":"c","#),
            "cachedContent",
        ),
        (
            Operation::Generate,
            generate(r#""cached_content":"c","#),
            "cachedContent",
        ),
        (
            Operation::Generate,
            generate(r#""generationConfig":{"responseModalities":["IMAGE"]},"#),
            "generationConfig.responseModalities",
        ),
        (
            Operation::Generate,
            generate(r#""generationConfig":{},"generation_config":{},"#),
            "generationConfig",
        ),
        (
            Operation::Generate,
            generate(r#""generationConfig":{"maxOutputTokens":1,"max_output_tokens":2},"#),
            "maxOutputTokens",
        ),
        (
            Operation::Generate,
            generate(r#""generationConfig":{"responseFormat":{"text":{},"image":{"aspectRatio":"1:1"}}},"#),
            "generationConfig.responseFormat",
        ),
        (
            Operation::Generate,
            generate(r#""generation_config":{"routing_config":{"manualMode":{"modelName":"x"}}},"#),
            "generationConfig.routingConfig",
        ),
        (
            Operation::EmbedContent,
            r#"{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA"}}]}}"#.to_owned(),
            "content",
        ),
        (
            Operation::EmbedContent,
            r#"{"content":{"parts":[{"inlineData":{"mimeType":"audio/mp3","data":"AA"}}]}}"#.to_owned(),
            "content",
        ),
        (
            Operation::BatchEmbedContents,
            r#"{"requests":[{"content":{"parts":[{"text":"x"},{"fileData":{"fileUri":"u"}}]}}]}"#.to_owned(),
            "content",
        ),
        (
            Operation::Messages,
            messages(r#""anthropic_beta":["context-1m-2025-08-07"],"#),
            "anthropic_beta",
        ),
        (Operation::Generate, r#"{"contents":[]}"#.to_owned(), "contents"),
        (Operation::Generate, r#"{"contents":"x"}"#.to_owned(), "contents"),
        (
            Operation::Completions,
            r#"{"model":"m","prompt":"x","best_of":2}"#.to_owned(),
            "best_of",
        ),
        (
            Operation::Completions,
            r#"{"model":"m","prompt":{}}"#.to_owned(),
            "prompt",
        ),
    ] {
        let refused = read(operation, &body).map(|_| ()).unwrap_err();
        assert_eq!(refused.field(), Some(field), "{body}");
    }
}

#[test]
fn what_agents_send_passes() {
    for (operation, body) in [
        (
            Operation::Messages,
            messages(r#""context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"#),
        ),
        (
            Operation::Messages,
            messages(r#""cache_control":{"type":"ephemeral","ttl":"1h"},"#),
        ),
        (
            Operation::Messages,
            messages(r#""system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}],"#),
        ),
        (
            Operation::Messages,
            messages(r#""thinking":{"type":"adaptive"},"output_config":{"effort":"high"},"metadata":{"user_id":"u"},"#),
        ),
        (
            Operation::Responses,
            responses(
                r#""store":false,"include":["reasoning.encrypted_content"],"reasoning":{"effort":"low"},"background":false,"#,
            ),
        ),
        (
            Operation::Generate,
            generate(r#""generationConfig":{"thinkingConfig":{"thinkingBudget":8192},"responseModalities":["TEXT"]},"#),
        ),
    ] {
        let envelope = envelope(operation, &body);
        assert!(!envelope.is_unsized && envelope.notes.is_empty(), "{body}");
    }
}

#[test]
fn tools_of_the_provider_are_left_out_whole() {
    let function = r#"{"type":"function","name":"f","parameters":{}}"#;
    let search = r#"{"type":"web_search","external_web_access":false}"#;
    let namespace = r#"{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]}"#;
    for (operation, before, after) in [
        (Operation::Responses, format!(r#""tools":[{function}, {search}],"tool_choice":"auto","#), Some(format!(r#""tools":[{function}],"tool_choice":"auto","#))),
        (Operation::Responses, format!(r#""tools":[{search}, {namespace}],"#), Some(format!(r#""tools":[ {namespace}],"#))),
        (Operation::Responses, format!(r#""tools":[{search},{search}],"tool_choice":"auto","#), Some(String::new())),
        (Operation::Responses, format!(r#""tools":[{search}],"tool_choice":"required","#), None),
        (Operation::Responses, format!(r#""tools":[{function},{search}],"tool_choice":{{"type":"web_search"}},"#), None),
        (Operation::Responses, format!(r#""tools":[{function},{search}],"tool_choice":{{"type":"allowed_tools","tools":[{{"type":"web_search"}}]}},"#), None),
        (Operation::Responses, r#""tools":[{"type":"function","type":"web_search"}],"#.to_owned(), Some(String::new())),
        (Operation::Responses, r#""tools":[{"type":"shell","environment":{"type":"local"}}],"#.to_owned(), Some(r#""tools":[{"type":"shell","environment":{"type":"local"}}],"#.to_owned())),
        (Operation::Responses, r#""tools":[{"type":"shell"}],"#.to_owned(), Some(String::new())),
        (Operation::Messages, r#""tools":[{"name":"f","input_schema":{}},{"type":"web_search_20250305","name":"web_search"}],"#.to_owned(), Some(r#""tools":[{"name":"f","input_schema":{}}],"#.to_owned())),
        (Operation::Messages, r#""tools":[{"name":"f","input_schema":{}},{"type":"web_search_20250305","name":"s"}],"tool_choice":{"type":"tool","name":"s"},"#.to_owned(), None),
        (Operation::Messages, r#""tools":[{"type":"bash_20250124","name":"bash"}],"#.to_owned(), Some(r#""tools":[{"type":"bash_20250124","name":"bash"}],"#.to_owned())),
        (Operation::Generate, r#""tools":[{"functionDeclarations":[{"name":"f"}],"googleSearch":{}},{"url_context":{}}],"#.to_owned(), Some(r#""tools":[{"functionDeclarations":[{"name":"f"}]}],"#.to_owned())),
        (Operation::Generate, r#""tools":[{"codeExecution":{}}],"toolConfig":{},"#.to_owned(), Some(String::new())),
        (Operation::Generate, r#""tools":{"google_search":{}},"#.to_owned(), Some(String::new())),
    ] {
        let build = |fields: &str| match operation {
            Operation::Responses => responses(fields),
            Operation::Messages => messages(fields),
            _ => generate(fields),
        };
        let body = build(&before);
        let Some(after) = after else {
            assert_eq!(read(operation, &body).map(|_| ()).unwrap_err().field(), Some("tool_choice"), "{body}");
            continue;
        };
        let expected = build(&after).replace(r#""model":"m""#, r#""model":"up""#);
        assert_eq!(sent(operation, &body, None), expected);
        let notes = envelope(operation, &body).notes;
        assert_eq!(notes.is_empty(), before == after, "{notes:?}");
    }
    let notes = envelope(Operation::Responses, &responses(&format!(r#""tools":[{search}],"#))).notes;
    assert_eq!(
        notes,
        ["dropped web_search: it runs at the provider and has no price here"]
    );
}

#[test]
fn a_search_for_tools_passes_and_the_prompt_counts_for_each_reading() {
    let function = r#"{"type":"function","name":"f","defer_loading":true,"parameters":{}}"#;
    let tool = r#"{"name":"f","defer_loading":true,"input_schema":{}}"#;
    let searches = [
        (
            Operation::Responses,
            responses(&format!(r#""tools":[{{"type":"tool_search"}},{function}],"#)),
            responses(&format!(r#""tools":[{function}],"#)),
        ),
        (
            Operation::Messages,
            messages(&format!(
                r#""tools":[{{"type":"tool_search_tool_bm25_20251119","name":"s"}},{tool}],"#
            )),
            messages(&format!(r#""tools":[{tool}],"#)),
        ),
    ];
    for (operation, body, without) in searches {
        let expected = body.replace(r#""model":"m""#, r#""model":"up""#);
        assert_eq!(sent(operation, &body, None), expected);
        let (found, plain) = (envelope(operation, &body), envelope(operation, &without));
        assert!(found.notes.is_empty(), "{:?}", found.notes);
        assert!(found.is_unsized && !plain.is_unsized);
        assert!(found.input_bound >= 10 * plain.input_bound, "{operation:?}");
    }
    let client = r#""tools":[{"type":"tool_search","execution":"client","parameters":{}}],"#;
    assert!(!envelope(Operation::Responses, &responses(client)).is_unsized);
    let unknown = r#""tools":[{"type":"tool_search_of_files"}],"#;
    assert_eq!(envelope(Operation::Responses, &responses(unknown)).notes.len(), 1);
}

#[test]
fn the_limit_goes_where_each_dialect_has_it() {
    for (operation, body, expected) in [
        (
            Operation::Responses,
            responses(""),
            r#"{"model":"up","input":"hi","max_output_tokens":5}"#,
        ),
        (
            Operation::Responses,
            responses(r#""max_output_tokens": null ,"#),
            r#"{"model":"up","max_output_tokens": 5 ,"input":"hi"}"#,
        ),
        (
            Operation::Completions,
            r#"{"model":"m","prompt":"x"}"#.to_owned(),
            r#"{"model":"up","prompt":"x","max_tokens":5}"#,
        ),
        (
            Operation::Generate,
            r#"{"contents":{"parts":{"text":"x"}}}"#.to_owned(),
            r#"{"contents":{"parts":{"text":"x"}},"generationConfig":{"maxOutputTokens":5}}"#,
        ),
        (
            Operation::Generate,
            r#"{"contents":{},"generationConfig":null}"#.to_owned(),
            r#"{"contents":{},"generationConfig":{"maxOutputTokens":5}}"#,
        ),
        (
            Operation::Generate,
            r#"{"contents":{},"generation_config":{}}"#.to_owned(),
            r#"{"contents":{},"generation_config":{"maxOutputTokens":5}}"#,
        ),
        (
            Operation::Generate,
            r#"{"contents":{},"generationConfig":{"topK":1}}"#.to_owned(),
            r#"{"contents":{},"generationConfig":{"maxOutputTokens":5,"topK":1}}"#,
        ),
        (
            Operation::Generate,
            r#"{"contents":{},"generationConfig":{"max_output_tokens":77}}"#.to_owned(),
            r#"{"contents":{},"generationConfig":{"max_output_tokens":5}}"#,
        ),
        (
            Operation::EmbedContent,
            r#"{"content":{},"model":"models/m"}"#.to_owned(),
            r#"{"content":{},"model":"models/up"}"#,
        ),
        (
            Operation::BatchEmbedContents,
            r#"{"requests":[{"model":"models/m"},{"model":"m"}]}"#.to_owned(),
            r#"{"requests":[{"model":"models/up"},{"model":"up"}]}"#,
        ),
        (
            Operation::CountGenerate,
            r#"{"generateContentRequest":{"model":"models/m","contents":[]}}"#.to_owned(),
            r#"{"generateContentRequest":{"model":"models/up","contents":[]}}"#,
        ),
        (
            Operation::Moderations,
            r#"{"input":"x"}"#.to_owned(),
            r#"{"input":"x","model":"up"}"#,
        ),
        (
            Operation::CountResponses,
            r#"{"model":"m","tools":[{"type":"web_search"}]}"#.to_owned(),
            r#"{"model":"up","tools":[{"type":"web_search"}]}"#,
        ),
        (
            Operation::CountTokens,
            r#"{"model":"m","tools":[{"type":"web_search_20250305"}]}"#.to_owned(),
            r#"{"model":"up","tools":[{"type":"web_search_20250305"}]}"#,
        ),
    ] {
        assert_eq!(sent(operation, &body, Some(5)), expected);
    }
    let clamped = sent(Operation::Messages, &messages(""), Some(5));
    assert!(
        clamped.contains(r#""max_tokens":5"#) && !clamped.contains("stream_options"),
        "{clamped}"
    );
    let streamed = sent(Operation::Responses, &responses(r#""stream":true,"#), None);
    assert!(!streamed.contains("include_usage"), "{streamed}");
    let streamed = sent(
        Operation::Completions,
        r#"{"model":"m","prompt":"x","stream":true}"#,
        None,
    );
    assert!(streamed.contains("include_usage"), "{streamed}");
}

#[test]
fn media_count_by_family_and_what_has_no_size_says_so() {
    let data = "A".repeat(100_000);
    let item = |part: &str| format!(r#"{{"model":"m","input":[{{"role":"user","content":[{part}]}}]}}"#);
    let turn =
        |block: &str| format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":[{block}]}}]}}"#);
    let content = |part: &str| format!(r#"{{"contents":[{{"parts":[{part}]}}]}}"#);
    let source = format!(r#""source":{{"type":"base64","media_type":"image/png","data":"{data}"}}"#);
    for (operation, body, images, is_unsized) in [
        (
            Operation::Responses,
            item(&format!(
                r#"{{"type":"input_image","image_url":"data:image/png;base64,{data}"}}"#
            )),
            1,
            false,
        ),
        (
            Operation::Responses,
            item(r#"{"type":"input_image","file_id":"f"}"#),
            0,
            true,
        ),
        (
            Operation::Responses,
            item(&format!(r#"{{"type":"input_file","file_data":"{}"}}"#, "A")),
            0,
            true,
        ),
        (
            Operation::Responses,
            r#"{"model":"m","input":[{"type":"item_reference","id":"x"}]}"#.to_owned(),
            0,
            true,
        ),
        (
            Operation::Responses,
            responses(r#""previous_response_id":"r","#),
            0,
            true,
        ),
        (
            Operation::Messages,
            turn(&format!(r#"{{"type":"image",{source}}}"#)),
            1,
            false,
        ),
        (
            Operation::Messages,
            turn(&format!(
                r#"{{"type":"tool_result","content":[{{"type":"image",{source}}}]}}"#
            )),
            1,
            false,
        ),
        (
            Operation::Messages,
            turn(&format!(r#"{{"type":"document",{source}}}"#)),
            1,
            true,
        ),
        (
            Operation::Generate,
            content(&format!(
                r#"{{"inlineData":{{"data":"{data}","mimeType":"image/png"}}}}"#
            )),
            1,
            false,
        ),
        (
            Operation::Generate,
            content(&format!(
                r#"{{"inline_data":{{"mime_type":"image/png","data":"{data}"}}}}"#
            )),
            1,
            false,
        ),
        (
            Operation::Generate,
            content(r#"{"inlineData":{"mimeType":"application/pdf","data":"AA"}}"#),
            0,
            true,
        ),
        (Operation::Generate, content(r#"{"fileData":{"fileUri":"u"}}"#), 0, true),
        (
            Operation::Generate,
            content(
                r#"{"functionResponse":{"name":"f","response":{"x":1},"parts":[{"inlineData":{"mimeType":"image/png","data":"AA"}}]}}"#,
            ),
            1,
            false,
        ),
    ] {
        let envelope = envelope(operation, &body);
        let start: String = body.chars().take(200).collect();
        assert_eq!((envelope.images, envelope.is_unsized), (images, is_unsized), "{start}");
        let most = images * IMAGE_TOKENS_MAX + 1_000;
        assert!(
            (images * IMAGE_TOKENS_MAX..most).contains(&envelope.input_bound),
            "{start}"
        );
    }
    let sound = envelope(
        Operation::Generate,
        &content(&format!(
            r#"{{"inlineData":{{"mimeType":"audio/mp3","data":"{data}"}}}}"#
        )),
    );
    assert!(!sound.is_unsized && sound.input_bound >= 6_250 && sound.input_bound < 7_000);
    let referred = envelope(
        Operation::Responses,
        r#"{"model":"m","input":[{"type":"item_reference","id":"x"}]}"#,
    );
    assert!(referred.needs_state);
    assert_eq!(referred.refers_to, ["x"]);
    for (fields, ids, stores) in [
        (r#""previous_response_id":"r","store":true,"#, vec!["r"], Some(true)),
        (r#""conversation":{"id":"c"},"store":false,"#, vec!["c"], Some(false)),
        (r#""conversation":"c","#, vec!["c"], None),
        (r#""previous_response_id":null,"#, vec![], None),
    ] {
        let envelope = envelope(Operation::Responses, &responses(fields));
        assert_eq!(
            (envelope.refers_to, envelope.stores),
            (ids.iter().map(ToString::to_string).collect(), stores),
            "{fields}"
        );
    }
    let items = r#"{"model":"m","input":[{"type":"message","role":"user","id":"mine","content":"hi"},{"id":"y"},{"id":"a","id":"b","type":"item_reference"}]}"#;
    assert_eq!(envelope(Operation::Responses, items).refers_to, ["y", "a", "b"]);
}

#[test]
fn sound_has_a_size_only_in_formats_that_are_never_thinner() {
    let google = |kind: &str| format!(r#"{{"contents":[{{"parts":[{{"inlineData":{{{kind}"data":"AAAA"}}}}]}}]}}"#);
    let openai = |format: &str| {
        let part = format!(r#"{{"type":"input_audio","input_audio":{{"data":"AAAA"{format}}}}}"#);
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]}}"#)
    };
    for (operation, body, is_unsized) in [
        (Operation::Generate, google(r#""mimeType":"audio/wav","#), false),
        (Operation::Generate, google(r#""mimeType":"audio/x-wav","#), false),
        (Operation::Generate, google(r#""mime_type":"audio/mpeg","#), false),
        (Operation::Generate, google(r#""mimeType":"audio/flac","#), true),
        (Operation::Generate, google(r#""mimeType":"audio/ogg","#), true),
        (
            Operation::Generate,
            google(r#""mimeType":"audio/mp3;codecs=opus","#),
            true,
        ),
        (
            Operation::Generate,
            google(r#""mimeType":"audio/mp3","mime_type":"video/mp4","#),
            true,
        ),
        (
            Operation::Generate,
            google(r#""mimeType":"video/mp4","mime_type":"image/png","#),
            true,
        ),
        (Operation::Chat, openai(r#","format":"wav""#), false),
        (Operation::Chat, openai(r#","format":"mp3""#), false),
        (Operation::Chat, openai(r#","format":"flac""#), true),
        (Operation::Chat, openai(r#","format":"mp3","format":null"#), true),
        (Operation::Chat, openai(""), true),
    ] {
        assert_eq!(envelope(operation, &body).is_unsized, is_unsized, "{body}");
    }
}

#[test]
fn an_item_without_kind_and_role_refers_to_an_earlier_one() {
    for (item, is_reference) in [
        (r#"{"id":"msg_1"}"#, true),
        (r#"{"id":"msg_1","type":null}"#, true),
        (r#"{"id":"msg_1","type":"message","type":null}"#, true),
        (r#"{"id":"msg_1","role":null}"#, true),
        (r#"{"role":"user","content":"x"},{"id":"msg_1"}"#, true),
        (r#"{"role":"user","content":"x"}"#, false),
        (r#"{"id":"msg_1","role":"assistant","type":null,"content":"x"}"#, false),
        (
            r#"{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"x"}]}"#,
            false,
        ),
    ] {
        let envelope = envelope(Operation::Responses, &format!(r#"{{"model":"m","input":[{item}]}}"#));
        assert_eq!(
            (envelope.needs_state, envelope.is_unsized),
            (is_reference, is_reference),
            "{item}"
        );
    }
}

#[test]
fn tools_that_an_item_brings_run_at_the_client() {
    let brought = |kind: &str, tools: &str| {
        let body = format!(r#"{{"model":"m","input":[{{"type":"{kind}","tools":[{tools}]}}]}}"#);
        read(Operation::Responses, &body)
    };
    for kind in ["additional_tools", "tool_search_output"] {
        for tool in [
            r#"{"type":"web_search"}"#,
            r#"{"type":"function","name":"f"},{"type":"image_generation"}"#,
            r#"{"type":"namespace","name":"n","tools":[{"type":"mcp","server_url":"u"}]}"#,
        ] {
            let refused = brought(kind, tool).map(|_| ()).unwrap_err();
            assert_eq!(refused.field(), Some("input.tools.type"), "{tool}");
        }
        let function = r#"{"type":"function","name":"f","parameters":{"properties":{"type":{"type":"web_search"}}}}"#;
        let namespace =
            r#"{"type":"namespace","name":"n","tools":[{"type":"custom","name":"c"},{"type":"function","name":"g"}]}"#;
        let (one, _) = brought(kind, function).unwrap();
        let (all, _) = brought(kind, &format!("{function},{namespace}")).unwrap();
        assert!(
            all.input_bound >= one.input_bound + 3 * 64 + namespace.len() as u64,
            "{kind}"
        );
    }
}

#[test]
fn a_setting_that_is_not_known_counts_as_text() {
    let schema = format!(r#"{{"type":"OBJECT","description":"{}"}}"#, "x".repeat(5_000));
    for setting in [
        "_responseJsonSchema",
        "responseJsonSchema",
        "response_schema",
        "something_new",
    ] {
        let body = generate(&format!(r#""generationConfig":{{"{setting}":{schema}}},"#));
        assert!(
            envelope(Operation::Generate, &body).input_bound >= schema.len() as u64,
            "{setting}"
        );
    }
    let format = generate(&format!(
        r#""generationConfig":{{"responseFormat":{{"text":{{"schema":{schema}}}}}}},"#
    ));
    assert!(envelope(Operation::Generate, &format).input_bound >= schema.len() as u64);
    let plain =
        generate(r#""generationConfig":{"temperature":1,"topP":1,"topK":1,"thinkingConfig":{"thinkingBudget":1}},"#);
    let none = envelope(Operation::Generate, &generate("")).input_bound;
    assert_eq!(envelope(Operation::Generate, &plain).input_bound, none);
}

#[test]
fn a_conversation_keeps_its_number_in_every_dialect() {
    let pairs = [
        (
            Operation::Responses,
            r#"{"model":"m","input":[{"role":"user","content":"a"}]}"#,
            r#"{"model":"m","input":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#,
        ),
        (
            Operation::Messages,
            r#"{"model":"m","max_tokens":1,"system":[{"type":"text","text":"x-anthropic-billing-header: 1"}],"messages":[{"role":"user","content":"a"}]}"#,
            r#"{"model":"m","max_tokens":1,"system":[{"type":"text","text":"x-anthropic-billing-header: 2"}],"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}"#,
        ),
        (
            Operation::Generate,
            r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}]}"#,
            r#"{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"}]}]}"#,
        ),
    ];
    for (operation, first, second) in pairs {
        let number = |body: &str| envelope(operation, body).conversation;
        assert_eq!(number(first), number(second), "{operation:?}");
        assert_ne!(number(first), number(&first.replace("\"a\"", "\"c\"")), "{operation:?}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é世]{0,12}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "type",
        "text",
        "role",
        "content",
        "parts",
        "source",
        "data",
        "inlineData",
        "tools",
        "name",
        "input",
        "output",
        "image_url",
        "functionDeclarations",
        "web_search",
        "model",
        "maxOutputTokens",
        "ttl",
        "cache_control",
        "x",
    ]);
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((names.clone(), inner), 0..5).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// The bytes of all texts, values that count as media and kinds apart.
fn text_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(list) => list.iter().map(text_bytes).sum(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !["source", "inlineData", "image_url"].contains(&name.as_str()))
            .map(|(_, value)| text_bytes(value))
            .sum(),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(content in any_json(), tools in any_json(), settings in any_json()) {
        let body = json!({
            "model": "m", "max_tokens": 5, "messages": content, "input": content, "contents": content, "content": content,
            "requests": content, "prompt": content, "tools": tools, "tool_choice": settings, "generationConfig": settings,
            "thinking": settings, "context_management": settings, "generateContentRequest": settings,
        }).to_string();
        for operation in Operation::ALL {
            if let Ok((_, fields)) = read(operation, &body) {
                let rewrite = Rewrite {
                    model: "up", max_output: Some(3), max_output_field: MaxOutputField::MaxTokens, include_usage: true, keep_cost_option: false,
                };
                let sent = fields.rewrite(body.as_bytes(), &rewrite);
                prop_assert!(serde_json::from_slice::<Value>(&sent).is_ok(), "{operation:?} {body}");
            }
        }
    }

    #[test]
    fn the_bound_is_never_below_the_text(content in any_json()) {
        for (operation, body) in [
            (Operation::Responses, json!({"model": "m", "input": [{"role": "user", "content": content}]})),
            (Operation::Messages, json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": content}]})),
            (Operation::Generate, json!({"contents": [{"role": "user", "parts": content}]})),
        ] {
            if let Ok((envelope, _)) = read(operation, &body.to_string()) {
                prop_assert!(envelope.is_unsized || envelope.input_bound >= text_bytes(&content), "{operation:?} {content}");
            }
        }
    }
}

#[test]
fn what_is_to_be_made_shorter_may_stand_in_an_earlier_answer_alone() {
    let body = r#"{"model":"m","previous_response_id":"resp_1"}"#;
    let (envelope, body_) = peek(Operation::Compact, body.as_bytes()).unwrap();
    assert_eq!(
        (envelope.needs_state, envelope.refers_to.as_slice()),
        (true, ["resp_1".to_owned()].as_slice())
    );
    assert!(envelope.is_unsized && envelope.max_output.is_none());
    let rewrite = Rewrite {
        model: "n",
        max_output: Some(9),
        max_output_field: MaxOutputField::MaxTokens,
        include_usage: true,
        keep_cost_option: false,
    };
    let rewritten = body_.rewrite(body.as_bytes(), &rewrite);
    assert_eq!(rewritten, br#"{"model":"n","previous_response_id":"resp_1"}"#);
    assert_eq!(
        read(Operation::Compact, r#"{"model":"m","input":"hi","prompt":{"id":"p"}}"#)
            .unwrap_err()
            .field(),
        Some("prompt")
    );
    let streamed = |stream: &str| format!(r#"{{"model":"m","input":"hi","stream":{stream}}}"#);
    assert_eq!(
        read(Operation::Compact, &streamed("true")).unwrap_err().field(),
        Some("stream")
    );
    assert!(read(Operation::Compact, &streamed("false")).is_ok());
}

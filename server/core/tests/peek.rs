//! Peek and rewrite, from outside: what is understood, what is refused, and that everything else stays as it was.
#![allow(clippy::unwrap_used)]

use gateway_core::dialect::{
    Envelope, IMAGE_TOKENS_MAX, MaxOutputField, Operation, PeekError, Rewrite, peek as peek_bytes,
};
use gateway_core::usage::{ServiceTier, TierAsked};
use proptest::prelude::*;
use serde_json::{Value, json};

fn peek(body: &str) -> Result<Envelope, PeekError> {
    peek_bytes(Operation::Chat, body.as_bytes()).map(|(envelope, _)| envelope)
}

fn embed(input: &str) -> Result<Envelope, PeekError> {
    let body = format!(r#"{{"model":"e","input":{input}}}"#);
    peek_bytes(Operation::Embeddings, body.as_bytes()).map(|(envelope, _)| envelope)
}

/// A sound request with `fields` (each with its comma) in front.
fn with(fields: &str) -> Result<Envelope, PeekError> {
    peek(&format!(
        r#"{{{fields}"model":"m","messages":[{{"role":"user","content":"hi"}}]}}"#
    ))
}

fn user(content: &str) -> Envelope {
    peek(&format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#
    ))
    .unwrap()
}

fn refused_field(result: Result<Envelope, PeekError>) -> String {
    result.unwrap_err().field().unwrap_or_default().to_owned()
}

const KEEP: Rewrite<'static> = Rewrite {
    model: "m",
    max_output: None,
    max_output_field: MaxOutputField::MaxCompletionTokens,
    include_usage: false,
    keep_cost_option: true,
};

fn rewrite(body: &str, rewrite: Rewrite<'_>) -> String {
    let (_, fields) = peek_bytes(Operation::Chat, body.as_bytes()).unwrap();
    String::from_utf8(fields.rewrite(body.as_bytes(), &rewrite)).unwrap()
}

#[test]
fn an_envelope_holds_what_the_pipeline_needs() {
    let envelope = with(
        r#""stream":true,"stream_options":{"include_usage":true},"n":3,"max_completion_tokens":50,"max_tokens":null,
           "service_tier":"default","usage":{"include":true},"temperature":0.5,"store":true,"logprobs":true,"#,
    )
    .unwrap();
    assert_eq!(
        envelope,
        Envelope {
            model: "m".to_owned(),
            stream: true,
            include_usage: true,
            include_cost: true,
            max_output: Some(50),
            choices: 3,
            input_bound: envelope.input_bound,
            service_tier: Some("default".to_owned()),
            conversation: envelope.conversation,
            ..Envelope::default()
        }
    );
    assert!((22..64).contains(&envelope.input_bound), "{}", envelope.input_bound);
}

#[test]
fn null_is_as_good_as_absent() {
    let bare = with("").unwrap();
    let nulls = with(
        r#""stream":null,"n":null,"max_tokens":null,"max_completion_tokens":null,"stream_options":null,"tools":null,
           "service_tier":null,"usage":null,"web_search_options":null,"audio":null,"modalities":null,"best_of":null,
           "functions":null,"prediction":null,"prompt_cache_options":null,"#,
    );
    assert_eq!(nulls, Ok(bare));
}

#[test]
fn what_is_no_json_is_located() {
    assert_eq!(
        peek("{\"model\":\"m\",\n  \"n\" 1}"),
        Err(PeekError::Malformed { line: 2, column: 7 })
    );
    assert_eq!(peek("{} x"), Err(PeekError::Malformed { line: 1, column: 4 }));
    for body in [
        "",
        " ",
        "{",
        "{\"model\":\"m\"",
        "nonsense",
        "{\"a\":NaN}",
        "{\"a\":1e999}",
        "{\"a\":01}",
        "{\"a\":\"\\ud800\"}",
    ] {
        assert!(matches!(peek(body), Err(PeekError::Malformed { .. })), "{body}");
    }
    for body in ["[]", "7", "\"x\"", "null"] {
        assert_eq!(peek(body), Err(PeekError::NotAnObject), "{body}");
    }
    assert_eq!(
        peek_bytes(Operation::Chat, b"{\"a\":\"\xff\"}").unwrap_err(),
        PeekError::NotUtf8 { offset: 6 }
    );
}

#[test]
fn nesting_never_reaches_the_end_of_the_stack() {
    let deep = "[".repeat(100_000);
    let closed = format!("{deep}{}", "]".repeat(100_000));
    let objects = "{\"a\":".repeat(100_000);
    for nest in [&deep, &closed, &objects] {
        assert!(peek(nest).is_err());
        for field in [
            "x",
            "messages",
            "tools",
            "model",
            "stream_options",
            "best_of",
            "prompt_cache_options",
            "temperature",
        ] {
            let refused = peek(&format!("{{\"{field}\":{nest}")).unwrap_err();
            assert!(!matches!(refused, PeekError::Missing { .. }), "{field}");
        }
    }
    assert_eq!(peek(&format!("{{\"x\":{closed}}}")), Err(PeekError::TooDeep));
    let fair = format!(r#""x":{}1{},"#, "[".repeat(90), "]".repeat(90));
    assert!(with(&fair).is_ok());
}

#[test]
fn a_field_given_twice_is_refused_however_it_is_spelt() {
    for fields in [
        r#""model":"m","#,
        r#""mod\u0065l":"n","#,
        r#""n":1,"n":1,"#,
        r#""max_tokens":null,"max_tokens":5,"#,
        r#""x":1,"\u0078":2,"#,
        r#""stream_options":{"include_usage":false,"include_usage":true},"#,
        r#""stream_options":{"include_usage":false,"includ\u0065_usage":true},"#,
        r#""usage":{"include":true,"include":false},"#,
    ] {
        assert!(matches!(with(fields), Err(PeekError::Duplicate { .. })), "{fields}");
    }
    let lookalike = with(r#""MODEL":"n","#);
    assert_eq!(
        lookalike,
        Err(PeekError::Lookalike {
            field: "MODEL".to_owned(),
            known: "model"
        })
    );
    let both = with(r#""max_tokens":5,"max_completion_tokens":5,"#);
    assert_eq!(
        both,
        Err(PeekError::Alias {
            first: "max_completion_tokens",
            second: "max_tokens"
        })
    );
}

#[test]
fn a_million_fields_are_refused() {
    let fields: String = (0..1_000_000).map(|at| format!("\"k{at}\":0,")).collect();
    assert_eq!(with(&fields), Err(PeekError::TooManyFields));
}

#[test]
fn values_of_the_wrong_type_are_named() {
    for (fields, field) in [
        (r#""stream":"true","#, "stream"),
        (r#""stream":1,"#, "stream"),
        (r#""n":0,"#, "n"),
        (r#""n":129,"#, "n"),
        (r#""n":1.0,"#, "n"),
        (r#""n":"1","#, "n"),
        (r#""n":-1,"#, "n"),
        (r#""max_tokens":0,"#, "max_tokens"),
        (r#""max_tokens":-1,"#, "max_tokens"),
        (r#""max_tokens":1.5,"#, "max_tokens"),
        (r#""max_completion_tokens":9007199254740993,"#, "max_completion_tokens"),
        (r#""max_completion_tokens":"5","#, "max_completion_tokens"),
        (r#""max_tokens":1e999,"#, "max_tokens"),
        (r#""stream_options":[],"#, "stream_options"),
        (
            r#""stream_options":{"include_usage":1},"#,
            "stream_options.include_usage",
        ),
        (r#""usage":true,"#, "usage"),
        (r#""tools":["x"],"#, "tools"),
        (r#""service_tier":1,"#, "service_tier"),
    ] {
        let refusal = with(fields);
        assert!(
            matches!(refusal, Err(PeekError::WrongType { .. })),
            "{fields} {refusal:?}"
        );
        assert_eq!(refused_field(refusal), field);
    }
    for messages in ["[]", "null", "{}", "\"hi\"", "7", "[\"hi\"]", "[null]", "[[]]"] {
        let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
        assert_eq!(refused_field(peek(&body)), "messages", "{messages}");
    }
    let long = format!("\"{}\"", "m".repeat(257));
    for model in ["7", "null", "\"\"", "\"a\\u0000b\"", "\"a\\nb\"", "{}", &long] {
        let body = format!(r#"{{"model":{model},"messages":[{{"role":"user","content":"hi"}}]}}"#);
        assert_eq!(refused_field(peek(&body)), "model", "{model}");
    }
    assert_eq!(peek("{}"), Err(PeekError::Missing { field: "model" }));
    assert_eq!(peek(r#"{"model":"m"}"#), Err(PeekError::Missing { field: "messages" }));
    assert_eq!(
        peek_bytes(Operation::Embeddings, br#"{"model":"m"}"#).unwrap_err(),
        PeekError::Missing { field: "input" }
    );
}

#[test]
fn what_changes_the_price_is_refused_by_name() {
    for (fields, field) in [
        (r#""service_tier":"scale","#, "service_tier"),
        (r#""service_tier":"ultrafast","#, "service_tier"),
        (r#""service_tier":"sc\u0061le","#, "service_tier"),
        (r#""service_tier":"FLEX","#, "service_tier"),
        (r#""web_search_options":{},"#, "web_search_options"),
        (r#""modalities":["text","audio"],"#, "modalities"),
        (r#""audio":{"voice":"ash","format":"mp3"},"#, "audio"),
        (r#""best_of":4,"#, "best_of"),
        (r#""plugins":[{"id":"web"}],"#, "plugins"),
        (r#""models":["a","b"],"#, "models"),
        (r#""speed":"fast","#, "speed"),
        (r#""enable_search":true,"#, "enable_search"),
        (r#""tools":[{"type":"web_search"}],"#, "tools.type"),
        (
            r#""tools":[{"type":"function","type":"openrouter:web_search"}],"#,
            "tools.type",
        ),
        (r#""prompt_cache_options":{"ttl":"12h"},"#, "prompt_cache_options.ttl"),
        (
            r#""tools":[{"type":"function","cache_control":{"type":"ephemeral","ttl":"1h"}}],"#,
            "ttl",
        ),
    ] {
        let refusal = with(fields);
        assert!(
            matches!(refusal, Err(PeekError::Unpriced { .. })),
            "{fields} {refusal:?}"
        );
        assert_eq!(refused_field(refusal), field);
    }
    for fields in [
        r#""service_tier":"auto","#,
        r#""modalities":[ "text" ],"#,
        r#""best_of":1,"#,
        r#""speed":"standard","#,
        r#""prompt_cache_options":{"mode":"explicit","ttl":"30m"},"#,
        r#""tools":[{"type":"function","function":{"name":"web_search","parameters":{"properties":{"type":{"type":"x"}}}}}],"#,
        r#""tools":[{"type":"custom","custom":{"name":"x"}}],"#,
        r#""some_new_field":{"anything":["goes"]},"#,
    ] {
        assert!(with(fields).is_ok(), "{fields} {:?}", with(fields));
    }
}

#[test]
fn a_tier_that_may_have_a_price_is_read() {
    for (tier, asked) in [
        ("auto", TierAsked::Any),
        ("default", TierAsked::Of(ServiceTier::Standard)),
        ("on_demand", TierAsked::Of(ServiceTier::Standard)),
        ("flex", TierAsked::Of(ServiceTier::Flex)),
        ("fl\\u0065x", TierAsked::Of(ServiceTier::Flex)),
        ("priority", TierAsked::Of(ServiceTier::Priority)),
        ("fast", TierAsked::Of(ServiceTier::Priority)),
    ] {
        let envelope = with(&format!(r#""service_tier":"{tier}","#)).unwrap();
        assert_eq!(envelope.tier(), asked, "{tier}");
    }
    assert_eq!(with(r#""service_tier":null,"#).unwrap().tier(), TierAsked::Unsaid);
}

#[test]
fn media_count_by_family_never_by_their_base64() {
    let data = "A".repeat(1_000_000);
    let image = user(&format!(
        r#"[{{"type":"text","text":"what"}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]"#
    ));
    assert_eq!(image.images, 1);
    assert!(
        (IMAGE_TOKENS_MAX..IMAGE_TOKENS_MAX + 200).contains(&image.input_bound),
        "{}",
        image.input_bound
    );
    assert!(!image.is_unsized);

    let link = user(
        r#"[{"type":"image_url","image_url":"https://example.com/a.png"},{"type":"image_url","image_url":{"url":"x"}}]"#,
    );
    assert_eq!(link.images, 2);

    let sound = user(&format!(
        r#"[{{"type":"input_audio","input_audio":{{"data":"{data}","format":"mp3"}}}}]"#
    ));
    assert!((62_500..63_000).contains(&sound.input_bound), "{}", sound.input_bound);

    for part in [
        r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.pdf"}}"#,
        r#"{"type":"file","file":{"file_id":"file-1"}}"#,
        r#"{"type":"video_url","video_url":{"url":"https://example.com/a.mp4"}}"#,
        r#"{"type":"image_url","image_url":{"url":"data:application/pdf;base64,AAAA"}}"#,
        r#"{"type":"something_new","x":1}"#,
    ] {
        assert!(user(&format!("[{part}]")).is_unsized, "{part}");
    }
}

#[test]
fn media_that_are_null_count_nothing() {
    let messages = r#"[{"role":"assistant","content":"x","audio":null,"refusal":null,"tool_calls":null},
        {"role":"user","content":[{"type":"text","text":"x","image_url":null,"video_url":null,"input_audio":null,"file":null},
        {"type":"file","file":{"file_data":null,"file_id":null,"filename":"a"}}]}]"#;
    let envelope = peek(&format!(r#"{{"model":"m","messages":{messages}}}"#)).unwrap();
    assert_eq!((envelope.images, envelope.is_unsized), (0, false));
    assert!(envelope.input_bound < 400, "{}", envelope.input_bound);
    let replayed = r#"[{"role":"assistant","content":null,"audio":{"id":"audio_1"}}]"#;
    assert!(
        peek(&format!(r#"{{"model":"m","messages":{replayed}}}"#))
            .unwrap()
            .is_unsized
    );
}

#[test]
fn base64_hidden_anywhere_else_counts_as_text() {
    let data = format!("data:image/png;base64,{}", "A".repeat(10_000));
    for body in [
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{data}"}}]}}"#),
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"text","text":"{data}"}}]}}]}}"#),
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x","image_url":{{"url":"{data}"}}}}]}}"#),
        format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":[{{"function":{{"arguments":{{"image_url":"{data}"}}}}}}]}}]}}"#
        ),
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"documents":[{{"image_url":"{data}"}}]}}"#
        ),
    ] {
        assert!(peek(&body).unwrap().input_bound > 10_000, "{}", &body[..90]);
    }
}

#[test]
fn a_prediction_counts_as_output() {
    let envelope = with(r#""prediction":{"type":"content","content":"0123456789"},"#).unwrap();
    assert_eq!(envelope.input_bound, with("").unwrap().input_bound);
    assert!(
        (10..120).contains(&envelope.prediction_bound),
        "{}",
        envelope.prediction_bound
    );
}

#[test]
fn messages_and_tools_have_their_framing() {
    let one = user("\"\"").input_bound;
    let two = peek(r#"{"model":"m","messages":[{"role":"user","content":""},{"role":"user","content":""}]}"#).unwrap();
    assert_eq!(two.input_bound, 2 * one);
    assert!(one >= 16);
    let tool = with(r#""tools":[{"type":"function","function":{"name":"f"}}],"#).unwrap();
    assert!(tool.input_bound >= with("").unwrap().input_bound + 64);
}

#[test]
fn a_conversation_keeps_its_number() {
    let turn = |messages: &str| {
        peek(&format!(r#"{{"model":"m","messages":[{messages}]}}"#))
            .unwrap()
            .conversation
    };
    let opening = r#"{"role":"system","content":"s"},{"role":"user","content":"a"}"#;
    let first = turn(opening);
    assert_eq!(
        turn(&format!(
            r#"{opening},{{"role":"assistant","content":"b"}},{{"role":"user","content":"c"}}"#
        )),
        first
    );
    assert_ne!(
        turn(r#"{"role":"system","content":"s"},{"role":"user","content":"b"}"#),
        first
    );
    assert_ne!(
        turn(r#"{"role":"system","content":"t"},{"role":"user","content":"a"}"#),
        first
    );
    // Frozen: accounts are chosen by it on every machine and in every release.
    assert_eq!(first, 15_022_146_295_849_910_072);
}

#[test]
fn a_conversation_is_what_its_client_calls_it() {
    let named = |key: &str| with(key).unwrap().session;
    let one = named(r#""prompt_cache_key":"one","#);
    assert!(one.is_some());
    assert_eq!(one, gateway_core::dialect::session("one"));
    assert_ne!(named(r#""prompt_cache_key":"two","#), one);
    for none in [
        "",
        r#""prompt_cache_key":null,"#,
        r#""prompt_cache_key":7,"#,
        r#""metadata":{"user_id":"a_session_b"},"#,
    ] {
        assert_eq!(named(none), None, "{none}");
    }
    let deep = format!(r#""metadata":{}{},"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(with(&deep).unwrap_err(), PeekError::TooDeep);
}

#[test]
fn embeddings_count_bytes_or_tokens() {
    for (input, bound) in [
        (r#""hello""#, 5),
        (r#"["hello","añ"]"#, 8),
        ("[1,2,3]", 3),
        ("[[1,2],[3]]", 3),
    ] {
        let envelope = embed(input).unwrap();
        assert!(
            (bound..bound + 40).contains(&envelope.input_bound),
            "{input} {}",
            envelope.input_bound
        );
        assert!(!envelope.stream);
    }
    for input in [
        "[]",
        "[[]]",
        "null",
        "7",
        "{}",
        "[null]",
        "[\"a\",{}]",
        "[[\"a\"]]",
        "[[[1]]]",
        "[-1]",
        "[1.5]",
        "true",
    ] {
        assert_eq!(refused_field(embed(input)), "input", "{input}");
    }
}

#[test]
fn a_rewrite_changes_only_what_is_ours() {
    let body = r#" { "x" : 1.10 ,"model":"m", "messages":[{"role":"user","content":"h\u00e9"}], "max_tokens" : 100, "stream":true } "#;
    assert_eq!(rewrite(body, KEEP), body);
    assert_eq!(
        rewrite(
            body,
            Rewrite {
                model: "a/\"b\"",
                ..KEEP
            }
        ),
        body.replace("\"m\"", r#""a/\"b\"""#)
    );
    assert_eq!(
        rewrite(
            body,
            Rewrite {
                max_output: Some(16),
                ..KEEP
            }
        ),
        body.replace("100", "16")
    );
    let usage = rewrite(
        body,
        Rewrite {
            include_usage: true,
            ..KEEP
        },
    );
    assert_eq!(
        usage,
        body.replace(" } ", r#" ,"stream_options":{"include_usage":true}} "#)
    );
    let all = rewrite(
        body,
        Rewrite {
            model: "n",
            max_output: Some(7),
            include_usage: true,
            ..KEEP
        },
    );
    let expected = usage.replace("\"m\"", "\"n\"").replace("100", "7");
    assert_eq!(all, expected);
}

#[test]
fn what_asks_for_a_cost_is_left_out_wherever_it_stands() {
    let change = Rewrite {
        include_usage: true,
        keep_cost_option: false,
        ..KEEP
    };
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    let asked = r#","stream":true,"stream_options":{"include_usage":true}"#;
    for (body, expected) in [
        (
            format!(r#"{{"usage":{{"include":true}} , "model":"m",{messages}{asked}}}"#),
            format!(r#"{{ "model":"m",{messages}{asked}}}"#),
        ),
        (
            format!(r#"{{"model":"m", "usage" : {{"include":false}},{messages}{asked}}}"#),
            format!(r#"{{"model":"m",{messages}{asked}}}"#),
        ),
        (
            format!(r#"{{"model":"m",{messages},"stream":true,"us\u0061ge":null}}"#),
            format!(r#"{{"model":"m",{messages}{asked}}}"#),
        ),
    ] {
        assert_eq!(rewrite(&body, change), expected);
        let kept = Rewrite {
            keep_cost_option: true,
            ..change
        };
        assert!(rewrite(&body, kept).starts_with(body.trim_end_matches('}')), "{body}");
    }
}

#[test]
fn usage_is_asked_for_in_every_starting_position() {
    for (options, expected) in [
        ("", r#","stream_options":{"include_usage":true}"#),
        (
            r#","stream_options":null"#,
            r#","stream_options":{"include_usage":true}"#,
        ),
        (r#","stream_options":{}"#, r#","stream_options":{"include_usage":true}"#),
        (
            r#","stream_options":{ "a":1}"#,
            r#","stream_options":{"include_usage":true, "a":1}"#,
        ),
        (
            r#","stream_options":{"include_usage":false,"a":1}"#,
            r#","stream_options":{"include_usage":true,"a":1}"#,
        ),
        (
            r#","stream_options":{"include_usage":null}"#,
            r#","stream_options":{"include_usage":true}"#,
        ),
        (
            r#","stream_options":{"include_usage": true }"#,
            r#","stream_options":{"include_usage": true }"#,
        ),
    ] {
        let head = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true"#;
        let rewritten = rewrite(
            &format!("{head}{options}}}"),
            Rewrite {
                include_usage: true,
                ..KEEP
            },
        );
        assert_eq!(rewritten, format!("{head}{expected}}}"));
    }
    let whole = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(
        rewrite(
            whole,
            Rewrite {
                include_usage: true,
                ..KEEP
            }
        ),
        whole
    );
}

#[test]
fn an_upstream_without_stream_options_gets_none() {
    let head = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true"#;
    for options in [
        "",
        r#","stream_options":null"#,
        r#","stream_options":{"include_usage":true}"#,
        r#", "stream_options" : {"include_usage":false,"a":1}"#,
    ] {
        let body = format!("{head}{options}}}");
        let (_, mut fields) = peek_bytes(Operation::Chat, body.as_bytes()).unwrap();
        fields.omit_stream_options();
        let asked = Rewrite {
            include_usage: true,
            ..KEEP
        };
        let sent = String::from_utf8(fields.rewrite(body.as_bytes(), &asked)).unwrap();
        assert_eq!(sent, format!("{head}}}"), "{options}");
    }
}

#[test]
fn a_clamp_takes_the_field_the_client_used() {
    let head = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]"#;
    for (fields, field, expected) in [
        ("", MaxOutputField::MaxTokens, r#","max_tokens":9"#),
        ("", MaxOutputField::MaxCompletionTokens, r#","max_completion_tokens":9"#),
        (
            r#","max_tokens":50"#,
            MaxOutputField::MaxCompletionTokens,
            r#","max_tokens":9"#,
        ),
        (
            r#","max_tokens":null"#,
            MaxOutputField::MaxCompletionTokens,
            r#","max_tokens":9"#,
        ),
        (
            r#","max_tokens":null,"max_completion_tokens":50"#,
            MaxOutputField::MaxTokens,
            r#","max_tokens":null,"max_completion_tokens":9"#,
        ),
    ] {
        let clamp = Rewrite {
            max_output: Some(9),
            max_output_field: field,
            ..KEEP
        };
        assert_eq!(
            rewrite(&format!("{head}{fields}}}"), clamp),
            format!("{head}{expected}}}")
        );
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The bytes of all strings in `value`.
fn text_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(list) => list.iter().map(text_bytes).sum(),
        Value::Object(members) => members.values().map(text_bytes).sum(),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for operation in Operation::ALL {
            let _ = peek_bytes(operation, &body);
        }
    }

    #[test]
    fn no_json_makes_it_panic(messages in any_json(), tools in any_json(), other in any_json()) {
        let body = json!({"model": "m", "messages": messages, "tools": tools, "input": other, "stream_options": other, "n": other});
        for operation in Operation::ALL {
            let _ = peek_bytes(operation, body.to_string().as_bytes());
        }
    }

    #[test]
    fn the_bound_is_never_below_the_text(contents in prop::collection::vec(any_json(), 1..5), schema in any_json(), x in any_json()) {
        let messages: Vec<Value> = contents.into_iter().map(|content| json!({"role": "user", "content": content})).collect();
        let tools = json!([{"type": "function", "function": {"name": "f", "parameters": schema}}]);
        let body = json!({"model": "m", "messages": messages, "tools": tools, "xx": x});
        if let Ok((envelope, _)) = peek_bytes(Operation::Chat, body.to_string().as_bytes()) {
            let text = text_bytes(&body) - 1 + 16 * messages.len() as u64 + 64;
            prop_assert!(envelope.input_bound >= text);
            prop_assert!(envelope.input_bound >= tools.to_string().len() as u64);
        }
    }

    #[test]
    fn a_rewrite_keeps_what_it_does_not_own(
        fields in prop::collection::btree_map("xx[a-z]{0,6}", any_json(), 0..6),
        model in "[a-z\"\\\\é]{1,9}",
        limit in prop::option::of(1_u64..1_000_000),
        stream in any::<bool>(),
    ) {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream});
        body.as_object_mut().unwrap().extend(fields);
        let original = serde_json::to_string_pretty(&body).unwrap();
        let (_, parsed) = peek_bytes(Operation::Chat, original.as_bytes()).unwrap();
        let change = Rewrite { model: &model, max_output: limit, include_usage: true, ..KEEP };
        let rewritten = String::from_utf8(parsed.rewrite(original.as_bytes(), &change)).unwrap();

        let mut expected = body.clone();
        expected["model"] = json!(model);
        if let Some(limit) = limit {
            expected["max_completion_tokens"] = json!(limit);
        }
        if stream {
            expected["stream_options"] = json!({"include_usage": true});
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&rewritten).unwrap(), expected);
        let quoted = json!(model).to_string();
        let untouched = original.replacen("\"m\"", &quoted, 1);
        let kept = untouched.strip_suffix('\u{7d}').unwrap();
        prop_assert!(rewritten.starts_with(kept), "{}", rewritten);
        prop_assert!(peek_bytes(Operation::Chat, rewritten.as_bytes()).is_ok());
    }
}

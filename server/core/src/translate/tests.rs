//! Every pair of dialects, whole and cut; signatures, names of tools, errors and broken streams on their way through the hub.

#![allow(clippy::unwrap_used)]
use super::codecs::{Decoder, Encoder};
use super::*;
use crate::dialect::MaxOutputField;
use crate::dialect::exchange::{
    Ask, Assembler, Call, CallKind, Choice, Event, Finish, Item, Message, Output, Part, Reply, Role, Rules, Thought,
    Tool, ToolChoice, pack,
};
use crate::dialect::sse;
use crate::usage::Usage;
use std::sync::Arc;

mod many;

const CLIENTS: [Dialect; 4] = [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Generate];

fn origin(dialect: Dialect) -> Origin {
    Origin { dialect, account: 42 }
}

fn function(name: &str, namespace: Option<&str>) -> Tool {
    Tool::Function {
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        description: None,
        parameters: Some(serde_json::json!({"type": "object", "properties": {}})),
        strict: None,
        cache: None,
    }
}

fn custom(name: &str, namespace: Option<&str>) -> Tool {
    Tool::Custom {
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        description: None,
        format: None,
    }
}

fn call(id: &str, name: &str, arguments: &str) -> Call {
    Call {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        ..Call::default()
    }
}

fn request() -> Request {
    Request {
        model: "m".to_owned(),
        stream: true,
        include_usage: true,
        items: vec![Item::Message(Message {
            role: Role::User,
            parts: vec![Part::text("Which?")],
            name: None,
        })],
        tools: vec![function("look_up", None), function("add", None)],
        ..Request::default()
    }
}

fn ask(request: Request) -> Ask {
    Ask {
        request: Arc::new(request),
        id: "1".to_owned(),
        created_s: 1_700_000_000,
        is_array: false,
    }
}

fn text(text: &str) -> Output {
    Output::Text {
        text: text.to_owned(),
        citations: Vec::new(),
        logprobs: Vec::new(),
    }
}

fn reply(output: Vec<Output>, finish: Finish) -> Reply {
    Reply {
        id: "up".to_owned(),
        model: "m-2".to_owned(),
        created_s: Some(1_700_000_000),
        choices: vec![Choice {
            index: 0,
            output,
            finish: Some(finish),
        }],
        usage: Some(Usage {
            input: 11,
            cache_read: 4,
            output: 7,
            ..Usage::default()
        }),
        service_tier: None,
    }
}

/// `reply` as an upstream of `dialect` streams it.
fn streamed(dialect: Dialect, reply: &Reply, request: Request) -> Vec<u8> {
    let mut encoder = Encoder::new(dialect, ask(request));
    let mut out = Vec::new();
    for event in reply.clone().into_events() {
        encoder.push(&event, &mut out);
    }
    out
}

/// What a client of `dialect` makes of `stream`.
fn assembled(dialect: Dialect, stream: &[u8]) -> Reply {
    let mut decoder = Decoder::new(dialect);
    let mut assembler = Assembler::default();
    let mut events: Vec<Event> = Vec::new();
    for event in sse::split(&Bytes::copy_from_slice(stream)) {
        if let Some(data) = sse::data(&event)
            && !events.contains(&Event::Done)
        {
            decoder.push(sse::name(&event), &data, &mut events);
        }
    }
    decoder.finish(&mut events);
    events.into_iter().for_each(|event| assembler.push(event));
    assembler.finish().unwrap()
}

/// What every dialect can say.
#[derive(Debug, PartialEq)]
struct Gist {
    words: String,
    calls: Vec<(String, String)>,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

fn gist(reply: &Reply) -> Gist {
    let choice = &reply.choices[0];
    let mut words = String::new();
    let mut calls = Vec::new();
    for output in &choice.output {
        match output {
            Output::Text { text, .. } | Output::Refusal(text) => words.push_str(text),
            Output::Call(call) => calls.push((call.name.clone(), call.arguments.clone())),
            Output::Thought(_) | Output::Image { .. } => {}
        }
    }
    Gist {
        words,
        calls,
        finish: choice.finish.clone(),
        usage: reply.usage,
    }
}

fn through(client: Dialect, upstream: Dialect, request: Request, stream: &[u8], piece: usize) -> (Vec<u8>, Observed) {
    let mut translator = Through::stream(client, origin(upstream), ask(request), None);
    let mut forwarded = Vec::new();
    for piece in stream.chunks(piece) {
        forwarded.extend_from_slice(&translator.push(Bytes::copy_from_slice(piece)).unwrap().forward);
    }
    let observed = translator.finish();
    forwarded.extend_from_slice(&observed.rest);
    (forwarded, observed)
}

#[test]
fn an_answer_says_the_same_in_every_dialect_wherever_the_network_cuts_it() {
    let answers = [
        reply(vec![text("Hello, wörld")], Finish::Stop),
        reply(vec![text("cut")], Finish::Length),
        reply(
            vec![
                text("Let me see."),
                Output::Call(call("call_1", "look_up", r#"{"key":"ä"}"#)),
                Output::Call(call("call_2", "add", r#"{"a":1,"b":[2]}"#)),
            ],
            Finish::ToolCalls,
        ),
    ];
    for answer in &answers {
        for upstream in CLIENTS {
            let stream = streamed(upstream, answer, request());
            assert_eq!(
                gist(&assembled(upstream, &stream)),
                gist(answer),
                "{upstream:?} to itself"
            );
            for client in CLIENTS {
                let (whole, observed) = through(client, upstream, request(), &stream, usize::MAX);
                let shown = String::from_utf8_lossy(&whole);
                assert_eq!(
                    gist(&assembled(client, &whole)),
                    gist(answer),
                    "{upstream:?} to {client:?}: {shown}"
                );
                assert_eq!(observed.usage, answer.usage, "{upstream:?} to {client:?}");
                assert!(observed.saw_done && observed.saw_finish && observed.error.is_none());
                for piece in [1, 7] {
                    let (cut, _) = through(client, upstream, request(), &stream, piece);
                    assert_eq!(cut, whole, "{upstream:?} to {client:?} in pieces of {piece}");
                }
            }
        }
    }
}

#[test]
fn a_translated_stream_that_was_cut_has_no_usage_but_that_of_a_part() {
    const MESSAGES: &str = "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n\
        data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"abc\"}}\n\n";
    // An end that does not count the output leaves it uncounted.
    const UNCOUNTED: &str = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":10}}\n\n\
        data: {\"type\":\"message_stop\"}\n\n";
    const GENERATE: &str = "data: {\"candidates\":[{\"index\":0,\"content\":{\"parts\":[{\"text\":\"abc\"}]}}],\
        \"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":1,\"thoughtsTokenCount\":50,\"totalTokenCount\":61}}\n\n";
    // One of two answers has ended.
    const HALF: &str = "data: {\"candidates\":[{\"index\":1,\"content\":{\"parts\":[{\"text\":\"d\"}]},\"finishReason\":\"STOP\"}],\
        \"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":50,\"totalTokenCount\":62}}\n\n";
    for (upstream, stream, output) in [
        (Dialect::Messages, MESSAGES.to_owned(), 1),
        (Dialect::Messages, [MESSAGES, UNCOUNTED].concat(), 1),
        (Dialect::Generate, GENERATE.to_owned(), 51),
        (Dialect::Generate, [GENERATE, HALF].concat(), 52),
    ] {
        for client in CLIENTS {
            let (_, observed) = through(client, upstream, request(), stream.as_bytes(), usize::MAX);
            let partial = observed.partial.map(|part| (part.input, part.output));
            assert_eq!(
                (observed.usage, partial),
                (None, Some((10, output))),
                "{upstream:?} to {client:?}"
            );
        }
    }
}

#[test]
fn an_answer_in_one_piece_says_the_same_in_every_dialect() {
    let answer = reply(
        vec![text("Hi"), Output::Call(call("call_1", "add", r#"{"a":1}"#))],
        Finish::ToolCalls,
    );
    for upstream in CLIENTS {
        let body = codecs::encode_reply(upstream, &answer, &ask(request()));
        for client in CLIENTS {
            let mut translator = Through::whole(client, origin(upstream), ask(request()));
            for piece in body.chunks(5) {
                assert!(
                    translator
                        .push(Bytes::copy_from_slice(piece))
                        .unwrap()
                        .forward
                        .is_empty()
                );
            }
            let observed = translator.finish();
            assert_eq!(observed.usage, answer.usage, "{upstream:?} to {client:?}");
            let read = codecs::decode_reply(client, &observed.rest).unwrap();
            assert_eq!(gist(&read), gist(&answer), "{upstream:?} to {client:?}");
        }
    }
}

#[test]
fn a_signature_goes_back_to_whom_it_is_from_and_to_nobody_else() {
    let thought = Thought {
        text: "so".to_owned(),
        blob: Some("c2VjcmV0".to_owned()),
        ..Thought::default()
    };
    let answer = reply(vec![Output::Thought(thought), text("4")], Finish::Stop);
    let (upstream, client) = (Dialect::Messages, Dialect::Responses);
    let stream = streamed(upstream, &answer, request());
    let (shown, _) = through(client, upstream, request(), &stream, usize::MAX);
    let Output::Thought(seen) = &assembled(client, &shown).choices[0].output[0] else {
        panic!("no thought in {}", String::from_utf8_lossy(&shown));
    };
    assert_eq!(seen.blob.as_deref(), Some(pack(origin(upstream), "c2VjcmV0").as_str()));

    let mut again = request();
    again.items.push(Item::Thought(seen.clone()));
    again.items.push(Item::Message(Message {
        role: Role::Assistant,
        parts: vec![Part::text("4")],
        name: None,
    }));
    again.items.push(again.items[0].clone());
    let rules = Rules::default();
    let target = Target {
        model: "m",
        max_output: None,
        max_output_field: MaxOutputField::default(),
        rules: &rules,
        provider: "anthropic",
    };
    let own = encode(&again, origin(upstream), &target).unwrap();
    assert!(
        String::from_utf8(own.body)
            .unwrap()
            .contains(r#""signature":"c2VjcmV0""#)
    );
    let other = Origin {
        account: 43,
        ..origin(upstream)
    };
    let foreign = encode(&again, other, &target).unwrap();
    assert!(!String::from_utf8(foreign.body).unwrap().contains("c2VjcmV0"));
    assert!(
        foreign.notes.iter().any(|note| note.contains("signatures")),
        "{:?}",
        foreign.notes
    );
}

#[test]
fn a_tool_keeps_its_name_for_the_client_whatever_the_upstream_calls_it() {
    let mut request = request();
    request.tools = vec![
        function("agents.close", None),
        function("agents_close", None),
        function("close", Some("agents")),
        custom("patch", None),
        custom("patch", Some("files")),
    ];
    let names = Names::of(&request, Dialect::Messages).unwrap();
    let renamed = names.rename(&request);
    let theirs: Vec<&str> = renamed.tools.iter().map(Tool::name).collect();
    assert_eq!(
        theirs,
        [
            "agents_close_2",
            "agents_close",
            "agents__close",
            "patch",
            "files__patch"
        ]
    );

    let answer = reply(
        vec![
            Output::Call(call("c1", "agents_close_2", "{}")),
            Output::Call(call("c2", "agents__close", "{}")),
            Output::Call(call("c3", "patch", r#"{"input":"*** Begin"}"#)),
            Output::Call(call("c4", "files__patch", r#"{"input":"*** Begin"}"#)),
        ],
        Finish::ToolCalls,
    );
    let stream = streamed(Dialect::Messages, &answer, renamed);
    let (shown, _) = through(Dialect::Responses, Dialect::Messages, request, &stream, 3);
    let read = assembled(Dialect::Responses, &shown);
    let calls: Vec<(Option<&str>, &str, &str, CallKind)> = read.choices[0]
        .output
        .iter()
        .filter_map(|output| match output {
            Output::Call(call) => Some((
                call.namespace.as_deref(),
                call.name.as_str(),
                call.arguments.as_str(),
                call.kind,
            )),
            _ => None,
        })
        .collect();
    assert_eq!(
        calls,
        [
            (None, "agents.close", "{}", CallKind::Function),
            (Some("agents"), "close", "{}", CallKind::Function),
            (None, "patch", "*** Begin", CallKind::Custom),
            (Some("files"), "patch", "*** Begin", CallKind::Custom),
        ]
    );
}

#[test]
fn whatever_of_a_request_has_no_place_at_the_upstream_is_noted() {
    let chat = r#"{"model":"m","prediction":{"type":"content","content":"x"},"prompt_cache_key":"k",
        "tools":[{"type":"function","function":{"name":"f","strict":true}}],
        "messages":[{"role":"user","name":"ann","content":"hi"}]}"#;
    let google = r#"{"contents":[{"parts":[{"text":"hi"}]}],
        "safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]}"#;
    let chat = decode(Dialect::Chat, chat.as_bytes(), None).unwrap();
    let google = decode(Dialect::Generate, google.as_bytes(), Some(("m", false))).unwrap();
    for (request, upstream, expected) in [
        (
            &chat,
            Dialect::Responses,
            &["prediction", "the names of who speaks"] as &[&str],
        ),
        (
            &chat,
            Dialect::Messages,
            &["prediction", "prompt_cache_key", "strict", "the names of who speaks"],
        ),
        (
            &chat,
            Dialect::Generate,
            &["name", "prediction", "strict", "the cache key"],
        ),
        (
            &chat,
            Dialect::Converse,
            &["prediction", "prompt_cache_key", "the names of who speaks"],
        ),
        (&google, Dialect::Chat, &["safetySettings"]),
        (&google, Dialect::Messages, &["safetySettings"]),
    ] {
        let target = Target {
            model: "m",
            max_output: None,
            max_output_field: MaxOutputField::MaxTokens,
            rules: &Rules::default(),
            provider: "openai",
        };
        let notes = encode(request, origin(upstream), &target).unwrap().notes;
        let dropped = notes
            .iter()
            .filter_map(|note| note.strip_prefix("dropped ")?.split(':').next());
        let mut dropped: Vec<&str> = dropped.collect();
        dropped.sort_unstable();
        assert_eq!(dropped, expected, "{upstream:?}");
    }
}

#[test]
fn a_choice_of_a_tool_means_the_one_without_a_namespace_or_else_the_first() {
    let chosen = |tools: &[Tool]| {
        let mut request = request();
        request.tools = tools.to_vec();
        request.tool_choice = ToolChoice::Tool("close".to_owned());
        let names = Names::of(&request, Dialect::Messages).unwrap();
        let allowed = Request {
            tool_choice: ToolChoice::Allowed {
                names: vec!["close".to_owned()],
                is_required: true,
            },
            ..request.clone()
        };
        let one = names.rename(&request).tool_choice;
        let ToolChoice::Tool(name) = one else { panic!("{one:?}") };
        let several = names.rename(&allowed).tool_choice;
        assert!(
            matches!(&several, ToolChoice::Allowed { names, .. } if *names == [name.as_str()]),
            "{several:?}"
        );
        name
    };
    let spaces = ["a", "b", "c", "d", "e", "f"];
    let mut tools: Vec<Tool> = spaces.iter().map(|space| function("close", Some(space))).collect();
    assert_eq!(chosen(&tools), "a__close");
    tools.push(function("close", None));
    assert_eq!(chosen(&tools), "close");
}

#[test]
fn thousands_of_tools_that_would_share_a_name_get_one_each_in_no_time() {
    let count = 20_000;
    let mut request = request();
    // All of these are the same in plain characters; the last ones differ in what a number takes the place of.
    request.tools = (0..count)
        .map(|number| function(&format!("{number:0>15b}").replace('0', ".").replace('1', ":"), None))
        .chain((0..count).map(|number| function(&format!("{}.{number}", "x".repeat(80)), None)))
        .collect();
    let began = std::time::Instant::now();
    let renamed = Names::of(&request, Dialect::Messages).unwrap().rename(&request);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    let names: std::collections::HashSet<&str> = renamed.tools.iter().map(Tool::name).collect();
    assert_eq!(names.len(), 2 * count);
    assert!(names.iter().all(|name| name.len() <= 64));
}

#[test]
fn an_error_in_a_stream_goes_to_nobody_but_the_caller() {
    for (upstream, frame) in [
        (
            Dialect::Chat,
            "data: {\"error\":{\"message\":\"m\",\"code\":\"insufficient_quota\"}}\n\n",
        ),
        (
            Dialect::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n",
        ),
        (
            Dialect::Responses,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\"}\n\n",
        ),
        (
            Dialect::Generate,
            "data: {\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}\n\n",
        ),
    ] {
        for client in CLIENTS.into_iter().filter(|client| *client != upstream) {
            let mut translator = Through::stream(client, origin(upstream), ask(request()), None);
            let step = translator.push(Bytes::from_static(frame.as_bytes())).unwrap();
            assert_eq!(
                step.error.as_ref().map(|error| error.message.as_str()),
                Some("m"),
                "{upstream:?}"
            );
            assert!(!step.content_seen && !String::from_utf8_lossy(&step.forward).contains("\"m\""));
            assert!(translator.finish().error.is_some());
        }
    }
}

#[test]
fn a_stream_that_breaks_off_has_no_good_end() {
    let answer = reply(vec![text("Hello")], Finish::Stop);
    // Google says why it finished with the last words.
    for upstream in [Dialect::Chat, Dialect::Responses, Dialect::Messages] {
        let stream = streamed(upstream, &answer, request());
        let text = String::from_utf8(stream).unwrap();
        let at = text.find("Hello").unwrap();
        let end = at + text[at..].find("\n\n").unwrap() + 2;
        for client in CLIENTS {
            let (_, observed) = through(client, upstream, request(), &text.as_bytes()[..end], usize::MAX);
            assert!(!observed.saw_done && !observed.saw_finish, "{upstream:?} to {client:?}");
            assert_eq!(observed.output_bytes, 5);
        }
    }
}

//! Streams and replies of the generate dialect, both ways: fixtures whole and cut at every byte, and garbage.

#![allow(clippy::unwrap_used)]
use super::super::exchange::{
    Ask, Assembler, Call, CallKind, Choice, Citation, Delta, Event, Finish, Kind, Logprob, Origin, Output, Reasoning,
    Reply, Request, Start, Thought, pack,
};
use super::super::{Dialect, UpstreamError, sse};
use super::*;
use crate::usage::Usage;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/generate/", $name, ".sse")).as_slice()
    };
}

/// What comes of a stream that arrives in `pieces`.
fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut reader = sse::Events::default();
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    for piece in pieces {
        let block = reader.push(Bytes::copy_from_slice(piece)).unwrap();
        for event in sse::split(&block) {
            if let Some(data) = sse::data(&event)
                && !matches!(out.last(), Some(Event::Error(_)))
            {
                decoder.push(None, &data, &mut out);
            }
        }
    }
    if !matches!(out.last(), Some(Event::Error(_))) {
        decoder.finish(&mut out);
    }
    out
}

fn assembled(events: Vec<Event>) -> Result<Reply, UpstreamError> {
    let mut assembler = Assembler::default();
    events.into_iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

fn text(text: &str) -> Output {
    Output::Text {
        text: text.to_owned(),
        citations: Vec::new(),
        logprobs: Vec::new(),
    }
}

fn thought(text: &str, blob: Option<&str>) -> Output {
    Output::Thought(Thought {
        text: text.to_owned(),
        is_summary: true,
        blob: blob.map(str::to_owned),
        ..Thought::default()
    })
}

fn call(id: &str, name: &str, arguments: &str) -> Output {
    Output::Call(Call {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        ..Call::default()
    })
}

fn choice(index: u32, output: Vec<Output>, finish: Finish) -> Choice {
    Choice {
        index,
        output,
        finish: Some(finish),
    }
}

fn reply(choices: Vec<Choice>, usage: Option<Usage>) -> Reply {
    Reply {
        id: "rEsp-1".to_owned(),
        model: "gemini-2.5-flash".to_owned(),
        choices,
        usage,
        ..Reply::default()
    }
}

fn usage(input: u64, output: u64, reasoning: u64) -> Option<Usage> {
    Some(Usage {
        input,
        output,
        reasoning,
        ..Usage::default()
    })
}

/// The streams, what they stand for, and whether they ended as they should.
fn streams() -> Vec<(&'static [u8], Reply, bool)> {
    let grounded = Output::Text {
        text: "Geöffnet. Ja.".to_owned(),
        citations: vec![
            Citation {
                url: Some("https://example.com/a".to_owned()),
                title: Some("A".to_owned()),
                quote: None,
                start: Some(11),
                end: Some(14),
            },
            Citation {
                url: Some("https://example.com/b".to_owned()),
                title: Some("B".to_owned()),
                ..Citation::default()
            },
        ],
        logprobs: Vec::new(),
    };
    let tools = vec![
        thought("I look it up.", Some("Ck9uZQ==")),
        call("call_rEsp-1_1", "weather", r#"{"town": "Ulm", "days": 2}"#),
        call("own-2", "clock", "{}"),
        thought("", Some("CkVuZA==")),
    ];
    let blocked = Finish::ContentFilter(Some("PROHIBITED_CONTENT".to_owned()));
    let refused = Finish::ContentFilter(Some("not nice".to_owned()));
    let picture = Output::Image {
        media_type: "image/png".to_owned(),
        base64: "AAAA".to_owned(),
    };
    vec![
        (
            fixture!("text"),
            reply(vec![choice(0, vec![text("Good däy")], Finish::Stop)], usage(5, 4, 0)),
            true,
        ),
        (
            fixture!("tools"),
            reply(vec![choice(0, tools, Finish::ToolCalls)], usage(20, 17, 9)),
            true,
        ),
        (
            fixture!("every-chunk-stops"),
            reply(vec![choice(0, vec![text("ab")], Finish::Stop)], None),
            true,
        ),
        (
            fixture!("two-candidates"),
            reply(
                vec![
                    choice(0, vec![text("Aa")], Finish::Length),
                    choice(1, vec![text("Bb")], refused),
                ],
                None,
            ),
            true,
        ),
        (
            fixture!("blocked"),
            reply(vec![choice(0, Vec::new(), blocked)], usage(9, 0, 0)),
            true,
        ),
        (
            fixture!("cut"),
            reply(
                vec![Choice {
                    output: vec![text("ab")],
                    ..Choice::default()
                }],
                None,
            ),
            false,
        ),
        (
            fixture!("grounded"),
            reply(vec![choice(0, vec![grounded], Finish::Stop)], None),
            true,
        ),
        (
            fixture!("picture"),
            reply(
                vec![choice(0, vec![thought("", Some("Ck9uZQ==")), picture], Finish::Stop)],
                None,
            ),
            true,
        ),
    ]
}

#[test]
fn streams_say_what_they_stand_for() {
    for (stream, expected, is_whole) in streams() {
        let events = events([stream]);
        assert!(matches!(events.first(), Some(Event::Start(_))));
        assert_eq!(events.last() == Some(&Event::Done), is_whole);
        assert_eq!(assembled(events).unwrap(), expected);
    }
}

#[test]
fn streams_may_be_cut_anywhere() {
    for (stream, ..) in streams() {
        let whole = events([stream]);
        for cut in 0..stream.len() {
            assert_eq!(events([&stream[..cut], &stream[cut..]]), whole, "{cut}");
            // The connection ends here.
            events([&stream[..cut]]);
        }
        assert_eq!(events(stream.chunks(1)), whole);
    }
}

#[test]
fn blocks_open_and_close_before_their_answer_ends() {
    for (stream, ..) in streams() {
        let mut open = Vec::new();
        for event in events([stream]) {
            match event {
                Event::Open { choice, block, .. } => open.push((choice, block)),
                Event::Delta { choice, block, .. } => assert!(open.contains(&(choice, block))),
                Event::Close { choice, block } => {
                    assert!(open.contains(&(choice, block)));
                    open.retain(|found| *found != (choice, block));
                }
                Event::Finish { choice, .. } => {
                    assert!(open.iter().all(|(found, _)| *found != choice));
                }
                _ => {}
            }
        }
        assert!(open.is_empty());
    }
}

#[test]
fn an_error_ends_a_stream() {
    let found = assembled(events([fixture!("error")])).unwrap_err();
    assert_eq!((found.status, found.message.as_str()), (Some(503), "overloaded"));
    let in_a_list = br#"[{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}]"#;
    let mut out = Vec::new();
    Decoder::default().push(None, in_a_list, &mut out);
    let [Event::Error(error)] = out.as_slice() else {
        panic!("{out:?}");
    };
    assert_eq!(error.status, Some(429));
}

#[test]
fn garbage_does_no_harm() {
    for data in [
        "",
        "null",
        "7",
        "\"x\"",
        "[]",
        "[[]]",
        "[1,2]",
        "{",
        "{}",
        "{\"candidates\":7}",
        "{\"candidates\":[null]}",
        "{\"candidates\":[{\"index\":4294967295,\"finishReason\":[]}]}",
        "<html>",
        "\u{0}",
        "{\"usageMetadata\":[]}",
        "{\"candidates\":[{\"content\":{\"parts\":[{}]},\"finishReason\":\"FINISH_REASON_UNSPECIFIED\"}]}",
    ] {
        let mut out = Vec::new();
        let mut decoder = Decoder::default();
        decoder.push(Some("x"), data.as_bytes(), &mut out);
        decoder.finish(&mut out);
        assert!(!out.contains(&Event::Done), "{data}");
        assert!(decode_reply(data.as_bytes()).is_err(), "{data}");
        assert!(decode_request(data.as_bytes(), "m", true).is_err(), "{data}");
    }
}

#[test]
fn why_an_answer_ended() {
    let filtered = |word: &str| Finish::ContentFilter(Some(word.to_owned()));
    let failed = |word: &str| Finish::Failed(word.to_owned());
    for (reason, expected) in [
        (json!("STOP"), Finish::Stop),
        (json!(1), Finish::Stop),
        (json!("MAX_TOKENS"), Finish::Length),
        (json!(2), Finish::Length),
        (json!("CONTINUATION"), Finish::Length),
        (json!("SAFETY"), filtered("SAFETY")),
        (json!("RECITATION"), filtered("RECITATION")),
        (json!("IMAGE_SAFETY"), filtered("IMAGE_SAFETY")),
        (json!("MODEL_ARMOR"), filtered("MODEL_ARMOR")),
        (json!("MALFORMED_FUNCTION_CALL"), failed("MALFORMED_FUNCTION_CALL")),
        (json!("SOMETHING_NEW"), failed("SOMETHING_NEW")),
    ] {
        let body = json!({"candidates": [{"finishReason": reason}]}).to_string();
        let found = decode_reply(body.as_bytes()).unwrap();
        assert_eq!(found.choices[0].finish, Some(expected), "{reason}");
    }
}

#[test]
fn a_whole_reply() {
    let body = json!({
        "candidates": [{
            "content": {"role": "model", "parts": [{"text": "Hi", "thoughtSignature": "CgQ="}]},
            "finishReason": "STOP",
            "logprobsResult": {
                "chosenCandidates": [{"token": "Hi", "tokenId": 7, "logProbability": -0.5}],
                "topCandidates": [{"candidates": [{"token": "Hi", "logProbability": -0.5}, {"token": "Yo", "logProbability": -2}]}],
            },
            "citationMetadata": {"citations": [{"startIndex": 0, "endIndex": 2, "uri": "https://example.com"}]},
        }],
        "createTime": "2026-05-27T16:53:45.443719Z", "modelVersion": "gemini-2.5-flash", "responseId": "rEsp-1",
    });
    let number = |text: &str| serde_json::from_str(text).unwrap();
    let expected = Output::Text {
        text: "Hi".to_owned(),
        citations: vec![Citation {
            url: Some("https://example.com".to_owned()),
            start: Some(0),
            end: Some(2),
            ..Citation::default()
        }],
        logprobs: vec![Logprob {
            token: "Hi".to_owned(),
            logprob: number("-0.5"),
            top: vec![("Hi".to_owned(), number("-0.5")), ("Yo".to_owned(), number("-2"))],
        }],
    };
    let mut expected = reply(
        vec![choice(0, vec![thought("", Some("CgQ=")), expected], Finish::Stop)],
        None,
    );
    expected.created_s = Some(1_779_900_825);
    assert_eq!(decode_reply(body.to_string().as_bytes()).unwrap(), expected);
}

fn ask(shows_thoughts: bool, is_array: bool) -> Ask {
    let reasoning = Reasoning {
        summary: shows_thoughts.then(|| "auto".to_owned()),
        ..Reasoning::default()
    };
    Ask {
        request: Arc::new(Request {
            model: "asked".to_owned(),
            reasoning: Some(reasoning),
            ..Request::default()
        }),
        is_array,
        ..Ask::default()
    }
}

fn encoded(events: &[Event], ask: Ask) -> String {
    let mut encoder = Encoder::new(ask);
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    String::from_utf8(out).unwrap()
}

fn chunks(stream: &str) -> Vec<Value> {
    stream
        .split_terminator("\n\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

#[test]
fn what_is_encoded_decodes_to_the_same() {
    for (stream, expected, is_whole) in streams() {
        if !is_whole {
            continue;
        }
        let stream = encoded(&events([stream]), ask(true, false));
        let found = assembled(events([stream.as_bytes()])).unwrap();
        assert_eq!(merged(found), merged(expected.clone()), "{stream}");
        let body = encode_reply(&expected, &ask(true, false));
        assert_eq!(merged(decode_reply(&body).unwrap()), merged(expected));
    }
}

/// `reply` with the raw text of arguments brought into one form.
fn merged(mut reply: Reply) -> Reply {
    for output in reply.choices.iter_mut().flat_map(|choice| &mut choice.output) {
        if let Output::Call(call) = output {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
            call.arguments = arguments.to_string();
        }
    }
    reply
}

fn open(block: u32, kind: Kind) -> Event {
    Event::Open { choice: 0, block, kind }
}

fn delta(block: u32, delta: super::super::exchange::Delta) -> Event {
    Event::Delta {
        choice: 0,
        block,
        delta,
    }
}

fn close(block: u32) -> Event {
    Event::Close { choice: 0, block }
}

/// A stream as the chat dialect has it: words in pieces, calls that overlap, usage at the very end.
fn chat_stream() -> Vec<Event> {
    use super::super::exchange::Delta::{Arguments, Blob, Text};
    let call = |id: &str| Kind::Call {
        id: id.to_owned(),
        name: "f".to_owned(),
        namespace: None,
        kind: CallKind::Function,
    };
    let thought = Kind::Thought {
        id: None,
        is_summary: false,
        is_redacted: false,
    };
    let packed = pack(
        Origin {
            dialect: Dialect::Chat,
            account: 1,
        },
        "b",
    );
    vec![
        Event::Start(Start {
            id: "up".to_owned(),
            model: "m".to_owned(),
            ..Start::default()
        }),
        open(0, thought),
        delta(0, Text("hmm".to_owned())),
        delta(0, Blob(packed)),
        close(0),
        open(1, Kind::Text),
        delta(1, Text("He".to_owned())),
        delta(1, Text("l".to_owned())),
        delta(1, Text("lo".to_owned())),
        close(1),
        open(2, call("a")),
        open(3, call("b")),
        delta(2, Arguments("{\"x\":".to_owned())),
        delta(3, Arguments(String::new())),
        delta(2, Arguments("1}".to_owned())),
        close(2),
        close(3),
        Event::Finish {
            choice: 0,
            reason: Finish::ToolCalls,
        },
        Event::Usage(Usage {
            input: 10,
            cache_read: 5,
            output: 9,
            reasoning: 4,
            ..Usage::default()
        }),
        Event::Done,
    ]
}

#[test]
fn a_stream_to_a_client() {
    let stream = encoded(&chat_stream(), ask(true, false));
    let chunks = chunks(&stream);
    let parts: Vec<Value> = chunks
        .iter()
        .map(|chunk| chunk["candidates"][0]["content"]["parts"].clone())
        .collect();
    let signature = parts[2][0]["thoughtSignature"].clone();
    let expected = [
        json!([{"text": "hm", "thought": true}]),
        json!([{"text": "m", "thought": true}]),
        json!([{"text": "H", "thoughtSignature": signature}]),
        json!([{"text": "e"}]),
        json!([{"text": "ll"}]),
        json!([{"text": "o"}]),
        json!([{"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}}]),
        json!([{"functionCall": {"id": "b", "name": "f", "args": {}}}]),
    ];
    assert_eq!(parts, expected);
    assert!(
        signature.as_str().unwrap().bytes().all(|byte| byte != b'.'),
        "{signature}"
    );
    let (last, before) = chunks.split_last().unwrap();
    assert!(
        before
            .iter()
            .all(|chunk| chunk["candidates"][0].get("finishReason").is_none())
    );
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let usage = json!({
        "promptTokenCount": 15, "cachedContentTokenCount": 5, "candidatesTokenCount": 5, "thoughtsTokenCount": 4,
        "totalTokenCount": 24, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 15}],
    });
    assert_eq!(last["usageMetadata"], usage);
    assert_eq!(
        (&last["modelVersion"], &last["responseId"]),
        (&json!("m"), &json!("up"))
    );
}

#[test]
fn thoughts_are_shown_to_who_asked_for_them() {
    let stream = encoded(&chat_stream(), ask(false, false));
    assert!(!stream.contains("\"thought\":"), "{stream}");
    assert!(stream.contains("thoughtSignature"), "{stream}");
    let reply = assembled(chat_stream()).unwrap();
    let body = String::from_utf8(encode_reply(&reply, &ask(false, false))).unwrap();
    assert!(
        !body.contains("\"thought\":") && body.contains("thoughtSignature"),
        "{body}"
    );
}

#[test]
fn a_stream_as_one_array() {
    let array: Vec<Value> = serde_json::from_str(&encoded(&chat_stream(), ask(true, true))).unwrap();
    assert_eq!(array, chunks(&encoded(&chat_stream(), ask(true, false))));
    let error = UpstreamError {
        status: Some(503),
        message: "overloaded".to_owned(),
        ..UpstreamError::default()
    };
    let expected = json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}});
    let mut events = vec![Event::Error(error)];
    let array: Vec<Value> = serde_json::from_str(&encoded(&events, ask(true, true))).unwrap();
    assert_eq!(array, std::slice::from_ref(&expected));
    events.splice(0..0, chat_stream().into_iter().take(7));
    let array: Vec<Value> = serde_json::from_str(&encoded(&events, ask(true, true))).unwrap();
    assert_eq!(array.last(), Some(&expected));
    assert_eq!(chunks(&encoded(&events, ask(true, false))).last(), Some(&expected));
}

#[test]
fn an_answer_without_words_still_ends() {
    let events = [
        Event::Start(Start::default()),
        Event::Finish {
            choice: 0,
            reason: Finish::ContentFilter(Some("no".to_owned())),
        },
        Event::Done,
    ];
    let [chunk] = chunks(&encoded(&events, ask(false, false))).try_into().unwrap();
    let expected = json!({
        "candidates": [{
            "content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "SAFETY", "finishMessage": "no", "index": 0,
        }],
        "modelVersion": "asked", "responseId": "",
    });
    assert_eq!(chunk, expected);
}

#[test]
fn words_of_ends_for_a_client() {
    for (finish, expected) in [
        (Finish::Stop, "STOP"),
        (Finish::StopSequence("x".to_owned()), "STOP"),
        (Finish::ToolCalls, "STOP"),
        (Finish::Length, "MAX_TOKENS"),
        (Finish::ContentFilter(None), "SAFETY"),
        (
            Finish::Failed("MALFORMED_FUNCTION_CALL".to_owned()),
            "MALFORMED_FUNCTION_CALL",
        ),
        (Finish::Failed("whatever".to_owned()), "OTHER"),
    ] {
        assert_eq!(outgoing::finish(&finish).0, expected);
    }
}

#[test]
fn a_reply_need_not_say_why_it_ended() {
    let body = br#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#;
    let choice = Choice {
        output: vec![text("a")],
        ..Choice::default()
    };
    assert_eq!(decode_reply(body).unwrap().choices, [choice]);
    for without in [&br#"{"candidates":[]}"#[..], br#"{"error":{"code":500}}"#] {
        assert!(decode_reply(without).is_err());
    }
}

#[test]
fn an_answer_that_nobody_ended_ends_as_usual() {
    let events = [
        Event::Start(Start::default()),
        open(0, Kind::Text),
        delta(0, Delta::Text("a".to_owned())),
        close(0),
        Event::Done,
    ];
    let chunks = chunks(&encoded(&events, ask(false, false)));
    assert_eq!(chunks.last().unwrap()["candidates"][0]["finishReason"], "STOP");
}

#[test]
fn a_whole_answer_of_which_nobody_said_why_it_ended_ended() {
    let unsaid = Choice {
        finish: None,
        ..choice(0, vec![text("hi")], Finish::Stop)
    };
    let body: Value = serde_json::from_slice(&encode_reply(&reply(vec![unsaid], None), &ask(false, false))).unwrap();
    assert_eq!(body["candidates"][0]["finishReason"], "STOP");
}

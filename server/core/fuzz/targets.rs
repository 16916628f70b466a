//! Everything that reads what clients and upstreams send, each with what must hold for whatever is in it.
//!
//! Invariant: nothing panics; what is written is JSON; however a stream is cut, the same comes out; of a few bytes nobody makes many.
//! Used by the fuzzer (`src/main.rs`) and by a test of the core (`tests/fuzz_targets.rs`), which replays the seeds.

use bytes::Bytes;
use gateway_core::dialect::exchange::{Ask, Origin, Request, Rules, Target as Upstream, unpack};
use gateway_core::dialect::frames::Frames;
use gateway_core::dialect::{
    Asked, Dialect, Hosted, MaxOutputField, Natives, Observed, Operation, Rewrite, Tally, opened_in_place, peek,
    read_error, scrub, with_cost,
};
use gateway_core::id;
use gateway_core::money::Nano;
use gateway_core::retry::{ErrorText, Failure, RetryHints, classify};
use gateway_core::translate::{Through, decode, encode};
use serde::de::IgnoredAny;
use std::sync::{Arc, OnceLock};

/// What is fed.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Takes some bytes, and panics where something is wrong.
    pub run: fn(&[u8]),
    /// Folders of the core with files to begin with.
    #[allow(dead_code, reason = "libFuzzer is told its folders on the command line")]
    pub seeds: &'static [&'static str],
}

/// All of them.
pub const ALL: &[Target] = &[
    target(
        "chat_request",
        |data| request(Dialect::Chat, data),
        &["fuzz/seeds/requests/chat"],
    ),
    target(
        "responses_request",
        |data| request(Dialect::Responses, data),
        &["fuzz/seeds/requests/responses", "tests/fixtures/responses/codec"],
    ),
    target(
        "messages_request",
        |data| request(Dialect::Messages, data),
        &["fuzz/seeds/requests/messages"],
    ),
    target(
        "generate_request",
        |data| request(Dialect::Generate, data),
        &["fuzz/seeds/requests/generate"],
    ),
    target(
        "chat_reply",
        |data| reply(Dialect::Chat, data),
        &["fuzz/seeds/replies/chat", "tests/fixtures/chat"],
    ),
    target(
        "responses_reply",
        |data| reply(Dialect::Responses, data),
        &["fuzz/seeds/replies/responses", "tests/fixtures/responses/codec"],
    ),
    target(
        "messages_reply",
        |data| reply(Dialect::Messages, data),
        &["fuzz/seeds/replies/messages", "tests/fixtures/messages/codec"],
    ),
    target(
        "generate_reply",
        |data| reply(Dialect::Generate, data),
        &["fuzz/seeds/replies/generate"],
    ),
    target(
        "converse_reply",
        |data| reply(Dialect::Converse, data),
        &["fuzz/seeds/replies/converse"],
    ),
    target(
        "chat_stream",
        |data| stream(Dialect::Chat, data),
        &["tests/fixtures/chat"],
    ),
    target(
        "responses_stream",
        |data| stream(Dialect::Responses, data),
        &["tests/fixtures/responses/codec"],
    ),
    target(
        "messages_stream",
        |data| stream(Dialect::Messages, data),
        &["tests/fixtures/messages/codec"],
    ),
    target(
        "generate_stream",
        |data| stream(Dialect::Generate, data),
        &["tests/fixtures/generate"],
    ),
    target(
        "converse_stream",
        |data| stream(Dialect::Converse, data),
        &["tests/fixtures/converse"],
    ),
    target(
        "events",
        events,
        &[
            "tests/fixtures/chat",
            "tests/fixtures/generate",
            "tests/fixtures/messages/codec",
            "tests/fixtures/responses/codec",
        ],
    ),
    target("frames", frames, &["fuzz/seeds/frames", "tests/fixtures/converse"]),
    target(
        "peek",
        peeked,
        &[
            "fuzz/seeds/peek",
            "fuzz/seeds/requests/chat",
            "fuzz/seeds/requests/responses",
            "fuzz/seeds/requests/messages",
            "fuzz/seeds/requests/generate",
        ],
    ),
    target("key", key, &["fuzz/seeds/key"]),
    target("error", error, &["fuzz/seeds/error", "tests/fixtures/chat"]),
];

const fn target(name: &'static str, run: fn(&[u8]), seeds: &'static [&'static str]) -> Target {
    Target { name, run, seeds }
}

/// How many bytes may come of `bytes`: a block of a word gets ids, times and marks of its beginning and end.
fn limit(bytes: usize) -> usize {
    bytes.saturating_mul(400).saturating_add(64 << 10)
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

const CLIENTS: [Dialect; 4] = [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Generate];

const fn origin(dialect: Dialect) -> Origin {
    Origin { dialect, account: 7 }
}

/// A request of a client, and what becomes of it for upstreams of every dialect.
fn request(client: Dialect, data: &[u8]) {
    for natives in [Natives::Kept, Natives::Cut] {
        if let Some((opened, _)) = opened_in_place(data, origin(client), natives) {
            assert!(is_json(&opened) || !is_json(data), "a request is JSON no more");
        }
    }
    let Ok(request) = decode(client, data, Some(("gemini-3-pro", true))) else {
        return;
    };
    for upstream in Dialect::ALL {
        for (model, provider) in models(upstream) {
            let target = Upstream {
                model,
                max_output: None,
                max_output_field: MaxOutputField::MaxTokens,
                rules: &Rules::default(),
                provider,
            };
            if let Ok(encoded) = encode(&request, origin(upstream), &target) {
                assert!(is_json(&encoded.body), "{upstream:?}");
                assert!(encoded.body.len() <= limit(data.len()), "{upstream:?}");
                assert!(encoded.notes.len() <= 64, "{upstream:?}: {:?}", encoded.notes);
            }
        }
    }
}

/// Models that are asked in ways of their own.
const fn models(upstream: Dialect) -> &'static [(&'static str, &'static str)] {
    match upstream {
        Dialect::Chat => &[
            ("gpt-5.5", "openai"),
            ("mistral-large", "mistral"),
            ("deepseek-chat", "deepseek"),
        ],
        Dialect::Responses => &[("gpt-5.5", "openai")],
        Dialect::Messages => &[("claude-sonnet-4-5", "anthropic"), ("claude-opus-5-5", "anthropic")],
        Dialect::Generate => &[("gemini-2.0-flash", "gemini"), ("gemini-3-pro", "vertex")],
        Dialect::Converse => &[
            ("anthropic.claude-sonnet-4-5", "bedrock"),
            ("amazon.nova-pro", "bedrock"),
        ],
    }
}

/// What a client asked with a tool of each kind, so that calls of them are carried back.
fn ask() -> Ask {
    const TOOLS: &[u8] =
        br#"{"model":"m","input":"?","tools":[{"type":"function","name":"f"},{"type":"custom","name":"c"},
        {"type":"namespace","name":"n","description":"","tools":[{"type":"custom","name":"c"}]}]}"#;
    static REQUEST: OnceLock<Arc<Request>> = OnceLock::new();
    let request = REQUEST.get_or_init(|| {
        let request = decode(Dialect::Responses, TOOLS, None).expect("a sound request");
        Arc::new(Request {
            stream: true,
            include_usage: true,
            ..request
        })
    });
    Ask {
        request: Arc::clone(request),
        id: "1".to_owned(),
        ..Ask::default()
    }
}

/// A whole reply of an upstream, for clients of every dialect.
fn reply(upstream: Dialect, data: &[u8]) {
    for client in CLIENTS {
        let mut through = Through::whole(client, origin(upstream), ask());
        through
            .push(Bytes::copy_from_slice(data))
            .expect("a whole reply has no lines");
        let observed = through.finish();
        assert!(observed.rest.is_empty() || is_json(&observed.rest), "{client:?}");
        assert!(observed.rest.len() <= limit(data.len()), "{client:?}");
    }
    let _ = with_cost(data, Some(Nano(5)));
}

/// How a stream is cut: in one, and in pieces whose length hangs on the bytes.
fn cuts(data: &[u8]) -> [Vec<Bytes>; 2] {
    let length = 1 + data.len() % 13;
    [data.len().max(1), length].map(|length| data.chunks(length).map(Bytes::copy_from_slice).collect())
}

/// What a client got, whether the stream could be read to its end, and what was seen of it.
type Got = (Vec<u8>, bool, Observed);

fn same(cut: &[Got; 2]) {
    let [whole, pieces] = cut;
    if whole.1 && pieces.1 {
        assert_eq!(whole, pieces);
    }
}

/// A stream of an upstream, for clients of every dialect.
fn stream(upstream: Dialect, data: &[u8]) {
    for client in CLIENTS {
        let got = cuts(data).map(|pieces| {
            let mut through = Through::stream(client, origin(upstream), ask(), None);
            let mut out = Vec::new();
            let mut is_read = true;
            for piece in pieces {
                match through.push(piece) {
                    Ok(step) => out.extend_from_slice(&step.forward),
                    Err(_) => {
                        is_read = false;
                        break;
                    }
                }
            }
            let mut observed = through.finish();
            out.extend_from_slice(&std::mem::take(&mut observed.rest));
            assert!(out.len() <= limit(data.len()), "{client:?}");
            (out, is_read, observed)
        });
        same(&got);
    }
}

/// A stream that passes, of every dialect in which it does.
fn events(data: &[u8]) {
    for operation in [
        Operation::Chat,
        Operation::Responses,
        Operation::Messages,
        Operation::Generate,
    ] {
        let got = cuts(data).map(|pieces| {
            let mut tally = Tally::stream(operation, true);
            let mut out = Vec::new();
            let mut is_read = true;
            for piece in pieces {
                match tally.push(piece) {
                    Ok(step) => out.extend_from_slice(&step.forward),
                    Err(_) => {
                        is_read = false;
                        break;
                    }
                }
            }
            let mut observed = tally.finish();
            out.extend_from_slice(&std::mem::take(&mut observed.rest));
            assert!(out.len() <= data.len(), "{operation:?}");
            (out, is_read, observed)
        });
        same(&got);
    }
}

/// AWS's frames: the bytes as they are, and as what is in a frame whose sums fit.
fn frames(data: &[u8]) {
    let events = ["contentBlockDelta", "metadata", "chunk", "messageStart", "exception"];
    let name = events[data.first().map_or(0, |first| usize::from(*first)) % events.len()];
    let framed = frame(name, data.get(1..).unwrap_or_default());
    let twice = [framed.as_slice(), data].concat();
    for bytes in [data, &framed, &twice] {
        let [whole, pieces] = cuts(bytes).map(|pieces| {
            let (mut frames, mut out) = (Frames::default(), Vec::new());
            let ended = pieces.iter().try_for_each(|piece| frames.push(piece, &mut out));
            (out, ended.map(|()| frames.is_whole()))
        });
        assert_eq!(whole, pieces);
        assert!(whole.0.len() <= limit(bytes.len()));
        stream(Dialect::Converse, &whole.0);
    }
}

/// A frame of the event `name` with `payload`.
fn frame(name: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    let kind = if name == "exception" { "exception" } else { "event" };
    for (header, value) in [(":message-type", kind), (&format!(":{kind}-type") as &str, name)] {
        headers.push(header.len() as u8);
        headers.extend_from_slice(header.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let total = 12 + headers.len() + payload.len() + 4;
    let mut frame = Vec::with_capacity(total);
    frame.extend_from_slice(&(total as u32).to_be_bytes());
    frame.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

/// Bit by bit, for the reader has a table.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

/// A request before anything is known of it, and the same as its upstream gets it.
fn peeked(data: &[u8]) {
    for operation in Operation::ALL {
        let asked = Asked {
            operation,
            model: Some("gemini-3-pro").filter(|_| operation.dialect() == Dialect::Generate),
            stream: false,
            hosted: Hosted::WithFee,
        };
        let Ok((envelope, body)) = peek(asked, data) else {
            continue;
        };
        let rewrite = Rewrite {
            model: "other \"model\"",
            max_output: operation.takes_limit().then_some(9),
            max_output_field: MaxOutputField::MaxTokens,
            include_usage: true,
            keep_cost_option: false,
        };
        let rewritten = body.rewrite(data, &rewrite);
        assert!(is_json(&rewritten), "{operation:?}");
        let (again, _) = peek(asked, &rewritten).expect("what we write we read");
        assert_eq!(again.choices, envelope.choices, "{operation:?}");
        if operation.takes_limit() {
            assert_eq!(again.max_output, Some(9), "{operation:?}");
        }
    }
}

/// Ids and amounts in text.
fn key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for kind in [id::Kind::Key, id::Kind::Request, id::Kind::Team] {
        if let Some(id) = id::parse(kind, text) {
            assert_eq!(id::render(kind, id), text);
        }
    }
    if let Ok(amount) = Nano::parse(text) {
        assert_eq!(Nano::parse(&amount.render()), Ok(amount));
    }
    let _ = Asked::of_method(text);
    let _ = unpack(text);
}

/// An error of an upstream: read, understood and told; its first two bytes are the status, its first line a header.
fn error(data: &[u8]) {
    const NOW_MS: i64 = 1_790_000_000_000;
    let status = data
        .get(..2)
        .map_or(500, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]) % 600);
    let header = data
        .split(|byte| *byte == b'\n')
        .next()
        .and_then(|line| std::str::from_utf8(line).ok());
    let names = [
        "retry-after",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset",
        "anthropic-ratelimit-requests-reset",
    ];
    let headers = RetryHints::read(names.iter().filter_map(|name| Some((*name, header?))), NOW_MS);
    for body in [data, data.get(2..).unwrap_or_default()] {
        let error = read_error(status, body);
        let text = ErrorText {
            code: error.code.as_deref().unwrap_or_default(),
            kind: error.kind.as_deref().unwrap_or_default(),
            message: &error.message,
        };
        for failure in [
            Failure::Status {
                status,
                headers,
                error: text,
            },
            Failure::ErrorFrame { headers, error: text },
        ] {
            let _ = classify(&failure, NOW_MS);
        }
        let _ = scrub(&error.message, &["sk-secret"]);
    }
}

//! The tally against the shapes upstreams send: every `*.sse` and `*.json` in `fixtures/chat`, beside its `*.expected.json`, cut everywhere.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use gateway_core::dialect::{LineTooLong, Observed, Operation, Step, Tally};
use gateway_core::pricing::PriceSheet;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The fixtures whose name ends in `suffix`, each with what is expected of it.
fn fixtures(suffix: &str) -> Vec<(PathBuf, Bytes, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/chat");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(suffix) && !name.ends_with(".expected.json") {
            let expected = fs::read(path.with_extension("expected.json")).unwrap();
            let bytes = Bytes::from(fs::read(&path).unwrap());
            found.push((path, bytes, serde_json::from_slice(&expected).unwrap()));
        }
    }
    assert!(found.len() > 5, "{suffix}");
    found
}

fn operation(expected: &Value) -> Operation {
    Operation::parse(expected["operation"].as_str().unwrap()).unwrap()
}

fn stream(expected: &Value, withhold_usage: bool) -> Tally {
    let excluded = expected["reasoning_excluded"].as_bool().unwrap();
    Tally::stream(operation(expected), withhold_usage).reasoning_excluded(excluded)
}

/// What was seen, in the form of the expectation.
fn seen(observed: &Observed) -> Value {
    let error = observed.error.as_ref().map(|error| {
        json!({
            "status": error.status, "code": error.code, "kind": error.kind,
            "message": error.message, "param": error.param,
        })
    });
    json!({
        "usage": observed.usage, "output_bytes": observed.output_bytes, "saw_done": observed.saw_done,
        "saw_finish": observed.saw_finish, "model": observed.model, "error": error,
    })
}

fn check(path: &Path, observed: &Observed, expected: &Value) {
    for (name, value) in seen(observed).as_object().unwrap() {
        assert_eq!(*value, expected[name], "{name} of {}", path.display());
    }
}

/// The events of `stream`: a second way of cutting it, for the sake of comparison.
fn events(stream: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(stream).unwrap();
    let mut events = vec![String::new()];
    for line in text.split_inclusive('\n') {
        events.last_mut().unwrap().push_str(line);
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            events.push(String::new());
        }
    }
    events.retain(|event| !event.is_empty());
    events
}

/// The bytes that go to the client, and the steps on the way.
fn run(mut tally: Tally, pieces: impl Iterator<Item = Bytes>) -> (Vec<u8>, Vec<Step>, Observed) {
    let steps: Vec<Step> = pieces.map(|piece| tally.push(piece).unwrap()).collect();
    let mut forward: Vec<u8> = steps.iter().flat_map(|step| step.forward.to_vec()).collect();
    let observed = tally.finish();
    forward.extend_from_slice(&observed.rest);
    (forward, steps, observed)
}

fn numbers(value: &Value) -> Vec<usize> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| usize::try_from(number.as_u64().unwrap()).unwrap())
        .collect()
}

/// The events of `stream` that are for the client.
fn for_client(stream: &Bytes, expected: &Value, withhold_usage: bool) -> String {
    let mut left_out = numbers(&expected["error_events"]);
    // Nothing that follows an error is for the client.
    let first_error = left_out.iter().min().copied().unwrap_or(usize::MAX);
    if withhold_usage {
        left_out.extend(numbers(&expected["withheld"]));
    }
    let events = events(stream).into_iter().enumerate();
    let is_cut = |event: &str| !event.ends_with('\n') && !event.ends_with("[DONE]");
    events
        .filter(|(at, event)| *at < first_error && !left_out.contains(at) && !is_cut(event))
        .map(|(_, event)| event.replace(expected["own_cost"].as_str().unwrap_or("\0"), ""))
        .collect()
}

#[test]
fn streams_give_the_same_wherever_they_are_cut() {
    for (path, bytes, expected) in fixtures(".sse") {
        for withhold_usage in [false, true] {
            let client = for_client(&bytes, &expected, withhold_usage);
            let mut cuts: Vec<Vec<Bytes>> = (0..=bytes.len())
                .map(|cut| vec![bytes.slice(..cut), bytes.slice(cut..)])
                .collect();
            cuts.push((0..bytes.len()).map(|at| bytes.slice(at..=at)).collect());
            for pieces in cuts {
                let (forward, _, observed) = run(stream(&expected, withhold_usage), pieces.into_iter());
                assert_eq!(String::from_utf8(forward).unwrap(), client, "{}", path.display());
                check(&path, &observed, &expected);
            }
        }
    }
}

#[test]
fn each_event_says_whether_it_is_content_an_error_or_the_end() {
    for (path, bytes, expected) in fixtures(".sse") {
        let events = events(&bytes)
            .into_iter()
            .filter(|event| event.ends_with('\n'))
            .map(Bytes::from);
        let (_, steps, _) = run(stream(&expected, true), events);
        let first_content = steps.iter().position(|step| step.content_seen);
        assert_eq!(json!(first_content), expected["first_content"], "{}", path.display());
        let errors: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].error.is_some()).collect();
        assert_eq!(json!(errors), expected["error_events"], "{}", path.display());
        let done = steps.iter().position(|step| step.done);
        assert!(done.is_none_or(|at| at == steps.len() - 1), "{}", path.display());
    }
}

#[test]
fn whole_replies_pass_and_are_read_at_the_end() {
    for (path, bytes, expected) in fixtures(".json") {
        for size in [1, 7, bytes.len()] {
            let pieces = (0..bytes.len())
                .step_by(size)
                .map(|at| bytes.slice(at..bytes.len().min(at + size)));
            let (forward, _, observed) = run(Tally::whole(operation(&expected)), pieces);
            assert_eq!(forward, bytes);
            check(&path, &observed, &expected);
        }
    }
}

#[test]
fn an_untouched_piece_is_not_copied() {
    let piece = Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n");
    let step = Tally::stream(Operation::Chat, true).push(piece.clone()).unwrap();
    assert_eq!(step.forward.as_ptr(), piece.as_ptr());
    assert_eq!(step.forward, piece);
}

#[test]
fn a_stream_says_what_we_charge_to_those_who_ask_and_never_what_an_upstream_does() {
    let sheet: PriceSheet =
        serde_json::from_value(json!({ "base": { "input": 1_000_000, "output": 2_000_000 } })).unwrap();
    let sheet = Arc::new(sheet);
    let events = |cost: &str| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"x\"}}}}],\"usage\":{{\"prompt_tokens\":0,\"completion_tokens\":0}}}}\n\n\
             data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":10,\"completion_tokens\":5{cost}}}}}\n\ndata: [DONE]"
        )
    };
    let ours = ",\"cost\":0.00002";
    let theirs = ",\"cost\":7.5,\"cost_details\":{\"upstream_inference_cost\":7.5}";
    for (sent, asked, told) in [("", true, ours), (theirs, true, ours), (theirs, false, "")] {
        let (bytes, expected) = (Bytes::from(events(sent)), events(told));
        for at in 0..=bytes.len() {
            let pieces = [bytes.slice(..at), bytes.slice(at..)];
            let tally = Tally::stream(Operation::Chat, false).priced(asked.then(|| Arc::clone(&sheet)));
            let (forward, _, observed) = run(tally, pieces.into_iter());
            assert_eq!(String::from_utf8(forward).unwrap(), expected, "{at}");
            assert!(observed.usage.is_some());
        }
    }
}

#[test]
fn a_line_over_the_limit_ends_the_stream() {
    let mut tally = Tally::stream(Operation::Chat, false);
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    assert!(tally.push(piece.clone()).is_ok());
    assert_eq!(tally.push(piece), Err(LineTooLong));
}

#[test]
fn the_usage_of_a_very_long_reply_is_found_at_its_end() {
    let mut tally = Tally::whole(Operation::Embeddings);
    tally
        .push(Bytes::from_static(b"{\"object\":\"list\",\"data\":[{\"embedding\":[0"))
        .unwrap();
    for _ in 0..20 {
        tally.push(Bytes::from(",0.125".repeat(180_000))).unwrap();
    }
    tally
        .push(Bytes::from_static(
            b"]}],\"model\":\"v\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}",
        ))
        .unwrap();
    let observed = tally.finish();
    assert_eq!(observed.usage.map(|usage| usage.input), Some(8));
}

#[test]
fn a_stream_that_is_no_stream_harms_nothing() {
    let texts = [
        "",
        "\n",
        "\n\n\n",
        "data\n\n",
        "data:\n\n",
        "data: {\n\n",
        "data: 7\n\n",
        "{\"choices\":[]}",
        "id: 1\n\n",
        "data: {}\n\n",
    ];
    for text in texts {
        let (forward, _, observed) = run(Tally::stream(Operation::Chat, true), std::iter::once(Bytes::from(text)));
        assert_eq!(forward, text.as_bytes(), "{text:?}");
        assert_eq!((observed.usage, observed.output_bytes), (None, 0));
    }
}

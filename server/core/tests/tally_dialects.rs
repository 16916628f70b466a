//! The tally against streams and whole replies of Responses, Messages and Google, cut at every byte.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use gateway_core::dialect::{Observed, Operation, Step, Tally, with_cost};
use gateway_core::money::Nano;
use gateway_core::pricing::PriceSheet;
use gateway_core::usage::{ServiceTier, TierAsked};
use serde_json::json;
use std::sync::Arc;

const RESPONSES: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"model\":\"gpt-x\",\"status\":\"in_progress\",\"usage\":null,\"error\":null}}\n\n\
event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\",\"content\":[]}}\n\n\
event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"añ\\n\"}\n\n\
event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"text\":\"añ\\n\"}\n\n\
event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-x\",\"status\":\"completed\",\"usage\":{\"input_tokens\":10,\"output_tokens\":5,\"total_tokens\":15}}}\n\n";
const MESSAGES: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\",\"content\":[],\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n\
event: ping\ndata: {\"type\":\"ping\"}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"añ\\n\"}}\n\n\
event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n\
event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const GENERATE: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":10,\"totalTokenCount\":10},\"modelVersion\":\"gemini-x\"}\r\n\r\n\
data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"añ\\n\"}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":1,\"totalTokenCount\":11}}\r\n\r\n\
data: {\"candidates\":[{\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":5,\"totalTokenCount\":15}}\r\n\r\n";

fn sheet() -> Arc<PriceSheet> {
    let base = json!({ "base": { "input": 1_000_000, "output": 2_000_000 } });
    Arc::new(serde_json::from_value(base).unwrap())
}

fn run(mut tally: Tally, pieces: impl IntoIterator<Item = Bytes>) -> (String, Vec<Step>, Observed) {
    let steps: Vec<Step> = pieces.into_iter().map(|piece| tally.push(piece).unwrap()).collect();
    let mut forward: Vec<u8> = steps.iter().flat_map(|step| step.forward.to_vec()).collect();
    let observed = tally.finish();
    forward.extend_from_slice(&observed.rest);
    (String::from_utf8(forward).unwrap(), steps, observed)
}

fn events(stream: &str) -> Vec<Bytes> {
    let end = if stream.contains("\r\n\r\n") {
        "\r\n\r\n"
    } else {
        "\n\n"
    };
    stream
        .split_inclusive(end)
        .map(|event| Bytes::from(event.to_owned()))
        .collect()
}

#[test]
fn streams_give_the_same_wherever_they_are_cut() {
    for (operation, stream, model) in [
        (Operation::Responses, RESPONSES, "gpt-x"),
        (Operation::Messages, MESSAGES, "claude-x"),
        (Operation::Generate, GENERATE, "gemini-x"),
    ] {
        let bytes = Bytes::from_static(stream.as_bytes());
        for at in 0..=bytes.len() {
            let pieces = [bytes.slice(..at), bytes.slice(at..)];
            let (forward, _, observed) = run(Tally::stream(operation, true), pieces);
            assert_eq!(forward, stream);
            let usage = observed.usage.unwrap();
            assert_eq!((usage.input, usage.output), (10, 5), "{operation:?}");
            assert_eq!(
                (observed.output_bytes, observed.model.as_deref()),
                (4, Some(model)),
                "{operation:?}"
            );
            assert!(observed.saw_done && observed.saw_finish && observed.error.is_none());
        }
    }
}

#[test]
fn the_first_content_and_the_end_are_noticed() {
    for (operation, stream, first, done) in [
        (Operation::Responses, RESPONSES, 2, Some(4)),
        (Operation::Messages, MESSAGES, 3, Some(6)),
        (Operation::Generate, GENERATE, 1, None),
    ] {
        let (_, steps, _) = run(Tally::stream(operation, false), events(stream));
        assert_eq!(
            steps.iter().position(|step| step.content_seen),
            Some(first),
            "{operation:?}"
        );
        assert_eq!(steps.iter().position(|step| step.done), done, "{operation:?}");
    }
}

#[test]
fn a_stream_that_was_cut_has_no_usage() {
    for (operation, stream) in [
        (Operation::Responses, RESPONSES),
        (Operation::Messages, MESSAGES),
        (Operation::Generate, GENERATE),
    ] {
        let events = events(stream);
        let kept = if operation == Operation::Messages {
            4
        } else {
            events.len() - 1
        };
        let (_, _, observed) = run(Tally::stream(operation, false), events.into_iter().take(kept));
        assert_eq!((observed.usage, observed.saw_done), (None, false), "{operation:?}");
        assert_eq!(observed.output_bytes, 4, "{operation:?}");
    }
}

#[test]
fn what_was_counted_before_a_cut_is_kept_as_a_part() {
    for (operation, stream, output) in [(Operation::Messages, MESSAGES, 1), (Operation::Generate, GENERATE, 1)] {
        let mut pieces = events(stream);
        pieces.truncate(pieces.len() - if operation == Operation::Messages { 2 } else { 1 });
        let (_, _, observed) = run(Tally::stream(operation, false), pieces);
        let partial = observed.partial.unwrap();
        assert_eq!(
            (observed.usage, partial.input, partial.output),
            (None, 10, output),
            "{operation:?}"
        );
        let (_, _, whole) = run(Tally::stream(operation, false), events(stream));
        assert_eq!((whole.usage.unwrap().output, whole.partial), (5, None), "{operation:?}");
    }
}

#[test]
fn the_end_of_a_message_without_a_count_of_its_output_leaves_it_uncounted() {
    for usage in [
        "",
        r#","usage":{}"#,
        r#","usage":{"input_tokens":10}"#,
        r#","usage":{"output_tokens":null}"#,
    ] {
        let stream = MESSAGES.replace(r#","usage":{"output_tokens":5}"#, usage);
        let (_, _, observed) = run(Tally::stream(Operation::Messages, false), events(&stream));
        assert_eq!(observed.usage, None, "{usage}");
        assert!(
            observed.saw_done && observed.partial.is_some_and(|partial| partial.input == 10),
            "{usage}"
        );
    }
}

#[test]
fn an_answer_that_ends_before_another_begins_does_not_count_for_both() {
    let chunk = |index: u32, finish: &str, output: u32| {
        Bytes::from(format!(
            "data: {{\"candidates\":[{{\"index\":{index},\"content\":{{\"parts\":[{{\"text\":\"a\"}}]}}{finish}}}],\
             \"usageMetadata\":{{\"promptTokenCount\":10,\"candidatesTokenCount\":{output},\"totalTokenCount\":{}}}}}\n\n",
            output + 10
        ))
    };
    let stop = ",\"finishReason\":\"STOP\"";
    let cut = [chunk(0, stop, 3), chunk(1, "", 4)];
    let (_, _, observed) = run(Tally::stream(Operation::Generate, false), cut.clone());
    assert_eq!(
        (observed.usage, observed.partial.map(|part| part.output)),
        (None, Some(4))
    );
    assert!(!observed.saw_done);
    let whole = cut.into_iter().chain([chunk(1, stop, 9)]);
    let (_, _, observed) = run(Tally::stream(Operation::Generate, false), whole);
    assert_eq!(observed.usage.map(|usage| usage.output), Some(9));
}

#[test]
fn tool_calls_thoughts_and_refusals_are_content() {
    for (operation, data) in [
        (
            Operation::Responses,
            r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f"}}"#,
        ),
        (
            Operation::Responses,
            r#"{"type":"response.function_call_arguments.delta","delta":"{}"}"#,
        ),
        (
            Operation::Responses,
            r#"{"type":"response.reasoning_summary_text.delta","delta":"x"}"#,
        ),
        (Operation::Responses, r#"{"type":"response.refusal.delta","delta":"x"}"#),
        (Operation::Responses, r#"{"type":"response.incomplete","response":{}}"#),
        (
            Operation::Messages,
            r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"f","input":{}}}"#,
        ),
        (
            Operation::Messages,
            r#"{"type":"content_block_start","content_block":{"type":"redacted_thinking","data":"x"}}"#,
        ),
        (
            Operation::Messages,
            r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"x"}}"#,
        ),
        (
            Operation::Messages,
            r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#,
        ),
        (
            Operation::Generate,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}"#,
        ),
        (
            Operation::Generate,
            r#"{"candidates":[{"content":{"parts":[{"text":"x","thought":true}]}}]}"#,
        ),
        (Operation::Generate, r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#),
    ] {
        let event = Bytes::from(format!("data: {data}\n\n"));
        let (_, steps, _) = run(Tally::stream(operation, false), [event]);
        assert!(steps[0].content_seen, "{data}");
    }
}

#[test]
fn an_error_never_reaches_the_client_as_it_came() {
    for (operation, data, code) in [
        (
            Operation::Responses,
            r#"{"type":"error","sequence_number":3,"code":"server_error","message":"m","param":null}"#,
            Some("server_error"),
        ),
        (
            Operation::Responses,
            r#"{"type":"error","error":{"type":"invalid_request_error","code":"c","message":"m"}}"#,
            Some("c"),
        ),
        (
            Operation::Responses,
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}}}"#,
            Some("rate_limit_exceeded"),
        ),
        (
            Operation::Messages,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            None,
        ),
        (
            Operation::Generate,
            r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#,
            Some("503"),
        ),
    ] {
        let event = Bytes::from(format!("event: x\ndata: {data}\n\n"));
        let (forward, steps, observed) = run(Tally::stream(operation, false), [event, Bytes::from("data: {}\n\n")]);
        assert_eq!(forward, "", "{data}");
        let error = steps[0].error.as_ref().unwrap();
        assert_eq!((error.message.as_str(), error.code.as_deref()), ("m", code), "{data}");
        assert_eq!(observed.error.as_ref(), Some(error));
        assert!(!observed.saw_done);
    }
}

#[test]
fn a_stream_says_what_we_charge_and_never_what_an_upstream_does() {
    for (operation, stream) in [(Operation::Responses, RESPONSES), (Operation::Messages, MESSAGES)] {
        let last = "\"output_tokens\":5";
        let theirs = stream.replace("\"output_tokens\":5", "\"output_tokens\":5,\"cost\":7.5");
        let whole = if operation == Operation::Responses {
            ",\"total_tokens\":15"
        } else {
            ""
        };
        let priced = stream.replace(&format!("{last}{whole}"), &format!("{last}{whole},\"cost\":0.00002"));
        let bytes = Bytes::from(stream);
        let (forward, ..) = run(Tally::stream(operation, false).priced(Some(sheet())), [bytes]);
        assert_eq!(forward, priced);
        let (forward, ..) = run(Tally::stream(operation, false), [Bytes::from(theirs)]);
        assert_eq!(forward, stream);
    }
}

#[test]
fn whole_replies_are_read_at_the_end() {
    let responses = r#"{"object":"response","status":"completed","model":"x","error":null,"output":[{"type":"message","content":[{"type":"output_text","text":"añ"}]},{"type":"function_call","arguments":"{}"}],"usage":{"input_tokens":10,"output_tokens":5}}"#;
    let messages = r#"{"type":"message","model":"x","content":[{"type":"text","text":"añ"},{"type":"tool_use","input":{"a":"bc"}}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":5}}"#;
    let generate = r#"{"candidates":[{"content":{"parts":[{"text":"añ"},{"functionCall":{"name":"f","args":{"a":"bc"}}}]},"finishReason":"STOP"}],"modelVersion":"x","usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}}"#;
    for (operation, reply) in [
        (Operation::Responses, responses),
        (Operation::Messages, messages),
        (Operation::Generate, generate),
    ] {
        let (forward, _, observed) = run(Tally::whole(operation), [Bytes::from(reply)]);
        assert_eq!(forward, reply);
        let usage = observed.usage.unwrap();
        assert_eq!(
            (usage.input, usage.output, observed.output_bytes),
            (10, 5, 5),
            "{operation:?}"
        );
        assert!(observed.saw_done && observed.saw_finish && observed.error.is_none());
        let priced = with_cost(reply.as_bytes(), Some(Nano(1)));
        assert_eq!(priced.is_some(), operation != Operation::Generate);
    }
    for (operation, reply) in [
        (Operation::CountTokens, r#"{"input_tokens":7}"#),
        (
            Operation::CountResponses,
            r#"{"object":"response.input_tokens","input_tokens":7}"#,
        ),
        (Operation::CountGenerate, r#"{"totalTokens":7}"#),
        (Operation::EmbedContent, r#"{"embedding":{"values":[0.5]}}"#),
        (Operation::Moderations, r#"{"id":"m","model":"x","results":[]}"#),
    ] {
        let (_, _, observed) = run(Tally::whole(operation), [Bytes::from(reply)]);
        assert_eq!((observed.usage, observed.saw_done), (None, true), "{operation:?}");
    }
    let shorter = r#"{"object":"response.compaction","output":[{"type":"compaction","encrypted_content":"gAAA"}],"usage":{"input_tokens":10,"output_tokens":5}}"#;
    let (_, _, observed) = run(Tally::whole(Operation::Compact), [Bytes::from(shorter)]);
    assert_eq!(observed.usage.map(|usage| (usage.input, usage.output)), Some((10, 5)));
    let vectors = r#"{"embedding":{"values":[0.5]},"usageMetadata":{"promptTokenCount":7}}"#;
    let (_, _, observed) = run(Tally::whole(Operation::EmbedContent), [Bytes::from(vectors)]);
    assert_eq!(observed.usage.map(|usage| usage.input), Some(7));
}

#[test]
fn garbage_harms_nothing() {
    for operation in Operation::ALL {
        for text in [
            "",
            "\n\n",
            "data: 7\n\n",
            "data: {\n\n",
            "data: {\"type\":7}\n\n",
            "data: {\"candidates\":[{\"index\":99999999999}]}\n\n",
            "data: {}\n\n",
        ] {
            let (forward, _, observed) = run(Tally::stream(operation, true), [Bytes::from(text)]);
            assert_eq!(forward, text);
            assert_eq!(
                (observed.usage, observed.saw_done),
                (None, false),
                "{operation:?} {text}"
            );
            run(Tally::whole(operation), [Bytes::from(text)]);
        }
    }
}

#[test]
fn the_service_tier_is_read_and_what_is_shown_is_by_it() {
    let chat = r#"{"service_tier":"TIER","choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    let responses =
        r#"{"status":"completed","service_tier":"TIER","output":[],"usage":{"input_tokens":1,"output_tokens":1}}"#;
    let messages =
        r#"{"type":"message","content":[],"usage":{"input_tokens":1,"output_tokens":1,"service_tier":"TIER"}}"#;
    let generate =
        r#"{"candidates":[],"usageMetadata":{"promptTokenCount":1,"totalTokenCount":2,"serviceTier":"TIER"}}"#;
    for (operation, reply) in [
        (Operation::Chat, chat),
        (Operation::Responses, responses),
        (Operation::Messages, messages),
        (Operation::Generate, generate),
    ] {
        for (word, tier) in [
            ("priority", Some(ServiceTier::Priority)),
            ("standard", Some(ServiceTier::Standard)),
            ("batch", None),
        ] {
            let reply = Bytes::from(reply.replace("TIER", word));
            let (.., observed) = run(Tally::whole(operation), [reply]);
            assert_eq!(observed.tier, tier, "{operation:?} {word}");
        }
    }
    let text = r#"{"base":{"input":1000000,"output":2000000},"priority":{"base":{"input":2000000,"output":4000000}}}"#;
    let sheet: PriceSheet = serde_json::from_str(text).unwrap();
    let priority = Arc::new(sheet.asked(TierAsked::Of(ServiceTier::Priority)));
    for (told, cost) in [("priority", "0.00004"), ("standard", "0.00002")] {
        let stream = MESSAGES.replacen("\"usage\":{", &format!("\"usage\":{{\"service_tier\":\"{told}\","), 1);
        let tally = Tally::stream(Operation::Messages, false).priced(Some(Arc::clone(&priority)));
        let (forward, ..) = run(tally, [Bytes::from(stream)]);
        assert!(forward.contains(&format!("\"cost\":{cost}}}")), "{told}: {forward}");
    }
}

/// The answers of models that searched, whole and as streams, with the prompt's tokens, those of the answer and the searches they are
/// charged for.
#[test]
fn searches_are_counted_as_each_provider_bills_them() {
    let call = |action: &str| json!({ "type": "web_search_call", "status": "completed", "action": { "type": action } });
    let response = |more: serde_json::Value| {
        let usage = json!({ "input_tokens": 900, "output_tokens": 5, "total_tokens": 905 });
        let mut response = json!({ "model": "m", "status": "completed", "usage": usage });
        response
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        response
    };
    let items = json!({ "output": [call("search"), call("open_page"), { "type": "mcp_call" }, call("search"), { "type": "web_search_call" }] });
    let told = json!({ "output": [call("search")], "tool_usage": { "web_search": { "num_requests": 2 } } });
    let message = json!({
        "type": "message", "role": "assistant", "model": "m", "content": [{ "type": "text", "text": "x" }], "stop_reason": "end_turn",
        "usage": { "input_tokens": 900, "output_tokens": 5, "server_tool_use": { "web_search_requests": 3, "web_fetch_requests": 7 } },
    });
    let generated = |model: &str, candidate: serde_json::Value| {
        let mut first = json!({ "content": { "parts": [{ "text": "x" }] }, "finishReason": "STOP", "index": 0 });
        first
            .as_object_mut()
            .unwrap()
            .extend(candidate.as_object().unwrap().clone());
        json!({
            "candidates": [first], "modelVersion": model,
            "usageMetadata": { "promptTokenCount": 800, "toolUsePromptTokenCount": 100, "candidatesTokenCount": 5, "totalTokenCount": 905 },
        })
    };
    let queries = json!({ "groundingMetadata": { "webSearchQueries": ["a", "", "b"] } });
    let both =
        json!({ "groundingMetadata": { "webSearchQueries": ["a"] }, "urlContextMetadata": { "urlMetadata": [] } });
    let added = |item: &serde_json::Value| json!({ "type": "response.output_item.done", "item": item });
    for (operation, whole, stream, (prompt, searches, calls)) in [
        (
            Operation::Responses,
            response(told.clone()),
            vec![
                added(&call("search")),
                json!({ "type": "response.completed", "response": response(told) }),
            ],
            (900, 2, 1),
        ),
        (
            Operation::Responses,
            response(items.clone()),
            vec![json!({ "type": "response.completed", "response": response(items.clone()) })],
            (900, 3, 0),
        ),
        // Some answer the end of a stream without its items.
        (
            Operation::Responses,
            response(items.clone()),
            items["output"]
                .as_array()
                .unwrap()
                .iter()
                .map(added)
                .chain([json!({ "type": "response.completed", "response": response(json!({})) })])
                .collect(),
            (900, 3, 5),
        ),
        (
            Operation::Messages,
            message.clone(),
            vec![
                json!({ "type": "message_start", "message": { "model": "m", "usage": { "input_tokens": 10, "output_tokens": 1 } } }),
                json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "server_tool_use", "id": "s", "name": "web_search", "input": {} } }),
                json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": message["usage"] }),
                json!({ "type": "message_stop" }),
            ],
            (900, 3, 1),
        ),
        // Google bills what a search found not by the token; since Gemini 3 each query, before each answer.
        (
            Operation::Generate,
            generated("gemini-3-pro", queries.clone()),
            vec![generated("gemini-3-pro", queries.clone())],
            (800, 2, 0),
        ),
        (
            Operation::Generate,
            generated("gemini-2.5-pro", queries.clone()),
            vec![generated("gemini-2.5-pro", queries.clone())],
            (800, 1, 0),
        ),
        (
            Operation::Generate,
            generated("gemini-3-pro", both.clone()),
            vec![generated("gemini-3-pro", both)],
            (900, 1, 0),
        ),
        (
            Operation::Generate,
            generated("gemini-3-pro", json!({})),
            vec![generated("gemini-3-pro", json!({}))],
            (900, 0, 0),
        ),
    ] {
        let (_, _, observed) = run(Tally::whole(operation), [Bytes::from(whole.to_string())]);
        let usage = observed.usage.unwrap_or_else(|| panic!("{whole}"));
        assert_eq!(
            (usage.prompt(), usage.output, usage.searches),
            (prompt, 5, searches),
            "{whole}"
        );
        let pieces = stream.iter().map(|data| Bytes::from(format!("data: {data}\n\n")));
        let (_, _, observed) = run(Tally::stream(operation, false), pieces);
        let usage = observed.usage.unwrap_or_else(|| panic!("{stream:?}"));
        assert_eq!(
            (usage.prompt(), usage.output, usage.searches, observed.calls),
            (prompt, 5, searches, calls),
            "{stream:?}"
        );
    }
}

#[test]
fn a_model_that_always_searches_is_charged_for_it_in_whole_answers_and_in_streams() {
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 });
    let whole = json!({ "choices": [{ "message": { "content": "x" }, "finish_reason": "stop" }], "usage": usage });
    let last = json!({ "choices": [], "usage": usage });
    let (_, _, observed) = run(
        Tally::whole(Operation::Chat).searching(1),
        [Bytes::from(whole.to_string())],
    );
    assert_eq!(observed.usage.unwrap().searches, 1);
    let pieces = [
        Bytes::from(format!("data: {last}\n\n")),
        Bytes::from_static(b"data: [DONE]\n\n"),
    ];
    let (_, _, observed) = run(Tally::stream(Operation::Chat, true).searching(1), pieces);
    assert_eq!(observed.usage.unwrap().searches, 1);
}

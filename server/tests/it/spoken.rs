//! What is said in each dialect: a question with a tool, an upstream's answer of text and a call, and what a client makes of one.
//!
//! Invariant: all of it is a test's own; the shapes are those of the providers' API references.

use crate::harness::Answer;
use crate::upstream::{Arrived, Reply};
use gateway_core::dialect::Dialect;
use serde_json::{Value, json};

/// The dialects that clients speak.
pub const SPOKEN: [Dialect; 4] = [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Generate];
/// The arguments of the call in every answer.
pub const ARGUMENTS: &str = r#"{"city":"Oslo"}"#;

/// The path and the body of a question for `model`.
pub fn question(dialect: Dialect, model: &str, is_streamed: bool) -> (String, Value) {
    let parameters = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let (path, mut body) = match dialect {
        Dialect::Responses => (
            "/v1/responses".to_owned(),
            json!({
                "input": "hi", "store": false,
                "tools": [{ "type": "function", "name": "look_up", "parameters": parameters, "strict": false }],
            }),
        ),
        Dialect::Messages => (
            "/v1/messages".to_owned(),
            json!({
                "max_tokens": 100, "messages": [{ "role": "user", "content": "hi" }],
                "tools": [{ "name": "look_up", "input_schema": parameters }],
            }),
        ),
        Dialect::Generate => {
            let method = if is_streamed {
                "streamGenerateContent?alt=sse"
            } else {
                "generateContent"
            };
            let body = json!({
                "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }],
                "tools": [{ "functionDeclarations": [{ "name": "look_up", "parameters": parameters }] }],
            });
            return (format!("/v1beta/models/{model}:{method}"), body);
        }
        _ => (
            "/v1/chat/completions".to_owned(),
            json!({
                "messages": [{ "role": "user", "content": "hi" }],
                "tools": [{ "type": "function", "function": { "name": "look_up", "parameters": parameters } }],
            }),
        ),
    };
    body["model"] = json!(model);
    if is_streamed {
        body["stream"] = json!(true);
    }
    (path, body)
}

/// What an upstream answers that was called so: the text `hello` and a call, for 10 and 5 tokens.
pub fn reply(call: &Arrived) -> Reply {
    let asked: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let is_streamed = asked["stream"] == true || call.path.contains(":streamGenerateContent");
    let path = call.path.split('?').next().unwrap();
    match (path, is_streamed) {
        (path, false) if path.ends_with("/responses") => Reply::json(200, &response("completed")),
        (path, true) if path.ends_with("/responses") => named(&responses_events()),
        (path, _) if path.ends_with("/responses/input_tokens") => Reply::json(200, &count_of_responses()),
        (path, _) if path.ends_with("/count_tokens") => Reply::json(200, &json!({ "input_tokens": 77 })),
        (path, false) if path.ends_with("/messages") => Reply::json(200, &message()),
        (path, true) if path.ends_with("/messages") => named(&messages_events()),
        (path, _) if path.ends_with(":countTokens") => Reply::json(200, &json!({ "totalTokens": 78 })),
        (path, false) if path.contains("/models/") => Reply::json(200, &generated(&["hello"], true)),
        (path, true) if path.contains("/models/") => Reply::events(&[
            generated(&["hel"], false).to_string(),
            generated(&["lo"], true).to_string(),
        ]),
        (_, false) => Reply::json(200, &completion()),
        (_, true) => Reply::events(&chunks()),
    }
}

/// A count as OpenAI tells it.
pub fn count_of_responses() -> Value {
    json!({ "object": "response.input_tokens", "input_tokens": 76 })
}

fn named(events: &[(&str, Value)]) -> Reply {
    let text = events
        .iter()
        .map(|(name, data)| format!("event: {name}\ndata: {data}\n\n"));
    Reply::body(200, "text/event-stream", text.collect::<String>().as_bytes())
}

fn completion() -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "small-2026-01-01",
        "choices": [{
            "index": 0, "finish_reason": "tool_calls",
            "message": {
                "role": "assistant", "content": "hello",
                "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "look_up", "arguments": ARGUMENTS } }],
            },
        }],
        "usage": { "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 },
    })
}

fn chunks() -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "small-2026-01-01",
            "choices": choices, "usage": usage,
        })
        .to_string()
    };
    let delta = |delta: Value| {
        chunk(
            json!([{ "index": 0, "delta": delta, "finish_reason": null }]),
            Value::Null,
        )
    };
    let call = |function: Value| {
        delta(json!({ "tool_calls": [{ "index": 0, "id": "call_1", "type": "function", "function": function }] }))
    };
    let more = |text: &str| delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": text } }] }));
    vec![
        delta(json!({ "role": "assistant", "content": "hel" })),
        delta(json!({ "content": "lo" })),
        call(json!({ "name": "look_up", "arguments": "" })),
        more(&ARGUMENTS[..5]),
        more(&ARGUMENTS[5..]),
        chunk(
            json!([{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }]),
            Value::Null,
        ),
        chunk(
            json!([]),
            json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 }),
        ),
        "[DONE]".to_owned(),
    ]
}

fn output_text(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

fn output_message(content: Value, status: &str) -> Value {
    json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": content })
}

fn function_call(arguments: &str, status: &str) -> Value {
    json!({
        "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look_up", "arguments": arguments, "status": status,
    })
}

fn response(status: &str) -> Value {
    let is_over = status == "completed";
    let output = json!([
        output_message(json!([output_text("hello")]), "completed"),
        function_call(ARGUMENTS, "completed")
    ]);
    let usage = json!({
        "input_tokens": 10, "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 15,
    });
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_790_000_000, "status": status, "model": "small-2026-01-01",
        "output": if is_over { output } else { json!([]) },
        "usage": if is_over { usage } else { Value::Null },
        "error": null, "incomplete_details": null, "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
    })
}

fn responses_events() -> Vec<(&'static str, Value)> {
    let mut events = vec![
        ("response.created", json!({ "response": response("in_progress") })),
        (
            "response.output_item.added",
            json!({ "output_index": 0, "item": output_message(json!([]), "in_progress") }),
        ),
        (
            "response.content_part.added",
            json!({ "output_index": 0, "item_id": "msg_1", "content_index": 0, "part": output_text("") }),
        ),
    ];
    for delta in ["hel", "lo"] {
        events.push((
            "response.output_text.delta",
            json!({ "output_index": 0, "item_id": "msg_1", "content_index": 0, "delta": delta, "logprobs": [] }),
        ));
    }
    events.extend([
        (
            "response.output_text.done",
            json!({ "output_index": 0, "item_id": "msg_1", "content_index": 0, "text": "hello", "logprobs": [] }),
        ),
        (
            "response.content_part.done",
            json!({ "output_index": 0, "item_id": "msg_1", "content_index": 0, "part": output_text("hello") }),
        ),
        (
            "response.output_item.done",
            json!({ "output_index": 0, "item": output_message(json!([output_text("hello")]), "completed") }),
        ),
        (
            "response.output_item.added",
            json!({ "output_index": 1, "item": function_call("", "in_progress") }),
        ),
        (
            "response.function_call_arguments.delta",
            json!({ "output_index": 1, "item_id": "fc_1", "delta": ARGUMENTS }),
        ),
        (
            "response.function_call_arguments.done",
            json!({ "output_index": 1, "item_id": "fc_1", "name": "look_up", "arguments": ARGUMENTS }),
        ),
        (
            "response.output_item.done",
            json!({ "output_index": 1, "item": function_call(ARGUMENTS, "completed") }),
        ),
        ("response.completed", json!({ "response": response("completed") })),
    ]);
    for (at, (name, data)) in events.iter_mut().enumerate() {
        data["type"] = json!(name);
        data["sequence_number"] = json!(at);
    }
    events
}

pub fn message() -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "small-2026-01-01",
        "content": [
            { "type": "text", "text": "hello" },
            { "type": "tool_use", "id": "toolu_1", "name": "look_up", "input": { "city": "Oslo" } },
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": { "input_tokens": 10, "output_tokens": 5 },
    })
}

pub fn messages_events() -> Vec<(&'static str, Value)> {
    let mut start = message();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = json!(1);
    let delta = |index: u32, delta: Value| ("content_block_delta", json!({ "index": index, "delta": delta }));
    let mut events = vec![
        ("message_start", json!({ "message": start })),
        (
            "content_block_start",
            json!({ "index": 0, "content_block": { "type": "text", "text": "" } }),
        ),
        ("ping", json!({})),
        delta(0, json!({ "type": "text_delta", "text": "hel" })),
        delta(0, json!({ "type": "text_delta", "text": "lo" })),
        ("content_block_stop", json!({ "index": 0 })),
        (
            "content_block_start",
            json!({ "index": 1, "content_block": { "type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {} } }),
        ),
        delta(
            1,
            json!({ "type": "input_json_delta", "partial_json": &ARGUMENTS[..5] }),
        ),
        delta(
            1,
            json!({ "type": "input_json_delta", "partial_json": &ARGUMENTS[5..] }),
        ),
        ("content_block_stop", json!({ "index": 1 })),
        (
            "message_delta",
            json!({ "delta": { "stop_reason": "tool_use", "stop_sequence": null }, "usage": { "output_tokens": 5 } }),
        ),
        ("message_stop", json!({})),
    ];
    for (name, data) in &mut events {
        data["type"] = json!(name);
    }
    events
}

fn generated(words: &[&str], is_last: bool) -> Value {
    let mut parts: Vec<Value> = words.iter().map(|word| json!({ "text": word })).collect();
    let mut body = json!({ "modelVersion": "small-2026-01-01", "responseId": "r-1" });
    if is_last {
        parts.push(json!({ "functionCall": { "name": "look_up", "args": { "city": "Oslo" } } }));
        body["usageMetadata"] = json!({ "promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15 });
    }
    body["candidates"] = json!([{ "index": 0, "content": { "role": "model", "parts": parts } }]);
    if is_last {
        body["candidates"][0]["finishReason"] = json!("STOP");
    }
    body
}

/// Text and calls in an answer, as a client of `dialect` reads it.
pub fn heard(dialect: Dialect, answer: &Answer, is_streamed: bool) -> (String, Vec<(String, Value)>) {
    let mut heard = Heard::default();
    if !is_streamed {
        heard.whole(dialect, &answer.json());
        return heard.finish();
    }
    let text = answer.text();
    for event in text.split("\n\n").filter(|event| !event.trim().is_empty()) {
        let data = event.lines().find_map(|line| line.strip_prefix("data: "));
        let data = data.unwrap_or_else(|| panic!("no data in {event:?}"));
        if data == "[DONE]" {
            continue;
        }
        let data: Value = serde_json::from_str(data).unwrap();
        let name = event.lines().find_map(|line| line.strip_prefix("event: "));
        if matches!(dialect, Dialect::Messages | Dialect::Responses) {
            assert_eq!(name, data["type"].as_str(), "{event}");
        }
        heard.event(dialect, &data);
    }
    heard.finish()
}

#[derive(Default)]
struct Heard {
    text: String,
    calls: Vec<(String, String)>,
}

impl Heard {
    fn whole(&mut self, dialect: Dialect, body: &Value) {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        match dialect {
            Dialect::Responses => {
                for item in list(&body["output"]) {
                    match item["type"].as_str() {
                        Some("message") => {
                            let parts = list(&item["content"]);
                            parts.iter().for_each(|part| self.say(&part["text"]));
                        }
                        Some("function_call") => self.call(&item["name"], &item["arguments"]),
                        _ => {}
                    }
                }
            }
            Dialect::Messages => {
                for block in list(&body["content"]) {
                    match block["type"].as_str() {
                        Some("text") => self.say(&block["text"]),
                        Some("tool_use") => self.call(&block["name"], &json!(block["input"].to_string())),
                        _ => {}
                    }
                }
            }
            Dialect::Generate => {
                for part in list(&body["candidates"][0]["content"]["parts"]) {
                    self.say(&part["text"]);
                    if let Some(call) = part.get("functionCall") {
                        self.call(&call["name"], &json!(call["args"].to_string()));
                    }
                }
            }
            _ => {
                let message = &body["choices"][0]["message"];
                self.say(&message["content"]);
                for call in list(&message["tool_calls"]) {
                    self.call(&call["function"]["name"], &call["function"]["arguments"]);
                }
            }
        }
    }

    fn event(&mut self, dialect: Dialect, data: &Value) {
        match (dialect, data["type"].as_str()) {
            (Dialect::Responses, Some("response.completed")) => self.whole(dialect, &data["response"]),
            (Dialect::Messages, Some("content_block_start")) if data["content_block"]["type"] == "tool_use" => {
                self.call(&data["content_block"]["name"], &json!(""));
            }
            (Dialect::Messages, Some("content_block_delta")) => {
                self.say(&data["delta"]["text"]);
                self.argue(&data["delta"]["partial_json"]);
            }
            (Dialect::Generate, _) => self.whole(dialect, data),
            (Dialect::Chat, _) => {
                let delta = &data["choices"][0]["delta"];
                self.say(&delta["content"]);
                for call in delta["tool_calls"].as_array().into_iter().flatten() {
                    if call["function"]["name"].is_string() {
                        self.call(&call["function"]["name"], &json!(""));
                    }
                    self.argue(&call["function"]["arguments"]);
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, text: &Value) {
        self.text.push_str(text.as_str().unwrap_or_default());
    }

    fn call(&mut self, name: &Value, arguments: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.calls.push((text(name), text(arguments)));
    }

    fn argue(&mut self, more: &Value) {
        if let (Some(call), Some(more)) = (self.calls.last_mut(), more.as_str()) {
            call.1.push_str(more);
        }
    }

    fn finish(self) -> (String, Vec<(String, Value)>) {
        let read = |(name, arguments): (String, String)| (name, serde_json::from_str(&arguments).unwrap());
        (self.text, self.calls.into_iter().map(read).collect())
    }
}

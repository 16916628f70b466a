//! What a client of the responses dialect is told: the response object and the items of its output.
//!
//! Invariant: every member that the API calls required is there, also those that only repeat the request. Pure.
//! Wire facts: OpenAI's API reference and SDK types, the Open Responses specification.

use super::super::exchange::{Ask, Call, CallKind, Citation, Finish, Format, Item, Logprob, Part, Request, Role};
use super::{REDACTED, tool};
use crate::usage::Usage;
use serde_json::{Map, Value, json};

/// A response as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The model that answers; empty where nobody said.
    pub(super) model: String,
    /// Why it ended.
    pub(super) finish: Option<Finish>,
    /// What was used.
    pub(super) usage: Option<Usage>,
    /// The class of service.
    pub(super) tier: Option<String>,
}

/// What went wrong, in a word and in words.
pub(super) fn failure(code: &str, message: &str) -> Value {
    json!({"code": code, "message": message})
}

/// The response object that answers `ask` before anything was said.
pub(super) fn response(ask: &Ask) -> Map<String, Value> {
    let request = &*ask.request;
    let reasoning = request.reasoning.as_ref();
    let mut response = Map::new();
    let mut set = |name: &str, value: Value| response.insert(name.to_owned(), value);
    set("id", json!(format!("resp_{}", ask.id)));
    set("object", json!("response"));
    set("created_at", json!(ask.created_s));
    set("completed_at", Value::Null);
    set("status", json!("in_progress"));
    set("background", json!(false));
    set("error", Value::Null);
    set("incomplete_details", Value::Null);
    set("instructions", json!(instructions(request)));
    set("max_output_tokens", json!(request.max_output));
    set("max_tool_calls", Value::Null);
    set("metadata", Value::Object(request.metadata.clone().unwrap_or_default()));
    set("model", json!(request.model));
    set("output", json!([]));
    set("parallel_tool_calls", json!(request.parallel_tools.unwrap_or(true)));
    set("previous_response_id", Value::Null);
    set("prompt_cache_key", json!(request.cache_key));
    let effort = reasoning
        .and_then(|reasoning| reasoning.effort)
        .map(|effort| effort.as_str());
    let summary = reasoning.and_then(|reasoning| reasoning.summary.as_ref());
    set("reasoning", json!({"effort": effort, "summary": summary}));
    set("safety_identifier", json!(request.user));
    set(
        "service_tier",
        json!(request.service_tier.as_deref().unwrap_or("default")),
    );
    set("store", json!(false));
    let sampling = &request.sampling;
    let number =
        |number: &Option<serde_json::Number>, default: i64| json!(number.clone().unwrap_or_else(|| default.into()));
    set("temperature", number(&sampling.temperature, 1));
    set("top_p", number(&sampling.top_p, 1));
    set("presence_penalty", number(&sampling.presence_penalty, 0));
    set("frequency_penalty", number(&sampling.frequency_penalty, 0));
    set("text", text(request));
    set("tool_choice", tool::choice(request));
    set("tools", Value::Array(tool::render(request.tools.iter())));
    set("top_logprobs", json!(request.logprobs.unwrap_or(0)));
    set("truncation", json!("disabled"));
    set("usage", Value::Null);
    set("user", Value::Null);
    response
}

/// `response` as it is at the end, with `output`.
pub(super) fn ended(mut response: Map<String, Value>, told: &Told, output: Vec<Value>) -> (&'static str, Value) {
    let mut set = |name: &str, value: Value| response.insert(name.to_owned(), value);
    let status = match &told.finish {
        Some(Finish::Length) => {
            set("incomplete_details", json!({"reason": "max_output_tokens"}));
            "incomplete"
        }
        Some(Finish::ContentFilter(_)) => {
            set("incomplete_details", json!({"reason": "content_filter"}));
            "incomplete"
        }
        Some(Finish::Failed(code)) => {
            set("error", failure(code, "The model went wrong while it answered."));
            "failed"
        }
        _ => "completed",
    };
    set("status", json!(status));
    set("output", Value::Array(output));
    if !told.model.is_empty() {
        set("model", json!(told.model));
    }
    if let Some(tier) = &told.tier {
        set("service_tier", json!(tier));
    }
    set("usage", told.usage.as_ref().map_or(Value::Null, usage));
    (status, Value::Object(response))
}

/// The instructions: what the platform said first, where it is one text.
fn instructions(request: &Request) -> Option<&str> {
    let Some(Item::Message(first)) = request.items.first() else {
        return None;
    };
    match first.parts.as_slice() {
        [only] if first.role == Role::System => Part::as_text(only),
        _ => None,
    }
}

fn text(request: &Request) -> Value {
    let format = match &request.format {
        Format::Text => json!({"type": "text"}),
        Format::JsonObject => json!({"type": "json_object"}),
        Format::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => json!({
            "type": "json_schema", "name": name, "description": description, "schema": schema,
            "strict": strict.unwrap_or(false),
        }),
    };
    json!({"format": format, "verbosity": request.verbosity.as_deref().unwrap_or("medium")})
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt(),
        "input_tokens_details": {
            "cached_tokens": usage.cache_read.saturating_add(usage.cache_read_audio),
            "cache_write_tokens": usage.cache_write.saturating_add(usage.cache_write_long),
        },
        "output_tokens": usage.answer(),
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total(),
    })
}

/// The id of the item at `index`, of a type whose ids start with `prefix`.
pub(super) fn id(ask: &Ask, prefix: &str, index: usize) -> String {
    format!("{prefix}_{}_{index}", ask.id)
}

/// What the ids of calls start with.
pub(super) const fn call_prefix(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Function => "fc",
        CallKind::Custom => "ctc",
    }
}

/// The status of a message that the end of an answer cut off or not.
pub(super) const fn status(finish: Option<&Finish>) -> &'static str {
    match finish {
        Some(Finish::Length | Finish::ContentFilter(_)) => "incomplete",
        _ => "completed",
    }
}

/// A message.
pub(super) fn message(id: &str, status: &str, content: Vec<Value>) -> Value {
    json!({"type": "message", "id": id, "status": status, "role": "assistant", "content": content})
}

/// A part of a message: words.
pub(super) fn text_part(text: &str, annotations: &[Value], logprobs: &[Value]) -> Value {
    json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs})
}

/// A part of a message: a refusal.
pub(super) fn refusal_part(refusal: &str) -> Value {
    json!({"type": "refusal", "refusal": refusal})
}

/// A paragraph of a thought.
pub(super) fn summary_part(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

/// A call of a tool.
pub(super) fn call(id: &str, status: &str, call: &Call) -> Value {
    let (kind, input) = match call.kind {
        CallKind::Function => ("function_call", "arguments"),
        CallKind::Custom => ("custom_tool_call", "input"),
    };
    let mut item = json!({"type": kind, "id": id, "status": status, "call_id": call.id, "name": call.name});
    item[input] = json!(call.arguments);
    if let Some(namespace) = &call.namespace {
        item["namespace"] = json!(namespace);
    }
    item
}

/// A thought.
pub(super) fn reasoning(id: &str, text: &str, blob: Option<(&str, bool)>) -> Value {
    let mut item = json!({"type": "reasoning", "id": id, "summary": []});
    if !text.is_empty() {
        item["summary"] = json!([summary_part(text)]);
    }
    if let Some((blob, is_redacted)) = blob {
        let mark = if is_redacted { REDACTED } else { "" };
        item["encrypted_content"] = json!(format!("{mark}{blob}"));
    }
    item
}

/// A picture.
pub(super) fn image(id: &str, status: &str, media_type: &str, base64: Option<&str>) -> Value {
    let format = media_type.strip_prefix("image/").unwrap_or("png");
    json!({"type": "image_generation_call", "id": id, "status": status, "output_format": format, "result": base64})
}

/// Where words are from, which are `written` characters until now; `None` where no page is named.
pub(super) fn annotation(citation: &Citation, written: usize) -> Option<Value> {
    let url = citation.url.as_ref()?;
    let end = citation.end.unwrap_or(written as u64);
    Some(json!({
        "type": "url_citation",
        "url": url,
        "title": citation.title.as_deref().unwrap_or_default(),
        "start_index": citation.start.unwrap_or(0),
        "end_index": end,
    }))
}

/// How likely a token was.
pub(super) fn logprob(logprob: &Logprob) -> Value {
    let alternative = |(token, logprob): &(String, serde_json::Number)| json!({"token": token, "bytes": token.as_bytes(), "logprob": logprob});
    let top: Vec<Value> = logprob.top.iter().map(alternative).collect();
    json!({
        "token": logprob.token, "bytes": logprob.token.as_bytes(), "logprob": logprob.logprob, "top_logprobs": top,
    })
}

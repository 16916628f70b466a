//! The items of an input, as an upstream reads them.
//!
//! Invariant: items keep their order; a thought goes only with what the provider can check it by. Pure.
//! Wire facts: OpenAI's API reference; a thought that is not encrypted is looked for at the provider, where nothing is kept.

use super::super::super::exchange::{
    Call, CallKind, Item, Message, Notes, Outcome, Part, PartKind, Request, Role, Source, Thought, Untranslatable,
};
use super::super::super::turn::call_id;
use super::super::media;
use serde_json::{Value, json};

/// The longest id of a call, in bytes.
const CALL_ID_BYTES_MAX: usize = 64;

/// The items of `request`.
pub(super) fn encode(request: &Request, notes: &mut Notes) -> Result<Value, Untranslatable> {
    let mut items = Vec::new();
    for (at, item) in request.items.iter().enumerate() {
        let place = format!("input[{at}]");
        match item {
            Item::Message(message) => items.extend(said(message, &place, notes)?),
            Item::Thought(thought) => items.extend(thought_of(thought, notes)),
            Item::Call(call) => items.push(call_of(call)),
            Item::Outcome(outcome) => items.push(outcome_of(outcome, &place, notes)?),
        }
    }
    Ok(Value::Array(items))
}

fn said(message: &Message, place: &str, notes: &mut Notes) -> Result<Option<Value>, Untranslatable> {
    if message.name.is_some() {
        notes.dropped("the names of who speaks", "the responses API does not have them");
    }
    if message.parts.is_empty() {
        return Ok(None);
    }
    let role = match message.role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let content = if message.role == Role::Assistant {
        let parts: Vec<Value> = message.parts.iter().filter_map(|part| answered(part, notes)).collect();
        if parts.is_empty() {
            return Ok(None);
        }
        parts
    } else {
        parts(&message.parts, place, notes)?
    };
    Ok(Some(json!({"type": "message", "role": role, "content": content})))
}

fn answered(part: &Part, notes: &mut Notes) -> Option<Value> {
    match &part.kind {
        PartKind::Text(text) => Some(json!({"type": "output_text", "text": text, "annotations": []})),
        PartKind::Refusal(text) => Some(json!({"type": "refusal", "refusal": text})),
        PartKind::Image { .. } | PartKind::Audio(_) | PartKind::File { .. } => {
            notes.dropped("media of the model", "what it said before can only be text");
            None
        }
    }
}

fn parts(parts: &[Part], place: &str, notes: &mut Notes) -> Result<Vec<Value>, Untranslatable> {
    if parts.iter().any(|part| part.cache.is_some()) {
        notes.dropped("the marks of the cache", "the provider caches by itself");
    }
    let encode = |(at, part): (usize, &Part)| {
        media::encode(&part.kind).ok_or_else(|| {
            let why = match &part.kind {
                PartKind::Image { source, .. } | PartKind::File { source, .. } | PartKind::Audio(source) => why(source),
                PartKind::Text(_) | PartKind::Refusal(_) => "only the model refuses",
            };
            Untranslatable::no_counterpart(format!("{place}.content[{at}]"), why)
        })
    };
    parts.iter().enumerate().map(encode).collect()
}

const fn why(source: &Source) -> &'static str {
    match source {
        Source::Id(_) => "the file is kept at another provider; send its bytes instead",
        Source::Url(_) => "sound must be sent with the request",
        Source::Data { .. } | Source::Text(_) => "the provider does not take this type of file",
    }
}

fn thought_of(thought: &Thought, notes: &mut Notes) -> Option<Value> {
    let Some(blob) = &thought.blob else {
        notes.dropped("earlier thoughts", "the provider takes only those it can check");
        return None;
    };
    let mut item = json!({"type": "reasoning", "summary": [], "encrypted_content": blob});
    if let Some(id) = &thought.id {
        item["id"] = json!(id);
    }
    if !thought.text.is_empty() {
        let (field, kind) = if thought.is_summary {
            ("summary", "summary_text")
        } else {
            ("content", "reasoning_text")
        };
        item[field] = json!([{"type": kind, "text": thought.text}]);
    }
    Some(item)
}

fn call_of(call: &Call) -> Value {
    let mut item = match call.kind {
        CallKind::Function => {
            let arguments = match call.arguments.trim() {
                "" => "{}",
                _ => call.arguments.as_str(),
            };
            json!({"type": "function_call", "arguments": arguments})
        }
        CallKind::Custom => json!({"type": "custom_tool_call", "input": call.arguments}),
    };
    item["call_id"] = json!(call_id(&call.id, CALL_ID_BYTES_MAX, |_| true));
    item["name"] = json!(call.name);
    if let Some(namespace) = &call.namespace {
        item["namespace"] = json!(namespace);
    }
    item
}

fn outcome_of(outcome: &Outcome, place: &str, notes: &mut Notes) -> Result<Value, Untranslatable> {
    let kind = match outcome.kind {
        CallKind::Function => "function_call_output",
        CallKind::Custom => "custom_tool_call_output",
    };
    if outcome.is_error {
        notes.changed("the failure of a tool", "what it said, without the mark");
    }
    let output = match outcome.parts.as_slice() {
        [] => json!(""),
        [only] if only.as_text().is_some() => json!(only.as_text()),
        several => Value::Array(parts(several, place, notes)?),
    };
    Ok(json!({"type": kind, "call_id": call_id(&outcome.call_id, CALL_ID_BYTES_MAX, |_| true), "output": output}))
}

//! A request of the generate dialect, as no dialect has it.
//!
//! Invariant: model and stream come from the path; what would change the answer and has no place elsewhere is refused by name. Pure.
//! Wire facts: Google's API reference for `generateContent`, and what its SDKs send.

mod config;
mod contents;
mod tools;

use super::super::exchange::{Item, Message, Part, PartKind, Request, Role, Untranslatable};
use super::fields::Fields;
use contents::Conversation;
use serde_json::Value;

/// What changes the answer and which no other dialect can say.
const REFUSED: [(&str, &str); 2] = [
    ("cachedContent", "a cached content exists at Google only"),
    ("continuationToken", "only the model that was cut off can go on"),
];

/// The request in `body` for `model`.
pub(crate) fn decode_request(body: &[u8], model: &str, stream: bool) -> Result<Request, Untranslatable> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Untranslatable::wrong("body", "JSON"))?;
    let mut body = Fields::read("", body).map_err(|_| Untranslatable::wrong("body", "an object"))?;
    for (name, why) in REFUSED {
        if body.take(name).is_some_and(|value| value != "") {
            return Err(Untranslatable::no_counterpart(name, why));
        }
    }
    let mut request = Request {
        model: model.to_owned(),
        stream,
        ..Request::default()
    };
    request.items.extend(system(&mut body)?);
    let contents = body.list("contents");
    if contents.is_empty() {
        return Err(Untranslatable::wrong("contents", "a list of at least one content"));
    }
    let mut conversation = Conversation::default();
    for (path, content) in contents {
        conversation.read(Fields::read(path, content)?)?;
    }
    request.items.extend(conversation.into_items());
    for (path, tool) in body.list("tools") {
        tools::read(Fields::read(path, tool)?, &mut request.tools)?;
    }
    if let Some(config) = body.object("toolConfig")? {
        request.tool_choice = tools::choice(config)?;
    }
    if let Some(config) = body.object("generationConfig")? {
        config::read(config, &mut request)?;
    }
    request.service_tier = body.text("serviceTier")?.and_then(|tier| tier_of(&tier));
    request.metadata = body.object("labels")?.map(Fields::rest);
    if !body.list("safetySettings").is_empty() {
        request.untold.push("safetySettings");
    }
    Ok(request)
}

/// The class of service in the words that the other dialects have for it.
fn tier_of(tier: &str) -> Option<String> {
    let tier = tier.to_ascii_lowercase();
    match tier.strip_prefix("service_tier_").unwrap_or(&tier) {
        "" | "unspecified" => None,
        "standard" => Some("default".to_owned()),
        other => Some(other.to_owned()),
    }
}

/// The system's words: a content, its parts alone, or a string.
fn system(body: &mut Fields) -> Result<Option<Item>, Untranslatable> {
    let path = body.path("systemInstruction");
    let list = match body.take("systemInstruction") {
        None => return Ok(None),
        Some(Value::String(text)) => vec![(path, text.into())],
        Some(Value::Array(parts)) => parts.into_iter().map(|part| (path.clone(), part)).collect(),
        Some(content) => Fields::read(path, content)?.list("parts"),
    };
    let mut parts = Vec::new();
    for (path, value) in list {
        let text = match value {
            Value::String(text) => Some(text),
            part => Fields::read(path.clone(), part)?.text("text")?,
        };
        let Some(text) = text else {
            return Err(Untranslatable::no_counterpart(path, "instructions are text"));
        };
        parts.push(Part::from(PartKind::Text(text)));
    }
    parts.retain(|part| part.as_text() != Some(""));
    Ok((!parts.is_empty()).then_some(Item::Message(Message {
        role: Role::System,
        parts,
        name: None,
    })))
}

#[cfg(test)]
mod tests;

//! Messages of a chat request, as items.
//!
//! Invariant: an assistant's message comes apart into thoughts, words, calls, in this order; an unknown part is refused by its path. Pure.
//! Wire facts: OpenAI's SDK types; `reasoning_content` of DeepSeek and vLLM, `reasoning` and `reasoning_details` of OpenRouter, Mistral's
//! parts of type `thinking`, Anthropic's `cache_control` within parts.

use super::super::exchange::{
    Call, CallKind, Item, Message, Outcome, Part, PartKind, Role, Source, Thought, Untranslatable,
};
use crate::dialect::object::Object;
use serde_json::Value;
use std::collections::HashMap;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    items: Vec<Item>,
    /// For each id of a call what was called last by it, and for each name of a function the id of its last call.
    kinds: HashMap<String, CallKind>,
    called: HashMap<String, String>,
}

impl Conversation {
    /// All of it.
    pub(super) fn into_items(self) -> Vec<Item> {
        self.items
    }

    fn call(&mut self, call: Call) {
        self.kinds.insert(call.id.clone(), call.kind);
        self.called.insert(call.name.clone(), call.id.clone());
        self.items.push(Item::Call(call));
    }
}

/// The data URL `url`, taken apart; any other URL stays one.
pub(super) fn source_of(url: String) -> Source {
    let data = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(','))
        .and_then(|(head, base64)| Some((head.strip_suffix(";base64")?, base64)));
    match data {
        Some((media_type, base64)) => Source::Data {
            media_type: media_type.split(';').next().unwrap_or_default().to_owned(),
            base64: base64.to_owned(),
        },
        None => Source::Url(url),
    }
}

/// Adds what `value`, the message at `path`, says to `said`.
pub(super) fn decode(value: Value, path: String, said: &mut Conversation) -> Result<(), Untranslatable> {
    let mut message = Object::new(value, path)?;
    let role = message.needed_text("role")?;
    let role = match role.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => return assistant(message, said),
        "tool" => return outcome(message, said),
        "function" => return function_outcome(message, said),
        _ => return Err(message.wrong("role", "a role")),
    };
    let content = message.take("content");
    let parts = parts(content, &message.at("content"), &mut Vec::new())?;
    let name = message.text("name")?;
    said.items.push(Item::Message(Message { role, parts, name }));
    Ok(())
}

fn assistant(mut message: Object, said: &mut Conversation) -> Result<(), Untranslatable> {
    if message.take("audio").is_some() {
        return Err(Untranslatable::no_counterpart(
            message.at("audio"),
            "earlier sound is known to its provider only",
        ));
    }
    let mut thinking = Vec::new();
    let content = message.take("content");
    let mut parts = parts(content, &message.at("content"), &mut thinking)?;
    if parts.iter().all(|part| part.cache.is_none()) {
        parts.retain(|part| part.as_text() != Some(""));
    }
    if let Some(refusal) = message.text("refusal")?.filter(|refusal| !refusal.is_empty()) {
        parts.push(Part::from(PartKind::Refusal(refusal)));
    }
    thoughts(&mut message, thinking, &mut said.items)?;
    if !parts.is_empty() {
        let name = message.text("name")?;
        said.items.push(Item::Message(Message {
            role: Role::Assistant,
            parts,
            name,
        }));
    }
    let path = message.at("tool_calls");
    for (index, value) in message.list("tool_calls")?.into_iter().enumerate() {
        said.call(call(Object::new(value, format!("{path}[{index}]"))?)?);
    }
    if let Some(mut function) = message.object("function_call")? {
        said.call(Call {
            id: format!("call_{}", said.items.len()),
            name: function.needed_text("name")?,
            namespace: None,
            arguments: function.text("arguments")?.unwrap_or_default(),
            kind: CallKind::Function,
        });
    }
    Ok(())
}

fn call(mut call: Object) -> Result<Call, Untranslatable> {
    let id = call.needed_text("id")?;
    let (mut inner, kind, arguments) = if call.text("type")?.as_deref() == Some("custom") {
        (call.needed_object("custom")?, CallKind::Custom, "input")
    } else {
        (call.needed_object("function")?, CallKind::Function, "arguments")
    };
    Ok(Call {
        id,
        name: inner.needed_text("name")?,
        namespace: None,
        arguments: inner.text(arguments)?.unwrap_or_default(),
        kind,
    })
}

/// The thoughts of an assistant's message: its words, whichever field they are in, and what only the account can read.
fn thoughts(message: &mut Object, thinking: Vec<String>, items: &mut Vec<Item>) -> Result<(), Untranslatable> {
    let plain = message.text("reasoning_content")?;
    let alias = message.text("reasoning")?;
    let mut words = plain.filter(|text| !text.is_empty()).or(alias).unwrap_or_default();
    if words.is_empty() {
        words = thinking.concat();
    }
    let mut found = Vec::new();
    let mut spelt = String::new();
    let path = message.at("reasoning_details");
    for (index, value) in message.list("reasoning_details")?.into_iter().enumerate() {
        let mut detail = Object::new(value, format!("{path}[{index}]"))?;
        let text = match detail.text("text")? {
            Some(text) => Some(text),
            None => detail.text("summary")?,
        };
        spelt.push_str(&text.unwrap_or_default());
        let blob = match detail.text("data")? {
            Some(data) => Some(data),
            None => detail.text("signature")?,
        };
        let format = detail.text("format")?.unwrap_or_default();
        let id = detail.text("id")?;
        found.extend(blob.filter(|blob| !blob.is_empty()).map(|blob| Thought {
            id,
            text: String::new(),
            is_summary: format == "summary",
            blob: Some(blob),
            is_redacted: format == "redacted",
        }));
    }
    if words.is_empty() {
        words = spelt;
    }
    if !words.trim_ascii().is_empty() {
        match found.iter_mut().find(|thought| !thought.is_redacted) {
            Some(thought) => thought.text = words,
            None => found.insert(
                0,
                Thought {
                    text: words,
                    ..Thought::default()
                },
            ),
        }
    }
    items.extend(found.into_iter().map(Item::Thought));
    Ok(())
}

fn outcome(mut message: Object, said: &mut Conversation) -> Result<(), Untranslatable> {
    let call_id = message.needed_text("tool_call_id")?;
    let content = message.take("content");
    let parts = parts(content, &message.at("content"), &mut Vec::new())?;
    said.items.push(Item::Outcome(Outcome {
        kind: said.kinds.get(&call_id).copied().unwrap_or_default(),
        call_id,
        name: message.text("name")?,
        parts,
        is_error: false,
    }));
    Ok(())
}

/// What a function brought, in the old form, which names the function and not the call.
fn function_outcome(mut message: Object, said: &mut Conversation) -> Result<(), Untranslatable> {
    let name = message.needed_text("name")?;
    let content = message.take("content");
    let parts = parts(content, &message.at("content"), &mut Vec::new())?;
    let called = said.called.get(&name).cloned();
    let call_id = called.ok_or_else(|| message.wrong("name", "the name of a function that was called before"))?;
    said.items.push(Item::Outcome(Outcome {
        call_id,
        name: Some(name),
        parts,
        ..Outcome::default()
    }));
    Ok(())
}

/// The parts of `content`, which stands at `path`; thoughts among them go to `thinking`.
fn parts(content: Option<Value>, path: &str, thinking: &mut Vec<String>) -> Result<Vec<Part>, Untranslatable> {
    match content {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(list)) => {
            let mut parts = Vec::with_capacity(list.len());
            for (index, value) in list.into_iter().enumerate() {
                parts.extend(part(Object::new(value, format!("{path}[{index}]"))?, thinking)?);
            }
            Ok(parts)
        }
        Some(_) => Err(Untranslatable::wrong(path, "a string or a list of parts")),
    }
}

fn part(mut part: Object, thinking: &mut Vec<String>) -> Result<Option<Part>, Untranslatable> {
    let cache = cache_mark(&mut part)?;
    let kind = match part.needed_text("type")?.as_str() {
        "text" | "input_text" | "output_text" => PartKind::Text(part.needed_text("text")?),
        "refusal" => PartKind::Refusal(part.needed_text("refusal")?),
        "image_url" => image(&mut part)?,
        "input_audio" => {
            let mut audio = part.needed_object("input_audio")?;
            let base64 = audio.needed_text("data")?;
            let format = audio.needed_text("format")?;
            let media_type = match format.as_str() {
                "mp3" => "audio/mpeg".to_owned(),
                other => format!("audio/{other}"),
            };
            PartKind::Audio(Source::Data { media_type, base64 })
        }
        "file" => file(part.needed_object("file")?)?,
        "thinking" => {
            thinking.push(thinking_words(part.take("thinking")));
            return Ok(None);
        }
        _ => {
            return Err(Untranslatable::no_counterpart(
                part.at("type"),
                "parts of this type are unknown",
            ));
        }
    };
    Ok(Some(Part { kind, cache }))
}

fn image(part: &mut Object) -> Result<PartKind, Untranslatable> {
    let (url, detail) = match part.take("image_url") {
        Some(Value::String(url)) => (url, None),
        Some(value) => {
            let mut image = Object::new(value, part.at("image_url"))?;
            (image.needed_text("url")?, image.text("detail")?)
        }
        None => return Err(part.wrong("image_url", "an object")),
    };
    Ok(PartKind::Image {
        source: source_of(url),
        detail,
    })
}

fn file(mut file: Object) -> Result<PartKind, Untranslatable> {
    let name = file.text("filename")?;
    let source = if let Some(id) = file.text("file_id")? {
        Source::Id(id)
    } else {
        match source_of(file.needed_text("file_data")?) {
            // Some clients send bare base64.
            Source::Url(base64) if !base64.contains(':') => Source::Data {
                media_type: "application/pdf".to_owned(),
                base64,
            },
            source => source,
        }
    };
    Ok(PartKind::File { source, name })
}

/// The words in Mistral's list of thoughts.
pub(super) fn thinking_words(thinking: Option<Value>) -> String {
    match thinking {
        Some(Value::String(text)) => text,
        Some(Value::Array(list)) => list.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

/// The mark that the prompt up to here is to be cached, in OpenAI's or Anthropic's words.
pub(super) fn cache_mark(object: &mut Object) -> Result<Option<String>, Untranslatable> {
    for name in ["cache_control", "prompt_cache_breakpoint"] {
        if let Some(mut mark) = object.object(name)? {
            return Ok(Some(mark.text("ttl")?.unwrap_or_default()));
        }
    }
    Ok(None)
}

//! The items of an input.
//!
//! Invariant: an item is carried, means nothing to anybody but the provider's own tools, or is refused by its place. Pure.
//! Wire facts: OpenAI's API reference; items without a type are messages; Codex sends its tools as an item.

use super::super::super::exchange::{
    Call, CallKind, Item, Message, Outcome, Part, PartKind, Role, Source, Thought, Untranslatable,
};
use super::super::{REDACTED, media};
use super::KEPT;
use super::tools::Offer;
use crate::dialect::object::{Object, elements};
use serde_json::Value;

/// Adds what `list`, an input, says to `items`, and the tools among it to `offer`.
pub(super) fn items(list: Vec<Value>, items: &mut Vec<Item>, offer: &mut Offer) -> Result<(), Untranslatable> {
    for (place, value) in elements("input", list) {
        items.extend(item(Object::new(value, place)?, offer)?);
    }
    Ok(())
}

fn item(mut item: Object, offer: &mut Offer) -> Result<Option<Item>, Untranslatable> {
    let kind = item.text("type")?;
    let read = match kind.as_deref() {
        Some("message") => message(&mut item)?,
        None if item.has("role") => message(&mut item)?,
        None | Some("item_reference") => return Err(Untranslatable::no_counterpart(item.place(), KEPT)),
        Some("function_call") => call(&mut item, "arguments", CallKind::Function)?,
        Some("custom_tool_call") => call(&mut item, "input", CallKind::Custom)?,
        Some("function_call_output") => outcome(&mut item, CallKind::Function)?,
        Some("custom_tool_call_output") => outcome(&mut item, CallKind::Custom)?,
        Some("reasoning") => Item::Thought(thought(&mut item)?),
        Some("image_generation_call") => match picture(&mut item)? {
            Some(picture) => picture,
            None => return Ok(None),
        },
        Some("additional_tools" | "tool_search_output") => {
            offer.read(item.elements("tools")?)?;
            return Ok(None);
        }
        // What they brought stands in the answer that follows them.
        Some(
            "web_search_call"
            | "file_search_call"
            | "code_interpreter_call"
            | "mcp_list_tools"
            | "mcp_call"
            | "tool_search_call",
        ) => return Ok(None),
        Some("compaction" | "compaction_trigger" | "compaction_summary" | "context_compaction") => {
            let why = "only the provider can read what it condensed; send the conversation itself";
            return Err(Untranslatable::no_counterpart(item.place(), why));
        }
        Some(_) => {
            let why = "it belongs to a tool that other models do not have";
            return Err(Untranslatable::no_counterpart(item.place(), why));
        }
    };
    Ok(Some(read))
}

fn message(item: &mut Object) -> Result<Item, Untranslatable> {
    let role = match item.needed_text("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        "developer" => Role::Developer,
        _ => return Err(item.wrong("role", "one of user, assistant, system, developer")),
    };
    Ok(Item::Message(Message {
        role,
        parts: parts(item, "content")?,
        name: None,
    }))
}

fn call(item: &mut Object, input: &str, kind: CallKind) -> Result<Item, Untranslatable> {
    Ok(Item::Call(Call {
        id: item.needed_text("call_id")?,
        name: item.needed_text("name")?,
        namespace: item.text("namespace")?.filter(|namespace| !namespace.is_empty()),
        arguments: item.needed_text(input)?,
        kind,
    }))
}

fn outcome(item: &mut Object, kind: CallKind) -> Result<Item, Untranslatable> {
    Ok(Item::Outcome(Outcome {
        call_id: item.needed_text("call_id")?,
        name: item.text("name")?,
        parts: parts(item, "output")?,
        is_error: false,
        kind,
    }))
}

fn thought(item: &mut Object) -> Result<Thought, Untranslatable> {
    let summary = words(item, "summary")?;
    let content = words(item, "content")?;
    let is_summary = !summary.is_empty();
    let packed = item.text("encrypted_content")?.filter(|packed| !packed.is_empty());
    let (is_redacted, blob) = match packed {
        Some(packed) => match packed.strip_prefix(REDACTED) {
            Some(blob) => (true, Some(blob.to_owned())),
            None => (false, Some(packed)),
        },
        None => (false, None),
    };
    Ok(Thought {
        id: item.text("id")?,
        text: if is_summary { summary } else { content },
        is_summary,
        blob,
        is_redacted,
    })
}

/// A picture that the model made; `None` where it came to nothing.
fn picture(item: &mut Object) -> Result<Option<Item>, Untranslatable> {
    let Some(base64) = item.text("result")?.filter(|base64| !base64.is_empty()) else {
        return Ok(None);
    };
    let format = item.text("output_format")?;
    let source = Source::Data {
        media_type: format!("image/{}", format.as_deref().unwrap_or("png")),
        base64,
    };
    let part = Part::from(PartKind::Image { source, detail: None });
    Ok(Some(Item::Message(Message {
        role: Role::Assistant,
        parts: vec![part],
        name: None,
    })))
}

/// The words of a thought's parts, with blank lines between.
fn words(item: &mut Object, name: &str) -> Result<String, Untranslatable> {
    let mut words = Vec::new();
    for (place, value) in item.elements(name)? {
        words.extend(Object::new(value, place)?.text("text")?);
    }
    Ok(words.join("\n\n"))
}

/// A text, or parts.
fn parts(item: &mut Object, name: &str) -> Result<Vec<Part>, Untranslatable> {
    let list = match item.take(name) {
        Some(Value::String(text)) => return Ok(vec![Part::text(text)]),
        Some(Value::Array(list)) => elements(&item.at(name), list),
        _ => return Err(item.wrong(name, "a string or a list")),
    };
    let read = |(place, value)| part(Object::new(value, place)?);
    list.into_iter().map(read).collect()
}

fn part(mut part: Object) -> Result<Part, Untranslatable> {
    let kind = match part.needed_text("type")?.as_str() {
        "input_text" | "output_text" | "text" => PartKind::Text(part.needed_text("text")?),
        "refusal" => PartKind::Refusal(part.needed_text("refusal")?),
        "input_image" => PartKind::Image {
            source: image(&mut part)?,
            detail: part.text("detail")?,
        },
        "input_file" => {
            let name = part.text("filename")?;
            PartKind::File {
                source: file(&mut part, name.as_deref())?,
                name,
            }
        }
        "input_audio" => {
            let Some(mut sound) = part.object("input_audio")? else {
                return Err(part.wrong("input_audio", "an object"));
            };
            let format = sound.needed_text("format")?;
            PartKind::Audio(media::audio(sound.needed_text("data")?, &format))
        }
        _ => {
            let why = "nothing is known of parts of this type";
            return Err(part.no_counterpart("type", why));
        }
    };
    let cache = match part.object("prompt_cache_breakpoint")? {
        Some(mut mark) => Some(mark.text("ttl")?.unwrap_or_default()),
        None => None,
    };
    Ok(Part { kind, cache })
}

fn image(part: &mut Object) -> Result<Source, Untranslatable> {
    if let Some(id) = part.text("file_id")? {
        return Ok(Source::Id(id));
    }
    let url = part.needed_text("image_url")?;
    media::source(url).ok_or_else(|| part.wrong("image_url", "a URL or base64 in a data URL"))
}

fn file(part: &mut Object, name: Option<&str>) -> Result<Source, Untranslatable> {
    if let Some(id) = part.text("file_id")? {
        return Ok(Source::Id(id));
    }
    if let Some(data) = part.text("file_data")? {
        return media::file(data, name).ok_or_else(|| part.wrong("file_data", "base64"));
    }
    let url = part.needed_text("file_url")?;
    media::source(url).ok_or_else(|| part.wrong("file_url", "a URL or base64 in a data URL"))
}

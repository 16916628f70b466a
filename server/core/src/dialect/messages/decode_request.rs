//! A request of the messages dialect, taken apart.
//!
//! Invariant: what hangs on the prompt keeps its order; what concerns only Anthropic's own servers (containers, edits of the context,
//! tools that run there) is left out, unless the answer would then be another one. Pure.
//! Wire facts: Anthropic's API reference and SDK types.

mod blocks;
mod media;
mod options;
#[cfg(test)]
mod tests;

use super::super::exchange::{Format, Item, Message, Part, Request, Role, Sampling, Untranslatable};
use super::object::{Content, Object, Place};
use serde_json::value::RawValue;

/// How the block begins by which Claude Code tells Anthropic's billing who calls; it is no instruction, and differs from call to call.
const BILLING: &str = "x-anthropic-billing-header:";

/// The request in `body`.
pub(crate) fn decode_request(body: &[u8]) -> Result<Request, Untranslatable> {
    let raw: &RawValue = serde_json::from_slice(body).map_err(|_| Place::Top.wrong("valid JSON"))?;
    let top = Object::read(raw, Place::Top)?;
    let geo = top.word("inference_geo")?;
    if !matches!(geo.as_ref(), "" | "global" | "not_available") {
        let why = "only Anthropic can be told in which country to answer";
        return Err(top.at("inference_geo").no_counterpart(why));
    }
    let (tool_choice, parallel_tools) = options::tool_choice(&top)?;
    let mut request = Request {
        model: top.required_text("model")?,
        stream: top.flag("stream")?.unwrap_or_default(),
        items: items(&top)?,
        tools: options::tools(&top)?,
        tool_choice,
        parallel_tools,
        max_output: top.count("max_tokens")?,
        sampling: Sampling {
            temperature: top.number("temperature")?,
            top_p: top.number("top_p")?,
            top_k: top.number("top_k")?,
            ..Sampling::default()
        },
        stop: stop(&top)?,
        format: format(&top)?,
        reasoning: options::reasoning(&top)?,
        service_tier: options::service_tier(&top)?,
        ..Request::default()
    };
    if let Some(metadata) = top.object("metadata")? {
        request.user = metadata.text("user_id")?;
    }
    if let Some(mark) = cache(&top)? {
        mark_last(&mut request.items, mark);
    }
    Ok(request)
}

/// The client's word for how long the prompt up to here is to be cached; empty where it says no time.
fn cache(object: &Object<'_, '_>) -> Result<Option<String>, Untranslatable> {
    match object.object("cache_control")? {
        Some(control) => Ok(Some(control.text("ttl")?.unwrap_or_default())),
        None => Ok(None),
    }
}

/// Puts `mark` where a mark on the whole request stands for one: on the last part that can bear it.
fn mark_last(items: &mut [Item], mark: String) {
    let last = items.iter_mut().rev().find_map(|item| match item {
        Item::Message(Message { parts, .. }) => parts.last_mut(),
        Item::Outcome(outcome) => outcome.parts.last_mut(),
        Item::Thought(_) | Item::Call(_) => None,
    });
    if let Some(part) = last {
        part.cache.get_or_insert(mark);
    }
}

fn items(top: &Object<'_, '_>) -> Result<Vec<Item>, Untranslatable> {
    let mut items = Vec::new();
    let mut parts = Vec::new();
    match top.content("system")? {
        None => {}
        Some(Content::Text(text)) => parts.push(Part::text(text)),
        Some(Content::List(list)) => {
            let place = top.at("system");
            for (index, raw) in list.into_iter().enumerate() {
                let block = Object::read(raw, Place::Element(&place, index))?;
                parts.push(media::text(&block)?);
            }
        }
    }
    parts.retain(|part| {
        part.as_text()
            .is_none_or(|text| !text.is_empty() && !text.starts_with(BILLING))
    });
    if !parts.is_empty() {
        items.push(Item::Message(Message {
            role: Role::System,
            parts,
            name: None,
        }));
    }
    if top.member("messages").is_none() {
        return Err(top.at("messages").wrong("a list"));
    }
    let place = top.at("messages");
    for (index, raw) in top.list("messages")?.into_iter().enumerate() {
        blocks::message(&Object::read(raw, Place::Element(&place, index))?, &mut items)?;
    }
    Ok(items)
}

fn stop(top: &Object<'_, '_>) -> Result<Vec<String>, Untranslatable> {
    let place = top.at("stop_sequences");
    let texts = top.list("stop_sequences")?.into_iter().enumerate();
    texts
        .map(|(index, raw)| {
            serde_json::from_str(raw.get()).map_err(|_| Place::Element(&place, index).wrong("a string"))
        })
        .collect()
}

/// The form of the answer; `output_format` is what it was called before `output_config`.
fn format(top: &Object<'_, '_>) -> Result<Format, Untranslatable> {
    let config = top.object("output_config")?;
    let inner = config
        .as_ref()
        .map(|config| config.object("format"))
        .transpose()?
        .flatten();
    let outer = top.object("output_format")?;
    let Some(format) = inner.or(outer) else {
        return Ok(Format::Text);
    };
    if format.word("type")? != "json_schema" {
        return Err(format.at("type").wrong("“json_schema”"));
    }
    Ok(Format::JsonSchema {
        name: String::new(),
        description: None,
        schema: format
            .value("schema")?
            .ok_or_else(|| format.at("schema").wrong("a JSON schema"))?,
        strict: None,
    })
}

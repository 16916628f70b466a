//! A request of the responses dialect, taken apart.
//!
//! Invariant: what hangs on the prompt keeps its order; what only works where the provider keeps the state is refused by name. Pure.
//! Wire facts: OpenAI's API reference and SDK types; what Codex and the Agents SDKs send.

mod items;
mod tools;

use super::super::exchange::{Effort, Format, Item, Message, Part, Reasoning, Request, Role, Sampling, Untranslatable};
use crate::dialect::object::Object;
use serde_json::Value;

/// Why a state at the provider cannot be used.
const KEPT: &str = "it is kept at the provider that answered before; send the whole conversation as “input” instead";

/// The request in `body`.
pub(crate) fn decode_request(body: &[u8]) -> Result<Request, Untranslatable> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Untranslatable::wrong("body", "valid JSON"))?;
    let mut top = Object::new(value, "")?;
    refuse_state(&mut top)?;
    let mut request = Request {
        model: top.needed_text("model")?,
        stream: top.flag("stream")?.unwrap_or_default(),
        ..Request::default()
    };
    if let Some(text) = top.text("instructions")?.filter(|text| !text.is_empty()) {
        request.items.push(said(Role::System, text));
    }
    let mut offer = tools::Offer::default();
    offer.read(top.elements("tools")?)?;
    match top.take("input") {
        Some(Value::String(text)) => request.items.push(said(Role::User, text)),
        Some(Value::Array(list)) => items::items(list, &mut request.items, &mut offer)?,
        _ => return Err(top.wrong("input", "a string or a list")),
    }
    request.tools = offer.into_tools();
    request.tool_choice = tools::tool_choice(&mut top)?;
    request.parallel_tools = top.flag("parallel_tool_calls")?;
    request.max_output = top.count("max_output_tokens")?;
    request.sampling = Sampling {
        temperature: top.number("temperature")?,
        top_p: top.number("top_p")?,
        presence_penalty: top.number("presence_penalty")?,
        frequency_penalty: top.number("frequency_penalty")?,
        ..Sampling::default()
    };
    if let Some(mut text) = top.object("text")? {
        request.format = format(&mut text)?;
        request.verbosity = text.text("verbosity")?;
    }
    request.reasoning = reasoning(&mut top)?;
    request.cache_key = top.text("prompt_cache_key")?;
    let user = top.text("user")?;
    request.user = top.text("safety_identifier")?.or(user);
    request.service_tier = top.text("service_tier")?;
    request.metadata = match top.take("metadata") {
        None => None,
        Some(Value::Object(labels)) => Some(labels),
        Some(_) => return Err(top.wrong("metadata", "an object")),
    };
    request.logprobs = logprobs(&mut top)?;
    Ok(request)
}

fn said(role: Role, text: String) -> Item {
    Item::Message(Message {
        role,
        parts: vec![Part::text(text)],
        name: None,
    })
}

fn refuse_state(top: &mut Object) -> Result<(), Untranslatable> {
    for name in ["previous_response_id", "conversation"] {
        if top.has(name) {
            return Err(top.no_counterpart(name, KEPT));
        }
    }
    if top.has("prompt") {
        let why = "the template is kept at the provider; send its text as “input” instead";
        return Err(top.no_counterpart("prompt", why));
    }
    if top.flag("background")? == Some(true) {
        let why = "nobody keeps the answer for later; leave it out and read the answer as it comes";
        return Err(top.no_counterpart("background", why));
    }
    Ok(())
}

fn format(text: &mut Object) -> Result<Format, Untranslatable> {
    let Some(mut format) = text.object("format")? else {
        return Ok(Format::Text);
    };
    match format.needed_text("type")?.as_str() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::JsonObject),
        "json_schema" => Ok(Format::JsonSchema {
            name: format.text("name")?.unwrap_or_default(),
            description: format.text("description")?,
            schema: format
                .take("schema")
                .filter(Value::is_object)
                .ok_or_else(|| format.wrong("schema", "an object"))?,
            strict: format.flag("strict")?,
        }),
        "grammar" | "python" => {
            let why = "the form of an answer is text or JSON here";
            Err(format.no_counterpart("type", why))
        }
        _ => Err(format.wrong("type", "“text”, “json_object” or “json_schema”")),
    }
}

fn reasoning(top: &mut Object) -> Result<Option<Reasoning>, Untranslatable> {
    let Some(mut fields) = top.object("reasoning")? else {
        return Ok(None);
    };
    let effort = match fields.text("effort")? {
        None => None,
        Some(word) => {
            let expected = "one of none, minimal, low, medium, high, xhigh, max";
            Some(Effort::parse(&word).ok_or_else(|| fields.wrong("effort", expected))?)
        }
    };
    let formerly = fields.text("generate_summary")?;
    let reasoning = Reasoning {
        effort,
        summary: fields.text("summary")?.or(formerly),
        ..Reasoning::default()
    };
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

/// Likelihoods are wanted where `include` names them or alternatives are asked for.
fn logprobs(top: &mut Object) -> Result<Option<u64>, Untranslatable> {
    let alternatives = top.count("top_logprobs")?;
    let wanted = top.elements("include")?;
    let is_named = wanted.iter().any(|(_, name)| name == "message.output_text.logprobs");
    Ok(if is_named {
        Some(alternatives.unwrap_or(0))
    } else {
        alternatives.filter(|count| *count > 0)
    })
}

#[cfg(test)]
mod tests;

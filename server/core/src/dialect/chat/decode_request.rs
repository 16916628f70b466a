//! A chat request, in no dialect.
//!
//! Invariant: what shapes the answer is understood or refused by name; fields nobody else has are passed over. Pure.
//! Wire facts: OpenAI's API reference and SDK types, its old `functions`, `thinking` of DeepSeek, `reasoning` of OpenRouter,
//! `random_seed` of Mistral.

use super::super::exchange::{
    Effort, Format, Reasoning, Request, Sampling, Thinking, Tool, ToolChoice, Untranslatable,
};
use super::decode_message::{self, cache_mark};
use crate::dialect::object::Object;
use serde_json::{Value, json};

/// The request in `body`.
///
/// # Errors
/// What in it is wrong, or cannot be said elsewhere.
pub(crate) fn decode_request(body: &[u8]) -> Result<Request, Untranslatable> {
    let value = serde_json::from_slice(body).map_err(|_| Untranslatable::wrong("body", "JSON"))?;
    let mut object = Object::new(value, "").map_err(|_| Untranslatable::wrong("body", "an object"))?;
    refuse_sound(&mut object)?;
    let mut request = Request {
        model: object.needed_text("model")?,
        stream: object.flag("stream")?.unwrap_or(false),
        parallel_tools: object.flag("parallel_tool_calls")?,
        choices: object.count("n")?,
        verbosity: object.text("verbosity")?,
        cache_key: object.text("prompt_cache_key")?,
        service_tier: object.text("service_tier")?,
        sampling: sampling(&mut object)?,
        stop: stop(&mut object)?,
        format: format(&mut object)?,
        reasoning: reasoning(&mut object)?,
        logprobs: logprobs(&mut object)?,
        ..Request::default()
    };
    if let Some(mut options) = object.object("stream_options")? {
        request.include_usage = options.flag("include_usage")?.unwrap_or(false);
    }
    let old_limit = object.count("max_tokens")?;
    request.max_output = object.count("max_completion_tokens")?.or(old_limit);
    let old_user = object.text("user")?;
    request.user = object.text("safety_identifier")?.or(old_user);
    request.metadata = match object.take("metadata") {
        None => None,
        Some(Value::Object(metadata)) => Some(metadata),
        Some(_) => return Err(object.wrong("metadata", "an object")),
    };
    if object.has("prediction") {
        request.untold.push("prediction");
    }
    tools(&mut object, &mut request)?;
    let Some(Value::Array(messages)) = object.take("messages") else {
        return Err(object.wrong("messages", "a list"));
    };
    let mut said = decode_message::Conversation::default();
    for (index, message) in messages.into_iter().enumerate() {
        decode_message::decode(message, format!("messages[{index}]"), &mut said)?;
    }
    request.items = said.into_items();
    Ok(request)
}

fn refuse_sound(object: &mut Object) -> Result<(), Untranslatable> {
    let is_sound = |value: &Value| value.as_str() == Some("audio");
    if object.list("modalities")?.iter().any(is_sound) {
        return Err(Untranslatable::no_counterpart("modalities", "it answers in text only"));
    }
    Ok(())
}

fn sampling(object: &mut Object) -> Result<Sampling, Untranslatable> {
    let mistral_seed = object.number("random_seed")?;
    Ok(Sampling {
        temperature: object.number("temperature")?,
        top_p: object.number("top_p")?,
        top_k: object.number("top_k")?,
        presence_penalty: object.number("presence_penalty")?,
        frequency_penalty: object.number("frequency_penalty")?,
        seed: object.number("seed")?.or(mistral_seed),
        logit_bias: object.object("logit_bias")?.map(Object::into_value),
    })
}

fn stop(object: &mut Object) -> Result<Vec<String>, Untranslatable> {
    const EXPECTED: &str = "a string or a list of strings";
    let texts = match object.take("stop") {
        None => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    let text = |value| match value {
        Value::String(text) => Ok(text),
        _ => Err(object.wrong("stop", EXPECTED)),
    };
    texts.into_iter().map(text).collect()
}

fn format(object: &mut Object) -> Result<Format, Untranslatable> {
    let Some(mut format) = object.object("response_format")? else {
        return Ok(Format::Text);
    };
    match format.needed_text("type")?.as_str() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::JsonObject),
        "json_schema" => {
            let mut schema = format.needed_object("json_schema")?;
            Ok(Format::JsonSchema {
                name: schema.text("name")?.unwrap_or_default(),
                description: schema.text("description")?,
                strict: schema.flag("strict")?,
                schema: match schema.object("schema")? {
                    Some(schema) => schema.into_value(),
                    None => json!({}),
                },
            })
        }
        _ => Err(Untranslatable::no_counterpart(
            "response_format.type",
            "forms of this type are unknown",
        )),
    }
}

fn effort(object: &mut Object, name: &str) -> Result<Option<Effort>, Untranslatable> {
    match object.text(name)?.as_deref() {
        None | Some("default") => Ok(None),
        Some(word) => Effort::parse(word)
            .map(Some)
            .ok_or_else(|| object.wrong(name, "one of none, minimal, low, medium, high, xhigh, max")),
    }
}

/// How much to think, in the words of OpenAI, OpenRouter, DeepSeek and Anthropic.
fn reasoning(object: &mut Object) -> Result<Option<Reasoning>, Untranslatable> {
    let mut reasoning = Reasoning {
        effort: effort(object, "reasoning_effort")?,
        ..Reasoning::default()
    };
    if let Some(mut inner) = object.object("reasoning")? {
        reasoning.effort = reasoning.effort.or(effort(&mut inner, "effort")?);
        reasoning.budget = inner.count("max_tokens")?;
        reasoning.summary = inner.text("summary")?;
        if inner.flag("exclude")? == Some(true) {
            reasoning.summary = Some("omitted".to_owned());
        }
        reasoning.thinking = inner
            .flag("enabled")?
            .map(|is_on| if is_on { Thinking::On } else { Thinking::Off });
    }
    if let Some(mut thinking) = object.object("thinking")? {
        let word = thinking.text("type")?;
        reasoning.thinking = match word.as_deref() {
            None => reasoning.thinking,
            Some("enabled") => Some(Thinking::On),
            Some("disabled") => Some(Thinking::Off),
            Some("adaptive" | "auto") => Some(Thinking::Adaptive),
            Some(_) => return Err(thinking.wrong("type", "enabled, disabled or adaptive")),
        };
        reasoning.budget = thinking.count("budget_tokens")?.or(reasoning.budget);
    }
    Ok(Some(reasoning).filter(|reasoning| *reasoning != Reasoning::default()))
}

fn logprobs(object: &mut Object) -> Result<Option<u64>, Untranslatable> {
    let top = object.count("top_logprobs")?;
    let is_wanted = object.flag("logprobs")?.unwrap_or(false);
    Ok(is_wanted.then_some(top.unwrap_or(0)))
}

fn tools(object: &mut Object, request: &mut Request) -> Result<(), Untranslatable> {
    for (index, value) in object.list("tools")?.into_iter().enumerate() {
        request.tools.push(tool(value, format!("tools[{index}]"))?);
    }
    for (index, value) in object.list("functions")?.into_iter().enumerate() {
        let function = Object::new(value, format!("functions[{index}]"))?;
        request.tools.push(function_tool(function, None)?);
    }
    if let Some(options) = object.take("web_search_options") {
        request.tools.push(Tool::Hosted {
            kind: "web_search_options".to_owned(),
            raw: options,
        });
    }
    if let Some(choice) = object.take("function_call") {
        request.tool_choice = tool_choice(choice, "function_call")?;
    }
    if let Some(choice) = object.take("tool_choice") {
        request.tool_choice = tool_choice(choice, "tool_choice")?;
    }
    Ok(())
}

fn tool(value: Value, path: String) -> Result<Tool, Untranslatable> {
    let raw_kind = value.get("type").and_then(Value::as_str).map(str::to_owned);
    match raw_kind {
        Some(kind) if kind != "function" && kind != "custom" => Ok(Tool::Hosted { kind, raw: value }),
        Some(kind) if kind == "custom" => {
            let mut custom = Object::new(value, path)?.needed_object("custom")?;
            Ok(Tool::Custom {
                name: custom.needed_text("name")?,
                namespace: None,
                description: custom.text("description")?,
                format: custom.take("format").map(flat_grammar),
            })
        }
        _ => {
            let mut tool = Object::new(value, path)?;
            let cache = cache_mark(&mut tool)?;
            function_tool(tool.needed_object("function")?, cache)
        }
    }
}

fn function_tool(mut function: Object, cache: Option<String>) -> Result<Tool, Untranslatable> {
    Ok(Tool::Function {
        name: function.needed_text("name")?,
        namespace: None,
        description: function.text("description")?,
        parameters: function.object("parameters")?.map(Object::into_value),
        strict: function.flag("strict")?,
        cache,
    })
}

/// A grammar as the responses dialect writes it, without an object of its own.
fn flat_grammar(format: Value) -> Value {
    match format.get("grammar").and_then(Value::as_object) {
        Some(grammar) => {
            let mut flat = grammar.clone();
            flat.insert("type".to_owned(), Value::from("grammar"));
            Value::Object(flat)
        }
        None => format,
    }
}

fn tool_choice(value: Value, path: &str) -> Result<ToolChoice, Untranslatable> {
    const WORDS: &str = "none, auto, required or an object";
    let mut choice = match value {
        Value::String(word) => {
            return match word.as_str() {
                "auto" => Ok(ToolChoice::Auto),
                "none" => Ok(ToolChoice::None),
                "required" | "any" => Ok(ToolChoice::Required),
                _ => Err(Untranslatable::wrong(path, WORDS)),
            };
        }
        value => Object::new(value, path).map_err(|_| Untranslatable::wrong(path, WORDS))?,
    };
    let kind = choice.text("type")?.unwrap_or_default();
    match kind.as_str() {
        // The old form has the name alone.
        "" => Ok(ToolChoice::Tool(choice.needed_text("name")?)),
        "function" | "custom" => Ok(ToolChoice::Tool(choice.needed_object(&kind)?.needed_text("name")?)),
        "allowed_tools" => {
            let mut allowed = choice.needed_object("allowed_tools")?;
            let is_required = allowed.text("mode")?.as_deref() == Some("required");
            let list = allowed.at("tools");
            let mut names = Vec::new();
            for (index, value) in allowed.list("tools")?.into_iter().enumerate() {
                let mut tool = Object::new(value, format!("{list}[{index}]"))?;
                let kind = tool.needed_text("type")?;
                names.push(tool.needed_object(&kind)?.needed_text("name")?);
            }
            Ok(ToolChoice::Allowed { names, is_required })
        }
        _ => Err(choice.wrong("type", "function, custom or allowed_tools")),
    }
}

//! A request in no dialect, as a chat request.
//!
//! Invariant: fields the model or the provider refuses are left out and noted; none is `null`; a stream always ends with usage. Pure.
//! Wire facts: OpenAI's API reference, and what is in [`provider`](super::provider).

use super::super::exchange::{
    Effort, Format, Item, Notes, Reasoning, Request, Role, Target, Thinking, ThinkingRule, Tool, Untranslatable,
};
use super::super::openai;
use super::encode_message::Messages;
use super::encode_tools;
use super::provider::{Asking, Manner};
use serde_json::{Map, Value, json};

/// `request` for `target`.
///
/// # Errors
/// What of it the target has no counterpart for.
pub(crate) fn encode_request(
    request: &Request,
    target: &Target<'_>,
    notes: &mut Notes,
) -> Result<Vec<u8>, Untranslatable> {
    let manner = Manner::of(target.provider);
    refuse_prefill(request, target)?;
    let mut body = Map::new();
    put(&mut body, "model", target.model);
    let effort = thinking(&mut body, request, target, notes)?;
    let is_thinking = effort != Some(Effort::None) && target.rules.thinking != ThinkingRule::Never;
    let mut messages = Messages::new(manner, is_thinking, notes).write(&request.items)?;
    format(&mut body, request, target, (&mut messages, &mut *notes));
    put(&mut body, "messages", messages);
    if request.stream {
        put(&mut body, "stream", true);
        if !manner.is_mistral {
            put(&mut body, "stream_options", json!({"include_usage": true}));
        }
    }
    if let Some(limit) = target.max_output.or(request.max_output) {
        let field = if manner.is_mistral {
            "max_tokens"
        } else {
            target.max_output_field.as_str()
        };
        put(&mut body, field, limit);
    }
    if let Some(choices) = request.choices.filter(|choices| *choices > 1) {
        put(&mut body, "n", choices);
    }
    sampling(&mut body, request, target, notes);
    stop(&mut body, request, target, notes);
    encode_tools::write(&mut body, request, target, notes)?;
    labels(&mut body, request, target, notes);
    Ok(Value::Object(body).to_string().into_bytes())
}

/// Puts a member into `body`.
pub(super) fn put(body: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    body.insert(name.to_owned(), value.into());
}

fn refuse_prefill(request: &Request, target: &Target<'_>) -> Result<(), Untranslatable> {
    match request.items.last() {
        Some(Item::Message(message)) if message.role == Role::Assistant && !target.rules.takes_prefill => Err(
            Untranslatable::no_counterpart("messages", "the model does not go on with an answer that is begun"),
        ),
        _ => Ok(()),
    }
}

/// Asks for thinking, and says with which effort.
fn thinking(
    body: &mut Map<String, Value>,
    request: &Request,
    target: &Target<'_>,
    notes: &mut Notes,
) -> Result<Option<Effort>, Untranslatable> {
    let reasoning = request.reasoning.clone().unwrap_or_default();
    let manner = Manner::of(target.provider);
    let mut effort = wanted(&reasoning);
    let has_functions = request.tools.iter().any(|tool| matches!(tool, Tool::Function { .. }));
    if has_functions && target.rules.tools_need_effort_none && effort != Some(Effort::None) {
        if effort.is_some() {
            notes.changed(
                "reasoning effort",
                "none, for the model takes tools only without reasoning here",
            );
        }
        effort = Some(Effort::None);
    }
    if has_functions && target.rules.tools_need_responses && effort != Some(Effort::None) {
        return Err(Untranslatable::no_counterpart(
            "tools",
            "the model takes tools only without reasoning here",
        ));
    }
    let is_asked = effort.is_some() || reasoning.thinking.is_some();
    match target.rules.thinking {
        ThinkingRule::Never => {
            if is_asked && effort != Some(Effort::None) {
                notes.dropped("reasoning", "the model does not think");
            }
            return Ok(Some(Effort::None));
        }
        ThinkingRule::Always if effort == Some(Effort::None) => {
            notes.dropped("reasoning", "the model always thinks");
            return Ok(None);
        }
        ThinkingRule::Unknown if !manner.is_known => {
            if is_asked {
                notes.dropped("reasoning", "nobody knows whether the model takes it");
            }
            return Ok(effort);
        }
        _ => {}
    }
    if manner.asking == Asking::Effort {
        effort = effort.map(|wanted| openai::effort(wanted, target.model, false, notes));
    }
    ask(body, &reasoning, effort, (manner.asking, notes));
    Ok(effort)
}

/// The effort that was asked for, in whichever words.
fn wanted(reasoning: &Reasoning) -> Option<Effort> {
    if reasoning.thinking == Some(Thinking::Off) {
        return Some(Effort::None);
    }
    reasoning.effort.or_else(|| reasoning.budget.map(Effort::of_budget))
}

fn ask(
    body: &mut Map<String, Value>,
    reasoning: &Reasoning,
    effort: Option<Effort>,
    (asking, notes): (Asking, &mut Notes),
) {
    let near = match (asking, effort) {
        (Asking::NoneOrHigh, Some(effort)) if effort != Effort::None => Some(Effort::High),
        (Asking::LowToHigh, Some(effort)) if effort != Effort::None => Some(effort.clamp(Effort::Low, Effort::High)),
        (Asking::Object, Some(effort)) => Some(effort.min(Effort::XHigh)),
        (_, effort) => effort,
    };
    if let (Some(near), true) = (near, near != effort) {
        notes.changed("reasoning effort", near.as_str());
    }
    match asking {
        Asking::Object => {
            let mut object = Map::new();
            match (reasoning.budget, near) {
                (_, Some(Effort::None)) => put(&mut object, "enabled", false),
                (Some(budget), _) if reasoning.effort.is_none() => put(&mut object, "max_tokens", budget),
                (_, Some(near)) => put(&mut object, "effort", near.as_str()),
                (_, None) if reasoning.thinking.is_some() => put(&mut object, "enabled", true),
                _ => {}
            }
            if reasoning.summary.as_deref() == Some("omitted") {
                put(&mut object, "exclude", true);
            }
            if !object.is_empty() {
                put(body, "reasoning", object);
            }
        }
        Asking::Switch => {
            let is_off = near == Some(Effort::None);
            if is_off || near.is_some() || reasoning.thinking.is_some() {
                let word = if is_off { "disabled" } else { "enabled" };
                put(body, "thinking", json!({"type": word}));
            }
            if let Some(near) = near.filter(|_| !is_off) {
                put(body, "reasoning_effort", near.as_str());
            }
        }
        Asking::Effort | Asking::NoneOrHigh | Asking::LowToHigh => {
            if let Some(near) = near {
                put(body, "reasoning_effort", near.as_str());
            }
        }
    }
}

fn format(
    body: &mut Map<String, Value>,
    request: &Request,
    target: &Target<'_>,
    (messages, notes): (&mut Vec<Value>, &mut Notes),
) {
    match &request.format {
        Format::Text => {}
        Format::JsonObject => put(body, "response_format", json!({"type": "json_object"})),
        Format::JsonSchema { schema, .. } if !target.rules.takes_json_schema => {
            notes.changed("response_format", "any JSON object, and the schema in words");
            put(body, "response_format", json!({"type": "json_object"}));
            let text = format!("Answer with a JSON object that follows this JSON schema: {schema}");
            instruct(messages, text, target);
        }
        Format::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => {
            let mut inner = Map::new();
            let name = if name.is_empty() { "answer" } else { name };
            put(&mut inner, "name", name);
            if let Some(description) = description {
                put(&mut inner, "description", description.as_str());
            }
            put(&mut inner, "schema", schema.clone());
            if let Some(strict) = strict {
                put(&mut inner, "strict", *strict);
            }
            put(
                body,
                "response_format",
                json!({"type": "json_schema", "json_schema": inner}),
            );
        }
    }
}

/// Adds `text` to what the system says at the head.
fn instruct(messages: &mut Vec<Value>, text: String, target: &Target<'_>) {
    let is_system = |message: &Value| matches!(message["role"].as_str(), Some("system" | "developer"));
    let head = messages.iter().take_while(|message| is_system(message)).count();
    let is_joined = !Manner::of(target.provider).is_openai;
    match messages.first_mut().and_then(|first| first.get_mut("content")) {
        Some(Value::String(said)) if is_joined && head > 0 => {
            said.push_str("\n\n");
            said.push_str(&text);
        }
        Some(Value::Array(parts)) if is_joined && head > 0 => parts.push(json!({"type": "text", "text": text})),
        _ => messages.insert(head, json!({"role": "system", "content": text})),
    }
}

fn sampling(body: &mut Map<String, Value>, request: &Request, target: &Target<'_>, notes: &mut Notes) {
    let manner = Manner::of(target.provider);
    let sampling = &request.sampling;
    let fields = [
        ("temperature", &sampling.temperature),
        ("top_p", &sampling.top_p),
        ("top_k", &sampling.top_k),
        ("presence_penalty", &sampling.presence_penalty),
        ("frequency_penalty", &sampling.frequency_penalty),
    ];
    for (name, number) in fields {
        let Some(number) = number else { continue };
        if !target.rules.takes_sampling {
            notes.dropped(name, "the model does not take it");
        } else if (name == "top_k" && !manner.takes_top_k) || (name.ends_with("penalty") && is_grok_4(target)) {
            notes.dropped(name, "the provider does not take it");
        } else {
            put(body, name, number.clone());
        }
    }
    if let Some(seed) = &sampling.seed {
        put(body, manner.seed, seed.clone());
    }
    let is_refused = !target.rules.takes_sampling || manner.is_mistral;
    if let Some(bias) = &sampling.logit_bias {
        if is_refused {
            notes.dropped("logit_bias", "the model does not take it");
        } else {
            put(body, "logit_bias", bias.clone());
        }
    }
    if let Some(top) = request.logprobs {
        if is_refused {
            notes.dropped("logprobs", "the model does not give them");
        } else {
            put(body, "logprobs", true);
            if top > 0 {
                put(body, "top_logprobs", top);
            }
        }
    }
}

/// xAI's models that refuse stops and penalties.
fn is_grok_4(target: &Target<'_>) -> bool {
    target.provider == "xai" && target.model.starts_with("grok-4")
}

fn stop(body: &mut Map<String, Value>, request: &Request, target: &Target<'_>, notes: &mut Notes) {
    if request.stop.is_empty() {
        return;
    }
    if is_grok_4(target) {
        notes.dropped("stop", "the model does not take it");
    } else {
        put(body, "stop", request.stop.clone());
    }
}

/// Who asks, and how it shall be served.
fn labels(body: &mut Map<String, Value>, request: &Request, target: &Target<'_>, notes: &mut Notes) {
    let manner = Manner::of(target.provider);
    let lacks = |notes: &mut Notes, name: &str| notes.dropped(name, "the provider has nothing like it");
    if let Some(user) = openai::end_user(request, notes) {
        match target.provider {
            "openai" => put(body, "safety_identifier", user),
            "mistral" | "deepseek" => lacks(notes, "user"),
            _ => put(body, "user", user),
        }
    }
    if let Some(key) = &request.cache_key {
        if manner.is_openai || (manner.is_mistral && key.is_ascii()) {
            put(body, "prompt_cache_key", key.as_str());
        } else {
            lacks(notes, "prompt_cache_key");
        }
    }
    if let Some(verbosity) = &request.verbosity {
        if manner.is_openai || target.provider == "openrouter" {
            put(body, "verbosity", verbosity.as_str());
        } else {
            lacks(notes, "verbosity");
        }
    }
    if let Some(metadata) = &request.metadata {
        if manner.is_openai {
            put(body, "metadata", metadata.clone());
        } else {
            lacks(notes, "metadata");
        }
    }
    if let Some(tier) = &request.service_tier {
        let word = match (target.provider, tier.as_str()) {
            ("groq", "default" | "standard" | "standard_only") => Some("on_demand"),
            ("groq", word @ ("auto" | "flex" | "on_demand")) => Some(word),
            ("groq" | "mistral" | "deepseek" | "xai", _) => None,
            (_, "standard" | "standard_only" | "on_demand") => Some("default"),
            (_, word) => Some(word),
        };
        match word {
            Some(word) => put(body, "service_tier", word),
            None => lacks(notes, "service_tier"),
        }
    }
}

//! A request as an upstream that speaks responses reads it.
//!
//! Invariant: nothing is kept at the provider; thoughts come back encrypted, so that the client can send them again; what is left out is
//! noted. Pure.
//! Wire facts: OpenAI's API reference: functions are flat with `strict` and `parameters`, there are no stop texts, no `n`, no penalties.

mod items;
mod tools;

use super::super::exchange::{
    Effort, Format, Item, Notes, Reasoning, Request, Role, Target, Thinking, ThinkingRule, ToolChoice, Untranslatable,
};
use super::super::openai;
use serde_json::{Map, Value, json};

/// The classes of service that have a name in this dialect.
const TIERS: [&str; 7] = ["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

/// `request` for `target`.
pub(crate) fn encode_request(
    request: &Request,
    target: &Target<'_>,
    notes: &mut Notes,
) -> Result<Vec<u8>, Untranslatable> {
    if request.choices.is_some_and(|count| count > 1) {
        return Err(Untranslatable::no_counterpart("n", "it gives one answer at a time"));
    }
    if !target.rules.takes_prefill
        && let Some(Item::Message(last)) = request.items.last()
        && last.role == Role::Assistant
    {
        let why = "the model does not go on with an answer that was begun for it";
        return Err(Untranslatable::no_counterpart("messages", why));
    }
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("model", Some(json!(target.model)));
    set("input", Some(items::encode(request, notes)?));
    set("store", Some(json!(false)));
    set("stream", Some(json!(request.stream)));
    set("include", include(request, target));
    let tools = tools::encode(&request.tools, notes);
    if !tools.is_empty() {
        set("tools", Some(Value::Array(tools)));
        let choice = tools::choice(request, target.rules.takes_forced_tool, notes);
        set("tool_choice", choice);
        set("parallel_tool_calls", request.parallel_tools.map(Value::Bool));
    } else if !matches!(request.tool_choice, ToolChoice::Auto | ToolChoice::None) {
        notes.dropped("the forced call of a tool", "no tool is left to call");
    }
    let max_output = target.max_output.or(request.max_output);
    set("max_output_tokens", max_output.map(Value::from));
    set("text", text(request, target, notes));
    set("reasoning", reasoning(request.reasoning.as_ref(), target, notes));
    set("prompt_cache_key", request.cache_key.clone().map(Value::String));
    set("safety_identifier", openai::end_user(request, notes).map(Value::from));
    set("service_tier", tier(request, notes));
    set("metadata", request.metadata.clone().map(Value::Object));
    sampling(request, target, notes, &mut body);
    serde_json::to_vec(&body).map_err(|_| Untranslatable::wrong("body", "writable as JSON"))
}

/// Models that do not think refuse to be asked for encrypted thoughts; of one that nobody knows, the request must be about them.
fn include(request: &Request, target: &Target<'_>) -> Option<Value> {
    let mut wanted = Vec::new();
    let is_about_thoughts =
        || request.reasoning.is_some() || request.items.iter().any(|item| matches!(item, Item::Thought(_)));
    let thinks = match target.rules.thinking {
        ThinkingRule::Never => false,
        ThinkingRule::Unknown => is_about_thoughts(),
        ThinkingRule::Budget | ThinkingRule::Effort | ThinkingRule::Always => true,
    };
    if thinks {
        wanted.push("reasoning.encrypted_content");
    }
    if request.logprobs.is_some() && target.rules.takes_sampling {
        wanted.push("message.output_text.logprobs");
    }
    (!wanted.is_empty()).then(|| json!(wanted))
}

fn sampling(request: &Request, target: &Target<'_>, notes: &mut Notes, body: &mut Map<String, Value>) {
    let sampling = &request.sampling;
    let mut taken = |name: &str, value: Option<Value>| {
        let Some(value) = value else { return };
        if target.rules.takes_sampling {
            body.insert(name.to_owned(), value);
        } else {
            notes.dropped(name, "the model does not take it");
        }
    };
    taken("temperature", sampling.temperature.clone().map(Value::Number));
    taken("top_p", sampling.top_p.clone().map(Value::Number));
    taken("top_logprobs", request.logprobs.map(Value::from));
    for (name, is_set) in [
        ("top_k", sampling.top_k.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("seed", sampling.seed.is_some()),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("stop", !request.stop.is_empty()),
    ] {
        if is_set {
            notes.dropped(name, "the responses API does not have it");
        }
    }
}

fn text(request: &Request, target: &Target<'_>, notes: &mut Notes) -> Option<Value> {
    let mut text = Map::new();
    let format = match &request.format {
        Format::Text => None,
        Format::JsonObject => Some(json!({"type": "json_object"})),
        Format::JsonSchema { .. } if !target.rules.takes_json_schema => {
            notes.changed("the schema of the answer", "any JSON, the model takes no schema");
            Some(json!({"type": "json_object"}))
        }
        Format::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => {
            let name = if name.is_empty() { "answer" } else { name.as_str() };
            let mut format = json!({"type": "json_schema", "name": name, "schema": schema});
            if let Some(description) = description {
                format["description"] = json!(description);
            }
            if let Some(strict) = strict {
                format["strict"] = json!(strict);
            }
            Some(format)
        }
    };
    if let Some(format) = format {
        text.insert("format".to_owned(), format);
    }
    if let Some(verbosity) = &request.verbosity {
        text.insert("verbosity".to_owned(), json!(verbosity));
    }
    (!text.is_empty()).then_some(Value::Object(text))
}

fn reasoning(asked: Option<&Reasoning>, target: &Target<'_>, notes: &mut Notes) -> Option<Value> {
    let asked = asked?;
    let off = (asked.thinking == Some(Thinking::Off)).then_some(Effort::None);
    let effort = off.or(asked.effort).or_else(|| asked.budget.map(Effort::of_budget));
    let effort = match (target.rules.thinking, effort) {
        (ThinkingRule::Never, effort) => {
            if effort.is_some_and(|effort| effort != Effort::None) {
                notes.dropped("the effort", "the model does not think");
            }
            return None;
        }
        (ThinkingRule::Always, Some(Effort::None)) => {
            notes.changed("the effort", "low, the model always thinks");
            Some(Effort::Low)
        }
        (_, effort) => effort.map(|wanted| openai::effort(wanted, target.model, true, notes)),
    };
    let summary = match asked.summary.as_deref() {
        Some(word @ ("auto" | "concise" | "detailed")) => Some(word),
        Some("summarized") => Some("auto"),
        _ => None,
    };
    let mut reasoning = Map::new();
    if let Some(effort) = effort {
        reasoning.insert("effort".to_owned(), json!(effort.as_str()));
    }
    if let Some(summary) = summary {
        reasoning.insert("summary".to_owned(), json!(summary));
    }
    (!reasoning.is_empty()).then_some(Value::Object(reasoning))
}

fn tier(request: &Request, notes: &mut Notes) -> Option<Value> {
    let tier = request.service_tier.as_deref()?;
    if !TIERS.contains(&tier) {
        notes.dropped("the class of service", "the provider does not have it");
        return None;
    }
    Some(json!(tier))
}

#[cfg(test)]
mod tests;

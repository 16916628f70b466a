//! Tools and their choice, in a chat request.
//!
//! Invariant: a tool that cannot be offered is left out and noted; a choice the provider cannot be told narrows the tools instead. Pure.
//! Wire facts: OpenAI's SDK types; Mistral says `any` for `required` and takes schemas without `$schema`, `$id`, `additionalProperties`.

use super::super::exchange::{Notes, Request, Target, Tool, ToolChoice, Untranslatable};
use super::encode_message::cache_control;
use super::encode_request::put;
use super::provider::Manner;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Puts the tools of `request` into `body`, and what must be called.
pub(super) fn write(
    body: &mut Map<String, Value>,
    request: &Request,
    target: &Target<'_>,
    notes: &mut Notes,
) -> Result<(), Untranslatable> {
    let manner = Manner::of(target.provider);
    let choice = choice(request, target, notes);
    let only = only(&choice, manner);
    let mut tools = Vec::new();
    for tool in &request.tools {
        let is_offered = only
            .as_ref()
            .is_none_or(|names| names.contains(tool.name()) || names.contains(&*tool.full_name()));
        match tool {
            Tool::Hosted { .. } => notes.dropped("a hosted tool", "it runs at its own provider only"),
            _ if !is_offered => {}
            _ => tools.push(tool_value(tool, manner, notes)),
        }
    }
    if tools.is_empty() {
        return match choice {
            ToolChoice::Tool(_) | ToolChoice::Required => Err(Untranslatable::no_counterpart(
                "tool_choice",
                "the tool that must be called cannot be offered",
            )),
            _ => Ok(()),
        };
    }
    if only.is_some() {
        notes.changed("tool_choice", "only the tools that may be called are offered");
    }
    put(body, "tools", tools);
    if let Some(choice) = choice_value(&choice, request, manner) {
        put(body, "tool_choice", choice);
    }
    if let Some(is_parallel) = request.parallel_tools {
        put(body, "parallel_tool_calls", is_parallel);
    }
    Ok(())
}

/// The choice, as far as the model takes it.
fn choice(request: &Request, target: &Target<'_>, notes: &mut Notes) -> ToolChoice {
    let forced = matches!(
        request.tool_choice,
        ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Allowed { is_required: true, .. }
    );
    if !forced || target.rules.takes_forced_tool {
        return request.tool_choice.clone();
    }
    notes.changed("tool_choice", "auto, for the model cannot be forced to call");
    match &request.tool_choice {
        ToolChoice::Allowed { names, .. } => ToolChoice::Allowed {
            names: names.clone(),
            is_required: false,
        },
        _ => ToolChoice::Auto,
    }
}

/// The tools that alone are offered, where the choice cannot be said otherwise.
fn only(choice: &ToolChoice, manner: Manner) -> Option<HashSet<&str>> {
    match choice {
        ToolChoice::Tool(name) if manner.is_mistral => Some(HashSet::from([name.as_str()])),
        ToolChoice::Allowed { names, .. } if !manner.is_openai => Some(names.iter().map(String::as_str).collect()),
        _ => None,
    }
}

fn choice_value(choice: &ToolChoice, request: &Request, manner: Manner) -> Option<Value> {
    let required = if manner.is_mistral { "any" } else { "required" };
    let mut tools: HashMap<Cow<'_, str>, &Tool> = HashMap::new();
    for tool in &request.tools {
        tools.entry(tool.name().into()).or_insert(tool);
        tools.entry(tool.full_name()).or_insert(tool);
    }
    let named = |name: &str| {
        let tool = tools.get(name);
        let shown = tool.map_or(name.into(), |tool| tool.full_name());
        let is_custom = manner.is_openai && matches!(tool, Some(Tool::Custom { .. }));
        let kind = if is_custom { "custom" } else { "function" };
        json!({"type": kind, kind: {"name": shown}})
    };
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some("none".into()),
        ToolChoice::Required => Some(required.into()),
        ToolChoice::Tool(_) if manner.is_mistral => Some(required.into()),
        ToolChoice::Tool(name) => Some(named(name)),
        ToolChoice::Allowed { names, is_required } if manner.is_openai => {
            let mode = if *is_required { "required" } else { "auto" };
            let tools: Vec<Value> = names.iter().map(|name| named(name)).collect();
            Some(json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}))
        }
        ToolChoice::Allowed { is_required, .. } => is_required.then(|| required.into()),
    }
}

fn tool_value(tool: &Tool, manner: Manner, notes: &mut Notes) -> Value {
    match tool {
        Tool::Custom {
            description, format, ..
        } if manner.is_openai => {
            let mut custom = begun(tool, description.as_deref());
            if let Some(format) = format {
                put(&mut custom, "format", nested_grammar(format));
            }
            json!({"type": "custom", "custom": custom})
        }
        Tool::Function {
            description,
            parameters,
            strict,
            cache,
            ..
        } => {
            let mut function = begun(tool, description.as_deref());
            if let Some(parameters) = parameters {
                let mut parameters = parameters.clone();
                if manner.is_mistral {
                    strip(&mut parameters);
                }
                put(&mut function, "parameters", parameters);
            }
            match strict {
                Some(strict) if manner.takes_strict => put(&mut function, "strict", *strict),
                Some(true) => notes.dropped("strict", "the provider does not take it"),
                _ => {}
            }
            let mut value = Map::new();
            put(&mut value, "type", "function");
            put(&mut value, "function", function);
            match cache {
                Some(ttl) if manner.takes_cache_marks => put(&mut value, "cache_control", cache_control(ttl)),
                Some(_) => notes.dropped("cache marks", "the provider caches as it likes"),
                None => {}
            }
            Value::Object(value)
        }
        Tool::Custom { description, .. } => {
            let mut function = begun(tool, description.as_deref());
            let text = json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
            put(&mut function, "parameters", text);
            notes.changed("a custom tool", "a function of one text");
            json!({"type": "function", "function": function})
        }
        Tool::Hosted { raw, .. } => raw.clone(),
    }
}

fn begun(tool: &Tool, description: Option<&str>) -> Map<String, Value> {
    let mut begun = Map::new();
    put(&mut begun, "name", tool.full_name());
    if let Some(description) = description {
        put(&mut begun, "description", description);
    }
    begun
}

/// A grammar as the chat dialect writes it, in an object of its own.
fn nested_grammar(format: &Value) -> Value {
    match (format.get("syntax"), format.get("definition")) {
        (Some(syntax), Some(definition)) => {
            json!({"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}})
        }
        _ => format.clone(),
    }
}

/// Removes from a schema, and the schemas in it, what Mistral refuses.
fn strip(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for name in ["$schema", "$id"] {
                members.remove(name);
            }
            // A property may be called so; then it is a schema of its own and stands in `properties`.
            members.remove("additionalProperties");
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("properties" | "$defs" | "definitions", Value::Object(inner)) => {
                        inner.values_mut().for_each(strip)
                    }
                    ("enum" | "const" | "default" | "examples", _) => {}
                    (_, value) => strip(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

//! Tools and what of them must be called, in the words of the responses dialect: to an upstream, and echoed to a client.
//!
//! Invariant: every key that the API calls required is there. Pure.
//! Wire facts: OpenAI's API reference.

use super::super::exchange::{Request, Tool, ToolChoice};
use serde_json::{Value, json};
use std::collections::HashMap;

/// `tools`, those of one namespace that follow each other together.
pub(super) fn render<'a>(tools: impl Iterator<Item = &'a Tool>) -> Vec<Value> {
    let mut rendered: Vec<Value> = Vec::new();
    let mut last: Option<&str> = None;
    for tool in tools {
        let namespace = tool.namespace();
        match namespace {
            None => rendered.push(one(tool)),
            Some(name) => {
                if last != namespace {
                    rendered.push(json!({"type": "namespace", "name": name, "description": "", "tools": []}));
                }
                let group = rendered.last_mut().and_then(|group| group.get_mut("tools"));
                if let Some(Value::Array(group)) = group {
                    group.push(one(tool));
                }
            }
        }
        last = namespace;
    }
    rendered
}

fn one(tool: &Tool) -> Value {
    match tool {
        Tool::Function {
            name,
            description,
            parameters,
            strict,
            ..
        } => {
            let nothing = || json!({"type": "object", "properties": {}});
            json!({
                "type": "function",
                "name": name,
                "description": description,
                "parameters": parameters.clone().unwrap_or_else(nothing),
                "strict": strict.unwrap_or(false),
            })
        }
        Tool::Custom {
            name,
            description,
            format,
            ..
        } => {
            let mut custom = json!({"type": "custom", "name": name});
            if let Some(description) = description {
                custom["description"] = json!(description);
            }
            if let Some(format) = format {
                custom["format"] = format.clone();
            }
            custom
        }
        Tool::Hosted { raw, .. } => raw.clone(),
    }
}

/// What of its tools `request` wants called.
pub(super) fn choice(request: &Request) -> Value {
    match &request.tool_choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Tool(name) => named(request)(name),
        ToolChoice::Allowed { names, is_required } => {
            allowed(request, names, if *is_required { "required" } else { "auto" })
        }
    }
}

/// The choice among `names`.
pub(super) fn allowed(request: &Request, names: &[String], mode: &str) -> Value {
    let named = named(request);
    let tools: Vec<Value> = names.iter().map(|name| named(name)).collect();
    json!({"type": "allowed_tools", "mode": mode, "tools": tools})
}

/// How a tool of `request` is named in a choice.
fn named(request: &Request) -> impl Fn(&str) -> Value {
    let mut kinds: HashMap<&str, &str> = HashMap::new();
    for tool in &request.tools {
        match tool {
            Tool::Function { .. } => {}
            Tool::Custom { name, .. } => {
                kinds.insert(name, "custom");
            }
            Tool::Hosted { kind, .. } => {
                kinds.entry(kind).or_insert(kind);
            }
        }
    }
    move |name| match kinds.get(name) {
        Some(kind) if *kind == name => json!({"type": name}),
        kind => json!({"type": kind.unwrap_or(&"function"), "name": name}),
    }
}

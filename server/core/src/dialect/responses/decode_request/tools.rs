//! What a model may call, and what of it it must.
//!
//! Invariant: tools keep their order; those of a namespace stand where it stood. Pure.
//! Wire facts: OpenAI's API reference: functions are flat, Codex groups its own by namespaces.

use super::super::super::exchange::{Tool, ToolChoice, Untranslatable};
use crate::dialect::object::Object;
use serde_json::Value;

/// Adds the tools of `list` to `tools`.
pub(super) fn tools(list: Vec<(String, Value)>, tools: &mut Vec<Tool>) -> Result<(), Untranslatable> {
    for (place, value) in list {
        let mut fields = Object::new(value, place)?;
        if fields.word("type") == Some("namespace") {
            let namespace = fields.needed_text("name")?;
            for (place, value) in fields.elements("tools")? {
                add(tools, tool(Object::new(value, place)?, Some(&namespace))?);
            }
        } else {
            add(tools, tool(fields, None)?);
        }
    }
    Ok(())
}

/// Adds `tool`, unless it is there: tools that were searched for come again with what was found.
fn add(tools: &mut Vec<Tool>, tool: Tool) {
    if matches!(tool, Tool::Hosted { .. }) || !tools.iter().any(|known| named(known) == named(&tool)) {
        tools.push(tool);
    }
}

fn named(tool: &Tool) -> (Option<&str>, &str) {
    match tool {
        Tool::Function { namespace, .. } => (namespace.as_deref(), tool.name()),
        Tool::Custom { .. } | Tool::Hosted { .. } => (None, tool.name()),
    }
}

fn tool(mut fields: Object, namespace: Option<&str>) -> Result<Tool, Untranslatable> {
    let Some(kind) = fields.word("type").map(str::to_owned) else {
        return Err(fields.wrong("type", "a string"));
    };
    match kind.as_str() {
        "function" => Ok(Tool::Function {
            name: fields.needed_text("name")?,
            namespace: namespace.filter(|name| !name.is_empty()).map(str::to_owned),
            description: fields.text("description")?,
            parameters: match fields.take("parameters") {
                Some(Value::Object(schema)) => Some(Value::Object(schema)),
                None => None,
                Some(_) => return Err(fields.wrong("parameters", "an object")),
            },
            strict: fields.flag("strict")?,
            cache: None,
        }),
        "custom" => Ok(Tool::Custom {
            name: fields.needed_text("name")?,
            description: fields.text("description")?,
            format: fields.take("format"),
        }),
        _ => Ok(Tool::Hosted {
            kind,
            raw: fields.into_value(),
        }),
    }
}

/// What must be called.
pub(super) fn tool_choice(top: &mut Object) -> Result<ToolChoice, Untranslatable> {
    let expected = "“auto”, “none”, “required” or an object";
    let value = match top.take("tool_choice") {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) => {
            return match word.as_str() {
                "auto" => Ok(ToolChoice::Auto),
                "none" => Ok(ToolChoice::None),
                "required" => Ok(ToolChoice::Required),
                _ => Err(top.wrong("tool_choice", expected)),
            };
        }
        Some(value) if value.is_object() => value,
        Some(_) => return Err(top.wrong("tool_choice", expected)),
    };
    let mut choice = Object::new(value, top.at("tool_choice"))?;
    match choice.needed_text("type")?.as_str() {
        "function" | "custom" => Ok(ToolChoice::Tool(choice.needed_text("name")?)),
        "allowed_tools" => {
            let is_required = match choice.text("mode")?.as_deref() {
                None | Some("auto") => false,
                Some("required") => true,
                Some(_) => return Err(choice.wrong("mode", "“auto” or “required”")),
            };
            let mut names = Vec::new();
            for (place, value) in choice.elements("tools")? {
                let mut tool = Object::new(value, place)?;
                let name = tool.text("name")?;
                names.push(name.map_or_else(|| tool.needed_text("type"), Ok)?);
            }
            Ok(ToolChoice::Allowed { names, is_required })
        }
        _ => {
            let why = "the tool runs at the provider, other models do not have it";
            Err(choice.no_counterpart("type", why))
        }
    }
}

//! What a model may call, and what of it it must.
//!
//! Invariant: tools keep their order; those of a namespace stand where it stood. Pure.
//! Wire facts: OpenAI's API reference: functions are flat, Codex groups its own by namespaces.

use super::super::super::exchange::{Tool, ToolChoice, Untranslatable};
use crate::dialect::object::Object;
use serde_json::Value;
use std::collections::HashSet;

/// The tools that are offered so far.
#[derive(Default)]
pub(super) struct Offer {
    tools: Vec<Tool>,
    /// Functions and custom tools by namespace and name.
    known: HashSet<(Option<String>, String)>,
}

impl Offer {
    /// All of them.
    pub(super) fn into_tools(self) -> Vec<Tool> {
        self.tools
    }

    /// Adds the tools of `list`.
    pub(super) fn read(&mut self, list: Vec<(String, Value)>) -> Result<(), Untranslatable> {
        for (place, value) in list {
            let mut fields = Object::new(value, place)?;
            if fields.word("type") == Some("namespace") {
                let namespace = fields.needed_text("name")?;
                for (place, value) in fields.elements("tools")? {
                    self.add(tool(Object::new(value, place)?, Some(&namespace))?);
                }
            } else {
                self.add(tool(fields, None)?);
            }
        }
        Ok(())
    }

    /// Adds `tool`, unless it is there: tools that were searched for come again with what was found.
    fn add(&mut self, tool: Tool) {
        let named = || (tool.namespace().map(str::to_owned), tool.name().to_owned());
        if matches!(tool, Tool::Hosted { .. }) || self.known.insert(named()) {
            self.tools.push(tool);
        }
    }
}

fn tool(mut fields: Object, namespace: Option<&str>) -> Result<Tool, Untranslatable> {
    let Some(kind) = fields.word("type").map(str::to_owned) else {
        return Err(fields.wrong("type", "a string"));
    };
    let namespace = namespace.filter(|name| !name.is_empty()).map(str::to_owned);
    match kind.as_str() {
        "function" => Ok(Tool::Function {
            name: fields.needed_text("name")?,
            namespace,
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
            namespace,
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

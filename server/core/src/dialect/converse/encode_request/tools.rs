//! What the model may call, and must.
//!
//! Invariant: wherever the conversation has calls there are tools, without which Bedrock refuses it. Pure.
//! Wire facts: the AWS SDKs' model of the Bedrock runtime.

use super::super::super::exchange::{Item, Notes, Request, Rules, Tool as Asked, ToolChoice};
use super::turns::CachePoint;
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The tools of a request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config<'a> {
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
}

/// A tool, or a mark up to which the prompt is cached.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tool<'a> {
    ToolSpec(Spec<'a>),
    CachePoint(CachePoint),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct Schema<'a> {
    json: Cow<'a, Value>,
}

impl<'a> Config<'a> {
    /// Its tools, to be changed.
    pub(super) const fn tools_mut(&mut self) -> &mut Vec<Tool<'a>> {
        &mut self.tools
    }
}

impl Tool<'_> {
    /// Whether it is a mark.
    pub(super) const fn is_mark(&self) -> bool {
        matches!(self, Self::CachePoint(_))
    }
}

/// The tools of `request` for a model that follows `rules`.
pub(super) fn config<'a>(
    request: &'a Request,
    rules: &Rules,
    is_thinking: bool,
    notes: &mut Notes,
) -> Option<Config<'a>> {
    let called: BTreeSet<Cow<'a, str>> = request
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Call(call) => Some(call.full_name()),
            _ => None,
        })
        .collect();
    if request.tool_choice == ToolChoice::None && called.is_empty() {
        return None;
    }
    let mut tools = list(request, notes);
    if tools.is_empty() {
        tools.extend(called.into_iter().map(|name| {
            let schema = Cow::Owned(json!({"type": "object"}));
            spec(name, Some("No longer available."), schema, None)
        }));
    }
    if tools.is_empty() {
        return None;
    }
    Some(Config {
        tools,
        tool_choice: choice(request, rules, is_thinking, notes),
    })
}

fn list<'a>(request: &'a Request, notes: &mut Notes) -> Vec<Tool<'a>> {
    let mut tools = Vec::new();
    for tool in request.offered() {
        match tool {
            Asked::Function {
                description,
                parameters,
                strict,
                cache,
                ..
            } => {
                let schema = match parameters {
                    Some(schema) if schema.is_object() => Cow::Borrowed(schema),
                    _ => Cow::Owned(json!({"type": "object", "properties": {}})),
                };
                tools.push(spec(
                    tool.full_name(),
                    description.as_deref(),
                    schema,
                    strict.filter(|strict| *strict),
                ));
                tools.extend(cache.as_deref().map(|time| Tool::CachePoint(CachePoint::of(time))));
            }
            Asked::Custom { description, .. } => {
                let schema =
                    json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
                tools.push(spec(tool.full_name(), description.as_deref(), Cow::Owned(schema), None));
            }
            Asked::Hosted { .. } => notes.dropped("a hosted tool", "it runs at another provider"),
        }
    }
    tools
}

fn spec<'a>(name: Cow<'a, str>, description: Option<&'a str>, json: Cow<'a, Value>, strict: Option<bool>) -> Tool<'a> {
    Tool::ToolSpec(Spec {
        name,
        // An empty one is refused.
        description: description.filter(|text| !text.is_empty()),
        input_schema: Schema { json },
        strict,
    })
}

fn choice(request: &Request, rules: &Rules, is_thinking: bool, notes: &mut Notes) -> Option<Value> {
    let forced = match &request.tool_choice {
        ToolChoice::Auto | ToolChoice::Allowed { is_required: false, .. } => return None,
        ToolChoice::None => {
            notes.changed(
                "tool_choice",
                "auto, since the conversation has calls and Bedrock has no “none”",
            );
            return None;
        }
        ToolChoice::Required | ToolChoice::Allowed { .. } => json!({"any": {}}),
        ToolChoice::Tool(name) => json!({"tool": {"name": name}}),
    };
    if !rules.takes_forced_tool || is_thinking {
        notes.changed("tool_choice", "auto, since the model cannot be forced to call");
        return None;
    }
    Some(forced)
}

//! Tools, and which of them must be called.
//!
//! Invariant: a tool takes an object; a choice names only tools that are sent. Pure.
//! Wire facts: Anthropic's API reference, "Tool use".

use super::super::super::exchange::{Notes, Request, Rules, Tool as Offered, ToolChoice};
use super::super::block::Mark;
use super::marks::mark;
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// A tool.
#[derive(Debug, Serialize)]
pub(super) struct Tool<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    input_schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<Mark>,
}

/// What must be called.
#[derive(Debug, Serialize)]
pub(super) struct Choice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

/// The tools of `request`, of which a choice among some leaves only those.
pub(super) fn list<'a>(request: &'a Request, notes: &mut Notes) -> Vec<Tool<'a>> {
    request.offered().filter_map(|offered| tool(offered, notes)).collect()
}

fn tool<'a>(offered: &'a Offered, notes: &mut Notes) -> Option<Tool<'a>> {
    let name = offered.full_name();
    match offered {
        Offered::Function {
            description,
            parameters,
            strict,
            cache,
            ..
        } => {
            if *strict == Some(true) {
                notes.dropped(
                    "strict",
                    "the provider enforces other schemas than the client may have sent",
                );
            }
            Some(Tool {
                name,
                description: description.as_deref().map(Cow::Borrowed),
                input_schema: input_schema(parameters.as_ref(), notes),
                cache_control: mark(cache.as_deref(), notes),
            })
        }
        Offered::Custom {
            description, format, ..
        } => Some(Tool {
            name,
            description: free_text(description.as_deref(), format.as_ref()),
            input_schema: Cow::Owned(json!({
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
            })),
            cache_control: None,
        }),
        Offered::Hosted { .. } => {
            notes.dropped("a hosted tool", "it runs at another provider");
            None
        }
    }
}

/// `parameters` as an object's schema: the provider demands the type, and refuses alternatives at the top.
fn input_schema<'a>(parameters: Option<&'a Value>, notes: &mut Notes) -> Cow<'a, Value> {
    let Some(schema) = parameters.and_then(Value::as_object) else {
        return Cow::Owned(json!({"type": "object", "properties": {}}));
    };
    let alternatives = ["oneOf", "anyOf", "allOf"]
        .into_iter()
        .filter(|word| schema.contains_key(*word));
    let alternatives: Vec<&str> = alternatives.collect();
    if let (Some(schema), true, true) = (
        parameters,
        alternatives.is_empty(),
        schema.get("type").is_some_and(|kind| kind == "object"),
    ) {
        return Cow::Borrowed(schema);
    }
    let mut schema = schema.clone();
    for word in alternatives {
        schema.remove(word);
        notes.dropped(word, "a tool's schema has no alternatives at the top");
    }
    schema.insert("type".to_owned(), json!("object"));
    Cow::Owned(Value::Object(schema))
}

/// The description of a tool that takes free text, with the grammar of its input, which nobody enforces here.
fn free_text<'a>(description: Option<&'a str>, format: Option<&Value>) -> Option<Cow<'a, str>> {
    let places = ["/definition", "/grammar/definition"];
    let grammar = format.and_then(|format| places.iter().find_map(|place| format.pointer(place)?.as_str()));
    match grammar {
        None => description.map(Cow::Borrowed),
        Some(grammar) => Some(Cow::Owned(format!(
            "{}\n\nThe input is plain text that follows this grammar:\n{grammar}",
            description.unwrap_or_default()
        ))),
    }
}

/// What must be called, by a model that follows `rules` and thinks or not; `None` where that goes without saying.
pub(super) fn choice<'a>(
    request: &'a Request,
    rules: &Rules,
    is_thinking: bool,
    notes: &mut Notes,
) -> Option<Choice<'a>> {
    let (mut kind, mut name) = match &request.tool_choice {
        ToolChoice::Auto | ToolChoice::Allowed { is_required: false, .. } => ("auto", None),
        ToolChoice::None => ("none", None),
        ToolChoice::Required | ToolChoice::Allowed { is_required: true, .. } => ("any", None),
        ToolChoice::Tool(name) => ("tool", Some(Cow::Borrowed(name.as_str()))),
    };
    if let Some(short) = &name {
        let found = request.tools.iter().find(|tool| tool.name() == short.as_ref());
        name = found.map(Offered::full_name).or(name);
    }
    if matches!(kind, "any" | "tool") && (is_thinking || !rules.takes_forced_tool) {
        let why = if is_thinking {
            "a thinking model cannot be forced"
        } else {
            "the model cannot be forced"
        };
        notes.changed("tool_choice", why);
        (kind, name) = ("auto", None);
    }
    let disable_parallel_tool_use = request.parallel_tools == Some(false) && kind != "none";
    (kind != "auto" || disable_parallel_tool_use).then_some(Choice {
        kind,
        name,
        disable_parallel_tool_use,
    })
}

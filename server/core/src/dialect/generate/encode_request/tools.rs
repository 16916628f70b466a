//! Functions, and what of them must be called.
//!
//! Invariant: only functions are declared; a choice is stated only where there is one. Pure.
//! Wire facts: Google's `FunctionDeclaration` and `FunctionCallingConfig`; `parametersJsonSchema` takes JSON schemas.

use super::super::super::exchange::{Notes, Request, Target, Tool, ToolChoice};
use serde_json::{Map, Value, json};

/// The tools of `request`; `None` where no function is among them.
pub(super) fn encode(request: &Request, notes: &mut Notes) -> Option<Value> {
    let declarations: Vec<Value> = request
        .tools
        .iter()
        .filter_map(|tool| declaration(tool, notes))
        .collect();
    if !declarations.is_empty() && request.parallel_tools == Some(false) {
        notes.dropped("one call at a time", "the model cannot be told so");
    }
    (!declarations.is_empty()).then(|| json!([{"functionDeclarations": declarations}]))
}

fn declaration(tool: &Tool, notes: &mut Notes) -> Option<Value> {
    let mut declaration = Map::new();
    let mut put = |name: &str, value: Value| declaration.insert(name.to_owned(), value);
    match tool {
        Tool::Function {
            description,
            parameters,
            strict,
            cache,
            ..
        } => {
            put("name", tool.full_name().into());
            if let Some(description) = description {
                put("description", description.as_str().into());
            }
            if let Some(parameters) = parameters {
                put("parametersJsonSchema", plain_schema(parameters));
            }
            if *strict == Some(true) {
                notes.dropped("strict", "Google does not have it");
            }
            if cache.is_some() {
                notes.dropped("cache marks", "Google caches by itself or by a resource of its own");
            }
        }
        Tool::Custom {
            description, format, ..
        } => {
            put("name", tool.full_name().into());
            if let Some(description) = description {
                put("description", description.as_str().into());
            }
            let parameters =
                json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
            put("parametersJsonSchema", parameters);
            if format.is_some() {
                notes.dropped("the grammar of a tool", "the model takes none");
            }
        }
        Tool::Hosted { .. } => {
            notes.dropped("a tool of the provider's own", "this provider does not have it");
            return None;
        }
    }
    Some(declaration.into())
}

/// `schema` without what Google does not take.
pub(super) fn plain_schema(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
    }
    schema
}

/// What must be called.
pub(super) fn choice(request: &Request, target: &Target<'_>, has_functions: bool, notes: &mut Notes) -> Option<Value> {
    let (mode, names): (_, &[String]) = match &request.tool_choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => ("NONE", &[]),
        ToolChoice::Required => ("ANY", &[]),
        ToolChoice::Tool(name) => ("ANY", std::slice::from_ref(name)),
        ToolChoice::Allowed { names, is_required } => (if *is_required { "ANY" } else { "VALIDATED" }, names),
    };
    if !has_functions {
        if mode == "ANY" {
            notes.dropped("the choice of a tool", "no function is left to choose");
        }
        return None;
    }
    if mode == "ANY" && !target.rules.takes_forced_tool {
        notes.changed("the choice of a tool", "this model is never made to call one");
        return None;
    }
    let mut config = Map::from_iter([("mode".to_owned(), mode.into())]);
    if !names.is_empty() {
        config.insert("allowedFunctionNames".to_owned(), names.into());
    }
    Some(json!({"functionCallingConfig": config}))
}

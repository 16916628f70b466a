//! The tools of a request and what of them must be called.
//!
//! Invariant: a function's schema is a JSON schema afterwards; every other tool is one that runs at Google. Pure.
//! Wire facts: Google's `Tool` and `FunctionCallingConfig`.

use super::super::super::exchange::{Tool, ToolChoice, Untranslatable};
use super::super::fields::{Fields, camel_case};
use super::super::schema::json_schema;
use serde_json::{Map, Value};

/// The tools in `tool`, which may hold many.
pub(super) fn read(mut tool: Fields, tools: &mut Vec<Tool>) -> Result<(), Untranslatable> {
    for (path, declaration) in tool.list("functionDeclarations") {
        tools.push(function(Fields::read(path, declaration)?)?);
    }
    for (name, value) in tool.rest() {
        tools.push(Tool::Hosted {
            kind: camel_case(&name),
            raw: Value::Object(Map::from_iter([(name, value)])),
        });
    }
    Ok(())
}

fn function(mut declaration: Fields) -> Result<Tool, Untranslatable> {
    let Some(name) = declaration.text("name")?.filter(|name| !name.is_empty()) else {
        return Err(Untranslatable::wrong(declaration.path("name"), "a name"));
    };
    let whole = declaration.take("parametersJsonSchema");
    let parameters = declaration.take("parameters").map(json_schema);
    let parameters = whole.or(parameters);
    if parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
        return Err(Untranslatable::wrong(declaration.path("parameters"), "a schema"));
    }
    Ok(Tool::Function {
        name,
        namespace: None,
        description: declaration.text("description")?,
        parameters,
        strict: None,
        cache: None,
    })
}

/// What must be called.
pub(super) fn choice(mut config: Fields) -> Result<ToolChoice, Untranslatable> {
    let Some(mut config) = config.object("functionCallingConfig")? else {
        return Ok(ToolChoice::Auto);
    };
    let mut names = config.texts("allowedFunctionNames")?;
    let mode = config.text("mode")?.unwrap_or_default();
    let is_required = match mode.to_ascii_uppercase().as_str() {
        "" | "AUTO" | "MODE_UNSPECIFIED" => return Ok(ToolChoice::Auto),
        "NONE" => return Ok(ToolChoice::None),
        "ANY" => true,
        "VALIDATED" => false,
        _ => {
            return Err(Untranslatable::wrong(
                config.path("mode"),
                "AUTO, ANY, NONE or VALIDATED",
            ));
        }
    };
    Ok(match (names.len(), is_required) {
        (0, true) => ToolChoice::Required,
        (0, false) => ToolChoice::Auto,
        (1, true) => ToolChoice::Tool(names.remove(0)),
        _ => ToolChoice::Allowed { names, is_required },
    })
}

//! Tools, and how the model is to choose among them, think and be served.
//!
//! Invariant: a tool that runs at Anthropic stays as it was written. Pure.

use super::super::super::exchange::{Effort, Reasoning, Thinking, Tool, ToolChoice, Untranslatable};
use super::super::object::{Object, Place};
use super::cache;

/// The tools, and the servers whose tools Anthropic would call.
pub(super) fn tools(top: &Object<'_, '_>) -> Result<Vec<Tool>, Untranslatable> {
    let mut tools = Vec::new();
    let place = top.at("tools");
    for (index, raw) in top.list("tools")?.into_iter().enumerate() {
        let tool = Object::read(raw, Place::Element(&place, index))?;
        tools.push(match tool.word("type")?.as_ref() {
            "" | "custom" => function(&tool)?,
            kind => hosted(kind, raw.get(), &tool.place)?,
        });
    }
    let place = top.at("mcp_servers");
    for (index, raw) in top.list("mcp_servers")?.into_iter().enumerate() {
        tools.push(hosted("mcp_servers", raw.get(), &Place::Element(&place, index))?);
    }
    Ok(tools)
}

fn function(tool: &Object<'_, '_>) -> Result<Tool, Untranslatable> {
    Ok(Tool::Function {
        name: tool.required_text("name")?,
        namespace: None,
        description: tool.text("description")?,
        parameters: tool.value("input_schema")?,
        strict: tool.flag("strict")?,
        cache: cache(tool)?,
    })
}

fn hosted(kind: &str, raw: &str, place: &Place<'_>) -> Result<Tool, Untranslatable> {
    Ok(Tool::Hosted {
        kind: kind.to_owned(),
        raw: serde_json::from_str(raw).map_err(|_| place.wrong("valid JSON"))?,
    })
}

/// What must be called, and whether several calls may come at once.
pub(super) fn tool_choice(top: &Object<'_, '_>) -> Result<(ToolChoice, Option<bool>), Untranslatable> {
    let Some(choice) = top.object("tool_choice")? else {
        return Ok((ToolChoice::Auto, None));
    };
    let what = match choice.word("type")?.as_ref() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Tool(choice.required_text("name")?),
        "none" => ToolChoice::None,
        _ => return Err(choice.at("type").wrong("“auto”, “any”, “tool” or “none”")),
    };
    let is_disabled = choice.flag("disable_parallel_tool_use")?;
    Ok((what, is_disabled.map(|is_disabled| !is_disabled)))
}

/// How much to think.
pub(super) fn reasoning(top: &Object<'_, '_>) -> Result<Option<Reasoning>, Untranslatable> {
    let mut reasoning = Reasoning::default();
    if let Some(config) = top.object("output_config")? {
        reasoning.effort = match config.word("effort")?.as_ref() {
            "" => None,
            word => Some(
                Effort::parse(word)
                    .ok_or_else(|| config.at("effort").wrong("“low”, “medium”, “high”, “xhigh” or “max”"))?,
            ),
        };
    }
    if let Some(thinking) = top.object("thinking")? {
        reasoning.thinking = Some(match thinking.word("type")?.as_ref() {
            "enabled" => Thinking::On,
            "adaptive" | "between_tools" => Thinking::Adaptive,
            "disabled" => Thinking::Off,
            _ => {
                let known = "“enabled”, “adaptive”, “between_tools” or “disabled”";
                return Err(thinking.at("type").wrong(known));
            }
        });
        reasoning.budget = thinking.count("budget_tokens")?;
        reasoning.summary = thinking.text("display")?;
    }
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

/// The class of service, in the words of the other dialects.
pub(super) fn service_tier(top: &Object<'_, '_>) -> Result<Option<String>, Untranslatable> {
    Ok(match top.word("service_tier")?.as_ref() {
        "" => None,
        "standard_only" => Some("default".to_owned()),
        other => Some(other.to_owned()),
    })
}

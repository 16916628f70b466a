//! Tools, as an upstream reads them.
//!
//! Invariant: every function has `strict` and `parameters`, which the API asks for. Pure.
//! Wire facts: OpenAI's API reference; a function without `strict` would be taken to be strict.

use super::super::super::exchange::{Notes, Request, Tool, ToolChoice};
use super::super::tool;
use serde_json::{Value, json};

/// `tools`, those of one namespace together.
pub(super) fn encode(tools: &[Tool], notes: &mut Notes) -> Vec<Value> {
    if tools.iter().any(|tool| matches!(tool, Tool::Hosted { .. })) {
        notes.dropped("tools that run at the provider", "each provider has its own");
    }
    tool::render(tools.iter().filter(|tool| !matches!(tool, Tool::Hosted { .. })))
}

/// What must be called; `None` where nothing is said.
pub(super) fn choice(request: &Request, takes_forced: bool, notes: &mut Notes) -> Option<Value> {
    let forced = match &request.tool_choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => return Some(json!("none")),
        ToolChoice::Required | ToolChoice::Tool(_) => true,
        ToolChoice::Allowed { is_required, .. } => *is_required,
    };
    if forced && !takes_forced {
        notes.changed("tool_choice", "auto, the model cannot be forced to call a tool");
        return match &request.tool_choice {
            ToolChoice::Allowed { names, .. } => Some(tool::allowed(request, names, "auto")),
            _ => None,
        };
    }
    Some(tool::choice(request))
}

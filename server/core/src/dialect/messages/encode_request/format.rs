//! The form of the answer.
//!
//! Invariant: what the provider cannot enforce is said as an instruction, and noted. Pure.
//! Wire facts: Anthropic's "Structured outputs".

use super::super::super::exchange::{Format, Notes, Request, Rules};
use super::super::block::Block;
use super::schema;
use serde_json::Value;
use std::borrow::Cow;

/// The schema for the provider to enforce; where it cannot, an instruction is added to `system`.
pub(super) fn plan(request: &Request, rules: &Rules, system: &mut Vec<Block<'_>>, notes: &mut Notes) -> Option<Value> {
    let instruction = match &request.format {
        Format::Text => return None,
        Format::JsonObject => {
            notes.changed("json_object", "asked for as an instruction");
            "Answer with one JSON object and nothing else.".to_owned()
        }
        Format::JsonSchema { schema, .. } => {
            let closed = rules.takes_json_schema.then(|| schema::closed(schema)).flatten();
            if closed.is_some() {
                return closed;
            }
            notes.changed("json_schema", "asked for as an instruction");
            format!("Answer with JSON that follows this schema, and nothing else:\n{schema}")
        }
    };
    system.push(Block::Text {
        text: Cow::Owned(instruction),
        citations: Vec::new(),
        cache_control: None,
    });
    None
}

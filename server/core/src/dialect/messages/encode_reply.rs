//! A whole reply for a client that speaks messages.
//!
//! Invariant: no block is empty, and a call's input is an object; what the dialect cannot say (pictures, further answers) is left out. Pure.
//! Wire facts: Anthropic's API reference.

#[cfg(test)]
mod tests;

use super::super::exchange::{Ask, Choice, Output, Reply};
use super::block::{Block, Cited, Input};
use super::stop::Stop;
use super::tokens::Tokens;
use serde::Serialize;
use std::borrow::Cow;

#[derive(Serialize)]
struct Wire<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    #[serde(flatten)]
    stop: Stop<'a>,
    usage: Tokens,
}

/// `reply` to `ask`.
pub(crate) fn encode_reply(reply: &Reply, ask: &Ask) -> Vec<u8> {
    let first = reply.choices.iter().find(|choice| choice.index == 0);
    let nothing = Choice::default();
    let Choice { output, finish, .. } = first.unwrap_or(&nothing);
    let has_calls = output.iter().any(|output| matches!(output, Output::Call(_)));
    let wire = Wire {
        id: format!("msg_{}", ask.id),
        kind: "message",
        role: "assistant",
        model: match reply.model.as_str() {
            "" => &ask.request.model,
            model => model,
        },
        content: output.iter().filter_map(block).collect(),
        stop: Stop::of(finish.as_ref(), has_calls, ask),
        usage: Tokens::of(reply.usage.as_ref(), reply.service_tier.as_deref()),
    };
    serde_json::to_vec(&wire).unwrap_or_default()
}

fn block(output: &Output) -> Option<Block<'_>> {
    match output {
        Output::Text { text, citations, .. } if !text.is_empty() => Some(Block::Text {
            text: Cow::Borrowed(text),
            citations: citations.iter().filter_map(Cited::of).collect(),
            cache_control: None,
        }),
        Output::Refusal(text) if !text.is_empty() => Some(Block::Text {
            text: Cow::Borrowed(text),
            citations: Vec::new(),
            cache_control: None,
        }),
        Output::Thought(thought) => match &thought.blob {
            Some(data) if thought.is_redacted => Some(Block::RedactedThinking { data }),
            None if thought.text.is_empty() => None,
            blob => Some(Block::Thinking {
                thinking: &thought.text,
                signature: blob.as_deref().unwrap_or_default(),
            }),
        },
        Output::Call(call) => Some(Block::ToolUse {
            id: Cow::Borrowed(&call.id),
            name: call.full_name(),
            input: Input::of(call),
        }),
        Output::Text { .. } | Output::Refusal(_) | Output::Image { .. } => None,
    }
}

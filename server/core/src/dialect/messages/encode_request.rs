//! A request for an upstream that speaks messages.
//!
//! Invariant: what is sent keeps Anthropic's rules on turns, blocks and options, as far as they are the same for every model or stand in
//! the model's rules; what they forbid is noted, or refused where the answer would be another one. Pure.
//! Wire facts: Anthropic's API reference and model pages.

mod format;
mod marks;
mod media;
mod plain;
mod sampling;
mod schema;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;
mod turns;

use super::super::exchange::{Notes, Request, Target, Untranslatable};
use super::block::Block;
use serde::Serialize;

/// The limit on the output of a model that nobody knows, where the client sets none: every model of Anthropic's can say that much.
const MAX_OUTPUT: u64 = 8192;

#[derive(Serialize)]
struct Wire<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(flatten)]
    thinking: thinking::Plan,
    #[serde(flatten)]
    sampling: sampling::Options<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<tools::Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<tools::Choice<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<turns::Turn<'a>>,
}

/// `request` for `target`; `notes` says what of it was left out or carried otherwise.
pub(crate) fn encode_request(
    request: &Request,
    target: &Target<'_>,
    notes: &mut Notes,
) -> Result<Vec<u8>, Untranslatable> {
    if request.choices.is_some_and(|choices| choices > 1) {
        return Err(Untranslatable::no_counterpart("n", "it gives one answer a request"));
    }
    let max_tokens = max_tokens(request, target);
    let mut conversation = turns::collect(request, target.rules, notes)?;
    let mut plan = thinking::plan(request, target, max_tokens, &conversation.turns, notes);
    plan.format(format::plan(request, target.rules, &mut conversation.system, notes));
    let tools = tools::list(request, notes);
    let tool_choice = match tools.is_empty() {
        true => None,
        false => tools::choice(request, target.rules, plan.is_on(), notes),
    };
    let sampling = sampling::options(request, target.rules, plan.is_on(), notes);
    let mut wire = Wire {
        model: target.model,
        max_tokens,
        stream: request.stream,
        thinking: plan,
        sampling,
        tools,
        tool_choice,
        system: conversation.system,
        messages: conversation.turns,
    };
    let tools = wire.tools.iter_mut().map(|tool| &mut tool.cache_control);
    let blocks = wire.system.iter_mut();
    let blocks = blocks.chain(wire.messages.iter_mut().flat_map(|turn| turn.content.iter_mut()));
    marks::limit(tools.chain(blocks.filter_map(marks::of)).collect(), notes);
    serde_json::to_vec(&wire).map_err(|_| Untranslatable::wrong("body", "what can be written as JSON"))
}

/// The limit on the output, which the dialect demands.
fn max_tokens(request: &Request, target: &Target<'_>) -> u64 {
    let most = target.rules.max_output;
    let asked = target.max_output.or(request.max_output).or(most).unwrap_or(MAX_OUTPUT);
    most.map_or(asked, |most| asked.min(most))
}

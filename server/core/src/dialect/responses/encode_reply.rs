//! A whole reply, as a client of the responses dialect reads it.
//!
//! Invariant: as a stream of the same reply would end. Pure.

use super::super::exchange::{Ask, Choice, Output, Reply};
use super::outgoing::{self, Told};
use serde_json::Value;

/// `reply` to `ask`.
pub(crate) fn encode_reply(reply: &Reply, ask: &Ask) -> Vec<u8> {
    let choice = reply.choices.first();
    let told = Told {
        model: reply.model.clone(),
        finish: choice.and_then(|choice| choice.finish.clone()),
        usage: reply.usage,
        tier: reply.service_tier.clone(),
    };
    let output = choice.map(|choice| output(choice, ask)).unwrap_or_default();
    let (_, response) = outgoing::ended(outgoing::response(ask), &told, output);
    response.to_string().into_bytes()
}

fn output(choice: &Choice, ask: &Ask) -> Vec<Value> {
    let mut items = Vec::new();
    let mut parts = Vec::new();
    for output in &choice.output {
        let said = part(output);
        if said.is_none() && !parts.is_empty() {
            let id = outgoing::id(ask, "msg", items.len());
            items.push(outgoing::message(&id, "completed", std::mem::take(&mut parts)));
        }
        parts.extend(said);
        items.extend(item(output, ask, items.len()));
    }
    if !parts.is_empty() {
        let id = outgoing::id(ask, "msg", items.len());
        items.push(outgoing::message(&id, outgoing::status(choice.finish.as_ref()), parts));
    }
    items
}

/// The part of a message that `output` is.
fn part(output: &Output) -> Option<Value> {
    match output {
        Output::Text {
            text,
            citations,
            logprobs,
        } => {
            let written = text.chars().count();
            let found = citations
                .iter()
                .filter_map(|citation| outgoing::annotation(citation, written));
            let annotations: Vec<Value> = found.collect();
            let logprobs: Vec<Value> = logprobs.iter().map(outgoing::logprob).collect();
            Some(outgoing::text_part(text, &annotations, &logprobs))
        }
        Output::Refusal(text) => Some(outgoing::refusal_part(text)),
        Output::Thought(_) | Output::Call(_) | Output::Image { .. } => None,
    }
}

/// The item that `output` is by itself.
fn item(output: &Output, ask: &Ask, index: usize) -> Option<Value> {
    match output {
        Output::Text { .. } | Output::Refusal(_) => None,
        Output::Thought(thought) => {
            let id = thought.id.clone().unwrap_or_else(|| outgoing::id(ask, "rs", index));
            let blob = thought.blob.as_deref().map(|blob| (blob, thought.is_redacted));
            Some(outgoing::reasoning(&id, &thought.text, blob))
        }
        Output::Call(call) => {
            let id = outgoing::id(ask, outgoing::call_prefix(call.kind), index);
            Some(outgoing::call(&id, "completed", call))
        }
        Output::Image { media_type, base64 } => {
            let id = outgoing::id(ask, "ig", index);
            Some(outgoing::image(&id, "completed", media_type, Some(base64)))
        }
    }
}

#[cfg(test)]
mod tests;

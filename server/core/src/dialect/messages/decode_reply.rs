//! A whole reply of an upstream that speaks messages, taken apart.
//!
//! Invariant: a reply is a message with a list of blocks; anything else of it may be missing. Pure.
//! Wire facts: Anthropic's API reference.

#[cfg(test)]
mod tests;

use super::super::counts::messages::Cumulative;
use super::super::exchange::{Choice, Kind, Output, Reply, Unreadable};
use super::content::{Content, Text, service_tier};
use super::stop;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    content: Vec<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
    #[serde(borrow)]
    stop_sequence: Option<Text<'a>>,
    #[serde(borrow)]
    stop_details: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// The reply in `body`.
pub(crate) fn decode_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let text = |name: Option<Text<'_>>| name.map(|Text(text)| text.into_owned()).unwrap_or_default();
    let sequence = wire.stop_sequence.as_ref().map(|Text(text)| text.as_ref());
    let finish = wire
        .stop_reason
        .as_ref()
        .map(|Text(reason)| stop::decode(reason, sequence, wire.stop_details));
    let mut counts = Cumulative::default();
    if let Some(usage) = wire.usage {
        counts.see(usage);
    }
    Ok(Reply {
        id: text(wire.id),
        model: text(wire.model),
        created_s: None,
        choices: vec![Choice {
            index: 0,
            output: wire.content.into_iter().filter_map(output).collect(),
            finish,
        }],
        usage: counts.usage(),
        service_tier: wire.usage.and_then(service_tier),
    })
}

fn output(raw: &RawValue) -> Option<Output> {
    let content = Content::read(raw);
    Some(match content.block()? {
        Kind::Thought { .. } => Output::Thought(content.thought()),
        Kind::Call { .. } => Output::Call(content.call()),
        _ => Output::Text {
            citations: content.citations(),
            text: content.text.map(|Text(text)| text.into_owned()).unwrap_or_default(),
            logprobs: Vec::new(),
        },
    })
}

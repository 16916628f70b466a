//! A whole reply of an upstream that speaks responses.
//!
//! Invariant: a failed response is a reply whose end says so; only what has neither an output nor an error is unreadable. Pure.
//! Wire facts: OpenAI's API reference and SDK types.

use super::super::exchange::{Choice, Output, Reply, Unreadable};
use super::incoming::{Item, Response, read, text};

/// The reply in `body`.
pub(crate) fn decode_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let response: Response<'_> = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let items = match response.items() {
        Some(items) => items,
        None if response.code().is_some() || text(response.status).is_some() => Vec::new(),
        None => return Err(Unreadable),
    };
    let outputs = items.into_iter().flat_map(|raw| read::<Item<'_>>(Some(raw)).outputs());
    let output: Vec<Output> = outputs.map(|(_, output)| output).collect();
    let has_calls = output.iter().any(|output| matches!(output, Output::Call(_)));
    Ok(Reply {
        id: text(response.id).unwrap_or_default(),
        model: text(response.model).unwrap_or_default(),
        created_s: response.created_s(),
        usage: response.usage(),
        service_tier: response.tier(),
        choices: vec![Choice {
            index: 0,
            finish: response.finish(has_calls),
            output,
        }],
    })
}

#[cfg(test)]
mod tests;

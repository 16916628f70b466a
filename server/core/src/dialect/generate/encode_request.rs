//! A request for an upstream of the generate dialect.
//!
//! Invariant: model and stream are told by the path alone; what the model refuses is left out and noted. Pure.
//! Wire facts: Google's API reference for `generateContent` and its model pages.

mod config;
mod contents;
mod media;
mod tools;
mod turn;

use super::super::exchange::{Notes, Request, Target, Untranslatable};
use super::family::Family;
use serde_json::{Map, Value};

/// The body of `request` for `target`.
pub(crate) fn encode_request(
    request: &Request,
    target: &Target<'_>,
    notes: &mut Notes,
) -> Result<Vec<u8>, Untranslatable> {
    let family = Family::of(target.model);
    let mut body = Map::new();
    let conversation = contents::encode(request, target, family, notes)?;
    body.insert("contents".to_owned(), conversation.contents);
    let mut put = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("systemInstruction", conversation.system);
    let functions = tools::encode(request, notes);
    put("toolConfig", tools::choice(request, target, functions.is_some(), notes));
    put("tools", functions);
    put("generationConfig", config::encode(request, target, family, notes));
    put("serviceTier", config::service_tier(request, target, notes));
    serde_json::to_vec(&body).map_err(|_| Untranslatable::wrong("body", "JSON"))
}

#[cfg(test)]
mod tests;

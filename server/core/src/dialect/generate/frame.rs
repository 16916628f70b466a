//! The generate dialect's replies: what a chunk of a stream or a whole reply, which have the same shape, says about content, errors and usage.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm; a stream has no mark of its end, so that it is
//! whole once every candidate has finished. Pure.
//! Wire facts: Google's API reference and SDK types.

use super::super::counts;
use super::super::glimpse::{Glimpse, Parts, some, text_bytes};
use crate::dialect::Operation;
use crate::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

const TEXTS: &[&str] = &["text", "args", "code", "output"];
/// How many candidates are told apart.
const CANDIDATES_MAX: u32 = 128;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    #[serde(borrow, default)]
    candidates: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt_feedback: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model_version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    index: Option<u32>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

/// The counts of a reply with vectors.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    prompt_token_count: u64,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Vec<&'a RawValue>,
}

/// What `data` says; `None` where it is no chunk and no reply.
pub(in crate::dialect) fn read<'de>(operation: Operation, data: &'de [u8], parts: &mut Parts) -> Option<Glimpse<'de>> {
    let frame: Frame<'_> = serde_json::from_slice(data).ok()?;
    let mut glimpse = Glimpse {
        model: some(frame.model_version),
        is_error: some(frame.error).is_some(),
        ..Glimpse::default()
    };
    if let Some(usage) = some(frame.usage_metadata) {
        parts.latest = usage_of(operation, usage);
        glimpse.tier = counts::generate::tier(usage);
    }
    let candidates = frame
        .candidates
        .and_then(|raw| serde_json::from_str::<Vec<Candidate<'_>>>(raw.get()).ok());
    for candidate in candidates.into_iter().flatten() {
        let bit = 1_u128
            .checked_shl(candidate.index.unwrap_or(0).min(CANDIDATES_MAX - 1))
            .unwrap_or(1);
        parts.seen |= bit;
        if candidate
            .finish_reason
            .is_some_and(|reason| !reason.is_empty() && reason != "FINISH_REASON_UNSPECIFIED")
        {
            parts.finished |= bit;
            glimpse.content.is_finished = true;
        }
        let content = candidate
            .content
            .and_then(|raw| serde_json::from_str::<Content<'_>>(raw.get()).ok());
        for part in content.into_iter().flat_map(|content| content.parts) {
            let bytes = text_bytes(part, TEXTS);
            glimpse.content.bytes = glimpse.content.bytes.saturating_add(bytes);
            glimpse.content.is_other |= bytes == 0 && !part.get().contains("\"text\"");
        }
    }
    if some(frame.prompt_feedback).is_some_and(|feedback| feedback.get().contains("\"blockReason\"")) {
        parts.is_blocked = true;
        glimpse.content.is_finished = true;
    }
    Some(glimpse)
}

/// The counts of `usage`; vectors have no answer to count.
fn usage_of(operation: Operation, usage: &RawValue) -> Option<Usage> {
    if !operation.is_embedding() {
        return counts::generate::read(usage);
    }
    let Vectors { prompt_token_count } = serde_json::from_str(usage.get()).ok()?;
    Some(Usage {
        input: prompt_token_count,
        ..Usage::default()
    })
}

impl Parts {
    /// Whether every candidate that was seen has finished, or there will be none.
    pub(in crate::dialect) const fn is_whole(&self) -> bool {
        self.is_blocked || (self.seen != 0 && self.seen == self.finished)
    }
}

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
    #[serde(borrow, default)]
    grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    url_context_metadata: Option<&'a RawValue>,
}

/// What was searched for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grounding<'a> {
    #[serde(borrow, default)]
    web_search_queries: Vec<Cow<'a, str>>,
}

impl Candidate<'_> {
    /// The searches that were made for it.
    fn queries(&self) -> u64 {
        let grounding: Option<Grounding<'_>> =
            some(self.grounding_metadata).and_then(|raw| serde_json::from_str(raw.get()).ok());
        let queries = grounding.into_iter().flat_map(|grounding| grounding.web_search_queries);
        queries.filter(|query| !query.is_empty()).count() as u64
    }
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
    if let Some(model) = glimpse
        .model
        .and_then(|raw| serde_json::from_str::<Cow<'_, str>>(raw.get()).ok())
    {
        parts.is_fee_for_all = is_fee_for_all(&model);
    }
    let mut queries: u64 = 0;
    let candidates = frame
        .candidates
        .and_then(|raw| serde_json::from_str::<Vec<Candidate<'_>>>(raw.get()).ok());
    for candidate in candidates.into_iter().flatten() {
        let bit = 1_u128
            .checked_shl(candidate.index.unwrap_or(0).min(CANDIDATES_MAX - 1))
            .unwrap_or(1);
        parts.seen |= bit;
        queries = queries.saturating_add(candidate.queries());
        parts.has_read |= some(candidate.url_context_metadata).is_some();
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
            let is_code = part.get().contains("\"executableCode\"");
            parts.has_read |= is_code;
            glimpse.calls += u64::from(is_code);
        }
    }
    // What was searched for is told again with more.
    parts.searches = parts.searches.max(queries);
    let searches = if parts.is_fee_for_all {
        parts.searches.min(1)
    } else {
        parts.searches
    };
    if let Some(usage) = some(frame.usage_metadata) {
        parts.latest = usage_of(operation, usage, searches > 0 && !parts.has_read);
        glimpse.tier = counts::generate::tier(usage);
    }
    if let Some(latest) = &mut parts.latest {
        latest.searches = searches;
    }
    if some(frame.prompt_feedback).is_some_and(|feedback| feedback.get().contains("\"blockReason\"")) {
        parts.is_blocked = true;
        glimpse.content.is_finished = true;
    }
    Some(glimpse)
}

/// Whether `model` is one of those before Gemini 3, which take a fee for an answer, whatever was searched for it; later ones take
/// it for each query, and so is what nobody knows.
fn is_fee_for_all(model: &str) -> bool {
    let version = model.rsplit('/').next().and_then(|name| name.strip_prefix("gemini-"));
    version.is_some_and(|version| version.starts_with("1.") || version.starts_with("2."))
}

/// The counts of `usage`, where tools read nothing but what `is_searched`; vectors have no answer to count.
fn usage_of(operation: Operation, usage: &RawValue, is_searched: bool) -> Option<Usage> {
    if !operation.is_embedding() {
        return if is_searched {
            counts::generate::read_of_search(usage)
        } else {
            counts::generate::read(usage)
        };
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

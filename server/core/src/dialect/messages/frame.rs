//! The messages dialect's replies: what an event of a stream or a whole reply says about content, errors and usage.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm; usage is told only when it is complete. Pure.
//! Wire facts: Anthropic's API reference and SDK types.

use super::super::chat::frame::Content;
use super::super::counts;
use super::super::glimpse::{Glimpse, Parts, some, text_bytes};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

const TEXTS: &[&str] = &["text", "thinking", "input"];
/// A call of a tool at the provider.
const CALL: &str = "server_tool_use";

/// A whole reply, or an event with the members that say anything here.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// A block or a delta of one.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    partial_json: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
}

/// What the event in `data` says; `None` where it is none.
pub(in crate::dialect) fn read_event<'de>(data: &'de [u8], parts: &mut Parts) -> Option<Glimpse<'de>> {
    let frame: Frame<'_> = serde_json::from_slice(data).ok()?;
    let kind = frame.kind.as_deref().unwrap_or_default();
    let mut glimpse = Glimpse {
        is_error: kind == "error" || (kind.is_empty() && some(frame.error).is_some()),
        is_done: kind == "message_stop",
        ..Glimpse::default()
    };
    if let Some(start) = frame.message {
        let start: Start<'_> = serde_json::from_str(start.get()).ok()?;
        glimpse.model = some(start.model);
        glimpse.usage = some(start.usage);
    }
    glimpse.usage = some(frame.usage).or(glimpse.usage);
    glimpse.tier = glimpse.usage.and_then(counts::messages::tier);
    // The output that the start counted is not the answer's.
    let tells_output = glimpse.usage.is_some_and(|usage| parts.cumulative.see(usage));
    if kind == "message_delta" && tells_output {
        parts.latest = parts.cumulative.usage();
    }
    if let Some(piece) = frame.content_block.or(frame.delta) {
        let piece: Piece<'_> = serde_json::from_str(piece.get()).ok()?;
        let texts = [piece.text, piece.thinking, piece.partial_json];
        let texts = texts.iter().flatten().map(|text| text.len() as u64);
        glimpse.content.bytes = texts.sum();
        glimpse.content.is_finished = some(piece.stop_reason).is_some();
        let kind = piece.kind.as_deref().unwrap_or_default();
        glimpse.calls = u64::from(kind == CALL);
        // An empty text or thought may be all there will ever be.
        let is_wordy = matches!(
            kind,
            "" | "text" | "thinking" | "text_delta" | "thinking_delta" | "input_json_delta"
        );
        glimpse.content.is_other = !is_wordy;
    }
    Some(glimpse)
}

/// What the whole `reply` says; `None` where it is none.
pub(in crate::dialect) fn read_whole<'de>(reply: &'de [u8], parts: &mut Parts) -> Option<Glimpse<'de>> {
    let frame: Frame<'_> = serde_json::from_slice(reply).ok()?;
    if let Some(usage) = some(frame.usage) {
        parts.cumulative.see(usage);
        parts.latest = parts.cumulative.usage();
    }
    Some(Glimpse {
        model: some(frame.model),
        usage: some(frame.usage),
        tier: some(frame.usage).and_then(counts::messages::tier),
        content: Content::of(
            frame.content.map_or(0, |content| text_bytes(content, TEXTS)),
            some(frame.stop_reason).is_some(),
        ),
        is_error: frame.kind.as_deref() == Some("error") || some(frame.error).is_some(),
        is_done: true,
        ..Glimpse::default()
    })
}

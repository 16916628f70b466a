//! The responses dialect's replies: what an event of a stream or a whole reply says about content, errors and usage.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: OpenAI's API reference and SDK types.

use super::super::chat::frame::Content;
use super::super::glimpse::{Glimpse, some, text_bytes, tier_of};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

const TEXTS: &[&str] = &["text", "refusal", "arguments", "input"];

/// A whole reply, or an event with the members that say anything here.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

impl Response<'_> {
    /// Its own id, and those of its items.
    fn ids(&self) -> Vec<String> {
        let items: Option<Vec<Named<'_>>> = self.output.and_then(|output| serde_json::from_str(output.get()).ok());
        let items = items.into_iter().flatten().filter_map(|item| item.id);
        let ids = self.id.iter().cloned().chain(items);
        ids.filter(|id| !id.is_empty()).map(Cow::into_owned).collect()
    }
}

/// What the event in `data` says; `None` where it is none.
pub(in crate::dialect) fn read_event(data: &[u8]) -> Option<Glimpse<'_>> {
    let frame: Frame<'_> = serde_json::from_slice(data).ok()?;
    let kind = frame.kind.as_deref().unwrap_or_default();
    let mut glimpse = Glimpse::default();
    if kind == "error" || kind == "response.failed" || (kind.is_empty() && some(frame.error).is_some()) {
        glimpse.is_error = true;
    }
    if let Some(response) = frame.response {
        let response: Response<'_> = serde_json::from_str(response.get()).ok()?;
        glimpse.model = some(response.model);
        glimpse.usage = some(response.usage);
        glimpse.tier = tier_of(response.service_tier);
        if matches!(kind, "response.completed" | "response.incomplete") {
            glimpse.ids = response.ids();
        }
    }
    if kind.ends_with(".delta") {
        match frame
            .delta
            .map(|delta| serde_json::from_str::<Cow<'_, str>>(delta.get()))
        {
            Some(Ok(text)) if kind != "response.audio.delta" => glimpse.content.bytes = text.len() as u64,
            Some(_) => glimpse.content.is_other = true,
            None => {}
        }
    } else if matches!(kind, "response.completed" | "response.incomplete") {
        glimpse.content.is_finished = true;
        glimpse.is_done = true;
    } else if kind.ends_with("output_item.done") {
        glimpse.content.is_other = true;
    } else if let Some(item) = frame.item {
        let item: Option<Item<'_>> = serde_json::from_str(item.get()).ok();
        let kind = item.and_then(|item| item.kind).unwrap_or_default();
        // An empty message or thought may be all there will ever be.
        glimpse.content.is_other = !matches!(kind.as_ref(), "message" | "reasoning");
    }
    Some(glimpse)
}

/// What the whole `reply` says; `None` where it is none.
pub(in crate::dialect) fn read_whole(reply: &[u8]) -> Option<Glimpse<'_>> {
    let response: Response<'_> = serde_json::from_slice(reply).ok()?;
    let status = response.status.as_deref().unwrap_or_default();
    Some(Glimpse {
        model: some(response.model),
        usage: some(response.usage),
        tier: tier_of(response.service_tier),
        content: Content::of(
            response.output.map_or(0, |output| text_bytes(output, TEXTS)),
            matches!(status, "completed" | "incomplete"),
        ),
        is_error: some(response.error).is_some() || status == "failed",
        is_done: true,
        ids: response.ids(),
    })
}

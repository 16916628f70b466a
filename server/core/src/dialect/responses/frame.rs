//! The responses dialect's replies: what an event of a stream or a whole reply says about content, errors and usage.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: OpenAI's API reference and SDK types.

use super::super::chat::frame::Content;
use super::super::glimpse::{Glimpse, Parts, some, text_bytes, tier_of};
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
    tool_usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    action: Option<&'a RawValue>,
}

impl Item<'_> {
    /// Whether a tool has run at the provider.
    fn is_call(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        kind == "web_search_call" || kind == "mcp_call"
    }

    /// Whether it is a search, and not a page opened or looked through; a search is what does not say.
    fn is_search(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        let action: Option<Item<'_>> = self.action.and_then(|action| serde_json::from_str(action.get()).ok());
        let action = action.and_then(|action| action.kind);
        kind == "web_search_call" && action.is_none_or(|action| action == "search")
    }
}

/// The searches that were paid for, as an answer tells them.
#[derive(Deserialize)]
struct ToolUsage {
    #[serde(default)]
    web_search: Option<Searched>,
}

#[derive(Deserialize)]
struct Searched {
    #[serde(default)]
    num_requests: Option<u64>,
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

    /// The searches that it was charged for: as it tells them, else those among its items.
    fn searches(&self) -> Option<u64> {
        let told: Option<ToolUsage> = self.tool_usage.and_then(|usage| serde_json::from_str(usage.get()).ok());
        let told = told.and_then(|usage| usage.web_search?.num_requests);
        told.or_else(|| {
            let items: Vec<&RawValue> = serde_json::from_str(self.output?.get()).ok()?;
            let items = items
                .into_iter()
                .filter_map(|item| serde_json::from_str::<Item<'_>>(item.get()).ok());
            Some(items.filter(Item::is_search).count() as u64)
        })
    }
}

/// What the event in `data` says; `None` where it is none.
pub(in crate::dialect) fn read_event<'de>(data: &'de [u8], parts: &mut Parts) -> Option<Glimpse<'de>> {
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
            parts.searches = response.searches().unwrap_or(0).max(parts.searches);
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
        let item: Option<Item<'_>> = frame.item.and_then(|item| serde_json::from_str(item.get()).ok());
        if let Some(item) = item {
            glimpse.calls = u64::from(item.is_call());
            parts.searches += u64::from(item.is_search());
        }
    } else if let Some(item) = frame.item {
        let item: Option<Item<'_>> = serde_json::from_str(item.get()).ok();
        let kind = item.and_then(|item| item.kind).unwrap_or_default();
        // An empty message or thought may be all there will ever be.
        glimpse.content.is_other = !matches!(kind.as_ref(), "message" | "reasoning");
    }
    Some(glimpse)
}

/// What the whole `reply` says; `None` where it is none.
pub(in crate::dialect) fn read_whole<'de>(reply: &'de [u8], parts: &mut Parts) -> Option<Glimpse<'de>> {
    let response: Response<'_> = serde_json::from_slice(reply).ok()?;
    parts.searches = response.searches().unwrap_or(0);
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
        calls: 0,
    })
}

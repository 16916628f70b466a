//! What an upstream's blocks and their deltas hold, borrowed from what it sent.
//!
//! Invariant: a block that cannot be read is passed over, like one of a type nobody knows. Pure.
//! Wire facts: Anthropic's API reference and SDK types.

use super::super::exchange::{Call, CallKind, Citation, Kind, Thought};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A text, copied only where it was escaped.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A block, or a delta of one; both name what they hold alike.
#[derive(Default, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) partial_json: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) citation: Option<&'a RawValue>,
}

impl<'a> Content<'a> {
    /// What `raw` holds; nothing where it cannot be read.
    pub(super) fn read(raw: &'a RawValue) -> Self {
        serde_json::from_str(raw.get()).unwrap_or_default()
    }

    /// Its type.
    pub(super) fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", |Text(kind)| kind)
    }

    /// What the block is; `None` for one that is passed over, such as those of tools that run at Anthropic.
    pub(super) fn block(&self) -> Option<Kind> {
        match self.kind() {
            "text" => Some(Kind::Text),
            "thinking" | "redacted_thinking" => Some(Kind::Thought {
                id: None,
                is_summary: self.kind() == "thinking",
                is_redacted: self.kind() == "redacted_thinking",
            }),
            "tool_use" => Some(Kind::Call {
                id: owned(self.id.as_ref()),
                name: owned(self.name.as_ref()),
                namespace: None,
                kind: CallKind::Function,
            }),
            _ => None,
        }
    }

    /// The thought that it is.
    pub(super) fn thought(self) -> Thought {
        let is_redacted = self.kind() == "redacted_thinking";
        let blob = if is_redacted { self.data } else { self.signature };
        Thought {
            id: None,
            text: self.thinking.map(|Text(text)| text.into_owned()).unwrap_or_default(),
            is_summary: !is_redacted,
            blob: blob.map(|Text(blob)| blob.into_owned()).filter(|blob| !blob.is_empty()),
            is_redacted,
        }
    }

    /// The call that it is.
    pub(super) fn call(&self) -> Call {
        Call {
            id: owned(self.id.as_ref()),
            name: owned(self.name.as_ref()),
            namespace: None,
            arguments: self.input.map_or("{}", RawValue::get).to_owned(),
            kind: CallKind::Function,
        }
    }

    /// Where its words are from.
    pub(super) fn citations(&self) -> Vec<Citation> {
        let list: Vec<&RawValue> = self
            .citations
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        list.into_iter().filter_map(citation).collect()
    }
}

fn owned(text: Option<&Text<'_>>) -> String {
    text.map(|Text(text)| text.clone().into_owned()).unwrap_or_default()
}

/// The citation in `raw`: of a page, of a search result of the client's, or of a document.
pub(super) fn citation(raw: &RawValue) -> Option<Citation> {
    #[derive(Deserialize)]
    struct Wire {
        url: Option<String>,
        source: Option<String>,
        title: Option<String>,
        document_title: Option<String>,
        cited_text: Option<String>,
    }
    let wire: Wire = serde_json::from_str(raw.get()).ok()?;
    Some(Citation {
        url: wire.url.or(wire.source),
        title: wire.title.or(wire.document_title),
        quote: wire.cited_text,
        start: None,
        end: None,
    })
}

/// The class of service in `usage`, in the words of the other dialects.
pub(super) fn service_tier(usage: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Wire {
        service_tier: Option<String>,
    }
    let wire: Wire = serde_json::from_str(usage.get()).ok()?;
    wire.service_tier.map(|tier| match tier.as_str() {
        "standard" => "default".to_owned(),
        _ => tier,
    })
}

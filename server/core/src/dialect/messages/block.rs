//! Blocks as they are written, in requests and in replies.
//!
//! Invariant: a call's input is an object, whatever its arguments were. Pure.
//! Wire facts: Anthropic's API reference.

use super::super::exchange::{Call, CallKind, Citation};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A block.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    /// Words.
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Cited<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
    /// A picture.
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
    /// A PDF or a plain text.
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
    /// A thought in words.
    Thinking { thinking: &'a str, signature: &'a str },
    /// A thought that is withheld.
    RedactedThinking { data: &'a str },
    /// A call.
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Input<'a>,
    },
    /// What a call brought.
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
}

/// Where a medium is.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    /// Here, in base64.
    Base64 { media_type: &'a str, data: &'a str },
    /// Elsewhere.
    Url { url: &'a str },
    /// Here, as text.
    Text {
        media_type: &'static str,
        data: Cow<'a, str>,
    },
}

/// How long the prompt up to here is to be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl Mark {
    /// Five minutes.
    pub(super) const SHORT: Self = Self {
        kind: "ephemeral",
        ttl: None,
    };
    /// An hour.
    pub(super) const LONG: Self = Self {
        kind: "ephemeral",
        ttl: Some("1h"),
    };
}

/// A call's input.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    /// The arguments, an object already.
    Object(&'a RawValue),
    /// The free text of a custom tool.
    Free { input: &'a str },
    /// Arguments that are no object.
    Wrapped {
        #[serde(rename = "_raw")]
        raw: &'a str,
    },
    /// No arguments.
    Empty {},
}

impl<'a> Input<'a> {
    /// The input of `call`.
    pub(super) fn of(call: &'a Call) -> Self {
        let arguments = call.arguments.as_str();
        if call.kind == CallKind::Custom {
            return Self::Free { input: arguments };
        }
        match serde_json::from_str::<&RawValue>(arguments) {
            Ok(raw) if raw.get().starts_with('{') => Self::Object(raw),
            _ if arguments.trim().is_empty() => Self::Empty {},
            _ => Self::Wrapped { raw: arguments },
        }
    }
}

/// Where words are from: a page on the web, the only kind that other dialects know too.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cited<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
    title: &'a str,
    cited_text: &'a str,
    encrypted_index: &'static str,
}

impl<'a> Cited<'a> {
    /// `citation`, where it names a page.
    pub(super) fn of(citation: &'a Citation) -> Option<Self> {
        Some(Self {
            kind: "web_search_result_location",
            url: citation.url.as_deref()?,
            title: citation.title.as_deref().unwrap_or_default(),
            cited_text: citation.quote.as_deref().unwrap_or_default(),
            encrypted_index: "",
        })
    }
}

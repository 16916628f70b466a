//! A stream of ConverseStream, after its frames became events.
//!
//! Invariant: as [`Event`] says; usage comes after the end of the message and before `Done`. Pure.
//! Wire facts: the AWS SDKs' model of the Bedrock runtime: text and thoughts begin without a start, the metadata is the last event.

use super::super::counts;
use super::super::error::read_frame;
use super::super::exchange::{CallKind, Delta, Event, Kind, Start};
use super::decode_reply::Tier;
use super::finish;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A stream that is still arriving.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    has_started: bool,
    is_finished: bool,
    open: Vec<Open>,
    /// Our number for the next block.
    next: u32,
}

/// A block that was opened and not yet closed.
#[derive(Debug)]
struct Open {
    /// The upstream's number.
    index: u32,
    /// Ours.
    block: u32,
    /// Whether it is a call without a piece of its arguments so far.
    is_bare_call: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(default)]
    content_block_index: u32,
    #[serde(borrow, default)]
    start: Option<Begun<'a>>,
    #[serde(borrow, default)]
    delta: Option<More<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<Tier<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begun<'a> {
    #[serde(default)]
    tool_use: Option<ToolUse>,
    #[serde(borrow, default)]
    image: Option<Image<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse {
    tool_use_id: String,
    name: String,
}

#[derive(Deserialize)]
struct Image<'a> {
    #[serde(borrow, default)]
    format: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct More<'a> {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    tool_use: Option<Input>,
    #[serde(borrow, default)]
    reasoning_content: Option<Reasoning<'a>>,
    #[serde(default)]
    image: Option<Picture>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(default)]
    text: Option<String>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    redacted_content: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Picture {
    source: Bytes,
}

#[derive(Deserialize)]
struct Bytes {
    #[serde(default)]
    bytes: String,
}

impl Decoder {
    /// Takes in an event of the stream.
    pub(crate) fn push(&mut self, event: Option<&str>, data: &[u8], out: &mut Vec<Event>) {
        if event == Some("error") {
            out.push(Event::Error(read_frame(data)));
            return;
        }
        // What cannot be read is an event that came later.
        let Ok(wire) = serde_json::from_slice::<Wire<'_>>(data) else {
            return;
        };
        match event {
            Some("messageStart") => self.start(out),
            Some("contentBlockStart") => self.begin(wire, out),
            Some("contentBlockDelta") => self.go_on(wire, out),
            Some("contentBlockStop") => self.close(wire.content_block_index, out),
            Some("messageStop") => {
                let word = wire.stop_reason.unwrap_or_default();
                self.end(&word, out);
            }
            Some("metadata") => {
                self.start(out);
                self.close_all(out);
                out.extend(wire.service_tier.map(|tier| Event::ServiceTier(tier.name.into_owned())));
                out.extend(wire.usage.and_then(counts::converse::read).map(Event::Usage));
                out.push(Event::Done);
            }
            _ => {}
        }
    }

    /// The connection ended before the metadata.
    pub(crate) fn finish(&mut self, out: &mut Vec<Event>) {
        self.close_all(out);
    }

    fn start(&mut self, out: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.has_started, true) {
            out.push(Event::Start(Start::default()));
        }
    }

    fn begin(&mut self, wire: Wire<'_>, out: &mut Vec<Event>) {
        let Some(begun) = wire.start else { return };
        let call = begun.tool_use.map(|call| Kind::Call {
            id: call.tool_use_id,
            name: call.name,
            namespace: None,
            kind: CallKind::Function,
        });
        let image = begun.image.map(|image| Kind::Image {
            media_type: format!("image/{}", image.format),
        });
        if let Some(kind) = call.or(image) {
            self.close(wire.content_block_index, out);
            self.open(wire.content_block_index, kind, out);
        }
    }

    fn go_on(&mut self, wire: Wire<'_>, out: &mut Vec<Event>) {
        let Some(more) = wire.delta else { return };
        let index = wire.content_block_index;
        if let Some(text) = more.text.filter(|text| !text.is_empty()) {
            self.add(index, Some(Kind::Text), Delta::Text(text), out);
        }
        if let Some(call) = more.tool_use.filter(|call| !call.input.is_empty()) {
            self.add(index, None, Delta::Arguments(call.input), out);
        }
        if let Some(picture) = more.image {
            self.add(index, None, Delta::Text(picture.source.bytes), out);
        }
        if let Some(reasoning) = more.reasoning_content {
            self.think(index, reasoning, out);
        }
    }

    fn think(&mut self, index: u32, reasoning: Reasoning<'_>, out: &mut Vec<Event>) {
        let thought = |is_redacted| {
            Some(Kind::Thought {
                id: None,
                is_summary: false,
                is_redacted,
            })
        };
        if let Some(text) = reasoning.text.filter(|text| !text.is_empty()) {
            self.add(index, thought(false), Delta::Text(text), out);
        }
        if let Some(signature) = reasoning.signature.filter(|signature| !signature.is_empty()) {
            self.add(index, thought(false), Delta::Blob(signature.into_owned()), out);
        }
        if let Some(redacted) = reasoning.redacted_content {
            self.add(index, thought(true), Delta::Blob(redacted.into_owned()), out);
        }
    }

    /// Adds to the block `index`, which is opened first where it is of a kind that begins by itself.
    fn add(&mut self, index: u32, kind: Option<Kind>, delta: Delta, out: &mut Vec<Event>) {
        if !self.open.iter().any(|open| open.index == index) {
            let Some(kind) = kind else { return };
            self.open(index, kind, out);
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.index == index) {
            open.is_bare_call = false;
            let block = open.block;
            out.push(Event::Delta {
                choice: 0,
                block,
                delta,
            });
        }
    }

    /// Opens a block, unless the message is over.
    fn open(&mut self, index: u32, kind: Kind, out: &mut Vec<Event>) {
        if self.is_finished {
            return;
        }
        self.start(out);
        let block = self.next;
        self.next = self.next.saturating_add(1);
        self.open.push(Open {
            index,
            block,
            is_bare_call: matches!(kind, Kind::Call { .. }),
        });
        out.push(Event::Open { choice: 0, block, kind });
    }

    fn close(&mut self, index: u32, out: &mut Vec<Event>) {
        if let Some(at) = self.open.iter().position(|open| open.index == index) {
            close(&self.open.remove(at), out);
        }
    }

    fn close_all(&mut self, out: &mut Vec<Event>) {
        for open in std::mem::take(&mut self.open) {
            close(&open, out);
        }
    }

    fn end(&mut self, word: &str, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        self.start(out);
        self.close_all(out);
        out.push(Event::Finish {
            choice: 0,
            reason: finish(word),
        });
    }
}

/// A call without arguments is one with none, not one with an empty text.
fn close(open: &Open, out: &mut Vec<Event>) {
    let block = open.block;
    if open.is_bare_call {
        let delta = Delta::Arguments("{}".to_owned());
        out.push(Event::Delta {
            choice: 0,
            block,
            delta,
        });
    }
    out.push(Event::Close { choice: 0, block });
}

#[cfg(test)]
mod tests;

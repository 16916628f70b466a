//! A stream of an upstream that speaks messages, taken apart.
//!
//! Invariant: as `Event` asks; events and blocks that nobody knows are passed over, and so is what comes after the end of the answer. Pure.
//! Wire facts: Anthropic's "Streaming messages": usage is cumulative, an input comes in pieces of JSON, `ping` may come anywhere.

#[cfg(test)]
mod tests;

use super::super::counts::messages::Cumulative;
use super::super::error::read_frame;
use super::super::exchange::{Delta, Event, Kind, Start};
use super::content::{Content, Text, citation, service_tier};
use super::stop;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What was understood of the stream so far.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    counts: Cumulative,
    has_started: bool,
    has_finished: bool,
    open: Vec<Open>,
    blocks: u32,
}

/// A block that was opened and not yet closed.
#[derive(Debug)]
struct Open {
    /// Its number at the upstream.
    index: u64,
    /// Its number here.
    block: u32,
    kind: Kind,
    /// For a call of which no piece has come: its input as the start said it.
    input: Option<String>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// A message as it begins, or the end of it.
#[derive(Default, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
    #[serde(borrow)]
    stop_sequence: Option<Text<'a>>,
    #[serde(borrow)]
    stop_details: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    fn read(raw: Option<&'a RawValue>) -> Self {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default()
    }
}

impl Decoder {
    /// Takes in an event called `event` with `data`, and puts out what it says.
    pub(crate) fn push(&mut self, event: Option<&str>, data: &[u8], out: &mut Vec<Event>) {
        let Ok(frame) = serde_json::from_slice::<Frame<'_>>(data) else {
            if event == Some("error") {
                out.push(Event::Error(read_frame(data)));
            }
            return;
        };
        let kind = frame.kind.as_ref().map(|Text(kind)| kind.as_ref());
        match kind.or(event).unwrap_or_default() {
            "message_start" => self.start(frame.message, out),
            "content_block_start" => self.open(&frame, out),
            "content_block_delta" => self.delta(&frame, out),
            "content_block_stop" => self.close(frame.index, out),
            "message_delta" => self.end(&frame, out),
            "message_stop" => {
                self.start(None, out);
                self.finish(out);
                out.push(Event::Done);
            }
            "error" => out.push(Event::Error(read_frame(data))),
            _ => {}
        }
    }

    /// Puts out what is left where the connection ended: the ends of open blocks.
    pub(crate) fn finish(&mut self, out: &mut Vec<Event>) {
        for open in std::mem::take(&mut self.open) {
            close(open, out);
        }
    }

    /// Begins, unless it has; `message` is what the upstream says of it.
    fn start(&mut self, message: Option<&RawValue>, out: &mut Vec<Event>) {
        if self.has_started {
            return;
        }
        self.has_started = true;
        let message = Message::read(message);
        if let Some(usage) = message.usage {
            self.counts.see(usage);
        }
        let text = |name: Option<Text<'_>>| name.map(|Text(text)| text.into_owned()).unwrap_or_default();
        out.push(Event::Start(Start {
            id: text(message.id),
            model: text(message.model),
            created_s: None,
            usage: self.counts.usage(),
        }));
        out.extend(message.usage.and_then(service_tier).map(Event::ServiceTier));
    }

    fn open(&mut self, frame: &Frame<'_>, out: &mut Vec<Event>) {
        let Some(content) = frame.content_block.map(Content::read) else {
            return;
        };
        let Some(kind) = content.block() else { return };
        if self.has_finished {
            return;
        }
        self.start(None, out);
        self.close(frame.index, out);
        let block = self.blocks;
        self.blocks = self.blocks.saturating_add(1);
        let is_call = matches!(kind, Kind::Call { .. });
        self.open.push(Open {
            index: frame.index,
            block,
            kind: kind.clone(),
            input: is_call.then(|| content.input.map_or("{}", RawValue::get).to_owned()),
        });
        out.push(Event::Open { choice: 0, block, kind });
        for delta in first(content) {
            out.push(Event::Delta {
                choice: 0,
                block,
                delta,
            });
        }
    }

    fn delta(&mut self, frame: &Frame<'_>, out: &mut Vec<Event>) {
        let Some(raw) = frame.delta else { return };
        let Some(open) = self.open.iter_mut().find(|open| open.index == frame.index) else {
            return;
        };
        let content = Content::read(raw);
        let some = |name: Option<Text<'_>>| name.map(|Text(text)| text.into_owned()).filter(|text| !text.is_empty());
        let delta = match (content.kind(), &open.kind) {
            ("text_delta", Kind::Text) => some(content.text).map(Delta::Text),
            ("thinking_delta", Kind::Thought { .. }) => some(content.thinking).map(Delta::Text),
            ("signature_delta", Kind::Thought { .. }) => some(content.signature).map(Delta::Blob),
            ("input_json_delta", Kind::Call { .. }) => some(content.partial_json).map(Delta::Arguments),
            ("citations_delta", Kind::Text) => content.citation.and_then(citation).map(Delta::Citation),
            _ => None,
        };
        let Some(delta) = delta else { return };
        open.input = None;
        let block = open.block;
        out.push(Event::Delta {
            choice: 0,
            block,
            delta,
        });
    }

    fn close(&mut self, index: u64, out: &mut Vec<Event>) {
        if let Some(at) = self.open.iter().position(|open| open.index == index) {
            close(self.open.remove(at), out);
        }
    }

    fn end(&mut self, frame: &Frame<'_>, out: &mut Vec<Event>) {
        self.start(None, out);
        let message = Message::read(frame.delta);
        if let Some(Text(reason)) = message.stop_reason.filter(|_| !self.has_finished) {
            self.has_finished = true;
            self.finish(out);
            let sequence = message.stop_sequence.as_ref().map(|Text(text)| text.as_ref());
            out.push(Event::Finish {
                choice: 0,
                reason: stop::decode(&reason, sequence, message.stop_details),
            });
        }
        if frame.usage.is_some_and(|usage| self.counts.see(usage)) {
            out.extend(self.counts.usage().map(Event::Usage));
        }
    }
}

/// What the start of a block already holds of it.
fn first(content: Content<'_>) -> Vec<Delta> {
    match content.kind() {
        "text" => {
            let citations = content.citations();
            let text = content.text.map(|Text(text)| text.into_owned());
            let text = text.filter(|text| !text.is_empty()).map(Delta::Text);
            text.into_iter()
                .chain(citations.into_iter().map(Delta::Citation))
                .collect()
        }
        "thinking" | "redacted_thinking" => {
            let thought = content.thought();
            let text = Some(thought.text).filter(|text| !text.is_empty()).map(Delta::Text);
            text.into_iter().chain(thought.blob.map(Delta::Blob)).collect()
        }
        _ => Vec::new(),
    }
}

fn close(open: Open, out: &mut Vec<Event>) {
    let Open { block, input, .. } = open;
    if let Some(input) = input {
        let delta = Delta::Arguments(input);
        out.push(Event::Delta {
            choice: 0,
            block,
            delta,
        });
    }
    out.push(Event::Close { choice: 0, block });
}

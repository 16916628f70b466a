//! A stream for a client that speaks messages.
//!
//! Invariant: blocks come one after another, none is empty, and their numbers have no gaps: one that is opened while another is open waits
//! for its end. The reason of the end waits for the end, since usage stands beside it. Pure.
//! Wire facts: Anthropic's "Streaming messages", and how its SDKs put a stream together.

#[cfg(test)]
mod tests;

use super::super::Dialect;
use super::super::error::{ErrorBody, UpstreamError, render_stream_error};
use super::super::exchange::{Ask, CallKind, Delta, Event, Finish, Kind, Start, full_name};
use super::block::Cited;
use super::stop::Stop;
use super::tokens::Tokens;
use crate::usage::Usage;
use serde::Serialize;
use serde_json::json;
use std::collections::VecDeque;

/// What was sent so far, and what waits.
#[derive(Debug)]
pub(crate) struct Encoder {
    ask: Ask,
    has_started: bool,
    has_ended: bool,
    has_calls: bool,
    /// How many blocks have begun.
    begun: u64,
    current: Option<Current>,
    waiting: VecDeque<Waiting>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    tier: Option<String>,
}

/// The block that is being sent.
#[derive(Debug)]
struct Current {
    block: u32,
    kind: Kind,
    has_begun: bool,
    /// Of a thought, for its end.
    blob: Option<String>,
    /// Of a call: whether any of its arguments was sent.
    has_arguments: bool,
    /// The free text of a custom tool, to be sent whole as a member of an object.
    free: String,
}

/// A block that was opened while another one was open.
#[derive(Debug)]
struct Waiting {
    block: u32,
    kind: Kind,
    deltas: Vec<Delta>,
    is_closed: bool,
}

#[derive(Serialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u64,
    delta: Piece<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
    #[serde(rename = "thinking_delta")]
    Thought { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "citations_delta")]
    Citation { citation: Cited<'a> },
}

#[derive(Serialize)]
struct End<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    delta: Stop<'a>,
    usage: Tokens,
}

impl Encoder {
    /// For the answer to `ask`.
    pub(crate) fn new(ask: Ask) -> Self {
        Self {
            ask,
            has_started: false,
            has_ended: false,
            has_calls: false,
            begun: 0,
            current: None,
            waiting: VecDeque::new(),
            finish: None,
            usage: None,
            tier: None,
        }
    }

    /// Appends what `event` is for the client.
    pub(crate) fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.has_ended {
            return;
        }
        match event {
            Event::Start(start) => self.start(start, out),
            Event::Open { choice: 0, block, kind } => self.open(*block, kind, out),
            Event::Delta {
                choice: 0,
                block,
                delta,
            } => self.delta(*block, delta, out),
            Event::Close { choice: 0, block } => self.close(*block, out),
            Event::Finish { choice: 0, reason } => self.finish = Some(reason.clone()),
            Event::ServiceTier(tier) => self.tier = Some(tier.clone()),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => self.error(error, out),
            Event::Done => self.end(out),
            // Who speaks this dialect cannot ask for several answers.
            Event::Open { .. } | Event::Delta { .. } | Event::Close { .. } | Event::Finish { .. } => {}
        }
    }

    fn start(&mut self, start: &Start, out: &mut Vec<u8>) {
        if self.has_started {
            return;
        }
        self.has_started = true;
        let model = match start.model.as_str() {
            "" => &self.ask.request.model,
            model => model,
        };
        let message = json!({
            "id": format!("msg_{}", self.ask.id),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": Tokens::of(start.usage.as_ref(), None),
        });
        let start = json!({"type": "message_start", "message": message});
        write(out, "message_start", &start);
    }

    fn open(&mut self, block: u32, kind: &Kind, out: &mut Vec<u8>) {
        self.start(&Start::default(), out);
        if self.current.is_some() {
            self.waiting.push_back(Waiting {
                block,
                kind: kind.clone(),
                deltas: Vec::new(),
                is_closed: false,
            });
        } else {
            self.begin(block, kind.clone(), out);
        }
    }

    fn begin(&mut self, block: u32, kind: Kind, out: &mut Vec<u8>) {
        let mut current = Current {
            block,
            kind,
            has_begun: false,
            blob: None,
            has_arguments: false,
            free: String::new(),
        };
        if matches!(current.kind, Kind::Call { .. }) {
            self.has_calls = true;
            current.start(&mut self.begun, out);
        }
        self.current = Some(current);
    }

    fn delta(&mut self, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        if let Some(current) = self.current.as_mut().filter(|current| current.block == block) {
            current.delta(delta, &mut self.begun, out);
        } else if let Some(waiting) = self.waiting(block) {
            waiting.push(delta);
        }
    }

    fn close(&mut self, block: u32, out: &mut Vec<u8>) {
        if let Some(waiting) = self.waiting(block) {
            waiting.is_closed = true;
        } else if self.current.as_ref().is_some_and(|current| current.block == block) {
            self.next(out);
        }
    }

    /// The block that waits, whose numbers rise.
    fn waiting(&mut self, block: u32) -> Option<&mut Waiting> {
        let at = self.waiting.binary_search_by_key(&block, |waiting| waiting.block);
        at.ok().and_then(|at| self.waiting.get_mut(at))
    }

    /// Ends the current block, and sends those that have waited for it.
    fn next(&mut self, out: &mut Vec<u8>) {
        loop {
            if let Some(current) = self.current.take() {
                current.end(&mut self.begun, out);
            }
            let Some(waiting) = self.waiting.pop_front() else {
                return;
            };
            self.begin(waiting.block, waiting.kind, out);
            for delta in &waiting.deltas {
                self.delta(waiting.block, delta, out);
            }
            if !waiting.is_closed {
                return;
            }
        }
    }

    fn error(&mut self, error: &UpstreamError, out: &mut Vec<u8>) {
        self.has_ended = true;
        let body = ErrorBody {
            status: error.status.unwrap_or(502),
            kind: error.kind.as_deref().unwrap_or_default(),
            code: error.code.as_deref(),
            message: &error.message,
            param: error.param.as_deref(),
            request_id: &self.ask.id,
            further: None,
        };
        out.extend_from_slice(render_stream_error(Dialect::Messages, &body).as_bytes());
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.has_ended = true;
        self.start(&Start::default(), out);
        while self.current.is_some() {
            self.next(out);
        }
        let end = End {
            kind: "message_delta",
            delta: Stop::of(self.finish.as_ref(), self.has_calls, &self.ask),
            usage: Tokens::of(self.usage.as_ref(), self.tier.as_deref()),
        };
        write(out, "message_delta", &end);
        write(out, "message_stop", &json!({"type": "message_stop"}));
    }
}

impl Waiting {
    /// Keeps `delta`, joined with the one before where both are words.
    fn push(&mut self, delta: &Delta) {
        match (self.deltas.last_mut(), delta) {
            (Some(Delta::Text(text)), Delta::Text(more)) | (Some(Delta::Arguments(text)), Delta::Arguments(more)) => {
                text.push_str(more);
            }
            _ => self.deltas.push(delta.clone()),
        }
    }
}

impl Current {
    /// Sends its start, unless it was sent; `begun` counts the blocks that have begun.
    fn start(&mut self, begun: &mut u64, out: &mut Vec<u8>) {
        if self.has_begun {
            return;
        }
        self.has_begun = true;
        let block = match &self.kind {
            Kind::Thought { is_redacted: true, .. } => json!({"type": "redacted_thinking", "data": self.blob}),
            Kind::Thought { .. } => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Kind::Call {
                id, name, namespace, ..
            } => {
                let name = full_name(namespace.as_deref(), name);
                json!({"type": "tool_use", "id": id, "name": name, "input": {}})
            }
            Kind::Text | Kind::Refusal | Kind::Image { .. } => json!({"type": "text", "text": ""}),
        };
        let start = json!({"type": "content_block_start", "index": *begun, "content_block": block});
        write(out, "content_block_start", &start);
        *begun += 1;
    }

    fn delta(&mut self, delta: &Delta, begun: &mut u64, out: &mut Vec<u8>) {
        match (&self.kind, delta) {
            (Kind::Text | Kind::Refusal, Delta::Text(text)) if !text.is_empty() => {
                self.piece(Piece::Text { text }, begun, out);
            }
            (Kind::Text, Delta::Citation(citation)) => {
                if let Some(citation) = Cited::of(citation) {
                    self.piece(Piece::Citation { citation }, begun, out);
                }
            }
            (Kind::Thought { is_redacted: false, .. }, Delta::Text(thinking)) if !thinking.is_empty() => {
                self.piece(Piece::Thought { thinking }, begun, out);
            }
            (Kind::Thought { .. }, Delta::Blob(blob)) => self.blob = Some(blob.clone()),
            (Kind::Call { kind, .. }, Delta::Arguments(more)) if *kind == CallKind::Custom => self.free.push_str(more),
            // Before the first brace white space would make the whole no JSON to some clients, if nothing followed.
            (Kind::Call { .. }, Delta::Arguments(more)) if self.has_arguments || !more.trim().is_empty() => {
                self.has_arguments = true;
                self.piece(Piece::Input { partial_json: more }, begun, out);
            }
            _ => {}
        }
    }

    /// Sends `delta`, and the start before it where it is the first.
    fn piece(&mut self, delta: Piece<'_>, begun: &mut u64, out: &mut Vec<u8>) {
        self.start(begun, out);
        let frame = Frame {
            kind: "content_block_delta",
            index: begun.saturating_sub(1),
            delta,
        };
        write(out, "content_block_delta", &frame);
    }

    fn end(mut self, begun: &mut u64, out: &mut Vec<u8>) {
        match (&self.kind, self.blob.take()) {
            (Kind::Thought { is_redacted: true, .. }, Some(data)) => {
                self.blob = Some(data);
                self.start(begun, out);
            }
            (Kind::Thought { .. }, Some(signature)) => {
                let signature = &signature;
                self.piece(Piece::Signature { signature }, begun, out);
            }
            (
                Kind::Call {
                    kind: CallKind::Custom, ..
                },
                _,
            ) => {
                let partial_json = &json!({"input": self.free}).to_string();
                self.piece(Piece::Input { partial_json }, begun, out);
            }
            (Kind::Call { .. }, _) if !self.has_arguments => {
                self.piece(Piece::Input { partial_json: "{}" }, begun, out);
            }
            _ => {}
        }
        if self.has_begun {
            let stop = json!({"type": "content_block_stop", "index": begun.saturating_sub(1)});
            write(out, "content_block_stop", &stop);
        }
    }
}

/// Appends the event `name` with `data`.
fn write(out: &mut Vec<u8>, name: &str, data: &impl Serialize) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    // Neither memory nor these shapes can refuse to be written.
    let written = serde_json::to_writer(&mut *out, data);
    debug_assert!(written.is_ok(), "{name}");
    out.extend_from_slice(b"\n\n");
}

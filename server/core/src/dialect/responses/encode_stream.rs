//! A stream, as a client of the responses dialect reads it.
//!
//! Invariant: the official order of events, each numbered; every item is begun and done, and the last event holds the whole response. Pure.
//! Wire facts: OpenAI's API reference; SDKs put the response together from the items' events, Codex takes each item when it is done.

mod items;
mod writer;

use super::super::UpstreamError;
use super::super::exchange::{Ask, Delta, Event, Kind};
use super::outgoing::{self, Told};
use items::{Body, Items};
use serde_json::{Map, Value, json};
use writer::Writer;

/// The writer of a stream.
#[derive(Debug)]
pub(crate) struct Encoder {
    ask: Ask,
    /// The response before anything was said.
    blank: Map<String, Value>,
    writer: Writer,
    items: Items,
    told: Told,
    has_begun: bool,
    has_ended: bool,
}

impl Encoder {
    /// A writer that has written nothing of the answer to `ask`.
    pub(crate) fn new(ask: Ask) -> Self {
        Self {
            blank: outgoing::response(&ask),
            ask,
            writer: Writer::default(),
            items: Items::default(),
            told: Told::default(),
            has_begun: false,
            has_ended: false,
        }
    }

    /// Appends to `out` what `event` comes to. Of several answers only the first has a place in this dialect.
    pub(crate) fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.has_ended {
            return;
        }
        match event {
            Event::Start(start) => {
                self.told.model.clone_from(&start.model);
                self.told.usage = start.usage;
                self.begin(out);
            }
            Event::Open { choice: 0, block, kind } => self.open(*block, kind, out),
            Event::Delta {
                choice: 0,
                block,
                delta,
            } => self.delta(*block, delta, out),
            Event::Close { choice: 0, block } => self.items.close(*block, &mut self.writer, out),
            Event::Finish { choice: 0, reason } => {
                self.told.finish = Some(reason.clone());
                self.finish_items(out);
            }
            Event::Open { .. } | Event::Delta { .. } | Event::Close { .. } | Event::Finish { .. } => {}
            Event::ServiceTier(tier) => self.told.tier = Some(tier.clone()),
            Event::Usage(usage) => self.told.usage = Some(*usage),
            Event::Error(error) => self.fail(error, out),
            Event::Done => self.end(out),
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.has_begun {
            return;
        }
        self.has_begun = true;
        if !self.told.model.is_empty() {
            self.blank.insert("model".to_owned(), json!(self.told.model));
        }
        for kind in ["response.created", "response.in_progress"] {
            self.writer.write(kind, json!({"response": self.blank}), out);
        }
    }

    fn open(&mut self, block: u32, kind: &Kind, out: &mut Vec<u8>) {
        self.begin(out);
        let body = Body::of(block, kind);
        self.items.open(&self.ask, body, &mut self.writer, out);
    }

    fn delta(&mut self, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        self.items.delta(block, delta, &mut self.writer, out);
    }

    fn finish_items(&mut self, out: &mut Vec<u8>) {
        let status = outgoing::status(self.told.finish.as_ref());
        self.items.finish(status, &mut self.writer, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.finish_items(out);
        self.has_ended = true;
        let output = self.items.take();
        let (status, response) = outgoing::ended(std::mem::take(&mut self.blank), &self.told, output);
        let kind = match status {
            "incomplete" => "response.incomplete",
            "failed" => "response.failed",
            _ => "response.completed",
        };
        self.writer.write(kind, json!({"response": response}), out);
    }

    fn fail(&mut self, error: &UpstreamError, out: &mut Vec<u8>) {
        self.has_ended = true;
        let code = code(error);
        let message = match error.message.as_str() {
            "" => "The provider went wrong.",
            message => message,
        };
        if !self.has_begun {
            let body = json!({"code": code, "message": message, "param": error.param});
            self.writer.write("error", body, out);
            return;
        }
        self.items.finish("incomplete", &mut self.writer, out);
        let output = self.items.take();
        let (_, mut response) = outgoing::ended(std::mem::take(&mut self.blank), &self.told, output);
        response["status"] = json!("failed");
        response["incomplete_details"] = Value::Null;
        response["error"] = outgoing::failure(code, message);
        self.writer.write("response.failed", json!({"response": response}), out);
    }
}

/// The code of an error, where it is a word; otherwise by its status.
fn code(error: &UpstreamError) -> &str {
    let is_word = |code: &&str| code.bytes().any(|byte| byte.is_ascii_alphabetic());
    let code = error.code.as_deref().filter(is_word);
    code.unwrap_or(match error.status {
        Some(429) => "rate_limit_exceeded",
        Some(400) => "invalid_prompt",
        _ => "server_error",
    })
}

#[cfg(test)]
mod tests;

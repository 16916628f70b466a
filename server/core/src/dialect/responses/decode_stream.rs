//! A stream of an upstream that speaks responses, taken apart.
//!
//! Invariant: as `Event` asks; whether words come in pieces, whole when they are done, with the item or with the whole response only,
//! they come out once. Events that nobody knows are passed over. Pure.
//! Wire facts: OpenAI's API reference: pieces name item and part by their indices; an encrypted thought is whole only with its item.

mod blocks;

use super::super::error::read_frame;
use super::super::exchange::{Delta, Event, Finish, Kind, Output, Start};
use super::incoming::{self, Item, Part, Response, read, text, verbatim};
use blocks::{Blocks, Place, kind_of};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What was understood of the stream so far.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    has_started: bool,
    has_calls: bool,
    has_finished: bool,
    blocks: Blocks,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    output_index: Option<&'a RawValue>,
    #[serde(borrow)]
    content_index: Option<&'a RawValue>,
    #[serde(borrow)]
    summary_index: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    part: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
}

/// The whole of a call's arguments, where they are done.
#[derive(Default, Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

impl Frame<'_> {
    fn part_place(&self) -> Place {
        Place {
            output: index(self.output_index),
            part: index(self.content_index),
        }
    }

    /// The only block of an item that has no parts of its own.
    fn item_place(&self) -> Place {
        Place {
            output: index(self.output_index),
            part: 0,
        }
    }
}

/// A number in a list; the first where none is told.
fn index(raw: Option<&RawValue>) -> u64 {
    raw.and_then(|raw| raw.get().parse().ok()).unwrap_or_default()
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
        let kind = text(frame.kind);
        match kind.as_deref().or(event).unwrap_or_default() {
            "response.created" | "response.in_progress" | "response.queued" => {
                let response: Response<'_> = read(frame.response);
                self.start(&response, out);
            }
            "response.completed" | "response.incomplete" | "response.cancelled" => self.end(&frame, out),
            "response.failed" => self.fail(&frame, data, out),
            "error" => out.push(Event::Error(read_frame(data))),
            "" if frame.kind.is_none() && is_error(data) => out.push(Event::Error(read_frame(data))),
            kind if self.has_finished || !kind.starts_with("response.") => {}
            kind => self.more(kind, &frame, data, out),
        }
    }

    /// Puts out what is left where the connection ended: the ends of open blocks.
    pub(crate) fn finish(&mut self, out: &mut Vec<Event>) {
        self.blocks.close_all(out);
    }

    fn start(&mut self, response: &Response<'_>, out: &mut Vec<Event>) {
        if self.has_started {
            return;
        }
        self.has_started = true;
        out.push(Event::Start(Start {
            id: text(response.id).unwrap_or_default(),
            model: text(response.model).unwrap_or_default(),
            created_s: response.created_s(),
            usage: None,
        }));
    }

    /// A piece of an item, its beginning or its end.
    fn more(&mut self, kind: &str, frame: &Frame<'_>, data: &[u8], out: &mut Vec<Event>) {
        self.start(&Response::default(), out);
        match kind {
            "response.output_item.added" => self.begin(frame, out),
            "response.output_item.done" => {
                if let Some(item) = frame.item {
                    self.item(index(frame.output_index), item, out);
                }
            }
            "response.content_part.done" => {
                if let Some(output) = read::<Part<'_>>(frame.part).output() {
                    self.blocks.complete(frame.part_place(), output, out);
                }
            }
            "response.output_text.delta" => self.words(frame.part_place(), &Kind::Text, frame, out),
            "response.refusal.delta" => self.words(frame.part_place(), &Kind::Refusal, frame, out),
            "response.output_text.done" => {
                let output = Output::Text {
                    text: text(frame.text).unwrap_or_default(),
                    citations: Vec::new(),
                    logprobs: incoming::logprobs(frame.logprobs),
                };
                self.blocks.fill(frame.part_place(), output, out);
            }
            "response.refusal.done" => {
                let output = Output::Refusal(text(frame.refusal).unwrap_or_default());
                self.blocks.fill(frame.part_place(), output, out);
            }
            "response.output_text.annotation.added" => {
                if let Some(citation) = frame.annotation.and_then(incoming::citation) {
                    let place = frame.part_place();
                    self.blocks.delta(place, &Kind::Text, Delta::Citation(citation), out);
                }
            }
            "response.reasoning_summary_text.delta" => self.thought(true, index(frame.summary_index), frame, out),
            "response.reasoning_text.delta" => self.thought(false, index(frame.content_index), frame, out),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                if let Some(more) = text(frame.delta) {
                    self.blocks.known(frame.item_place(), Delta::Arguments(more), out);
                }
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                self.arguments(frame, data, out);
            }
            _ => {}
        }
    }

    fn begin(&mut self, frame: &Frame<'_>, out: &mut Vec<Event>) {
        let item: Item<'_> = read(frame.item);
        self.blocks.begin(index(frame.output_index), item.id(), out);
        if let Some(call) = item.call() {
            self.has_calls = true;
            self.blocks.open(frame.item_place(), kind_of(&Output::Call(call)), out);
        }
    }

    /// An item is whole: what was not yet told of it is.
    fn item(&mut self, output: u64, raw: &RawValue, out: &mut Vec<Event>) {
        for (part, found) in read::<Item<'_>>(Some(raw)).outputs() {
            self.has_calls |= matches!(found, Output::Call(_));
            self.blocks.complete(Place { output, part }, found, out);
        }
        self.blocks.close_item(output, out);
    }

    fn words(&mut self, place: Place, kind: &Kind, frame: &Frame<'_>, out: &mut Vec<Event>) {
        if let Some(more) = text(frame.delta) {
            self.blocks.delta(place, kind, Delta::Text(more), out);
        }
        for logprob in incoming::logprobs(frame.logprobs) {
            self.blocks.delta(place, kind, Delta::Logprob(logprob), out);
        }
    }

    /// More of a thought: of its summary or of itself, of which only the first that comes is told.
    fn thought(&mut self, is_summary: bool, paragraph: u64, frame: &Frame<'_>, out: &mut Vec<Event>) {
        if let Some(more) = text(frame.delta) {
            self.blocks
                .thought(frame.item_place(), (is_summary, paragraph), more, out);
        }
    }

    fn arguments(&mut self, frame: &Frame<'_>, data: &[u8], out: &mut Vec<Event>) {
        let whole: Arguments<'_> = serde_json::from_slice(data).unwrap_or_default();
        if let Some(whole) = whole.arguments.or(whole.input) {
            self.blocks.arguments(frame.item_place(), verbatim(whole), out);
        }
    }

    fn end(&mut self, frame: &Frame<'_>, out: &mut Vec<Event>) {
        let response: Response<'_> = read(frame.response);
        self.start(&response, out);
        if self.blocks.is_untouched() {
            for (output, item) in (0..).zip(response.items().unwrap_or_default()) {
                self.item(output, item, out);
            }
        }
        self.blocks.close_all(out);
        let reason = response.finish(self.has_calls).unwrap_or(Finish::Stop);
        self.has_finished = true;
        out.push(Event::Finish { choice: 0, reason });
        out.extend(response.tier().map(Event::ServiceTier));
        out.extend(response.usage().map(Event::Usage));
        out.push(Event::Done);
    }

    fn fail(&mut self, frame: &Frame<'_>, data: &[u8], out: &mut Vec<Event>) {
        let response: Response<'_> = read(frame.response);
        if self.has_started {
            self.blocks.close_all(out);
            out.extend(response.usage().map(Event::Usage));
        }
        let said = frame.response.map_or(data, |response| response.get().as_bytes());
        let mut error = read_frame(said);
        // The response's own status and type are no words for what went wrong.
        if response.code().is_none() {
            error.kind = None;
            error.code = Some("server_error".to_owned());
        }
        out.push(Event::Error(error));
    }
}

/// Whether a frame without a type is an error.
fn is_error(data: &[u8]) -> bool {
    #[derive(Default, Deserialize)]
    struct Bare<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    serde_json::from_slice::<Bare<'_>>(data).is_ok_and(|bare| bare.error.is_some())
}

#[cfg(test)]
mod tests;

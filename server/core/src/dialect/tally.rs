//! The tally: an upstream's reply on its way to the client, read for usage, content and errors.
//!
//! Invariant: the bytes given out are the upstream's, event for event, without the usage the client did not ask for, with the cost it
//! did ask for and never the upstream's own, without errors and what follows them (an error carries an upstream's words and is rendered anew), and without what
//! follows the mark of the end; how the network cut the bytes changes nothing. Pure.

use super::chat::frame::Frame;
use super::cost::event_with_cost;
use super::counts;
use super::error::{UpstreamError, read_frame};
use super::glimpse::{Glimpse, Parts, tier_of};
use super::sse::{self, Events, LineTooLong};
use super::{Dialect, Operation, generate, messages, responses};
use crate::money::Nano;
use crate::pricing::{PriceSheet, charge};
use crate::usage::{ServiceTier, Usage};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// How much of a whole reply is read for its usage, in bytes; of a longer one only the end.
const WHOLE_BYTES_MAX: usize = 16 << 20;
/// The end of a long reply that is searched for usage, in bytes.
const TAIL_BYTES: usize = 4096;

/// What one piece of a reply brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What goes to the client now.
    pub forward: Bytes,
    /// Whether these bytes hold content, after which no other account may take over.
    pub content_seen: bool,
    /// The error event among the bytes, which `forward` does not hold.
    pub error: Option<UpstreamError>,
    /// Whether the stream said that it is over.
    pub done: bool,
}

/// What a reply was, once it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The counts it reported; `None` where it reported none, or unusable ones.
    pub usage: Option<Usage>,
    /// The last counts before a stream was cut: exact of the prompt, of the answer the least that it was.
    pub partial: Option<Usage>,
    /// The service tier that it was served in, where it said so.
    pub tier: Option<ServiceTier>,
    /// Bytes of text that were seen, for an estimate.
    pub output_bytes: u64,
    /// Calls of tools at the provider that a stream has shown, for an estimate.
    pub calls: u64,
    /// Whether a stream ended as it should.
    pub saw_done: bool,
    /// Whether a choice said why it finished.
    pub saw_finish: bool,
    /// The model that the upstream says has answered.
    pub model: Option<String>,
    /// The ids by which a whole answer can be referred to, where its account keeps it.
    pub ids: Vec<String>,
    /// The first error within it.
    pub error: Option<UpstreamError>,
    /// What a stream held back at its end, to be sent before it is closed; empty where it is only a part of an event.
    pub rest: Bytes,
}

/// The reader of one reply.
#[derive(Debug)]
pub struct Tally {
    operation: Operation,
    reasoning_excluded: bool,
    sheet: Option<Arc<PriceSheet>>,
    searches: u64,
    observed: Observed,
    parts: Parts,
    reply: Reply,
}

/// What becomes of an event on its way to the client.
enum Fate {
    Keep,
    LeaveOut,
    Replace(Vec<u8>),
}

#[derive(Debug)]
enum Reply {
    Whole { pieces: Vec<Bytes>, bytes: usize },
    Stream { events: Events, withhold_usage: bool },
}

impl Tally {
    /// For a reply in one piece, which is read once it is over.
    #[must_use]
    pub fn whole(operation: Operation) -> Self {
        Self::new(
            operation,
            Reply::Whole {
                pieces: Vec::new(),
                bytes: 0,
            },
        )
    }

    /// For a stream of events; `withhold_usage` where we, not the client, asked for usage in it.
    #[must_use]
    pub fn stream(operation: Operation, withhold_usage: bool) -> Self {
        Self::new(
            operation,
            Reply::Stream {
                events: Events::default(),
                withhold_usage,
            },
        )
    }

    /// For a provider (xAI) whose completion tokens do not include reasoning.
    #[must_use]
    pub fn reasoning_excluded(self, reasoning_excluded: bool) -> Self {
        Self {
            reasoning_excluded,
            ..self
        }
    }

    /// For a client that asked for a cost in the usage of its stream: what the usage costs by `sheet`.
    #[must_use]
    pub fn priced(self, sheet: Option<Arc<PriceSheet>>) -> Self {
        Self { sheet, ..self }
    }

    /// For a model that takes so many searches for each answer and tells of none.
    #[must_use]
    pub fn searching(self, searches: u64) -> Self {
        Self { searches, ..self }
    }

    /// The model that the upstream says is answering, as far as it was read.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.observed.model.as_deref()
    }

    /// The ids by which the answer can be referred to, once it is whole.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.observed.ids
    }

    fn new(operation: Operation, reply: Reply) -> Self {
        Self {
            operation,
            reasoning_excluded: false,
            sheet: None,
            searches: 0,
            observed: Observed::default(),
            parts: Parts::default(),
            reply,
        }
    }

    /// Takes a piece of the reply in. A whole reply is forwarded as it comes and judged by [`Tally::finish`].
    ///
    /// # Errors
    /// [`LineTooLong`] where a stream has an event over the limits; it cannot go on.
    pub fn push(&mut self, piece: Bytes) -> Result<Step, LineTooLong> {
        let (block, withhold_usage) = match &mut self.reply {
            Reply::Whole { pieces, bytes } => {
                *bytes += piece.len();
                pieces.push(piece.clone());
                keep_the_end(pieces, *bytes);
                return Ok(Step {
                    forward: piece,
                    ..Step::default()
                });
            }
            Reply::Stream { events, withhold_usage } => (events.push(piece)?, *withhold_usage),
        };
        let mut step = Step::default();
        let mut forward = Forward::new(&block);
        for event in sse::split(&block) {
            if self.observed.saw_done {
                // The answer is over, whatever an upstream goes on to say.
                forward.drop(event.len());
                continue;
            }
            match self.read(&event, withhold_usage, &mut step) {
                Fate::Keep if self.observed.error.is_none() => forward.keep(event.len()),
                Fate::Replace(bytes) if self.observed.error.is_none() => forward.replace(event.len(), &bytes),
                // What follows an error is not for the client either: a mark of a good end, say.
                _ => forward.drop(event.len()),
            }
        }
        step.forward = forward.finish();
        Ok(step)
    }

    /// Reads one event.
    fn read(&mut self, event: &[u8], withhold_usage: bool, step: &mut Step) -> Fate {
        let Some(data) = sse::data(event) else {
            return Fate::Keep;
        };
        if data.trim_ascii() == b"[DONE]" {
            step.done = true;
            self.observed.saw_done = true;
            return Fate::Keep;
        }
        if self.operation.dialect() != Dialect::Chat {
            return self.glimpse(event, &data, step);
        }
        let Some(frame) = Frame::read(&data) else {
            return Fate::Keep;
        };
        let is_error = self
            .observed
            .see(&frame, &data, self.operation, self.reasoning_excluded);
        self.observed.search(self.searches);
        if is_error {
            step.error = step.error.take().or_else(|| self.observed.error.clone());
            return Fate::LeaveOut;
        }
        step.content_seen |= frame.content.is_any();
        if withhold_usage && frame.is_usage_only() {
            return Fate::LeaveOut;
        }
        frame
            .usage
            .and_then(|usage| event_with_cost(event, &data, usage, self.price()))
            .map_or(Fate::Keep, Fate::Replace)
    }

    /// Reads one event of another dialect than chat.
    fn glimpse(&mut self, event: &[u8], data: &[u8], step: &mut Step) -> Fate {
        let Some(glimpse) = self.read_glimpse(data, false) else {
            return Fate::Keep;
        };
        if self.observed.glimpse(&glimpse, data) {
            step.error = step.error.take().or_else(|| self.observed.error.clone());
            return Fate::LeaveOut;
        }
        step.content_seen |= glimpse.content.is_any();
        step.done |= glimpse.is_done;
        self.observed.saw_done |= glimpse.is_done;
        let usage = glimpse.usage;
        let priced = usage.and_then(|usage| event_with_cost(event, data, usage, self.price()));
        priced.map_or(Fate::Keep, Fate::Replace)
    }

    /// What `data`, an event or a whole reply, says; its usage is taken in as far as it is complete.
    fn read_glimpse<'de>(&mut self, data: &'de [u8], is_whole: bool) -> Option<Glimpse<'de>> {
        let parts = &mut self.parts;
        let glimpse = match (self.operation.dialect(), is_whole) {
            // Nobody asks in the dialect of Bedrock.
            (Dialect::Chat | Dialect::Converse, _) => return None,
            (Dialect::Responses, false) => responses::frame::read_event(data, parts),
            (Dialect::Responses, true) => responses::frame::read_whole(data, parts),
            (Dialect::Messages, false) => messages::frame::read_event(data, parts),
            (Dialect::Messages, true) => messages::frame::read_whole(data, parts),
            (Dialect::Generate, _) => generate::frame::read(self.operation, data, parts),
        }?;
        match self.operation.dialect() {
            Dialect::Responses => {
                if let Some(usage) = glimpse.usage {
                    let searches = parts.searches;
                    self.observed.usage = counts::responses::read(usage).map(|usage| Usage { searches, ..usage });
                }
            }
            Dialect::Messages => {
                self.observed.usage = parts.latest;
                self.observed.partial = parts.cumulative.usage();
            }
            // Until every candidate has finished, those seen later too, counts are those of a part.
            Dialect::Generate => {
                self.observed.usage = parts.latest.filter(|_| is_whole || parts.is_whole());
                self.observed.partial = parts.latest;
            }
            _ => {}
        }
        Some(glimpse)
    }

    /// What the usage that was reported last costs, where the client asked.
    fn price(&self) -> Option<Nano> {
        let sheet = self.sheet.as_ref()?;
        let usage = self.observed.usage.as_ref().filter(|usage| !is_placeholder(usage))?;
        charge(sheet, &sheet.settled(*usage, self.observed.tier))
    }

    /// What the reply was, after its last byte or after it was cut.
    #[must_use]
    pub fn finish(mut self) -> Observed {
        match std::mem::replace(
            &mut self.reply,
            Reply::Whole {
                pieces: Vec::new(),
                bytes: 0,
            },
        ) {
            Reply::Whole { pieces, bytes } => self.finish_whole(&pieces.concat(), bytes),
            Reply::Stream { events, withhold_usage } => {
                let rest = events.rest();
                let is_whole = sse::data(&rest).is_none_or(|data| {
                    data.trim_ascii() == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(&data).is_ok()
                });
                if !self.observed.saw_done {
                    let fate = self.read(&rest, withhold_usage, &mut Step::default());
                    let is_for_client = is_whole && self.observed.error.is_none();
                    self.observed.rest = match fate {
                        Fate::Keep if is_for_client => rest,
                        Fate::Replace(bytes) if is_for_client => Bytes::from(bytes),
                        _ => Bytes::new(),
                    };
                }
            }
        }
        self.observed.saw_done |= self.parts.is_whole() && self.observed.error.is_none();
        self.observed.settled()
    }

    fn finish_whole(&mut self, reply: &[u8], bytes: usize) {
        if self.operation.dialect() != Dialect::Chat {
            if let Some(glimpse) = self.read_glimpse(reply, true) {
                self.observed.glimpse(&glimpse, reply);
                self.observed.saw_done = true;
                return;
            }
        } else if let Some(frame) = Frame::read(reply) {
            self.observed
                .see(&frame, reply, self.operation, self.reasoning_excluded);
            self.observed.search(self.searches);
            self.observed.saw_done = true;
            return;
        }
        if bytes > reply.len() {
            self.observed.output_bytes = bytes as u64;
            self.finish_tail(reply);
        }
    }

    /// The usage at the end of a reply that was too long to be kept.
    fn finish_tail(&mut self, tail: &[u8]) {
        let name = match self.operation.dialect() {
            Dialect::Generate => br#""usageMetadata""#.as_slice(),
            _ => br#""usage""#,
        };
        let Some(at) = memchr::memmem::rfind(tail, name) else {
            return;
        };
        let object = [b"{".as_slice(), &tail[at..]].concat();
        if self.operation.dialect() != Dialect::Chat {
            self.observed.saw_done = self.read_glimpse(&object, true).is_some();
        } else if let Some(frame) = Frame::read(&object) {
            let read = frame.read_usage(self.operation, self.reasoning_excluded);
            self.observed.saw_done = read.is_some();
            self.observed.usage = read.flatten();
            self.observed.search(self.searches);
        }
    }
}

impl Observed {
    /// With counts that are some, and those of a part only where those of the whole are missing.
    pub(crate) fn settled(self) -> Self {
        let usage = self.usage.filter(|usage| !is_placeholder(usage));
        let partial = self
            .partial
            .filter(|partial| usage.is_none() && !is_placeholder(partial));
        Self { usage, partial, ..self }
    }

    /// Adds `searches` that nothing tells of.
    fn search(&mut self, searches: u64) {
        if let Some(usage) = &mut self.usage {
            usage.searches = usage.searches.max(searches);
        }
    }

    /// Takes in what `frame`, read from `data`, says; whether it is an error.
    fn see(&mut self, frame: &Frame<'_>, data: &[u8], operation: Operation, reasoning_excluded: bool) -> bool {
        if let Some(usage) = frame.read_usage(operation, reasoning_excluded) {
            self.usage = usage;
        }
        self.tier = tier_of(frame.tier).or(self.tier);
        if self.model.is_none() {
            let model = frame
                .model
                .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            self.model = model.filter(|model| !model.is_empty());
        }
        self.output_bytes = self.output_bytes.saturating_add(frame.content.bytes);
        if frame.error.is_some() || frame.is_flat_error {
            self.error.get_or_insert_with(|| read_frame(data));
            return true;
        }
        self.saw_finish |= frame.content.is_finished;
        false
    }

    /// Takes in what `glimpse`, read from `data`, says besides usage; whether it is an error.
    fn glimpse(&mut self, glimpse: &Glimpse<'_>, data: &[u8]) -> bool {
        if self.model.is_none() {
            let model = glimpse
                .model
                .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            self.model = model.filter(|model| !model.is_empty());
        }
        self.tier = glimpse.tier.or(self.tier);
        self.output_bytes = self.output_bytes.saturating_add(glimpse.content.bytes);
        self.ids.extend_from_slice(&glimpse.ids);
        self.calls = self.calls.saturating_add(glimpse.calls);
        if glimpse.is_error {
            self.error.get_or_insert_with(|| read_frame(data));
            return true;
        }
        self.saw_finish |= glimpse.content.is_finished;
        false
    }
}

/// Whether `usage` is no count: an upstream that answered has read at least one token.
fn is_placeholder(usage: &Usage) -> bool {
    usage.total() == 0
}

/// Of a reply that is too long to be read, only the last pieces are kept.
fn keep_the_end(pieces: &mut Vec<Bytes>, bytes: usize) {
    if bytes <= WHOLE_BYTES_MAX {
        return;
    }
    let mut kept = 0;
    let from = pieces.iter().rposition(|piece| {
        kept += piece.len();
        kept >= TAIL_BYTES
    });
    pieces.drain(..from.unwrap_or(0));
}

/// A block of events of which some are left out or replaced; not copied while none is.
struct Forward<'a> {
    block: &'a Bytes,
    at: usize,
    copied: Option<BytesMut>,
}

impl<'a> Forward<'a> {
    const fn new(block: &'a Bytes) -> Self {
        Self {
            block,
            at: 0,
            copied: None,
        }
    }

    fn keep(&mut self, bytes: usize) {
        if let Some(copied) = &mut self.copied {
            copied.extend_from_slice(&self.block[self.at..self.at + bytes]);
        }
        self.at += bytes;
    }

    fn drop(&mut self, bytes: usize) {
        self.copied
            .get_or_insert_with(|| BytesMut::from(&self.block[..self.at]));
        self.at += bytes;
    }

    fn replace(&mut self, bytes: usize, by: &[u8]) {
        self.drop(bytes);
        if let Some(copied) = &mut self.copied {
            copied.extend_from_slice(by);
        }
    }

    fn finish(self) -> Bytes {
        self.copied.map_or_else(|| self.block.clone(), BytesMut::freeze)
    }
}

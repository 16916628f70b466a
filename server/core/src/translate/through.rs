//! A reply on its way through the hub: read in the upstream's dialect, written in the client's.
//!
//! Invariant: usage, errors and content are seen as the tally sees them in passing bytes: an error goes to nobody but the caller, nothing
//! follows it, and however the network cut the stream, the client gets the same. Pure.

use super::codecs::{Decoder, Encoder, decode_reply, encode_reply};
use super::names::{Names, Own};
use crate::dialect::exchange::{Ask, CallKind, Delta, Event, Finish, Kind, Origin, Output, Reply, Unreadable, pack};
use crate::dialect::sse::{self, Events, LineTooLong};
use crate::dialect::{Dialect, Observed, Step, Tally, UpstreamError, read_error_frame};
use crate::usage::ServiceTier;
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// The translator of one reply.
#[derive(Debug)]
pub struct Through {
    client: Dialect,
    origin: Origin,
    ask: Ask,
    names: Option<Names>,
    /// The client's tools that take free text.
    customs: HashSet<Own>,
    observed: Observed,
    reply: Way,
}

#[derive(Debug)]
enum Way {
    Whole(BytesMut),
    Stream(Box<Stream>),
}

#[derive(Debug)]
struct Stream {
    events: Events,
    decoder: Decoder,
    encoder: Encoder,
    /// What the decoder gave for one event; kept for its memory.
    decoded: Vec<Event>,
    /// Arguments of custom tools that are still arriving, by choice and block.
    customs: Vec<(u32, u32, String)>,
    /// Adds the cost to what goes out, where the client asked.
    pricing: Option<Tally>,
}

impl Through {
    /// For a reply in one piece from `origin` to a client of `client` who asked `ask`.
    #[must_use]
    pub fn whole(client: Dialect, origin: Origin, ask: Ask) -> Self {
        Self::new(client, origin, ask, Way::Whole(BytesMut::new()))
    }

    /// For a stream; `pricing` is a tally of the client's dialect that puts the cost in, where the client asked for it.
    #[must_use]
    pub fn stream(client: Dialect, origin: Origin, ask: Ask, pricing: Option<Tally>) -> Self {
        let stream = Stream {
            events: Events::default(),
            decoder: Decoder::new(origin.dialect),
            encoder: Encoder::new(client, ask.clone()),
            decoded: Vec::new(),
            customs: Vec::new(),
            pricing,
        };
        Self::new(client, origin, ask, Way::Stream(Box::new(stream)))
    }

    fn new(client: Dialect, origin: Origin, ask: Ask, reply: Way) -> Self {
        Self {
            client,
            origin,
            names: Names::of(&ask.request, origin.dialect),
            customs: Names::customs(&ask.request),
            ask,
            observed: Observed::default(),
            reply,
        }
    }

    /// The model that the upstream says is answering, as far as it was read.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.observed.model.as_deref()
    }

    /// Takes a piece of the reply in. Of a whole reply nothing goes on before its end.
    ///
    /// # Errors
    /// [`LineTooLong`] where a stream has an event over the limits; it cannot go on.
    pub fn push(&mut self, piece: Bytes) -> Result<Step, LineTooLong> {
        let block = match &mut self.reply {
            Way::Whole(body) => {
                body.extend_from_slice(&piece);
                return Ok(Step::default());
            }
            Way::Stream(stream) => stream.events.push(piece)?,
        };
        let mut step = Step::default();
        let mut out = Vec::new();
        for event in sse::split(&block) {
            self.read(&event, &mut out, &mut step);
        }
        step.forward = self.priced(out)?;
        Ok(step)
    }

    /// Reads one event of the upstream, and writes what it says to the client.
    fn read(&mut self, event: &[u8], out: &mut Vec<u8>, step: &mut Step) {
        let Way::Stream(stream) = &mut self.reply else { return };
        if self.observed.saw_done || self.observed.error.is_some() {
            return;
        }
        let Some(data) = sse::data(event) else { return };
        let mut decoded = std::mem::take(&mut stream.decoded);
        stream.decoder.push(sse::name(event), &data, &mut decoded);
        self.write(&mut decoded, out, step);
        if let Way::Stream(stream) = &mut self.reply {
            stream.decoded = decoded;
        }
    }

    /// Writes `events` to the client, as far as they are for it.
    fn write(&mut self, events: &mut Vec<Event>, out: &mut Vec<u8>, step: &mut Step) {
        let Way::Stream(stream) = &mut self.reply else { return };
        for mut event in events.drain(..) {
            self.observed.take_in(&event, step);
            if let Event::Error(_) = event {
                break;
            }
            if let Event::Delta {
                delta: Delta::Blob(blob),
                ..
            } = &mut event
            {
                *blob = pack(self.origin, blob);
            }
            if let Some(names) = &self.names {
                names.restore(&mut event);
            }
            if let Some(event) = unwrapped(event, &self.customs, stream, out) {
                stream.encoder.push(&event, out);
            }
            if self.observed.saw_done {
                break;
            }
        }
    }

    fn priced(&mut self, out: Vec<u8>) -> Result<Bytes, LineTooLong> {
        match &mut self.reply {
            Way::Stream(stream) => match &mut stream.pricing {
                Some(tally) => Ok(tally.push(Bytes::from(out))?.forward),
                None => Ok(Bytes::from(out)),
            },
            Way::Whole(_) => Ok(Bytes::from(out)),
        }
    }

    /// What the reply was; `rest` is the whole body of a reply in one piece, or what a stream has still to say.
    #[must_use]
    pub fn finish(mut self) -> Observed {
        match std::mem::replace(&mut self.reply, Way::Whole(BytesMut::new())) {
            Way::Whole(body) => self.finish_whole(&body),
            Way::Stream(stream) => self.finish_stream(stream),
        }
        self.observed.settled()
    }

    fn finish_stream(&mut self, mut stream: Box<Stream>) {
        let rest = std::mem::take(&mut stream.events).rest();
        self.reply = Way::Stream(stream);
        let is_google = self.origin.dialect == Dialect::Generate;
        let (mut out, mut step) = (Vec::new(), Step::default());
        self.read(&rest, &mut out, &mut step);
        if !self.observed.saw_done && self.observed.error.is_none() {
            let mut ended = Vec::new();
            if let Way::Stream(stream) = &mut self.reply {
                stream.decoder.finish(&mut ended);
            }
            self.write(&mut ended, &mut out, &mut step);
            // Some upstreams just hang up when they have said why they finished.
            if !is_google && self.observed.saw_finish && !self.observed.saw_done && self.observed.error.is_none() {
                self.write(&mut vec![Event::Done], &mut out, &mut step);
            }
        }
        // Google counts in every chunk: before every answer has ended, a part.
        if is_google && !self.observed.saw_done {
            self.observed.partial = self.observed.usage.take();
        }
        self.observed.rest = self.priced(out).unwrap_or_default();
    }

    fn finish_whole(&mut self, body: &[u8]) {
        let Ok(mut reply) = decode_reply(self.origin.dialect, body).and_then(without_error(body)) else {
            if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
                self.observed.error = Some(read_error_frame(body));
            }
            return;
        };
        if let Some(failed) = failure(&reply) {
            self.observed.error = Some(failed);
            return;
        }
        self.observed.usage = reply.usage;
        self.observed.tier = reply.service_tier.as_deref().and_then(ServiceTier::spoken);
        self.observed.model = Some(reply.model.clone()).filter(|model| !model.is_empty());
        self.observed.saw_done = true;
        for choice in &mut reply.choices {
            self.observed.saw_finish |= choice.finish.is_some();
            for output in &mut choice.output {
                self.observed.output_bytes += bytes_of(output);
                self.own(output);
            }
        }
        self.observed.rest = Bytes::from(encode_reply(self.client, &reply, &self.ask));
    }

    /// `output` as the client is to see it.
    fn own(&self, output: &mut Output) {
        if let Output::Thought(thought) = output {
            thought.blob = thought.blob.as_deref().map(|blob| pack(self.origin, blob));
        }
        if let Some(names) = &self.names {
            names.restore_output(output);
        }
        if let Output::Call(call) = output
            && call.kind == CallKind::Function
            && self.customs.contains(&(call.namespace.clone(), call.name.clone()))
        {
            call.kind = CallKind::Custom;
            call.arguments = free_text(&call.arguments);
        }
    }
}

impl Observed {
    /// Takes in what `event` says.
    fn take_in(&mut self, event: &Event, step: &mut Step) {
        match event {
            Event::Start(start) => {
                self.model = Some(start.model.clone()).filter(|model| !model.is_empty());
                // What it counts of the answer is a token or so.
                self.partial = start.usage;
            }
            Event::Open {
                kind: Kind::Call { name, .. },
                ..
            } => {
                self.output_bytes = self.output_bytes.saturating_add(name.len() as u64);
                step.content_seen = true;
            }
            Event::Delta { delta, .. } => {
                let bytes = match delta {
                    Delta::Text(text) | Delta::Arguments(text) => text.len() as u64,
                    Delta::Blob(_) | Delta::Citation(_) | Delta::Logprob(_) => 0,
                };
                self.output_bytes = self.output_bytes.saturating_add(bytes);
                step.content_seen |= bytes > 0;
            }
            Event::Finish { reason, .. } => {
                self.saw_finish |= !matches!(reason, Finish::Failed(_));
                step.content_seen = true;
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => {
                self.error.get_or_insert_with(|| error.clone());
                step.error = step.error.take().or_else(|| Some(error.clone()));
            }
            Event::Done => {
                self.saw_done = true;
                step.done = true;
            }
            Event::ServiceTier(word) => self.tier = ServiceTier::spoken(word).or(self.tier),
            Event::Open { .. } | Event::Close { .. } => {}
        }
    }
}

/// `event` with the call of a custom tool, which an upstream that has none was offered as a function, made one again: its input is known
/// when its arguments are whole.
fn unwrapped(event: Event, customs: &HashSet<Own>, stream: &mut Stream, out: &mut Vec<u8>) -> Option<Event> {
    match event {
        Event::Open {
            choice,
            block,
            kind:
                Kind::Call {
                    id,
                    name,
                    namespace,
                    kind: CallKind::Function,
                },
        } if customs.contains(&(namespace.clone(), name.clone())) => {
            stream.customs.push((choice, block, String::new()));
            let kind = Kind::Call {
                id,
                name,
                namespace,
                kind: CallKind::Custom,
            };
            Some(Event::Open { choice, block, kind })
        }
        Event::Delta {
            choice,
            block,
            delta: Delta::Arguments(more),
        } => match stream.customs.iter_mut().find(|(c, b, _)| (*c, *b) == (choice, block)) {
            Some((_, _, arguments)) => {
                arguments.push_str(&more);
                None
            }
            None => Some(Event::Delta {
                choice,
                block,
                delta: Delta::Arguments(more),
            }),
        },
        Event::Close { choice, block } => {
            if let Some(at) = stream.customs.iter().position(|(c, b, _)| (*c, *b) == (choice, block)) {
                let (_, _, arguments) = stream.customs.swap_remove(at);
                let delta = Delta::Arguments(free_text(&arguments));
                stream.encoder.push(&Event::Delta { choice, block, delta }, out);
            }
            Some(Event::Close { choice, block })
        }
        other => Some(other),
    }
}

/// The input of a custom tool in the arguments of the function that stood for it.
fn free_text(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        input: String,
    }
    serde_json::from_str::<Arguments>(arguments).map_or_else(|_| arguments.to_owned(), |arguments| arguments.input)
}

fn bytes_of(output: &Output) -> u64 {
    let length = match output {
        Output::Text { text, .. } | Output::Refusal(text) => text.len(),
        Output::Thought(thought) => thought.text.len(),
        Output::Call(call) => call.name.len() + call.arguments.len(),
        Output::Image { base64, .. } => base64.len(),
    };
    length as u64
}

/// Takes a reply for none where `body` holds an error beside it.
fn without_error(body: &[u8]) -> impl FnOnce(Reply) -> Result<Reply, Unreadable> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow, default)]
        error: Option<&'a RawValue>,
    }
    let has_error = serde_json::from_slice::<Frame<'_>>(body).is_ok_and(|frame| frame.error.is_some());
    move |reply| {
        if has_error && reply.choices.iter().all(|choice| choice.finish.is_none()) {
            Err(Unreadable)
        } else {
            Ok(reply)
        }
    }
}

/// The error of a reply that says it failed and has nothing to show.
fn failure(reply: &Reply) -> Option<UpstreamError> {
    let failed = |choice: &crate::dialect::exchange::Choice| match &choice.finish {
        Some(Finish::Failed(word)) if choice.output.is_empty() => Some(word.clone()),
        _ => None,
    };
    let words: Option<Vec<String>> = reply.choices.iter().map(failed).collect();
    let word = words?.into_iter().next()?;
    Some(UpstreamError {
        message: word.clone(),
        code: Some(word),
        ..UpstreamError::default()
    })
}

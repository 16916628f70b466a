//! The reader of an answer of rerank, images or sound on its way to the client.
//!
//! Invariant: what passes is the upstream's, byte for byte, but for an error, what follows it and a cost of the upstream's own; what was
//! asked for in another form than the client wanted is written anew. Usage that is priced by a unit is told by the answer or follows from
//! the request; else there is none. Pure.

use super::super::cost::event_with_cost;
use super::super::error::read_frame;
use super::super::operation::Operation;
use super::super::sse::{self, Events, LineTooLong};
use super::super::tally::{Observed, Step};
use super::Wanted;
use super::told::Told;
use super::written::written;
use crate::pricing::{PriceSheet, charge};
use crate::usage::{Kind, Usage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// How the upstream answers, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// In one piece, which passes.
    Whole,
    /// In one piece of JSON, which is written anew as it is wanted.
    Written(Wanted),
    /// In events, which pass.
    Events,
    /// As sound, which passes.
    Sound,
    /// As sound in events, which is taken out.
    SoundInEvents,
}

/// See the module.
#[derive(Debug)]
pub struct Reader {
    operation: Operation,
    answer: Answer,
    /// What is used whatever is answered, and of seconds the least that is billed.
    least: Usage,
    sheet: Option<Arc<PriceSheet>>,
    is_cost_wanted: bool,
    events: Events,
    pieces: Vec<Bytes>,
    tokens: Option<Usage>,
    units: Usage,
    observed: Observed,
}

impl Reader {
    /// For an answer to `operation`, priced by `sheet`, of which `least` is used in any case.
    #[must_use]
    pub fn new(operation: Operation, answer: Answer, least: Usage, sheet: Option<Arc<PriceSheet>>) -> Self {
        Self {
            operation,
            answer,
            least,
            sheet,
            is_cost_wanted: false,
            events: Events::large(),
            pieces: Vec::new(),
            tokens: None,
            units: Usage::default(),
            observed: Observed::default(),
        }
    }

    /// For a client that may want a cost in the usage of its events.
    #[must_use]
    pub const fn showing_cost(mut self, is_wanted: bool) -> Self {
        self.is_cost_wanted = is_wanted;
        self
    }

    /// The upstream answers in no events, though it was asked for them. Whether its answer can still be handed on as it comes.
    pub const fn without_events(&mut self) -> bool {
        match self.answer {
            Answer::SoundInEvents => self.answer = Answer::Sound,
            Answer::Events => self.answer = Answer::Whole,
            _ => {}
        }
        !matches!(self.answer, Answer::Whole)
    }

    /// The model that the upstream says is answering, as far as it was read.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.observed.model.as_deref()
    }

    /// Takes a piece of the answer in.
    ///
    /// # Errors
    /// [`LineTooLong`] where an event is over the limits; it cannot go on.
    pub fn push(&mut self, piece: Bytes) -> Result<Step, LineTooLong> {
        let mut step = Step::default();
        match self.answer {
            Answer::Sound => {
                step.content_seen = !piece.is_empty();
                step.forward = piece;
            }
            Answer::Whole => {
                self.pieces.push(piece.clone());
                step.forward = piece;
            }
            Answer::Written(_) => self.pieces.push(piece),
            Answer::Events | Answer::SoundInEvents => {
                let block = self.events.push(piece)?;
                let mut forward = BytesMut::new();
                for event in sse::split(&block) {
                    self.event(&event, &mut forward, &mut step);
                }
                step.forward = forward.freeze();
            }
        }
        Ok(step)
    }

    fn event(&mut self, event: &[u8], forward: &mut BytesMut, step: &mut Step) {
        if self.observed.error.is_some() || self.observed.saw_done {
            return;
        }
        let is_unwrapped = self.answer == Answer::SoundInEvents;
        let pass = |forward: &mut BytesMut, bytes: &[u8]| {
            if !is_unwrapped {
                forward.extend_from_slice(bytes);
            }
        };
        let Some(data) = sse::data(event) else {
            return pass(forward, event);
        };
        if data.trim_ascii() == b"[DONE]" {
            (step.done, self.observed.saw_done) = (true, true);
            return pass(forward, event);
        }
        let Some(told) = Told::read(&data) else {
            return pass(forward, event);
        };
        if told.is_error {
            let error = read_frame(&data);
            self.observed.error = Some(error.clone());
            step.error = Some(error);
            return;
        }
        self.take(&told);
        step.content_seen = true;
        if told.is_kind(".done") || told.is_kind(".completed") {
            self.observed.saw_finish = true;
        }
        if is_unwrapped {
            let text = told
                .audio
                .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            let sound = text.and_then(|text| STANDARD.decode(text).ok());
            forward.extend_from_slice(&sound.unwrap_or_default());
            return;
        }
        let priced = told
            .usage
            .and_then(|usage| event_with_cost(event, &data, usage, self.price()));
        forward.extend_from_slice(priced.as_deref().unwrap_or(event));
    }

    /// What was told so far costs, where the client wants to know.
    fn price(&self) -> Option<crate::money::Nano> {
        let sheet = self.sheet.as_ref().filter(|_| self.is_cost_wanted)?;
        charge(sheet, &sheet.settled(self.usage()?, None))
    }

    /// Takes in what an answer or an event says of what was used.
    fn take(&mut self, told: &Told<'_>) {
        if let Some(tokens) = told.tokens(self.operation) {
            self.tokens = Some(self.tokens.unwrap_or_default().plus(&tokens));
        }
        if self.operation.is_heard()
            && let Some(seconds) = told.seconds()
        {
            self.units.seconds = seconds;
        }
        if self.observed.model.is_none() {
            let model = told
                .model
                .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            self.observed.model = model.filter(|model| !model.is_empty());
        }
    }

    /// What was used, as far as it is priced; `None` where one of what is priced is not known.
    fn usage(&self) -> Option<Usage> {
        let Some(sheet) = &self.sheet else {
            return self.tokens;
        };
        let mut usage = self.tokens.unwrap_or_default();
        let mut is_known = self.tokens.is_some();
        if let Some(kind) = self.operation.unit().filter(|kind| sheet.base.of(*kind) > 0) {
            let (told, least) = (self.units.count(kind), self.least.count(kind));
            let units = match told {
                // The shortest sound that is billed says nothing about one of unknown length.
                0 if kind == Kind::Seconds => 0,
                0 => least,
                told if kind == Kind::Seconds => told.max(least),
                told => told,
            };
            *usage.count_mut(kind) = units;
            is_known = units > 0 && (is_known || !sheet.base.prices_tokens());
        }
        is_known.then_some(usage)
    }

    /// What the answer was, after its last byte or after it was cut; `rest` is what the client has still to get.
    #[must_use]
    pub fn finish(mut self) -> Observed {
        match self.answer {
            Answer::Sound => self.observed.saw_done = true,
            Answer::Whole | Answer::Written(_) => self.finish_whole(),
            Answer::Events | Answer::SoundInEvents => {
                let rest = std::mem::take(&mut self.events).rest();
                let mut forward = BytesMut::new();
                self.event(&rest, &mut forward, &mut Step::default());
                self.observed.rest = forward.freeze();
            }
        }
        self.observed.usage = self.usage();
        self.observed
    }

    fn finish_whole(&mut self) {
        let reply = std::mem::take(&mut self.pieces).concat();
        let told = Told::read(&reply);
        if let Some(told) = &told {
            if told.is_error {
                self.observed.error = Some(read_frame(&reply));
                return;
            }
            self.take(told);
            self.units.images = told.images().unwrap_or(0);
            self.units.searches = told.searches().unwrap_or(0);
        }
        self.observed.saw_done = match self.answer {
            Answer::Written(wanted) => {
                let seconds = Some(self.units.seconds).filter(|seconds| *seconds > 0);
                let text = told.as_ref().and_then(|told| written(told, wanted, seconds));
                let is_written = text.is_some();
                self.observed.rest = Bytes::from(text.unwrap_or_default());
                is_written
            }
            // Subtitles and bare texts are no JSON.
            _ => told.is_some() || (self.operation.is_heard() && !reply.is_empty()),
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sheet(kind: Kind, usd: &str) -> Option<Arc<PriceSheet>> {
        let sheet = PriceSheet::from_per_million("0", "0", None, None).unwrap();
        Some(Arc::new(sheet.with_unit(kind, usd).unwrap()))
    }

    fn tokens() -> Option<Arc<PriceSheet>> {
        Some(Arc::new(PriceSheet::from_per_million("5", "30", None, None).unwrap()))
    }

    fn read(mut reader: Reader, reply: &[u8], size: usize) -> (Vec<u8>, Observed) {
        let mut out = Vec::new();
        for piece in reply.chunks(size) {
            out.extend_from_slice(&reader.push(Bytes::copy_from_slice(piece)).unwrap().forward);
        }
        let observed = reader.finish();
        out.extend_from_slice(&observed.rest);
        (out, observed)
    }

    #[test]
    fn images_are_counted_as_they_come_and_as_they_were_asked_for_where_they_were_cut() {
        let least = Usage {
            images: 3,
            ..Usage::default()
        };
        let reply = br#"{"created":1,"data":[{"b64_json":"eA=="},{"b64_json":"eA=="}]}"#;
        let reader = || {
            Reader::new(
                Operation::ImageGenerations,
                Answer::Whole,
                least,
                sheet(Kind::Images, "0.04"),
            )
        };
        let (out, observed) = read(reader(), reply, 7);
        assert_eq!(out, reply);
        assert!(observed.saw_done);
        assert_eq!(observed.usage.unwrap().images, 2);
        let (_, cut) = read(reader(), &reply[..20], 7);
        assert_eq!((cut.saw_done, cut.usage.unwrap().images), (false, 3));
        let by_token = Reader::new(Operation::ImageGenerations, Answer::Whole, least, tokens());
        assert_eq!(read(by_token, reply, 99).1.usage, None);
    }

    #[test]
    fn a_stream_of_images_passes_and_its_usage_is_read() {
        let events = concat!(
            "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"eA==\"}\n\n",
            "data: {\"type\":\"image_generation.completed\",\"usage\":{\"input_tokens\":9,\"output_tokens\":70,\"total_tokens\":79}}\n\n",
        );
        for size in 1..events.len() {
            let reader = Reader::new(Operation::ImageGenerations, Answer::Events, Usage::default(), tokens());
            let (out, observed) = read(reader, events.as_bytes(), size);
            assert_eq!(out, events.as_bytes());
            assert!(observed.saw_finish);
            let usage = observed.usage.unwrap();
            assert_eq!((usage.input, usage.image_output), (9, 70));
        }
    }

    #[test]
    fn a_stream_of_images_that_comes_in_one_piece_after_all_is_read_as_one() {
        let reply = br#"{"created":1,"data":[{"b64_json":"eA=="}],"usage":{"input_tokens":9,"output_tokens":70,"total_tokens":79}}"#;
        let mut reader = Reader::new(Operation::ImageGenerations, Answer::Events, Usage::default(), tokens());
        assert!(!reader.without_events());
        let (out, observed) = read(reader, reply, 7);
        assert_eq!(out, reply);
        assert!(observed.saw_done);
        assert_eq!(observed.usage.unwrap().image_output, 70);
    }

    #[test]
    fn what_is_paid_by_the_token_and_by_the_piece_is_known_only_if_both_are() {
        let both = || {
            let sheet = PriceSheet::from_per_million("5", "30", None, None).unwrap();
            Some(Arc::new(sheet.with_unit(Kind::Images, "0.04").unwrap()))
        };
        let least = Usage {
            images: 1,
            ..Usage::default()
        };
        let reader = |least| Reader::new(Operation::ImageGenerations, Answer::Whole, least, both());
        let images = r#""data":[{"b64_json":"eA=="}]"#;
        let usage = r#""usage":{"input_tokens":9,"output_tokens":70,"total_tokens":79}"#;
        let told = read(reader(least), format!("{{{images},{usage}}}").as_bytes(), 9).1;
        let told = told.usage.unwrap();
        assert_eq!((told.images, told.image_output), (1, 70));
        assert_eq!(read(reader(least), format!("{{{images}}}").as_bytes(), 9).1.usage, None);
        let unknown = read(reader(Usage::default()), format!("{{{usage}}}").as_bytes(), 9).1;
        assert_eq!(unknown.usage, None);
    }

    #[test]
    fn sound_is_taken_out_of_events() {
        let events = concat!(
            "data: {\"type\":\"speech.audio.delta\",\"audio\":\"YWI=\"}\n\n",
            "data: {\"type\":\"speech.audio.delta\",\"audio\":\"Yw==\"}\n\n",
            "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":3,\"output_tokens\":20,\"total_tokens\":23}}\n\n",
        );
        for size in [1, 7, 999] {
            let reader = Reader::new(Operation::Speech, Answer::SoundInEvents, Usage::default(), tokens());
            let (out, observed) = read(reader, events.as_bytes(), size);
            assert_eq!(out, b"abc");
            assert!(observed.saw_finish);
            assert_eq!(observed.usage.unwrap().audio_output, 20);
        }
        let failed = "data: {\"type\":\"error\",\"error\":{\"message\":\"no\"}}\n\n";
        let reader = Reader::new(Operation::Speech, Answer::SoundInEvents, Usage::default(), tokens());
        let (out, observed) = read(reader, failed.as_bytes(), 9);
        assert_eq!((out.len(), observed.error.unwrap().message.as_str()), (0, "no"));
    }

    #[test]
    fn what_was_heard_is_billed_by_the_seconds_that_are_told_and_never_below_the_least() {
        let by_second = || sheet(Kind::Seconds, "0.0001");
        let least = Usage {
            seconds: 10,
            ..Usage::default()
        };
        let reply =
            br#"{"task":"transcribe","duration":3.2,"text":"hi","segments":[{"start":0,"end":3.2,"text":"hi"}]}"#;
        for (wanted, text) in [
            (Wanted::Text, "hi\n"),
            (Wanted::Json, r#"{"text":"hi","usage":{"type":"duration","seconds":4}}"#),
            (Wanted::Srt, "1\n00:00:00,000 --> 00:00:03,200\nhi\n\n"),
        ] {
            let answer = Answer::Written(wanted);
            let reader = Reader::new(Operation::Transcriptions, answer, Usage::default(), by_second());
            let (out, observed) = read(reader, reply, 5);
            assert_eq!(String::from_utf8(out).unwrap(), text);
            assert_eq!(observed.usage.unwrap().seconds, 4);
            let reader = Reader::new(Operation::Transcriptions, answer, least, by_second());
            assert_eq!(read(reader, reply, 5).1.usage.unwrap().seconds, 10);
        }
        let reader = Reader::new(Operation::Transcriptions, Answer::Whole, least, by_second());
        let (_, untold) = read(reader, b"bare text", 5);
        assert_eq!(
            (untold.saw_done, untold.usage),
            (true, None),
            "nobody said for how long"
        );
    }
}

//! A stream for a client of the generate dialect.
//!
//! Invariant: the last chunk holds why the answer ended, what was used, and something that was said: for SDKs that keep a conversation drop an
//! answer with a chunk without any. Therefore the last sign of a text, or a whole call, is held back until more is known. Pure.
//! Wire facts: Google's `streamGenerateContent`: events of data alone, or one JSON array.

use super::super::Dialect;
use super::super::error::{ErrorBody, UpstreamError, render_error};
use super::super::exchange::{Ask, Call, Citation, Delta, Event, Finish, Kind, Logprob};
use super::encode_reply::end;
use super::opaque;
use super::outgoing::{self, Candidate, Chunk, Content, Part};
use super::places::Places;
use crate::usage::Usage;

/// Writes a stream to a client.
#[derive(Debug)]
pub(crate) struct Encoder {
    ask: Ask,
    shows_thoughts: bool,
    /// The model that answers.
    model: String,
    has_begun: bool,
    answers: Vec<Answer>,
    usage: Option<Usage>,
    service_tier: Option<String>,
}

/// An answer until now.
#[derive(Debug, Default)]
struct Answer {
    index: u32,
    blocks: Vec<(u32, Block)>,
    /// For the next block that is no thought.
    signature: Option<String>,
    /// What was said and not yet sent.
    held: Option<Part<'static>>,
    logprobs: Vec<Logprob>,
    citations: Vec<Citation>,
    places: Places,
    finish: Option<Finish>,
}

/// An open block.
#[derive(Debug)]
enum Block {
    Text {
        signature: Option<String>,
    },
    Thought,
    Call {
        call: Call,
        signature: Option<String>,
    },
    Image {
        media_type: String,
        base64: String,
        signature: Option<String>,
    },
}

impl Encoder {
    /// For the client that asked `ask`.
    pub(crate) fn new(ask: Ask) -> Self {
        Self {
            shows_thoughts: outgoing::shows_thoughts(&ask.request),
            ask,
            model: String::new(),
            has_begun: false,
            answers: Vec::new(),
            usage: None,
            service_tier: None,
        }
    }

    /// Appends what `event` adds to the stream.
    pub(crate) fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start(start) => {
                self.model.clone_from(&start.model);
                self.usage = start.usage;
                if self.ask.id.is_empty() {
                    self.ask.id.clone_from(&start.id);
                }
            }
            Event::Open { choice, block, kind } => self.answer(*choice).open(*block, kind),
            Event::Delta { choice, block, delta } => self.delta(*choice, *block, delta, out),
            Event::Close { choice, block } => self.close(*choice, *block, out),
            Event::Finish { choice, reason } => self.answer(*choice).finish = Some(reason.clone()),
            Event::ServiceTier(tier) => self.service_tier = Some(tier.clone()),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => self.error(error, out),
            Event::Done => self.done(out),
        }
    }

    fn answer(&mut self, choice: u32) -> &mut Answer {
        let found = self.answers.iter().position(|answer| answer.index == choice);
        let at = found.unwrap_or_else(|| {
            self.answers.push(Answer {
                index: choice,
                ..Answer::default()
            });
            self.answers.len() - 1
        });
        &mut self.answers[at]
    }

    fn delta(&mut self, choice: u32, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        let shows_thoughts = self.shows_thoughts;
        let answer = self.answer(choice);
        let open = answer.blocks.iter_mut().find(|(number, _)| *number == block);
        match (open.map(|(_, block)| block), delta) {
            (Some(Block::Text { signature }), Delta::Text(text)) => {
                let signature = signature.take();
                answer.places.see(text);
                self.words(choice, Part::text(text.as_str()).signed(signature), out);
            }
            (Some(Block::Text { .. }), Delta::Citation(citation)) => answer.citations.push(citation.clone()),
            (Some(Block::Text { .. }), Delta::Logprob(logprob)) => answer.logprobs.push(logprob.clone()),
            (Some(Block::Thought), Delta::Text(text)) if shows_thoughts => {
                self.words(choice, Part::thought(text.as_str()), out);
            }
            (Some(Block::Thought), Delta::Blob(blob)) => {
                if let Some(earlier) = answer.signature.replace(opaque::seal(blob)) {
                    self.whole(choice, Part::text("").signed(Some(earlier)), out);
                }
            }
            (Some(Block::Call { call, .. }), Delta::Arguments(more)) => call.arguments.push_str(more),
            (Some(Block::Image { base64, .. }), Delta::Text(more)) => base64.push_str(more),
            _ => {}
        }
    }

    fn close(&mut self, choice: u32, block: u32, out: &mut Vec<u8>) {
        let answer = self.answer(choice);
        let Some(at) = answer.blocks.iter().position(|(number, _)| *number == block) else {
            return;
        };
        match answer.blocks.remove(at).1 {
            Block::Text { signature } => {
                // Nothing was said: the signature is of what comes next.
                answer.signature = signature.or(answer.signature.take());
            }
            Block::Thought => {}
            Block::Call { call, signature } => self.whole(choice, Part::call(call).signed(signature), out),
            Block::Image {
                media_type,
                base64,
                signature,
            } => self.whole(choice, Part::image(media_type, base64).signed(signature), out),
        }
    }

    /// Words go on, of which the last sign is held back.
    fn words(&mut self, choice: u32, part: Part<'_>, out: &mut Vec<u8>) {
        let Part {
            text,
            thought,
            mut thought_signature,
            ..
        } = part;
        let Some(mut text) = text.filter(|text| !text.is_empty()) else {
            return;
        };
        match self.answer(choice).held.take() {
            Some(held) if held.text.is_some() && held.thought == thought && thought_signature.is_none() => {
                thought_signature = held.thought_signature;
                text.to_mut().insert_str(0, &held.text.unwrap_or_default());
            }
            Some(held) => self.send(choice, held, out),
            None => {}
        }
        let last = text.char_indices().next_back().map_or(0, |(at, _)| at);
        let (first, last) = text.split_at(last);
        if !first.is_empty() {
            let part = Part {
                thought,
                ..Part::text(first)
            };
            self.send(choice, part.signed(thought_signature.take()), out);
        }
        let held = Part {
            thought,
            ..Part::text(last.to_owned())
        };
        self.answer(choice).held = Some(held.signed(thought_signature));
    }

    /// A part that comes whole, and is held back.
    fn whole(&mut self, choice: u32, part: Part<'static>, out: &mut Vec<u8>) {
        if let Some(held) = self.answer(choice).held.replace(part) {
            self.send(choice, held, out);
        }
    }

    fn send(&mut self, choice: u32, part: Part<'_>, out: &mut Vec<u8>) {
        let likely = std::mem::take(&mut self.answer(choice).logprobs);
        let candidate = Candidate {
            content: Content {
                parts: vec![part],
                role: "model",
            },
            finish_reason: None,
            finish_message: None,
            grounding_metadata: None,
            logprobs_result: outgoing::logprobs(&likely),
            index: choice,
        };
        let chunk = self.render(vec![candidate], None);
        self.write(&chunk, out);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        let mut answers = std::mem::take(&mut self.answers);
        answers.sort_by_key(|answer| answer.index);
        let tier = self.service_tier.as_deref();
        let usage = self.usage.as_ref().map(|usage| outgoing::usage(usage, tier));
        let candidates = answers.iter_mut().map(Answer::end).collect();
        let chunk = self.render(candidates, usage);
        self.write(&chunk, out);
        if self.ask.is_array {
            out.push(b']');
        }
    }

    fn error(&mut self, error: &UpstreamError, out: &mut Vec<u8>) {
        const UNKNOWN: u16 = 500;
        let body = ErrorBody {
            status: error.status.unwrap_or(UNKNOWN),
            kind: error.kind.as_deref().unwrap_or_default(),
            code: error.code.as_deref(),
            message: &error.message,
            param: error.param.as_deref(),
            request_id: &self.ask.id,
            further: None,
        };
        let body = render_error(Dialect::Generate, &body);
        self.write(body.as_bytes(), out);
        if self.ask.is_array {
            out.push(b']');
        }
    }

    fn render(&self, candidates: Vec<Candidate<'_>>, usage_metadata: Option<serde_json::Value>) -> Vec<u8> {
        let model = if self.model.is_empty() {
            &self.ask.request.model
        } else {
            &self.model
        };
        let chunk = Chunk {
            candidates,
            usage_metadata,
            model_version: model,
            response_id: &self.ask.id,
        };
        serde_json::to_vec(&chunk).unwrap_or_default()
    }

    /// Appends `json` as an event, or as an element of the array.
    fn write(&mut self, json: &[u8], out: &mut Vec<u8>) {
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        let (before, after): (&[u8], &[u8]) = match (self.ask.is_array, has_begun) {
            (false, _) => (b"data: ", b"\n\n"),
            (true, false) => (b"[", b""),
            (true, true) => (b",\n", b""),
        };
        out.extend_from_slice(before);
        out.extend_from_slice(json);
        out.extend_from_slice(after);
    }
}

impl Answer {
    fn open(&mut self, number: u32, kind: &Kind) {
        let block = match kind {
            Kind::Thought { .. } => Block::Thought,
            Kind::Text | Kind::Refusal => Block::Text {
                signature: self.signature.take(),
            },
            Kind::Call {
                id,
                name,
                namespace,
                kind,
            } => Block::Call {
                call: Call {
                    id: id.clone(),
                    name: name.clone(),
                    namespace: namespace.clone(),
                    arguments: String::new(),
                    kind: *kind,
                },
                signature: self.signature.take(),
            },
            Kind::Image { media_type } => Block::Image {
                media_type: media_type.clone(),
                base64: String::new(),
                signature: self.signature.take(),
            },
        };
        self.blocks.push((number, block));
    }

    /// Its last piece.
    fn end(&mut self) -> Candidate<'_> {
        let mut parts: Vec<Part<'_>> = self.held.take().into_iter().collect();
        if !parts.is_empty() {
            // Its upstream did not say why it ended; SDKs take an answer without a reason for a broken one.
            self.finish.get_or_insert(Finish::Stop);
        }
        end(&mut parts, self.signature.take());
        let (finish_reason, finish_message) = self.finish.as_ref().map(outgoing::finish).unzip();
        Candidate {
            content: Content { parts, role: "model" },
            finish_reason,
            finish_message: finish_message.flatten(),
            grounding_metadata: outgoing::grounding(&self.citations, &self.places),
            logprobs_result: outgoing::logprobs(&self.logprobs),
            index: self.index,
        }
    }
}

//! A stream of the generate dialect, as no dialect has it.
//!
//! Invariant: at most one block of an answer is open; a signature is the blob of a thought that stands directly before what it came on; the
//! end of the connection is the end of the stream once every answer has said why it ended, for Google marks no other. Pure.
//! Wire facts: Google's API reference; chunks have the shape of a whole reply, their usage is cumulative, and old models say `STOP` on each.

use super::super::counts;
use super::super::error::{UpstreamError, read_frame};
use super::super::exchange::{CallKind, Delta, Event, Finish, Kind, Start};
use super::incoming::{self, Candidate, Chunk, FunctionCall, Part, Text};
use super::opaque;
use super::places::Places;
use crate::dialect::CHOICES_MAX;
use crate::usage::{ServiceTier, Usage};
use serde_json::value::RawValue;

/// Reads a stream of an upstream.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    has_started: bool,
    /// The upstream's id for the reply.
    id: String,
    answers: Vec<Answer>,
    usage: Option<Usage>,
    tier: Option<ServiceTier>,
}

/// The word that the other dialects have for `tier`.
const fn word_of(tier: ServiceTier) -> &'static str {
    match tier {
        ServiceTier::Standard => "default",
        ServiceTier::Flex | ServiceTier::Priority => tier.as_str(),
    }
}

/// An answer until now.
#[derive(Debug, Default)]
struct Answer {
    index: u32,
    /// The number of the next block.
    block: u32,
    open: Option<Open>,
    calls: u32,
    places: Places,
    /// Why it ended, in Google's word, and in more.
    end: Option<(String, Option<String>)>,
}

/// The block that is open, the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thought { is_signed: bool },
}

impl Decoder {
    /// Takes an event in.
    pub(crate) fn push(&mut self, _event: Option<&str>, data: &[u8], out: &mut Vec<Event>) {
        let data = data.trim_ascii();
        if data.first() == Some(&b'[') {
            for element in serde_json::from_slice::<Vec<&RawValue>>(data).unwrap_or_default() {
                if !matches!(out.last(), Some(Event::Error(_))) {
                    self.chunk(element.get().as_bytes(), out);
                }
            }
        } else {
            self.chunk(data, out);
        }
    }

    /// The connection has ended. Where every answer has said why it ended, so has the stream: then comes `Done`.
    pub(crate) fn finish(&mut self, out: &mut Vec<Event>) {
        let is_whole = !self.answers.is_empty() && self.answers.iter().all(|answer| answer.end.is_some());
        for mut answer in std::mem::take(&mut self.answers) {
            answer.close(out);
            if let Some(reason) = answer.finish() {
                out.push(Event::Finish {
                    choice: answer.index,
                    reason,
                });
            }
        }
        if is_whole {
            out.push(Event::Done);
        }
    }

    fn chunk(&mut self, data: &[u8], out: &mut Vec<Event>) {
        // What begins with a brace is an object: a list would be read as the members in order.
        if data.first() != Some(&b'{') {
            return;
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(data) else {
            return;
        };
        if chunk.error.is_some() {
            out.push(Event::Error(read_frame(data)));
            return;
        }
        self.start(&chunk, out);
        let is_blocked = chunk.candidates.as_ref().is_none_or(Vec::is_empty);
        for candidate in chunk.candidates.unwrap_or_default() {
            let index = candidate.index.unwrap_or(0);
            if u64::from(index) >= CHOICES_MAX {
                out.push(Event::Error(UpstreamError::boundless()));
                return;
            }
            let id = std::mem::take(&mut self.id);
            self.answer(index).candidate(candidate, &id, out);
            self.id = id;
        }
        if let Some(feedback) = chunk.prompt_feedback
            && let Some(reason) = feedback.block_reason.and_then(incoming::word)
            && is_blocked
        {
            let message = feedback.block_reason_message.map(|message| message.0.into_owned());
            self.answer(0).end = Some(("SAFETY".to_owned(), message.or(Some(reason))));
        }
        let tier = chunk.usage_metadata.and_then(counts::generate::tier);
        if tier.is_some() && tier != self.tier {
            self.tier = tier;
            out.extend(tier.map(|tier| Event::ServiceTier(word_of(tier).to_owned())));
        }
        let usage = chunk.usage_metadata.and_then(counts::generate::read);
        if usage.is_some() && usage != self.usage {
            self.usage = usage;
            out.extend(usage.map(Event::Usage));
        }
    }

    fn start(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let text = |name: &Option<Text<'_>>| name.as_ref().map(|name| name.0.to_string()).unwrap_or_default();
        self.id = text(&chunk.response_id);
        let created: Option<jiff::Timestamp> = text(&chunk.create_time).parse().ok();
        out.push(Event::Start(Start {
            id: self.id.clone(),
            model: text(&chunk.model_version),
            created_s: created.map(jiff::Timestamp::as_second),
            usage: None,
        }));
    }

    fn answer(&mut self, index: u32) -> &mut Answer {
        let found = self.answers.iter().position(|answer| answer.index == index);
        let at = found.unwrap_or_else(|| {
            self.answers.push(Answer {
                index,
                ..Answer::default()
            });
            self.answers.len() - 1
        });
        &mut self.answers[at]
    }
}

impl Answer {
    /// It goes on with `candidate` of the reply `id`.
    fn candidate(&mut self, candidate: Candidate<'_>, id: &str, out: &mut Vec<Event>) {
        let parts = candidate.content.and_then(|content| content.parts);
        for part in parts.unwrap_or_default() {
            self.part(part, id, out);
        }
        if self.open == Some(Open::Text) {
            let logprobs = candidate.logprobs_result.map(incoming::logprobs);
            for logprob in logprobs.unwrap_or_default() {
                self.delta(Delta::Logprob(logprob), out);
            }
            let grounding = candidate.grounding_metadata;
            let mut citations = grounding
                .map(|raw| incoming::grounding(raw, &self.places))
                .unwrap_or_default();
            let recitations = candidate.citation_metadata;
            citations.extend(
                recitations
                    .map(|raw| incoming::recitations(raw, &self.places))
                    .unwrap_or_default(),
            );
            for citation in citations {
                self.delta(Delta::Citation(citation), out);
            }
        }
        if let Some(word) = candidate.finish_reason.and_then(incoming::word) {
            let message = candidate.finish_message.map(|message| message.0.into_owned());
            self.end = Some((word, message));
        }
    }

    fn part(&mut self, part: Part<'_>, id: &str, out: &mut Vec<Event>) {
        let signature = part.thought_signature.map(|signature| signature.0.into_owned());
        let signature = signature.filter(|signature| !signature.is_empty() && !opaque::is_none(signature));
        let text = part.text.map(|text| text.0).unwrap_or_default();
        if part.thought == Some(true) {
            if !text.is_empty() {
                if self.open != Some(Open::Thought { is_signed: false }) {
                    self.think(out);
                }
                self.delta(Delta::Text(text.into_owned()), out);
            }
            self.sign(signature, out);
            return;
        }
        let is_something = part.function_call.is_some() || part.inline_data.is_some() || !text.is_empty();
        if signature.is_some() || is_something {
            self.sign(signature, out);
        }
        if !text.is_empty() {
            if self.open != Some(Open::Text) {
                self.begin(Kind::Text, Some(Open::Text), out);
            }
            self.places.see(&text);
            self.delta(Delta::Text(text.into_owned()), out);
        }
        if let Some(call) = part.function_call {
            self.call(call, id, out);
        }
        if let Some(data) = part.inline_data
            && data.mime_type.0.starts_with("image/")
        {
            let media_type = data.mime_type.0.into_owned();
            self.begin(Kind::Image { media_type }, None, out);
            self.last(Delta::Text(data.data.0.into_owned()), out);
        }
    }

    /// What comes next is signed: the signature is of the open thought, or of one without words.
    fn sign(&mut self, signature: Option<String>, out: &mut Vec<Event>) {
        let Some(signature) = signature else { return };
        if self.open != Some(Open::Thought { is_signed: false }) {
            self.think(out);
        }
        self.delta(Delta::Blob(signature), out);
        self.open = Some(Open::Thought { is_signed: true });
    }

    fn think(&mut self, out: &mut Vec<Event>) {
        let kind = Kind::Thought {
            id: None,
            is_summary: true,
            is_redacted: false,
        };
        self.begin(kind, Some(Open::Thought { is_signed: false }), out);
    }

    fn call(&mut self, call: FunctionCall<'_>, reply: &str, out: &mut Vec<Event>) {
        self.calls += 1;
        let given = call.id.map(|id| id.0.into_owned()).filter(|id| !id.is_empty());
        let kind = Kind::Call {
            id: given.unwrap_or_else(|| self.new_id(reply)),
            name: call.name.0.into_owned(),
            namespace: None,
            kind: CallKind::Function,
        };
        self.begin(kind, None, out);
        let arguments = call.args.map(RawValue::get).filter(|args| args.starts_with('{'));
        self.last(Delta::Arguments(arguments.unwrap_or("{}").to_owned()), out);
    }

    /// An id for the call just made, other than those of other replies, of signs that every provider takes.
    fn new_id(&self, reply: &str) -> String {
        const REPLY_BYTES_MAX: usize = 40;
        let is_plain = |sign: &char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_');
        let reply: String = reply.chars().filter(is_plain).take(REPLY_BYTES_MAX).collect();
        let choice = if self.index == 0 {
            String::new()
        } else {
            format!("{}_", self.index)
        };
        format!("call_{reply}_{choice}{}", self.calls)
    }

    /// A block begins, which stays open as `open` or gets one delta only.
    fn begin(&mut self, kind: Kind, open: Option<Open>, out: &mut Vec<Event>) {
        self.close(out);
        out.push(Event::Open {
            choice: self.index,
            block: self.block,
            kind,
        });
        self.block += 1;
        self.open = open;
    }

    fn delta(&self, delta: Delta, out: &mut Vec<Event>) {
        out.push(Event::Delta {
            choice: self.index,
            block: self.block.saturating_sub(1),
            delta,
        });
    }

    /// The only delta of the block that has just begun.
    fn last(&self, delta: Delta, out: &mut Vec<Event>) {
        self.delta(delta, out);
        self.end_block(out);
    }

    fn end_block(&self, out: &mut Vec<Event>) {
        out.push(Event::Close {
            choice: self.index,
            block: self.block.saturating_sub(1),
        });
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if self.open.take().is_some() {
            self.end_block(out);
        }
    }

    fn finish(&mut self) -> Option<Finish> {
        let (word, message) = self.end.take()?;
        Some(incoming::finish(word, message, self.calls > 0))
    }
}

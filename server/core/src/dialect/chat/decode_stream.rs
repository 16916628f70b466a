//! A chat stream, in no dialect.
//!
//! Invariant: [`Event`]'s. A call is opened once its name is known; an answer is finished once, and what comes for it after is passed over;
//! thoughts that are told twice, in two fields, are told once; a stream of more answers, open calls or words held back than an answer can
//! have ends in an error. Pure.
//! Wire facts: OpenAI's streams, and how DeepSeek, Groq, Mistral, OpenRouter, vLLM, xAI and Azure deviate.

use super::super::counts;
use super::super::error::{UpstreamError, read_frame};
use super::super::exchange::{CallKind, Citation, Delta, Event, Finish, Kind, OPEN_MAX, Start};
use super::chunk::{self, CallChunk, ChoiceChunk, Chunk, Piece, Said, read, some, text};
use super::details::Details;
use crate::dialect::CHOICES_MAX;
use crate::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// How much of what came is held back until it can be told, in bytes: details of thoughts, arguments without a name.
const HELD_BYTES_MAX: usize = 16 << 20;

/// The reader of a stream.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    start: Option<Start>,
    answers: Vec<Answer>,
    usage: Option<Usage>,
    service_tier: Option<String>,
}

impl Decoder {
    /// Takes in one event: its name, and its data.
    pub(crate) fn push(&mut self, event: Option<&str>, data: &[u8], out: &mut Vec<Event>) {
        if data.trim_ascii() == b"[DONE]" {
            self.start(&Chunk::default(), out);
            self.finish(out);
            out.push(Event::Done);
            return;
        }
        match serde_json::from_slice::<Chunk<'_>>(data) {
            Ok(chunk) => self.push_chunk(event, data, chunk, out),
            Err(_) if event == Some("error") => out.push(Event::Error(read_frame(data))),
            Err(_) => {}
        }
    }

    /// The connection ended: closes what is open.
    pub(crate) fn finish(&mut self, out: &mut Vec<Event>) {
        for answer in &mut self.answers {
            answer.close_all(out);
        }
    }

    fn push_chunk(&mut self, event: Option<&str>, data: &[u8], chunk: Chunk<'_>, out: &mut Vec<Event>) {
        let is_flat = chunk.object.is_some_and(|object| object.get() == r#""error""#);
        let choices = chunk.choices.as_deref().unwrap_or_default();
        let error = if some(chunk.error).is_some() || is_flat || event == Some("error") {
            Some(data)
        } else {
            let error = choices.iter().find_map(|choice| some(choice.error));
            error.map(|error| error.get().as_bytes())
        };
        if let Some(error) = error {
            // What was used until then is due nevertheless.
            self.used(usage_in(&chunk), out);
            out.push(Event::Error(read_frame(error)));
            return;
        }
        if !choices.is_empty() || text(chunk.id).is_some() {
            self.start(&chunk, out);
        }
        if let Some(tier) = text(chunk.service_tier)
            && self.service_tier.as_ref() != Some(&tier)
        {
            self.start(&chunk, out);
            self.service_tier = Some(tier.clone());
            out.push(Event::ServiceTier(tier));
        }
        let usage = usage_in(&chunk);
        let pages = chunk.citations;
        for choice in chunk.choices.unwrap_or_default() {
            self.choice(choice, pages, out);
            if self.is_boundless() {
                out.push(Event::Error(UpstreamError::boundless()));
                return;
            }
        }
        self.used(usage, out);
    }

    fn used(&mut self, usage: Option<Usage>, out: &mut Vec<Event>) {
        if usage.is_some() && usage != self.usage {
            self.start(&Chunk::default(), out);
            self.usage = usage;
            out.extend(usage.map(Event::Usage));
        }
    }

    fn start(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Event>) {
        if self.start.is_none() {
            let start = Start {
                id: text(chunk.id).unwrap_or_default(),
                model: text(chunk.model).unwrap_or_default(),
                created_s: read(chunk.created),
                usage: None,
            };
            self.start = Some(start.clone());
            out.push(Event::Start(start));
        }
    }

    /// Whether more is kept than an answer can have.
    fn is_boundless(&self) -> bool {
        let calls: usize = self.answers.iter().map(|answer| answer.calls.len()).sum();
        let held: usize = self.answers.iter().map(Answer::held).sum();
        self.answers.len() as u64 > CHOICES_MAX || calls > OPEN_MAX || held > HELD_BYTES_MAX
    }

    fn choice(&mut self, choice: ChoiceChunk<'_>, pages: Option<&RawValue>, out: &mut Vec<Event>) {
        let index = read(choice.index).unwrap_or(0);
        let at = self.answers.iter().position(|answer| answer.index == index);
        if at.is_none() {
            self.answers.push(Answer {
                index,
                ..Answer::default()
            });
        }
        let reply = self.start.as_ref().map(|start| start.id.as_str()).unwrap_or_default();
        let at = at.unwrap_or(self.answers.len() - 1);
        let Some(answer) = self.answers.get_mut(at).filter(|answer| !answer.is_finished) else {
            return;
        };
        let whole = choice.message.filter(|_| answer.next == 0);
        let said = choice.delta.or(whole).unwrap_or_default();
        answer.think_and_speak(&said, out);
        for citation in chunk::annotations(said.annotations) {
            answer.cite(citation, out);
        }
        for logprob in chunk::logprobs(choice.logprobs) {
            answer.add_to_text(Delta::Logprob(logprob), out);
        }
        answer.show_and_call(&said, reply, out);
        let Some(reason) = text(choice.finish_reason) else {
            return;
        };
        if !answer.is_cited {
            for url in read::<Vec<String>>(pages).unwrap_or_default() {
                let citation = Citation {
                    url: Some(url),
                    ..Citation::default()
                };
                answer.cite(citation, out);
            }
        }
        answer.finish(&reason, text(choice.stop_reason), out);
    }
}

/// The counts in `chunk`, wherever they are; a service that writes nothing but zeros did not count.
fn usage_in(chunk: &Chunk<'_>) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Groq<'a> {
        #[serde(borrow)]
        usage: &'a RawValue,
    }
    let raw = match some(chunk.usage) {
        Some(usage) => usage,
        None => serde_json::from_str::<Groq<'_>>(some(chunk.x_groq)?.get()).ok()?.usage,
    };
    counts::chat::read(raw, is_reasoning_extra(raw)).filter(|usage| usage.total() > 0)
}

/// Whether reasoning is counted besides the completion, as xAI does: then only with it the sum is right.
fn is_reasoning_extra(raw: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Counts {
        prompt_tokens: u64,
        completion_tokens: u64,
        total_tokens: u64,
        completion_tokens_details: Details,
    }
    #[derive(Deserialize)]
    struct Details {
        reasoning_tokens: u64,
    }
    read::<Counts>(Some(raw)).is_some_and(|counts| {
        let reasoning = counts.completion_tokens_details.reasoning_tokens;
        let besides = counts.prompt_tokens.checked_add(counts.completion_tokens);
        reasoning > 0 && besides.and_then(|sum| sum.checked_add(reasoning)) == Some(counts.total_tokens)
    })
}

/// An answer that is arriving.
#[derive(Debug, Default)]
struct Answer {
    index: u32,
    next: u32,
    thought: Option<u32>,
    text: Option<u32>,
    refusal: Option<u32>,
    details: Details,
    calls: Vec<OpenCall>,
    is_cited: bool,
    is_finished: bool,
}

/// A call that is arriving.
#[derive(Debug)]
struct OpenCall {
    key: Option<u64>,
    id: String,
    kind: CallKind,
    /// `None` until its name is known.
    block: Option<u32>,
    /// Arguments that came before the name.
    early: String,
    /// Whether any came; a function that is called without is called with an empty object.
    has_arguments: bool,
}

impl Answer {
    /// How many bytes are held back.
    fn held(&self) -> usize {
        let early = self.calls.iter().map(|call| call.early.len());
        self.details.bytes() + early.sum::<usize>()
    }

    fn open(&mut self, kind: Kind, out: &mut Vec<Event>) -> u32 {
        let block = self.next;
        self.next += 1;
        out.push(Event::Open {
            choice: self.index,
            block,
            kind,
        });
        block
    }

    fn add(&self, block: u32, delta: Delta, out: &mut Vec<Event>) {
        out.push(Event::Delta {
            choice: self.index,
            block,
            delta,
        });
    }

    fn close(&self, block: Option<u32>, out: &mut Vec<Event>) {
        out.extend(block.map(|block| Event::Close {
            choice: self.index,
            block,
        }));
    }

    fn close_thought(&mut self, out: &mut Vec<Event>) {
        if let Some(block) = self.thought.take() {
            if let Some(blob) = self.details.blob() {
                self.add(block, Delta::Blob(blob), out);
            }
            self.close(Some(block), out);
        }
    }

    fn close_words(&mut self, out: &mut Vec<Event>) {
        let (text, refusal) = (self.text.take(), self.refusal.take());
        self.close(text, out);
        self.close(refusal, out);
    }

    fn close_all(&mut self, out: &mut Vec<Event>) {
        self.close_thought(out);
        self.close_words(out);
        for call in std::mem::take(&mut self.calls) {
            if let (Some(block), CallKind::Function, false) = (call.block, call.kind, call.has_arguments) {
                self.add(block, Delta::Arguments("{}".to_owned()), out);
            }
            self.close(call.block, out);
        }
    }

    fn finish(&mut self, reason: &str, stopped_at: Option<String>, out: &mut Vec<Event>) {
        let has_calls = self.calls.iter().any(|call| call.block.is_some());
        self.close_all(out);
        self.is_finished = true;
        let reason: Finish = chunk::finish(reason, stopped_at, has_calls);
        out.push(Event::Finish {
            choice: self.index,
            reason,
        });
    }

    fn think_and_speak(&mut self, said: &Said<'_>, out: &mut Vec<Event>) {
        let details = read(some(said.reasoning_details)).unwrap_or_default();
        let has_details = some(said.reasoning_details).is_some();
        let spelt = self.details.push(details);
        let words = text(said.reasoning_content).or_else(|| text(said.reasoning));
        let words = words.unwrap_or(spelt);
        if !words.is_empty() {
            self.think(words, out);
        } else if has_details && self.thought.is_none() && self.details.is_sealed() {
            self.think(String::new(), out);
        }
        for piece in chunk::content(said.content) {
            match piece {
                Piece::Thought(words) => self.think(words, out),
                Piece::Text(words) => self.speak(words, out),
            }
        }
        if let Some(words) = text(said.refusal) {
            self.refuse(words, out);
        }
    }

    fn show_and_call(&mut self, said: &Said<'_>, reply: &str, out: &mut Vec<Event>) {
        for (media_type, base64) in chunk::images(said.images) {
            self.close_thought(out);
            self.close_words(out);
            let block = self.open(Kind::Image { media_type }, out);
            self.add(block, Delta::Text(base64), out);
            self.close(Some(block), out);
        }
        if let Some(calls) = some(said.tool_calls) {
            for call in serde_json::from_str::<Vec<CallChunk<'_>>>(calls.get()).unwrap_or_default() {
                self.call(&call, reply, out);
            }
        }
        if let Some(function) = some(said.function_call) {
            let call = CallChunk {
                index: serde_json::from_str("0").ok(),
                function: serde_json::from_str(function.get()).ok(),
                ..CallChunk::default()
            };
            self.call(&call, reply, out);
        }
    }

    fn think(&mut self, words: String, out: &mut Vec<Event>) {
        self.close_words(out);
        let block = match self.thought {
            Some(block) => block,
            None => {
                let kind = Kind::Thought {
                    id: None,
                    is_summary: false,
                    is_redacted: false,
                };
                self.open(kind, out)
            }
        };
        self.thought = Some(block);
        if !words.is_empty() {
            self.add(block, Delta::Text(words), out);
        }
    }

    fn speak(&mut self, words: String, out: &mut Vec<Event>) {
        self.close_thought(out);
        let block = match self.text {
            Some(block) => block,
            None => self.open(Kind::Text, out),
        };
        self.text = Some(block);
        self.add(block, Delta::Text(words), out);
    }

    fn refuse(&mut self, words: String, out: &mut Vec<Event>) {
        self.close_thought(out);
        let block = match self.refusal {
            Some(block) => block,
            None => self.open(Kind::Refusal, out),
        };
        self.refusal = Some(block);
        self.add(block, Delta::Text(words), out);
    }

    fn cite(&mut self, citation: Citation, out: &mut Vec<Event>) {
        self.is_cited = true;
        self.add_to_text(Delta::Citation(citation), out);
    }

    /// Adds `delta` to the text that is open; without one it is about nothing.
    fn add_to_text(&self, delta: Delta, out: &mut Vec<Event>) {
        if let Some(block) = self.text {
            self.add(block, delta, out);
        }
    }

    fn call(&mut self, chunk: &CallChunk<'_>, reply: &str, out: &mut Vec<Event>) {
        let is_custom = read::<String>(chunk.kind).as_deref() == Some("custom") || chunk.function.is_none();
        let inner = if is_custom { &chunk.custom } else { &chunk.function };
        let name = inner.as_ref().and_then(|inner| text(inner.name));
        let arguments = inner.as_ref().and_then(|inner| chunk::arguments(inner.arguments));
        let at = self.place_of(chunk, name.is_some());
        let Some(at) = at.or_else(|| {
            let is_any = name.is_some() || text(chunk.id).is_some() || arguments.is_some();
            // One more than there may be ends the stream; those behind it in the same chunk change nothing.
            (is_any && self.calls.len() <= OPEN_MAX).then(|| self.begin(chunk, reply, is_custom))
        }) else {
            return;
        };
        let Some(call) = self.calls.get_mut(at) else { return };
        call.early.push_str(&arguments.unwrap_or_default());
        call.has_arguments |= !call.early.trim_ascii().is_empty();
        let (known, kind) = (call.block, call.kind);
        let opened = match (known, name) {
            (Some(block), _) => block,
            (None, Some(name)) => {
                let id = std::mem::take(&mut call.id);
                self.close_thought(out);
                self.close_words(out);
                let kind = Kind::Call {
                    id: id.clone(),
                    name,
                    namespace: None,
                    kind,
                };
                let block = self.open(kind, out);
                if let Some(call) = self.calls.get_mut(at) {
                    call.id = id;
                    call.block = Some(block);
                }
                block
            }
            (None, None) => return,
        };
        let more = self.calls.get_mut(at).map(|call| std::mem::take(&mut call.early));
        if let Some(more) = more.filter(|more| !more.is_empty()) {
            self.add(opened, Delta::Arguments(more), out);
        }
    }

    /// The call that `chunk` goes on with: by index; where that is missing, or is the same for all, by id; else the last one.
    fn place_of(&self, chunk: &CallChunk<'_>, has_name: bool) -> Option<usize> {
        let id = text(chunk.id);
        let is_other = |call: &OpenCall| has_name && id.as_ref().is_some_and(|id| *id != call.id);
        if let Some(key) = read::<u64>(chunk.index) {
            let last = self.calls.iter().rposition(|call| call.key == Some(key))?;
            return Some(last).filter(|at| self.calls.get(*at).is_some_and(|call| !is_other(call)));
        }
        match id {
            Some(id) => self.calls.iter().rposition(|call| call.id == id),
            None if has_name => None,
            None => self.calls.len().checked_sub(1),
        }
    }

    fn begin(&mut self, chunk: &CallChunk<'_>, reply: &str, is_custom: bool) -> usize {
        let at = self.calls.len();
        self.calls.push(OpenCall {
            key: read(chunk.index),
            id: text(chunk.id).unwrap_or_else(|| made_id(reply, self.index, at)),
            kind: if is_custom {
                CallKind::Custom
            } else {
                CallKind::Function
            },
            block: None,
            early: String::new(),
            has_arguments: false,
        });
        at
    }
}

/// An id for a call that came without one, another for each reply.
fn made_id(reply: &str, choice: u32, call: usize) -> String {
    let letters: String = reply.chars().filter(char::is_ascii_alphanumeric).collect();
    let end = letters.len().saturating_sub(24);
    format!("call_{}_{choice}_{call}", letters.get(end..).unwrap_or_default())
}

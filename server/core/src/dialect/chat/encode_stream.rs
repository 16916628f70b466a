//! A stream in no dialect, as a chat stream.
//!
//! Invariant: every chunk has the same id, time and model; the role comes once, in the first chunk of an answer; a call's first piece has
//! its id and name; whatever stands in a list has its `index`, on which SDKs put the pieces together; an answer that has begun says why it
//! ended before the mark of the end. Pure.
//! Wire facts: OpenAI's streams, and how its Python and Node SDKs accumulate them.

use super::super::Dialect;
use super::super::error::{ErrorBody, UpstreamError, render_stream_error};
use super::super::exchange::{Ask, CallKind, Delta, Event, Finish, Kind, full_name};
use super::spoken;
use crate::usage::Usage;
use serde::Serialize;
use serde_json::{Value, json};

/// The writer of a stream.
#[derive(Debug)]
pub(crate) struct Encoder {
    ask: Ask,
    id: String,
    model: String,
    service_tier: Option<&'static str>,
    usage: Option<Usage>,
    answers: Vec<Answer>,
}

/// An answer that is being written.
#[derive(Debug, Default)]
struct Answer {
    index: u32,
    open: Vec<Block>,
    calls: u32,
    /// How many sealed thoughts, pictures and sources there were.
    details: u32,
    images: u32,
    annotations: u32,
    has_refusal: bool,
    is_finished: bool,
}

/// A block that is open.
#[derive(Debug)]
struct Block {
    number: u32,
    kind: Kind,
    /// The number of a call among the calls.
    call: u32,
    /// What is written at the end of it: a sealed thought, a picture.
    held: String,
}

/// A chunk on the wire. Most of a stream are these, so they borrow what they say.
#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    /// `null` in all chunks but the last, where usage was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Said<'a>,
    logprobs: Option<Value>,
    finish_reason: Option<&'a str>,
}

/// What is new.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Nothing {},
    Content { content: &'a str },
    Refusal { refusal: &'a str },
    Thought { reasoning_content: &'a str },
    Function { tool_calls: [Arguments<'a>; 1] },
    Custom { tool_calls: [Input<'a>; 1] },
    Rare(Value),
}

#[derive(Serialize)]
struct Arguments<'a> {
    index: u32,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    arguments: &'a str,
}

#[derive(Serialize)]
struct Input<'a> {
    index: u32,
    custom: Custom<'a>,
}

#[derive(Serialize)]
struct Custom<'a> {
    input: &'a str,
}

impl Encoder {
    /// For who asked `ask`.
    pub(crate) fn new(ask: Ask) -> Self {
        Self {
            id: spoken::reply_id(&ask),
            model: ask.request.model.clone(),
            ask,
            service_tier: None,
            usage: None,
            answers: Vec::new(),
        }
    }

    /// Appends what `event` comes to.
    pub(crate) fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start(start) => {
                self.model = spoken::model(&start.model, &self.ask).to_owned();
                self.usage = start.usage.or(self.usage);
            }
            Event::Open { choice, block, kind } => self.open(*choice, *block, kind, out),
            Event::Delta { choice, block, delta } => self.delta(*choice, *block, delta, out),
            Event::Close { choice, block } => self.close(*choice, *block, out),
            Event::Finish { choice, reason } => self.finish(*choice, reason, out),
            Event::ServiceTier(tier) => self.service_tier = spoken::tier(tier),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => out.extend_from_slice(rendered(error).as_bytes()),
            Event::Done => self.done(out),
        }
    }

    /// The place of the answer `choice`; its first chunk says whose it is.
    fn answer(&mut self, choice: u32, out: &mut Vec<u8>) -> usize {
        if let Some(at) = self.answers.iter().position(|answer| answer.index == choice) {
            return at;
        }
        self.answers.push(Answer {
            index: choice,
            ..Answer::default()
        });
        let begun = json!({"role": "assistant", "content": "", "refusal": null});
        self.write(choice, Said::Rare(begun), out);
        self.answers.len() - 1
    }

    fn open(&mut self, choice: u32, number: u32, kind: &Kind, out: &mut Vec<u8>) {
        let at = self.answer(choice, out);
        let Some(answer) = self.answers.get_mut(at) else { return };
        let call = answer.calls;
        answer.open.push(Block {
            number,
            kind: kind.clone(),
            call,
            held: String::new(),
        });
        answer.has_refusal |= matches!(kind, Kind::Refusal);
        if let Kind::Call {
            id,
            name,
            namespace,
            kind,
        } = kind
        {
            answer.calls += 1;
            let name = full_name(namespace.as_deref(), name);
            let begun = match kind {
                CallKind::Function => {
                    json!({"index": call, "id": id, "type": "function", "function": {"name": name, "arguments": ""}})
                }
                CallKind::Custom => {
                    json!({"index": call, "id": id, "type": "custom", "custom": {"name": name, "input": ""}})
                }
            };
            self.write(choice, Said::Rare(json!({"tool_calls": [begun]})), out);
        }
    }

    fn delta(&mut self, choice: u32, number: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some(answer) = self.answers.iter_mut().find(|answer| answer.index == choice) else {
            return;
        };
        let Some(block) = answer.open.iter_mut().find(|block| block.number == number) else {
            return;
        };
        let said = match (&block.kind, delta) {
            (Kind::Thought { .. }, Delta::Blob(blob)) => {
                block.held.clone_from(blob);
                return;
            }
            (Kind::Image { .. }, Delta::Text(text)) => {
                block.held.push_str(text);
                return;
            }
            (Kind::Text, Delta::Text(content)) => Said::Content { content },
            (Kind::Refusal, Delta::Text(refusal)) => Said::Refusal { refusal },
            (Kind::Thought { .. }, Delta::Text(reasoning_content)) => Said::Thought { reasoning_content },
            (Kind::Call { kind, .. }, Delta::Arguments(more)) => {
                let index = block.call;
                match kind {
                    CallKind::Function => Said::Function {
                        tool_calls: [Arguments {
                            index,
                            function: Function { arguments: more },
                        }],
                    },
                    CallKind::Custom => Said::Custom {
                        tool_calls: [Input {
                            index,
                            custom: Custom { input: more },
                        }],
                    },
                }
            }
            (Kind::Text, Delta::Citation(citation)) => {
                let mut annotation = spoken::annotation(citation);
                if let Some(members) = annotation.as_object_mut() {
                    members.insert("index".to_owned(), answer.annotations.into());
                }
                answer.annotations += 1;
                Said::Rare(json!({"annotations": [annotation]}))
            }
            (Kind::Text, Delta::Logprob(logprob)) => {
                let logprobs = json!({"content": [spoken::logprob(logprob)], "refusal": null});
                let likely = Choice {
                    index: choice,
                    delta: Said::Nothing {},
                    logprobs: Some(logprobs),
                    finish_reason: None,
                };
                self.write_chunk(&[likely], None, out);
                return;
            }
            _ => return,
        };
        self.write(choice, said, out);
    }

    fn close(&mut self, choice: u32, number: u32, out: &mut Vec<u8>) {
        let Some(answer) = self.answers.iter_mut().find(|answer| answer.index == choice) else {
            return;
        };
        let Some(at) = answer.open.iter().position(|block| block.number == number) else {
            return;
        };
        let block = answer.open.remove(at);
        if block.held.is_empty() {
            return;
        }
        let said = match block.kind {
            Kind::Thought {
                id,
                is_summary,
                is_redacted,
            } => {
                let format = spoken::thought_format(is_summary, is_redacted);
                let detail = spoken::sealed(&block.held, id.as_deref(), format, answer.details);
                answer.details += 1;
                json!({"reasoning_details": [detail]})
            }
            Kind::Image { media_type } => {
                let picture = spoken::picture(&media_type, &block.held, answer.images);
                answer.images += 1;
                json!({"images": [picture]})
            }
            _ => return,
        };
        self.write(choice, Said::Rare(said), out);
    }

    fn finish(&mut self, choice: u32, reason: &Finish, out: &mut Vec<u8>) {
        let at = self.answer(choice, out);
        let Some(answer) = self.answers.get_mut(at).filter(|answer| !answer.is_finished) else {
            return;
        };
        answer.is_finished = true;
        let has_refusal = answer.has_refusal;
        if let (Finish::ContentFilter(Some(why)), false) = (reason, has_refusal) {
            self.write(choice, Said::Refusal { refusal: why }, out);
        }
        let end = Choice {
            index: choice,
            delta: Said::Nothing {},
            logprobs: None,
            finish_reason: Some(spoken::finish_word(reason)),
        };
        self.write_chunk(&[end], None, out);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        let unfinished = |answer: &&Answer| !answer.is_finished;
        let left: Vec<(u32, bool)> = self
            .answers
            .iter()
            .filter(unfinished)
            .map(|answer| (answer.index, answer.calls > 0))
            .collect();
        for (choice, has_calls) in left {
            let reason = if has_calls { Finish::ToolCalls } else { Finish::Stop };
            self.finish(choice, &reason, out);
        }
        if let (true, Some(usage)) = (self.ask.request.include_usage, self.usage) {
            self.write_chunk(&[], Some(spoken::usage(&usage)), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn write(&self, choice: u32, delta: Said<'_>, out: &mut Vec<u8>) {
        let choice = Choice {
            index: choice,
            delta,
            logprobs: None,
            finish_reason: None,
        };
        self.write_chunk(&[choice], None, out);
    }

    fn write_chunk(&self, choices: &[Choice<'_>], usage: Option<Value>, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.ask.created_s,
            model: &self.model,
            choices,
            service_tier: self.service_tier,
            usage: self.ask.request.include_usage.then(|| usage.unwrap_or_default()),
        };
        let begin = out.len();
        out.extend_from_slice(b"data: ");
        if serde_json::to_writer(&mut *out, &chunk).is_err() {
            out.truncate(begin);
            return;
        }
        out.extend_from_slice(
            b"

",
        );
    }
}

/// What a client is told of an upstream's error.
fn rendered(error: &UpstreamError) -> String {
    let message = if error.message.is_empty() {
        "The provider broke off its answer."
    } else {
        &error.message
    };
    render_stream_error(
        Dialect::Chat,
        &ErrorBody {
            status: error.status.unwrap_or(502),
            kind: error.kind.as_deref().unwrap_or("server_error"),
            code: error.code.as_deref(),
            message,
            param: error.param.as_deref(),
            request_id: "",
            further: None,
        },
    )
}

//! A whole reply in no dialect.
//!
//! Invariant: a choice's output stands in the order in which the model produced it. Pure.

use super::{Call, Delta, Event, Kind, Start, Thought};
use crate::usage::Usage;
use serde_json::Number;

/// A reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The upstream's id.
    pub id: String,
    /// The model that answered.
    pub model: String,
    /// Unix seconds, where the upstream says when.
    pub created_s: Option<i64>,
    /// The answers.
    pub choices: Vec<Choice>,
    /// What it used.
    pub usage: Option<Usage>,
    /// The class of service it was served in.
    pub service_tier: Option<String>,
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Which, from 0.
    pub index: u32,
    /// What was said, thought and called, in order.
    pub output: Vec<Output>,
    /// Why it ended; `None` where nobody said.
    pub finish: Option<Finish>,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// Where they are from.
        citations: Vec<Citation>,
        /// How likely each token was.
        logprobs: Vec<Logprob>,
    },
    /// A refusal in words.
    Refusal(String),
    /// A thought.
    Thought(Thought),
    /// A call.
    Call(Call),
    /// A picture.
    Image {
        /// Such as `image/png`.
        media_type: String,
        /// In base64.
        base64: String,
    },
}

/// Where words are from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Citation {
    /// The page.
    pub url: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The words there.
    pub quote: Option<String>,
    /// The first character of the text it is for.
    pub start: Option<u64>,
    /// The character after the last.
    pub end: Option<u64>,
}

/// How likely a token was.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprob {
    /// The token.
    pub token: String,
    /// The natural logarithm of its likelihood.
    pub logprob: Number,
    /// Alternatives.
    pub top: Vec<(String, Number)>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was complete.
    Stop,
    /// At one of the client's texts; empty where it is not known at which.
    StopSequence(String),
    /// It reached the limit of its length, or the context's.
    Length,
    /// To call tools.
    ToolCalls,
    /// It was held back, or the model refused; with the provider's explanation, where it gave one.
    ContentFilter(Option<String>),
    /// The model went wrong; the provider's word for how.
    Failed(String),
}

impl Reply {
    /// The same as a stream.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        let mut events = vec![Event::Start(Start {
            id: self.id,
            model: self.model,
            created_s: self.created_s,
            usage: None,
        })];
        for choice in self.choices {
            for (block, output) in (0_u32..).zip(choice.output) {
                push(&mut events, choice.index, block, output);
            }
            if let Some(finish) = choice.finish {
                events.push(Event::Finish {
                    choice: choice.index,
                    reason: finish,
                });
            }
        }
        events.extend(self.service_tier.map(Event::ServiceTier));
        events.extend(self.usage.map(Event::Usage));
        events.push(Event::Done);
        events
    }
}

fn push(events: &mut Vec<Event>, choice: u32, block: u32, output: Output) {
    let (kind, deltas) = match output {
        Output::Text {
            text,
            citations,
            logprobs,
        } => {
            let mut deltas = vec![Delta::Text(text)];
            deltas.extend(citations.into_iter().map(Delta::Citation));
            deltas.extend(logprobs.into_iter().map(Delta::Logprob));
            (Kind::Text, deltas)
        }
        Output::Refusal(text) => (Kind::Refusal, vec![Delta::Text(text)]),
        Output::Thought(thought) => {
            let mut deltas = Vec::new();
            if !thought.text.is_empty() {
                deltas.push(Delta::Text(thought.text));
            }
            deltas.extend(thought.blob.map(Delta::Blob));
            let kind = Kind::Thought {
                id: thought.id,
                is_summary: thought.is_summary,
                is_redacted: thought.is_redacted,
            };
            (kind, deltas)
        }
        Output::Call(call) => {
            let kind = Kind::Call {
                id: call.id,
                name: call.name,
                namespace: call.namespace,
                kind: call.kind,
            };
            (kind, vec![Delta::Arguments(call.arguments)])
        }
        Output::Image { media_type, base64 } => (Kind::Image { media_type }, vec![Delta::Text(base64)]),
    };
    events.push(Event::Open { choice, block, kind });
    events.extend(deltas.into_iter().map(|delta| Event::Delta { choice, block, delta }));
    events.push(Event::Close { choice, block });
}

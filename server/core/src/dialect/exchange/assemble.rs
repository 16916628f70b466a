//! A stream put together to the reply it stands for.
//!
//! Invariant: `Reply::into_events`, assembled, is the same reply. Pure.

use super::{Call, Choice, Delta, Event, Kind, Output, Reply, Thought};
use crate::dialect::UpstreamError;

/// What has come of a stream.
#[derive(Debug, Default)]
pub struct Assembler {
    reply: Reply,
    /// For each choice in [`Reply::choices`], the numbers of its blocks.
    blocks: Vec<Vec<u32>>,
    error: Option<UpstreamError>,
}

impl Assembler {
    /// Takes `event` in.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Start(start) => {
                self.reply.id = start.id;
                self.reply.model = start.model;
                self.reply.created_s = start.created_s;
                self.reply.usage = start.usage;
            }
            Event::Open { choice, block, kind } => {
                let at = self.choice(choice);
                self.blocks[at].push(block);
                self.reply.choices[at].output.push(begun(kind));
            }
            Event::Delta { choice, block, delta } => {
                let at = self.choice(choice);
                // Nearly always the last one.
                let found = self.blocks[at].iter().rposition(|number| *number == block);
                if let Some(output) = found.and_then(|place| self.reply.choices[at].output.get_mut(place)) {
                    add(output, delta);
                }
            }
            Event::Finish { choice, reason } => {
                let at = self.choice(choice);
                self.reply.choices[at].finish = Some(reason);
            }
            Event::ServiceTier(tier) => self.reply.service_tier = Some(tier),
            Event::Usage(usage) => self.reply.usage = Some(usage),
            Event::Error(error) => {
                self.error.get_or_insert(error);
            }
            Event::Close { .. } | Event::Done => {}
        }
    }

    /// The reply.
    ///
    /// # Errors
    /// What the upstream said where the stream broke off.
    pub fn finish(self) -> Result<Reply, UpstreamError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.reply),
        }
    }

    fn choice(&mut self, index: u32) -> usize {
        let choices = &mut self.reply.choices;
        choices
            .iter()
            .position(|choice| choice.index == index)
            .unwrap_or_else(|| {
                choices.push(Choice {
                    index,
                    ..Choice::default()
                });
                self.blocks.push(Vec::new());
                choices.len() - 1
            })
    }
}

fn begun(kind: Kind) -> Output {
    match kind {
        Kind::Text => Output::Text {
            text: String::new(),
            citations: Vec::new(),
            logprobs: Vec::new(),
        },
        Kind::Refusal => Output::Refusal(String::new()),
        Kind::Thought {
            id,
            is_summary,
            is_redacted,
        } => Output::Thought(Thought {
            id,
            is_summary,
            is_redacted,
            ..Thought::default()
        }),
        Kind::Call {
            id,
            name,
            namespace,
            kind,
        } => Output::Call(Call {
            id,
            name,
            namespace,
            kind,
            arguments: String::new(),
        }),
        Kind::Image { media_type } => Output::Image {
            media_type,
            base64: String::new(),
        },
    }
}

fn add(output: &mut Output, delta: Delta) {
    match (output, delta) {
        (Output::Text { text, .. } | Output::Refusal(text), Delta::Text(more)) => text.push_str(&more),
        (Output::Text { citations, .. }, Delta::Citation(citation)) => citations.push(citation),
        (Output::Text { logprobs, .. }, Delta::Logprob(logprob)) => logprobs.push(logprob),
        (Output::Thought(thought), Delta::Text(more)) => thought.text.push_str(&more),
        (Output::Thought(thought), Delta::Blob(blob)) => thought.blob = Some(blob),
        (Output::Call(call), Delta::Arguments(more)) => call.arguments.push_str(&more),
        (Output::Image { base64, .. }, Delta::Text(more)) => base64.push_str(&more),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{CallKind, Citation, Finish};
    use super::*;
    use crate::usage::Usage;

    #[test]
    fn a_reply_as_a_stream_is_the_same_reply() {
        let reply = Reply {
            id: "r".to_owned(),
            model: "m".to_owned(),
            created_s: Some(7),
            choices: vec![
                Choice {
                    index: 0,
                    output: vec![
                        Output::Thought(Thought {
                            text: "hm".to_owned(),
                            blob: Some("b".to_owned()),
                            ..Thought::default()
                        }),
                        Output::Text {
                            text: "hi".to_owned(),
                            citations: vec![Citation::default()],
                            logprobs: Vec::new(),
                        },
                        Output::Call(Call {
                            id: "c".to_owned(),
                            name: "f".to_owned(),
                            namespace: None,
                            arguments: "{}".to_owned(),
                            kind: CallKind::Function,
                        }),
                    ],
                    finish: Some(Finish::ToolCalls),
                },
                Choice {
                    index: 1,
                    output: vec![
                        Output::Refusal("no".to_owned()),
                        Output::Image {
                            media_type: "image/png".to_owned(),
                            base64: "AAAA".to_owned(),
                        },
                    ],
                    finish: None,
                },
            ],
            usage: Some(Usage {
                input: 3,
                output: 2,
                ..Usage::default()
            }),
            service_tier: Some("default".to_owned()),
        };
        let mut assembler = Assembler::default();
        reply
            .clone()
            .into_events()
            .into_iter()
            .for_each(|event| assembler.push(event));
        assert_eq!(assembler.finish().unwrap(), reply);
    }
}

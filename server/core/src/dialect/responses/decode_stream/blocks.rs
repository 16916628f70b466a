//! The blocks of a stream that is taken apart: which are open, and what was already told of them.
//!
//! Invariant: a block is opened before its first piece and closed once; what comes again whole is told only where no piece came. Pure.

use super::super::super::exchange::{Delta, Event, Kind, Output, Thought};
use std::collections::{HashMap, HashSet};

/// Where a block stands at the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which item of the output.
    pub(super) output: u64,
    /// Which part of the item.
    pub(super) part: u64,
}

/// Every block of a stream.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    next: u32,
    open: Vec<Block>,
    /// By item, parts that were closed of items that are not: what their item says again is not told again.
    closed: HashMap<u64, HashSet<u64>>,
    /// The item that was begun last, and its id.
    begun: Option<(u64, String)>,
}

#[derive(Debug)]
struct Block {
    place: Place,
    number: u32,
    is_thought: bool,
    has_words: bool,
    has_citations: bool,
    has_logprobs: bool,
    /// For a thought: whether it is a summary, and the paragraph that was told last.
    paragraph: (bool, u64),
}

impl Block {
    fn tell(&mut self, delta: Delta, out: &mut Vec<Event>) {
        match &delta {
            Delta::Text(more) | Delta::Arguments(more) if more.is_empty() => return,
            Delta::Text(_) | Delta::Arguments(_) => self.has_words = true,
            Delta::Citation(_) => self.has_citations = true,
            Delta::Logprob(_) => self.has_logprobs = true,
            Delta::Blob(_) => {}
        }
        out.push(Event::Delta {
            choice: 0,
            block: self.number,
            delta,
        });
    }

    /// Tells what of `output` was not told.
    fn fill(&mut self, output: Output, out: &mut Vec<Event>) {
        let had = (self.has_words, self.has_citations, self.has_logprobs);
        let mut tell = |is_told: bool, delta: Delta| {
            if !is_told {
                self.tell(delta, out);
            }
        };
        match output {
            Output::Text {
                text,
                citations,
                logprobs,
            } => {
                tell(had.0, Delta::Text(text));
                citations
                    .into_iter()
                    .for_each(|citation| tell(had.1, Delta::Citation(citation)));
                logprobs
                    .into_iter()
                    .for_each(|logprob| tell(had.2, Delta::Logprob(logprob)));
            }
            Output::Refusal(text) => tell(had.0, Delta::Text(text)),
            Output::Image { base64, .. } => tell(had.0, Delta::Text(base64)),
            Output::Call(call) => tell(had.0, Delta::Arguments(call.arguments)),
            Output::Thought(thought) => {
                tell(had.0, Delta::Text(thought.text));
                if let Some(blob) = thought.blob {
                    tell(false, Delta::Blob(blob));
                }
            }
        }
    }
}

impl Blocks {
    /// Whether nothing was ever opened.
    pub(super) const fn is_untouched(&self) -> bool {
        self.next == 0
    }

    /// An item begins.
    pub(super) fn begin(&mut self, output: u64, id: Option<String>, out: &mut Vec<Event>) {
        self.close_item(output, out);
        self.begun = id.map(|id| (output, id));
    }

    /// Opens a block, where there is none.
    pub(super) fn open(&mut self, place: Place, kind: Kind, out: &mut Vec<Event>) {
        self.at(place, kind, out);
    }

    /// Tells `delta` of a block, which is opened as `kind` where there is none.
    pub(super) fn delta(&mut self, place: Place, kind: &Kind, delta: Delta, out: &mut Vec<Event>) {
        if !self.is_closed(place) {
            self.at(place, kind.clone(), out).tell(delta, out);
        }
    }

    /// Tells `delta` of a block, where there is one.
    pub(super) fn known(&mut self, place: Place, delta: Delta, out: &mut Vec<Event>) {
        if let Some(block) = self.find(place) {
            block.tell(delta, out);
        }
    }

    /// Tells the whole arguments of a call, where no piece came.
    pub(super) fn arguments(&mut self, place: Place, whole: String, out: &mut Vec<Event>) {
        if let Some(block) = self.find(place).filter(|block| !block.has_words && !block.is_thought) {
            block.tell(Delta::Arguments(whole), out);
        }
    }

    /// Tells more of a paragraph of a thought.
    pub(super) fn thought(&mut self, place: Place, paragraph: (bool, u64), more: String, out: &mut Vec<Event>) {
        if self.is_closed(place) {
            return;
        }
        let kind = Kind::Thought {
            id: self.id(place.output),
            is_summary: paragraph.0,
            is_redacted: false,
        };
        let block = self.at(place, kind, out);
        if !block.has_words {
            block.paragraph = paragraph;
        }
        if !block.is_thought || block.paragraph.0 != paragraph.0 || more.is_empty() {
            return;
        }
        if block.paragraph.1 != paragraph.1 {
            block.paragraph = paragraph;
            block.tell(Delta::Text("\n\n".to_owned()), out);
        }
        block.tell(Delta::Text(more), out);
    }

    /// Tells what of `output` was not told.
    pub(super) fn fill(&mut self, place: Place, output: Output, out: &mut Vec<Event>) {
        if !self.is_closed(place) {
            self.at(place, kind_of(&output), out).fill(output, out);
        }
    }

    /// Tells what of `output` was not told, and closes its block.
    pub(super) fn complete(&mut self, place: Place, output: Output, out: &mut Vec<Event>) {
        self.fill(place, output, out);
        if let Some(at) = self.open.iter().position(|block| block.place == place) {
            close(&self.open.remove(at), out);
            self.closed.entry(place.output).or_default().insert(place.part);
        }
    }

    /// Closes what is open of an item.
    pub(super) fn close_item(&mut self, output: u64, out: &mut Vec<Event>) {
        self.open.retain(|block| {
            if block.place.output == output {
                close(block, out);
            }
            block.place.output != output
        });
        self.closed.remove(&output);
    }

    /// Closes everything.
    pub(super) fn close_all(&mut self, out: &mut Vec<Event>) {
        for block in std::mem::take(&mut self.open) {
            close(&block, out);
        }
    }

    fn is_closed(&self, place: Place) -> bool {
        self.closed
            .get(&place.output)
            .is_some_and(|parts| parts.contains(&place.part))
    }

    fn id(&self, output: u64) -> Option<String> {
        let begun = self.begun.as_ref().filter(|(begun, _)| *begun == output);
        begun.map(|(_, id)| id.clone())
    }

    fn find(&mut self, place: Place) -> Option<&mut Block> {
        self.open.iter_mut().find(|block| block.place == place)
    }

    /// The block at `place`, opened as `kind` where there is none.
    fn at(&mut self, place: Place, kind: Kind, out: &mut Vec<Event>) -> &mut Block {
        let at = self.open.iter().position(|block| block.place == place);
        let at = at.unwrap_or_else(|| {
            self.open.push(Block {
                place,
                number: self.next,
                is_thought: matches!(kind, Kind::Thought { .. }),
                has_words: false,
                has_citations: false,
                has_logprobs: false,
                paragraph: (false, 0),
            });
            out.push(Event::Open {
                choice: 0,
                block: self.next,
                kind,
            });
            self.next = self.next.saturating_add(1);
            self.open.len() - 1
        });
        &mut self.open[at]
    }
}

fn close(block: &Block, out: &mut Vec<Event>) {
    out.push(Event::Close {
        choice: 0,
        block: block.number,
    });
}

/// The kind of block that `output` makes.
pub(super) fn kind_of(output: &Output) -> Kind {
    match output {
        Output::Text { .. } => Kind::Text,
        Output::Refusal(_) => Kind::Refusal,
        Output::Thought(Thought {
            id,
            is_summary,
            is_redacted,
            ..
        }) => Kind::Thought {
            id: id.clone(),
            is_summary: *is_summary,
            is_redacted: *is_redacted,
        },
        Output::Call(call) => Kind::Call {
            id: call.id.clone(),
            name: call.name.clone(),
            namespace: call.namespace.clone(),
            kind: call.kind,
        },
        Output::Image { media_type, .. } => Kind::Image {
            media_type: media_type.clone(),
        },
    }
}

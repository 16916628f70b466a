//! How much a stream that goes through the hub may come to: readers and writers keep something of all that is open, and some of all there was.
//!
//! Invariant: whatever an upstream sends, of what comes from it no more is taken in than fits the bounds; then the stream ends in an error.
//! Pure.

use crate::dialect::exchange::{Delta, Event, Kind, OPEN_MAX};
use crate::dialect::{CHOICES_MAX, UpstreamError};

/// How many blocks a stream may have in all.
const BLOCKS_MAX: usize = 1 << 14;
/// How many bytes may be kept of it until its end: as many as of a whole reply.
const BYTES_MAX: usize = 256 << 20;
/// What is kept of a citation beside its words, and of the likelihood of a token beside it, in bytes.
const CITATION_BYTES: usize = 512;
const LOGPROB_BYTES: usize = 96;
/// How much more is kept of words that are not all ASCII, whose places are.
const WIDE: usize = 8;

/// What a stream has come to.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    open: usize,
    blocks: usize,
    bytes: usize,
}

impl Bounds {
    /// Takes in the events from `before` on, which were read from `length` bytes; the first that goes too far becomes an error, the last event.
    pub(super) fn keep(&mut self, length: usize, before: usize, events: &mut Vec<Event>) {
        let new = events.get(before..).unwrap_or_default();
        // Names of calls, and what is read of a block before it is told.
        if new.iter().any(|event| matches!(event, Event::Open { .. })) {
            self.bytes = self.bytes.saturating_add(length);
        }
        if let Some(at) = new.iter().position(|event| !self.holds(event)) {
            events.truncate(before + at);
            events.push(Event::Error(UpstreamError::boundless()));
        }
    }

    /// Takes `event` in; whether it still fits.
    fn holds(&mut self, event: &Event) -> bool {
        let choice = match event {
            Event::Open { choice, kind, .. } => {
                self.open += 1;
                self.blocks += 1;
                if let Kind::Thought { id: Some(id), .. } = kind {
                    self.bytes = self.bytes.saturating_add(id.len());
                }
                *choice
            }
            Event::Delta { choice, delta, .. } => {
                self.bytes = self.bytes.saturating_add(bytes_of(delta));
                *choice
            }
            Event::Close { choice, .. } => {
                self.open = self.open.saturating_sub(1);
                *choice
            }
            Event::Finish { choice, .. } => *choice,
            Event::Start(_) | Event::ServiceTier(_) | Event::Usage(_) | Event::Error(_) | Event::Done => 0,
        };
        u64::from(choice) < CHOICES_MAX && self.open <= OPEN_MAX && self.blocks <= BLOCKS_MAX && self.bytes <= BYTES_MAX
    }
}

/// What `delta` takes, about.
fn bytes_of(delta: &Delta) -> usize {
    match delta {
        Delta::Text(text) if !text.is_ascii() => text.len().saturating_mul(WIDE),
        Delta::Text(text) | Delta::Arguments(text) | Delta::Blob(text) => text.len(),
        Delta::Citation(citation) => {
            let words = [&citation.url, &citation.title, &citation.quote];
            CITATION_BYTES + words.into_iter().flatten().map(String::len).sum::<usize>()
        }
        Delta::Logprob(logprob) => {
            let tokens = logprob.top.iter().map(|(token, _)| token);
            let tokens = tokens.chain([&logprob.token]);
            tokens.map(|token| LOGPROB_BYTES + token.len()).sum()
        }
    }
}

#[cfg(test)]
mod tests;

//! The counts in the `usage` of a dialect, made disjoint: what the dialects have in common.
//!
//! Invariant: counts that are missing, negative, fractional or too large give no usage, never a wrong one; where the parts of a
//! prompt overlap in an unknown way, the dearer of what can be is assumed. Pure.

pub(crate) mod chat;
pub(crate) mod converse;
pub(crate) mod generate;
pub(crate) mod messages;
pub(crate) mod responses;

use super::Operation;
use super::json::{Members, is_null};
use crate::usage::Usage;
use serde_json::value::RawValue;

/// A count that is there but is no count.
pub(super) struct Unusable;

/// The disjoint counts of `usage`, one of the chat dialect; `None` where a count is missing, negative, or too large.
pub(super) fn usage_of(operation: Operation, usage: &RawValue, reasoning_excluded: bool) -> Option<Usage> {
    if operation.is_embedding() {
        chat::read_embeddings(usage)
    } else {
        chat::read(usage, reasoning_excluded)
    }
}

/// A prompt as an upstream counts it: all of it, and parts that may overlap.
#[derive(Debug, Default)]
struct Prompt {
    whole: u64,
    cached: u64,
    /// Sound in `cached`, where it is told; else no more of it than must be.
    cached_audio: Option<u64>,
    written: u64,
    written_long: u64,
    audio: u64,
    image: u64,
}

impl Prompt {
    /// Some services report more cached tokens than prompt tokens: no part exceeds what is left of the whole.
    fn split(&self) -> Usage {
        let mut left = self.whole;
        let cached = take(&mut left, self.cached);
        let cache_write_long = take(&mut left, self.written_long);
        let cache_write = take(&mut left, self.written);
        let cached_audio = self.cached_audio.unwrap_or_else(|| self.audio.saturating_sub(left));
        let cache_read_audio = cached_audio.min(cached);
        let audio_input = take(&mut left, self.audio.saturating_sub(cache_read_audio));
        let image_input = take(&mut left, self.image);
        Usage {
            input: left,
            cache_read: cached - cache_read_audio,
            cache_read_audio,
            cache_write,
            cache_write_long,
            audio_input,
            image_input,
            ..Usage::default()
        }
    }
}

/// An answer as an upstream counts it: all of it, and parts of it.
#[derive(Debug, Default)]
struct Answer {
    whole: u64,
    reasoning: u64,
    audio: u64,
    image: u64,
}

impl Answer {
    /// `prompt` with this answer to it.
    fn to(&self, prompt: Usage) -> Usage {
        let mut left = self.whole;
        let audio_output = take(&mut left, self.audio);
        let image_output = take(&mut left, self.image);
        Usage {
            output: left,
            audio_output,
            image_output,
            reasoning: self.reasoning.min(left),
            ..prompt
        }
    }
}

/// Takes up to `tokens` out of `left`.
pub(super) fn take(left: &mut u64, tokens: u64) -> u64 {
    let taken = tokens.min(*left);
    *left -= taken;
    taken
}

/// Tokens written to a cache for minutes and for hours, of `whole` and of what is told by time to live.
fn written(whole: Option<u64>, short: Option<u64>, long: Option<u64>) -> Result<(u64, u64), Unusable> {
    let long = long.unwrap_or(0);
    let told = long.checked_add(short.unwrap_or(0)).ok_or(Unusable)?;
    Ok((told.max(whole.unwrap_or(0)) - long, long))
}

/// An object with counts; empty where there is none.
pub(super) struct Counts<'de>(Option<Members<'de>>);

impl<'de> Counts<'de> {
    fn of(raw: &'de RawValue) -> Self {
        Self::read(Some(raw))
    }

    pub(super) fn read(raw: Option<&'de RawValue>) -> Self {
        Self(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
    }

    pub(super) fn details(&self, name: &str) -> Self {
        Self::read(self.member(name))
    }

    /// The objects of a list; none where there is no list.
    fn list(&self, name: &str) -> Vec<Self> {
        let items: Option<Vec<&RawValue>> = self.member(name).and_then(|raw| serde_json::from_str(raw.get()).ok());
        items.unwrap_or_default().into_iter().map(Self::of).collect()
    }

    /// Of a name that comes twice the last counts.
    pub(super) fn member(&self, name: &str) -> Option<&'de RawValue> {
        let Members(members) = self.0.as_ref()?;
        let found = members.iter().rev().find(|(found, _)| found == name);
        found.map(|(_, value)| *value)
    }

    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, Unusable> {
        match self.member(name) {
            Some(value) if !is_null(value) => value.get().parse().map(Some).map_err(|_| Unusable),
            _ => Ok(None),
        }
    }

    pub(super) fn count_or_zero(&self, name: &str) -> Result<u64, Unusable> {
        Ok(self.count(name)?.unwrap_or(0))
    }

    /// Whether the text called `name` is `text`.
    fn says(&self, name: &str, text: &str) -> bool {
        let found = self
            .member(name)
            .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        found.as_deref() == Some(text)
    }
}

#[cfg(test)]
mod bills;
#[cfg(test)]
mod tests;

//! Glimpses: what one event of a stream, or a whole reply, of a dialect other than chat says about content, errors and usage.
//!
//! Invariant: reading takes nothing apart that passes; text is measured where it stands. Pure.

use super::chat::frame::Content;
use super::counts::messages::Cumulative;
use super::walk::{Look, Walk};
use crate::usage::{ServiceTier, Usage};
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What an event or a reply says.
#[derive(Debug, Default)]
pub(super) struct Glimpse<'de> {
    /// The model that answered.
    pub model: Option<&'de RawValue>,
    /// Its `usage`, which may hold a cost.
    pub usage: Option<&'de RawValue>,
    /// The service tier that it says it was served in.
    pub tier: Option<ServiceTier>,
    /// What the client would have to show.
    pub content: Content,
    /// Whether it is an error.
    pub is_error: bool,
    /// Whether nothing follows.
    pub is_done: bool,
    /// The ids by which what is done can be referred to.
    pub ids: Vec<String>,
    /// Calls of tools at the provider that it shows.
    pub calls: u64,
}

/// What is known so far of an answer that tells its usage, or its end, in parts.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The counts of the messages dialect.
    pub cumulative: Cumulative,
    /// Searches that the responses dialect has shown, and those that the generate dialect tells.
    pub searches: u64,
    /// Whether a tool of the generate dialect has run that is billed by what it read.
    pub has_read: bool,
    /// Whether the model of the generate dialect takes one fee for each answer, however often it searched for it.
    pub is_fee_for_all: bool,
    /// The last counts of the generate dialect, which hold once every candidate has finished.
    pub latest: Option<Usage>,
    /// Candidates of the generate dialect that were seen, and those that have finished, a bit each.
    pub seen: u128,
    pub finished: u128,
    /// Whether the prompt was refused, so that there are no candidates.
    pub is_blocked: bool,
}

/// `raw`, unless it is `null`.
pub(super) fn some(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| !super::json::is_null(raw))
}

/// The service tier that `raw`, a word of the upstream, stands for.
pub(super) fn tier_of(raw: Option<&RawValue>) -> Option<ServiceTier> {
    let word: Cow<'_, str> = serde_json::from_str(raw?.get()).ok()?;
    ServiceTier::spoken(&word)
}

/// The bytes of the texts called by one of `names` anywhere in `raw`.
pub(super) fn text_bytes(raw: &RawValue, names: &'static [&'static str]) -> u64 {
    let mut texts = Texts { bytes: 0 };
    let walk = Walk {
        look: &mut texts,
        place: (names, false),
    };
    // A text that is no JSON has been read up to where it is none.
    let _ = walk.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
    texts.bytes
}

struct Texts {
    bytes: u64,
}

impl Look for Texts {
    /// The names that count, and whether one of them was passed.
    type Place = (&'static [&'static str], bool);

    fn member((names, is_counted): Self::Place, name: &str) -> Option<Self::Place> {
        (name != "inlineData").then(|| (names, is_counted || names.contains(&name)))
    }

    fn text(&mut self, (_, is_counted): Self::Place, text: &str) {
        if is_counted {
            self.bytes = self.bytes.saturating_add(text.len() as u64);
        }
    }
}

//! Usage: the token counts of one request, in disjoint kinds, and what is counted in other units.
//!
//! Invariant: no token is in two kinds; `reasoning` is no kind of its own but a part of `output`; a unit is no token and in no sum of
//! tokens. Pure.

mod details;
mod tier;

pub use tier::{ServiceTier, TierAsked};

use serde::{Deserialize, Serialize};

/// Token counts of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Prompt tokens of text, neither read from nor written to a cache.
    pub input: u64,
    /// Prompt tokens read from a cache, but for sound.
    pub cache_read: u64,
    /// Prompt tokens of sound read from a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_read_audio: u64,
    /// Prompt tokens written to a cache that is kept for minutes.
    pub cache_write: u64,
    /// Prompt tokens written to a cache that is kept for hours: one at Anthropic, twelve at OpenAI.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_long: u64,
    /// Prompt tokens of sound, outside of a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_input: u64,
    /// Prompt tokens of images, outside of a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_input: u64,
    /// Tokens of text produced, reasoning among them.
    pub output: u64,
    /// Tokens of sound produced.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_output: u64,
    /// Tokens of images produced.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_output: u64,
    /// Those of `output` that were reasoning; for display, priced as output.
    pub reasoning: u64,
    /// Images produced, where they are priced one by one.
    #[serde(skip_serializing_if = "is_zero")]
    pub images: u64,
    /// Characters read out, where they are priced.
    #[serde(skip_serializing_if = "is_zero")]
    pub characters: u64,
    /// Seconds of sound written down, where they are priced, each begun one whole.
    #[serde(skip_serializing_if = "is_zero")]
    pub seconds: u64,
    /// Searches, through documents or by a hosted tool, where they are priced.
    #[serde(skip_serializing_if = "is_zero")]
    pub searches: u64,
    /// The service tier by whose prices it is charged.
    #[serde(rename = "service_tier", skip_serializing_if = "is_standard")]
    pub tier: ServiceTier,
}

/// A kind of token or another unit, each with a price of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Usage::input`].
    Input,
    /// [`Usage::cache_read`].
    CacheRead,
    /// [`Usage::cache_read_audio`].
    CacheReadAudio,
    /// [`Usage::cache_write`].
    CacheWrite,
    /// [`Usage::cache_write_long`].
    CacheWriteLong,
    /// [`Usage::audio_input`].
    AudioInput,
    /// [`Usage::image_input`].
    ImageInput,
    /// [`Usage::output`].
    Output,
    /// [`Usage::audio_output`].
    AudioOutput,
    /// [`Usage::image_output`].
    ImageOutput,
    /// [`Usage::images`].
    Images,
    /// [`Usage::characters`].
    Characters,
    /// [`Usage::seconds`].
    Seconds,
    /// [`Usage::searches`].
    Searches,
}

impl Kind {
    /// What a prompt is made of.
    pub const PROMPT: [Self; 7] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheReadAudio,
        Self::CacheWrite,
        Self::CacheWriteLong,
        Self::AudioInput,
        Self::ImageInput,
    ];
    /// What an answer is made of.
    pub const ANSWER: [Self; 3] = [Self::Output, Self::AudioOutput, Self::ImageOutput];
    /// What is no token.
    pub const UNITS: [Self; 4] = [Self::Images, Self::Characters, Self::Seconds, Self::Searches];

    /// Its name in receipts and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheReadAudio => "cache_read_audio",
            Self::CacheWrite => "cache_write",
            Self::CacheWriteLong => "cache_write_long",
            Self::AudioInput => "audio_input",
            Self::ImageInput => "image_input",
            Self::Output => "output",
            Self::AudioOutput => "audio_output",
            Self::ImageOutput => "image_output",
            Self::Images => "images",
            Self::Characters => "characters",
            Self::Seconds => "seconds",
            Self::Searches => "searches",
        }
    }

    /// Every kind, those of the prompt first, those that are no tokens last.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PROMPT.into_iter().chain(Self::ANSWER).chain(Self::UNITS)
    }

    /// Whether it is counted in another unit than tokens.
    #[must_use]
    pub const fn is_unit(self) -> bool {
        matches!(self, Self::Images | Self::Characters | Self::Seconds | Self::Searches)
    }
}

impl Usage {
    /// The tokens of `kind`.
    #[must_use]
    pub const fn count(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Input => self.input,
            Kind::CacheRead => self.cache_read,
            Kind::CacheReadAudio => self.cache_read_audio,
            Kind::CacheWrite => self.cache_write,
            Kind::CacheWriteLong => self.cache_write_long,
            Kind::AudioInput => self.audio_input,
            Kind::ImageInput => self.image_input,
            Kind::Output => self.output,
            Kind::AudioOutput => self.audio_output,
            Kind::ImageOutput => self.image_output,
            Kind::Images => self.images,
            Kind::Characters => self.characters,
            Kind::Seconds => self.seconds,
            Kind::Searches => self.searches,
        }
    }

    /// All prompt tokens: what selects a long-context tier.
    #[must_use]
    pub fn prompt(&self) -> u64 {
        self.sum(&Kind::PROMPT)
    }

    /// All tokens produced, reasoning among them.
    #[must_use]
    pub fn answer(&self) -> u64 {
        self.sum(&Kind::ANSWER)
    }

    /// All tokens: what a tokens-per-minute limit counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.prompt().saturating_add(self.answer())
    }

    fn sum(&self, kinds: &[Kind]) -> u64 {
        kinds
            .iter()
            .fold(0, |sum: u64, kind| sum.saturating_add(self.count(*kind)))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_standard(tier: &ServiceTier) -> bool {
    *tier == ServiceTier::Standard
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_is_in_one_sum_and_rare_ones_are_written_only_where_they_are() {
        let json = r#"{"input":1,"cache_read":2,"cache_read_audio":4,"cache_write":8,"cache_write_long":16,"audio_input":32,
            "image_input":64,"output":128,"audio_output":256,"image_output":512,"reasoning":100,"images":3,"characters":5,"seconds":6,"searches":7}"#;
        let usage: Usage = serde_json::from_str(json).unwrap();
        assert_eq!((usage.prompt(), usage.answer(), usage.total()), (127, 896, 1023));
        let written: serde_json::Value = serde_json::to_value(usage).unwrap();
        for kind in Kind::all() {
            assert_eq!(written[kind.as_str()], usage.count(kind));
        }
        assert_eq!(
            serde_json::to_string(&Usage::default()).unwrap(),
            r#"{"input":0,"cache_read":0,"cache_write":0,"output":0,"reasoning":0}"#
        );
    }
}

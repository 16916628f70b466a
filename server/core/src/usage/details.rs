//! The rarer kinds of a usage and its service tier as a text, for a row that has a column for each of the others.
//!
//! Invariant: `usage.with_details(usage.details())` is `usage`; a usage of the standard tier without rarer kinds has no text. Pure.

use super::{Kind, ServiceTier, Usage};
use serde_json::Value;

impl Kind {
    /// The kinds that few requests have, each beside the one that sums count it as.
    pub const RARE: [(Self, Self); 6] = [
        (Self::CacheReadAudio, Self::CacheRead),
        (Self::CacheWriteLong, Self::CacheWrite),
        (Self::AudioInput, Self::Input),
        (Self::ImageInput, Self::Input),
        (Self::AudioOutput, Self::Output),
        (Self::ImageOutput, Self::Output),
    ];
}

/// What the service tier is called in a text.
const TIER: &str = "service_tier";

/// What has no column of its own.
fn rare() -> impl Iterator<Item = Kind> {
    Kind::RARE.into_iter().map(|(kind, _)| kind).chain(Kind::UNITS)
}

impl Usage {
    /// The rarer kinds and units as a JSON object by name, such as `{"audio_input":7}`, and the service tier where it is not the standard
    /// one; `None` where there is nothing of it.
    #[must_use]
    pub fn details(&self) -> Option<String> {
        let mut text = String::new();
        let mut tell = |name: &str, value: String| {
            let open = if text.is_empty() { '{' } else { ',' };
            text.push(open);
            text.push_str(&format!("\"{name}\":{value}"));
        };
        for kind in rare() {
            let tokens = self.count(kind);
            if tokens > 0 {
                tell(kind.as_str(), tokens.to_string());
            }
        }
        if self.tier != ServiceTier::Standard {
            tell(TIER, format!("\"{}\"", self.tier.as_str()));
        }
        if text.is_empty() {
            return None;
        }
        text.push('}');
        Some(text)
    }

    /// Itself with the rarer kinds and the tier that `details` tells of; `None` where it is not what [`Usage::details`] writes.
    #[must_use]
    pub fn with_details(mut self, details: Option<&str>) -> Option<Self> {
        let Some(details) = details else {
            return Some(self);
        };
        let told: serde_json::Map<String, Value> = serde_json::from_str(details).ok()?;
        for (name, tokens) in told {
            if name == TIER {
                self.tier = ServiceTier::parse(tokens.as_str()?)?;
                continue;
            }
            let kind = rare().find(|kind| kind.as_str() == name)?;
            *self.count_mut(kind) = tokens.as_u64()?;
        }
        Some(self)
    }

    /// Itself with each rarer kind added to the one it is closest to, of no tier: prompts and answers count as much as before.
    #[must_use]
    pub fn without_rare(mut self) -> Self {
        for (rare, close) in Kind::RARE {
            let tokens = std::mem::take(self.count_mut(rare));
            let close = self.count_mut(close);
            *close = close.saturating_add(tokens);
        }
        self.tier = ServiceTier::Standard;
        self
    }

    /// Itself with no count above `most`.
    #[must_use]
    pub fn at_most(mut self, most: u64) -> Self {
        for kind in Kind::all() {
            let tokens = self.count_mut(kind);
            *tokens = (*tokens).min(most);
        }
        self.reasoning = self.reasoning.min(most);
        self
    }

    /// The sum of two, kind by kind, of the tier that is not the standard one, where there is one.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for kind in Kind::all() {
            let tokens = self.count_mut(kind);
            *tokens = tokens.saturating_add(other.count(kind));
        }
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
        if self.tier == ServiceTier::Standard {
            self.tier = other.tier;
        }
        self
    }

    pub(crate) const fn count_mut(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Input => &mut self.input,
            Kind::CacheRead => &mut self.cache_read,
            Kind::CacheReadAudio => &mut self.cache_read_audio,
            Kind::CacheWrite => &mut self.cache_write,
            Kind::CacheWriteLong => &mut self.cache_write_long,
            Kind::AudioInput => &mut self.audio_input,
            Kind::ImageInput => &mut self.image_input,
            Kind::Output => &mut self.output,
            Kind::AudioOutput => &mut self.audio_output,
            Kind::ImageOutput => &mut self.image_output,
            Kind::Images => &mut self.images,
            Kind::Characters => &mut self.characters,
            Kind::Seconds => &mut self.seconds,
            Kind::Searches => &mut self.searches,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn full() -> Usage {
        Usage {
            input: 1,
            cache_read: 2,
            cache_read_audio: 4,
            cache_write: 8,
            cache_write_long: 16,
            audio_input: 32,
            image_input: 64,
            output: 128,
            audio_output: 256,
            image_output: 512,
            reasoning: 100,
            images: 3,
            characters: 5,
            seconds: 6,
            searches: 7,
            tier: ServiceTier::Standard,
        }
    }

    #[test]
    fn what_a_row_has_no_column_for_comes_back_from_its_details() {
        let columns = Usage {
            input: 1,
            cache_read: 2,
            cache_write: 8,
            output: 128,
            reasoning: 100,
            ..Usage::default()
        };
        let details = full().details().unwrap();
        assert_eq!(
            details,
            r#"{"cache_read_audio":4,"cache_write_long":16,"audio_input":32,"image_input":64,"audio_output":256,"image_output":512,"images":3,"characters":5,"seconds":6,"searches":7}"#
        );
        assert_eq!(columns.with_details(Some(&details)), Some(full()));
        assert_eq!(columns.details(), None);
        assert_eq!(columns.with_details(None), Some(columns));
        for bad in [
            "",
            "{",
            "7",
            r#"{"input":1}"#,
            r#"{"audio_input":-1}"#,
            r#"{"audio_input":1.5}"#,
            r#"{"service_tier":1}"#,
            r#"{"service_tier":"scale"}"#,
        ] {
            assert_eq!(columns.with_details(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn the_tier_comes_back_alone_and_beside_rarer_kinds() {
        for (usage, expected) in [
            (Usage::default(), r#"{"service_tier":"flex"}"#),
            (
                Usage {
                    audio_input: 7,
                    ..Usage::default()
                },
                r#"{"audio_input":7,"service_tier":"flex"}"#,
            ),
        ] {
            let flex = Usage {
                tier: ServiceTier::Flex,
                ..usage
            };
            assert_eq!(flex.details().as_deref(), Some(expected));
            assert_eq!(Usage::default().with_details(Some(expected)), Some(flex));
            assert_eq!(flex.without_rare().tier, ServiceTier::Standard);
        }
    }

    #[test]
    fn sums_lose_no_token() {
        let summed = full().without_rare();
        assert_eq!((summed.prompt(), summed.answer()), (full().prompt(), full().answer()));
        assert_eq!(
            (summed.input, summed.cache_read, summed.cache_write, summed.output),
            (97, 6, 24, 896)
        );
        assert_eq!(
            summed.details().unwrap(),
            r#"{"images":3,"characters":5,"seconds":6,"searches":7}"#
        );
        assert_eq!(full().plus(&full()).total(), 2 * full().total());
        assert_eq!(full().at_most(50).total(), 1 + 2 + 4 + 8 + 16 + 32 + 50 + 50 + 50 + 50);
    }
}

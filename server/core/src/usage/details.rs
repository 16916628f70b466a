//! The rarer kinds of a usage as a text, for a row that has a column for each of the others.
//!
//! Invariant: `usage.with_details(usage.details())` is `usage`; a usage without rarer kinds has no text. Pure.

use super::{Kind, Usage};
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

/// What has no column of its own.
fn rare() -> impl Iterator<Item = Kind> {
    Kind::RARE.into_iter().map(|(kind, _)| kind).chain(Kind::UNITS)
}

impl Usage {
    /// The rarer kinds and units as a JSON object by name, such as `{"audio_input":7}`; `None` where all are zero.
    #[must_use]
    pub fn details(&self) -> Option<String> {
        let mut text = String::new();
        for kind in rare() {
            let tokens = self.count(kind);
            if tokens > 0 {
                let open = if text.is_empty() { '{' } else { ',' };
                text.push(open);
                text.push_str(&format!("\"{}\":{tokens}", kind.as_str()));
            }
        }
        if text.is_empty() {
            return None;
        }
        text.push('}');
        Some(text)
    }

    /// Itself with the rarer kinds that `details` tells of; `None` where it is not what [`Usage::details`] writes.
    #[must_use]
    pub fn with_details(mut self, details: Option<&str>) -> Option<Self> {
        let Some(details) = details else {
            return Some(self);
        };
        let told: serde_json::Map<String, Value> = serde_json::from_str(details).ok()?;
        for (name, tokens) in told {
            let kind = rare().find(|kind| kind.as_str() == name)?;
            *self.count_mut(kind) = tokens.as_u64()?;
        }
        Some(self)
    }

    /// Itself with each rarer kind added to the one it is closest to: prompts and answers count as much as before.
    #[must_use]
    pub fn without_rare(mut self) -> Self {
        for (rare, close) in Kind::RARE {
            let tokens = std::mem::take(self.count_mut(rare));
            let close = self.count_mut(close);
            *close = close.saturating_add(tokens);
        }
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

    /// The sum of two, kind by kind.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for kind in Kind::all() {
            let tokens = self.count_mut(kind);
            *tokens = tokens.saturating_add(other.count(kind));
        }
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
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
        ] {
            assert_eq!(columns.with_details(Some(bad)), None, "{bad}");
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

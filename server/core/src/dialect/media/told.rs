//! What an answer of rerank, images or sound says of what was used.
//!
//! Invariant: counts that are missing, negative or no whole numbers where they must be give none, never wrong ones; a second that has begun
//! is a whole one. Pure.
//! Wire facts: OpenAI's `usage` of images, speech and transcriptions, Mistral's seconds, Cohere's `meta.billed_units`, Jina's `usage`.

use super::super::counts::{Counts, take};
use super::super::json::{Elements, Members, is_null};
use super::super::operation::Operation;
use crate::usage::Usage;
use serde_json::value::RawValue;

/// What an answer, or an event of one, says.
#[derive(Debug, Default)]
pub(super) struct Told<'de> {
    pub model: Option<&'de RawValue>,
    pub kind: Option<&'de RawValue>,
    pub usage: Option<&'de RawValue>,
    /// Sound in an event.
    pub audio: Option<&'de RawValue>,
    pub text: Option<&'de RawValue>,
    pub segments: Option<&'de RawValue>,
    pub is_error: bool,
    duration: Option<&'de RawValue>,
    data: Option<&'de RawValue>,
    meta: Option<&'de RawValue>,
}

impl<'de> Told<'de> {
    /// What `data` says; `None` where it is no object.
    pub fn read(data: &'de [u8]) -> Option<Self> {
        let Members(members) = serde_json::from_slice(data).ok()?;
        let mut told = Self::default();
        for (name, value) in members {
            if is_null(value) {
                continue;
            }
            let place = match name.as_ref() {
                "model" => &mut told.model,
                "type" => &mut told.kind,
                "usage" => &mut told.usage,
                "audio" => &mut told.audio,
                "text" => &mut told.text,
                "segments" => &mut told.segments,
                "duration" => &mut told.duration,
                "data" => &mut told.data,
                "meta" => &mut told.meta,
                "error" => {
                    told.is_error = true;
                    continue;
                }
                _ => continue,
            };
            *place = Some(value);
        }
        told.is_error |= told.kind.is_some_and(|kind| kind.get() == r#""error""#);
        Some(told)
    }

    /// Whether it is an event of the kind that `ends` so.
    pub fn is_kind(&self, ends: &str) -> bool {
        self.kind
            .is_some_and(|kind| kind.get().trim_matches('"').ends_with(ends))
    }

    /// The tokens; none where it tells of none.
    pub fn tokens(&self, operation: Operation) -> Option<Usage> {
        let tokens = match operation {
            Operation::Rerank => return self.tokens_of_rerank(),
            Operation::Speech => self.both().map(|(input, output)| Usage {
                input,
                audio_output: output,
                ..Usage::default()
            }),
            _ if operation.is_image() => self.tokens_of_images(),
            _ => self.tokens_heard(),
        };
        tokens.filter(|tokens| tokens.total() > 0)
    }

    /// The seconds that were listened to.
    pub fn seconds(&self) -> Option<u64> {
        let usage = Counts::read(self.usage);
        let told = ["seconds", "prompt_audio_seconds"].into_iter();
        let told = told.filter_map(|name| usage.member(name)).find(|raw| !is_null(raw));
        whole_seconds(told.or(self.duration)?)
    }

    /// How many images there are.
    pub fn images(&self) -> Option<u64> {
        let Elements(images) = serde_json::from_str(self.data?.get()).ok()?;
        Some(images.len() as u64)
    }

    /// How many searches are billed.
    pub fn searches(&self) -> Option<u64> {
        let billed = Counts::read(self.meta).details("billed_units");
        let usage = Counts::read(self.usage);
        let told = billed.count("search_units").ok().flatten();
        told.or_else(|| usage.count("search_units").ok().flatten())
    }

    /// Tokens of input and output.
    fn both(&self) -> Option<(u64, u64)> {
        let usage = Counts::read(self.usage);
        let input = usage.count("input_tokens").ok()??;
        Some((input, usage.count("output_tokens").ok()??))
    }

    fn tokens_of_rerank(&self) -> Option<Usage> {
        let billed = Counts::read(self.meta).details("billed_units");
        let usage = Counts::read(self.usage);
        let mut told = billed.count("input_tokens").ok().flatten();
        for name in ["total_tokens", "prompt_tokens"] {
            told = told.or_else(|| usage.count(name).ok().flatten());
        }
        let input = told.filter(|tokens| *tokens > 0)?;
        Some(Usage {
            input,
            ..Usage::default()
        })
    }

    fn tokens_of_images(&self) -> Option<Usage> {
        let (mut input, mut output) = self.both()?;
        let usage = Counts::read(self.usage);
        let details = usage.details("input_tokens_details");
        let image_input = take(&mut input, details.count_or_zero("image_tokens").ok()?);
        // What is not told to be text is an image.
        let text = usage
            .details("output_tokens_details")
            .count_or_zero("text_tokens")
            .ok()?;
        let text = take(&mut output, text);
        Some(Usage {
            input,
            image_input,
            output: text,
            image_output: output,
            ..Usage::default()
        })
    }

    fn tokens_heard(&self) -> Option<Usage> {
        let usage = Counts::read(self.usage);
        let (mut input, output) = match self.both() {
            Some(both) => both,
            None => (
                usage.count("prompt_tokens").ok()??,
                usage.count("completion_tokens").ok()??,
            ),
        };
        let details = usage.details("input_token_details");
        let audio_input = take(&mut input, details.count_or_zero("audio_tokens").ok()?);
        Some(Usage {
            input,
            audio_input,
            output,
            ..Usage::default()
        })
    }
}

/// A number of seconds as milliseconds, what is below them cut off, and whether something was.
fn millis(raw: &RawValue) -> Option<(u64, bool)> {
    let text = raw.get().trim_matches('"');
    let (whole, below) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(below) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let first: String = below.chars().chain("000".chars()).take(3).collect();
    let is_more = below.bytes().skip(3).any(|digit| digit != b'0');
    let millis = whole.checked_mul(1_000)?.checked_add(first.parse().ok()?)?;
    Some((millis, is_more))
}

/// A moment in milliseconds.
pub(super) fn moment_ms(raw: &RawValue) -> Option<u64> {
    millis(raw).map(|(millis, _)| millis)
}

fn whole_seconds(raw: &RawValue) -> Option<u64> {
    let (millis, is_more) = millis(raw)?;
    Some((millis + u64::from(is_more)).div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn seconds_are_whole_ones() {
        for (text, seconds) in [
            (r#"{"duration":8.470000267028809}"#, Some(9)),
            (r#"{"duration":"3.0"}"#, Some(3)),
            (r#"{"duration":3.0000001}"#, Some(4)),
            (r#"{"usage":{"type":"duration","seconds":12},"duration":99}"#, Some(12)),
            (
                r#"{"usage":{"prompt_audio_seconds":7,"prompt_tokens":5,"completion_tokens":1}}"#,
                Some(7),
            ),
            (r#"{"usage":{"seconds":-1}}"#, None),
            (r#"{"duration":1e9}"#, None),
            (r#"{"duration":99999999999999999999}"#, None),
            (r#"{"text":"x"}"#, None),
        ] {
            assert_eq!(Told::read(text.as_bytes()).unwrap().seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn tokens_are_told_apart_by_kind() {
        let image = r#"{"usage":{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":70,
            "output_tokens_details":{"image_tokens":60,"text_tokens":10},"total_tokens":120}}"#;
        let told = Told::read(image.as_bytes())
            .unwrap()
            .tokens(Operation::ImageEdits)
            .unwrap();
        assert_eq!(
            (told.input, told.image_input, told.output, told.image_output),
            (10, 40, 10, 60)
        );
        let heard = r#"{"usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":12},"output_tokens":5}}"#;
        let told = Told::read(heard.as_bytes())
            .unwrap()
            .tokens(Operation::Transcriptions)
            .unwrap();
        assert_eq!((told.input, told.audio_input, told.output), (2, 12, 5));
        let spoken = r#"{"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101}}"#;
        let told = Told::read(spoken.as_bytes())
            .unwrap()
            .tokens(Operation::Speech)
            .unwrap();
        assert_eq!((told.input, told.audio_output), (14, 101));
        for (text, tokens, searches) in [
            (r#"{"meta":{"billed_units":{"search_units":2}}}"#, None, Some(2)),
            (
                r#"{"meta":{"billed_units":{"input_tokens":9}},"usage":{"total_tokens":8}}"#,
                Some(9),
                None,
            ),
            (r#"{"usage":{"total_tokens":8,"prompt_tokens":7}}"#, Some(8), None),
            (r#"{"usage":{"total_tokens":-8,"search_units":1}}"#, None, Some(1)),
        ] {
            let told = Told::read(text.as_bytes()).unwrap();
            assert_eq!(
                told.tokens(Operation::Rerank).map(|usage| usage.input),
                tokens,
                "{text}"
            );
            assert_eq!(told.searches(), searches, "{text}");
        }
    }
}

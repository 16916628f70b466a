//! The chat dialect's replies: what a chunk of a stream or a whole reply says about content, errors and usage.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: OpenAI's API reference, and the deltas that Groq, Mistral and OpenRouter add to it.

use super::super::Operation;
use super::super::counts::usage_of;
use super::super::json::{Members, Name, is_null};
use super::super::walk::{Look, Walk};
use crate::usage::Usage;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What a frame, a chunk of a stream or a whole reply, says.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Frame<'de> {
    /// The model that answered.
    pub model: Option<&'de RawValue>,
    /// Its usage, where it is not `null`.
    pub usage: Option<&'de RawValue>,
    /// Its error, where it is not `null`.
    pub error: Option<&'de RawValue>,
    /// The service tier that it was served in.
    pub tier: Option<&'de RawValue>,
    /// Groq's own field, which holds the usage of a stream.
    pub groq: Option<&'de RawValue>,
    /// Whether the frame itself is an error in Mistral's flat form.
    pub is_flat_error: bool,
    /// Whether it has a list of choices, and it is empty.
    pub is_without_choices: bool,
    /// What the choices hold.
    pub content: Content,
}

/// What the choices of a frame hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dialect) struct Content {
    /// Bytes of text, tool calls and reasoning among it.
    pub bytes: u64,
    /// A reason to finish.
    pub is_finished: bool,
    /// Something that is no text: a tool call without arguments, sound, an image.
    pub is_other: bool,
    reasoning: u64,
    reasoning_details: u64,
}

impl Content {
    /// Text of so many bytes, and whether there is a reason to finish.
    pub(in crate::dialect) fn of(bytes: u64, is_finished: bool) -> Self {
        Self {
            bytes,
            is_finished,
            ..Self::default()
        }
    }

    /// Whether the client would have something to show.
    pub(in crate::dialect) const fn is_any(&self) -> bool {
        self.bytes > 0 || self.is_finished || self.is_other
    }
}

impl<'de> Frame<'de> {
    /// The frame in `data`; `None` where it is not a JSON object.
    pub(in crate::dialect) fn read(data: &'de [u8]) -> Option<Self> {
        serde_json::from_slice(data).ok()
    }

    /// The usage it reports: `None` without any, `Some(None)` where its counts are unusable.
    pub(in crate::dialect) fn read_usage(
        &self,
        operation: Operation,
        reasoning_excluded: bool,
    ) -> Option<Option<Usage>> {
        if let Some(raw) = self.usage {
            return Some(usage_of(operation, raw, reasoning_excluded));
        }
        let Members(groq) = serde_json::from_str(self.groq?.get()).ok()?;
        let (_, usage) = groq.into_iter().rev().find(|(name, _)| name == "usage")?;
        some(usage).map(|usage| usage_of(operation, usage, reasoning_excluded))
    }

    /// Whether it holds nothing but usage: what OpenAI sends last where `stream_options.include_usage` is set.
    pub(in crate::dialect) fn is_usage_only(&self) -> bool {
        self.usage.is_some() && self.is_without_choices && self.error.is_none()
    }
}

impl<'de> Deserialize<'de> for Frame<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Frame<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Frame<'de>, A::Error> {
                let mut frame = Frame::default();
                while let Some(Name(name)) = map.next_key()? {
                    match name.as_ref() {
                        "choices" => map.next_value_seed(Choices(&mut frame))?,
                        "usage" => frame.usage = some(map.next_value()?),
                        "error" => frame.error = some(map.next_value()?),
                        "x_groq" => frame.groq = some(map.next_value()?),
                        "model" => frame.model = some(map.next_value()?),
                        "service_tier" => frame.tier = some(map.next_value()?),
                        "object" => {
                            let object: &RawValue = map.next_value()?;
                            frame.is_flat_error = object.get() == r#""error""#;
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(frame)
            }
        }
        deserializer.deserialize_map(Read)
    }
}

fn some(raw: &RawValue) -> Option<&RawValue> {
    (!is_null(raw)).then_some(raw)
}

/// The list of choices of a frame; anything else is passed over.
struct Choices<'a, 'de>(&'a mut Frame<'de>);

impl<'de> DeserializeSeed<'de> for Choices<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Choices<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of choices")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let content = &mut self.0.content;
        self.0.is_without_choices = true;
        while seq
            .next_element_seed(Walk {
                look: &mut *content,
                place: Where::Choice,
            })?
            .is_some()
        {
            self.0.is_without_choices = false;
        }
        // The same reasoning is often sent twice, as text and as a list of details.
        content.bytes += if content.reasoning > 0 {
            content.reasoning
        } else {
            content.reasoning_details
        };
        Ok(())
    }
}

/// Where in a choice a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Where {
    Choice,
    FinishReason,
    Delta,
    Text,
    Reasoning,
    ReasoningDetails,
    ToolCalls,
    Media,
}

impl Where {
    /// Where a member stands; `None` where it says nothing.
    fn member(self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::Choice, "delta" | "message") => Some(Self::Delta),
            (Self::Choice, "text") => Some(Self::Text),
            (Self::Choice, "finish_reason") => Some(Self::FinishReason),
            (Self::Choice, _) => None,
            (Self::Delta, "role" | "channel" | "annotations") | (_, "id" | "type" | "format" | "signature") => None,
            (Self::Delta, "reasoning" | "reasoning_content") => Some(Self::Reasoning),
            (Self::Delta, "reasoning_details") => Some(Self::ReasoningDetails),
            (Self::Delta, "tool_calls") => Some(Self::ToolCalls),
            (Self::Delta, "audio" | "images") => Some(Self::Media),
            (Self::Delta, _) => Some(Self::Text),
            _ => Some(self),
        }
    }
}

impl Look for Content {
    type Place = Where;

    fn member(place: Where, name: &str) -> Option<Where> {
        place.member(name)
    }

    fn text(&mut self, place: Where, text: &str) {
        let bytes = text.len() as u64;
        match place {
            Where::FinishReason => self.is_finished |= !text.is_empty(),
            Where::Text | Where::ToolCalls => self.bytes += bytes,
            Where::Reasoning => self.reasoning += bytes,
            Where::ReasoningDetails => self.reasoning_details += bytes,
            Where::Media => self.is_other |= bytes > 0,
            Where::Choice | Where::Delta => {}
        }
    }

    fn element(&mut self, place: Where) {
        self.is_other |= place == Where::ToolCalls;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_role_alone_is_no_content() {
        let read = |json: &str| Frame::read(json.as_bytes()).unwrap().content;
        for json in [
            r#"{"choices":[{"delta":{"role":"assistant","content":"","refusal":null,"reasoning_details":[]},"finish_reason":null}]}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":null}"#,
            r#"{}"#,
        ] {
            assert!(!read(json).is_any(), "{json}");
        }
        for (json, bytes) in [
            (r#"{"choices":[{"delta":{"content":"añ"}}]}"#, 3),
            (r#"{"choices":[{"delta":{"refusal":"no"}}]}"#, 2),
            (
                r#"{"choices":[{"delta":{"reasoning":"abc","reasoning_details":[{"type":"t","text":"abc"}]}}]}"#,
                3,
            ),
            (
                r#"{"choices":[{"delta":{"reasoning_details":[{"type":"t","text":"abc"}]}}]}"#,
                3,
            ),
            (
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}"#,
                3,
            ),
            (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, 0),
            (r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, 0),
            (r#"{"choices":[{"delta":{"audio":{"data":"AAAA"}}}]}"#, 0),
        ] {
            assert!(read(json).is_any(), "{json}");
            assert_eq!(read(json).bytes, bytes, "{json}");
        }
    }
}

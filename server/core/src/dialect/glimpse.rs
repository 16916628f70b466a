//! Glimpses: what one event of a stream, or a whole reply, of a dialect other than chat says about content, errors and usage.
//!
//! Invariant: reading takes nothing apart that passes; text is measured where it stands. Pure.

use super::chat::frame::Content;
use super::counts::messages::Cumulative;
use super::json::Name;
use crate::usage::Usage;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What an event or a reply says.
#[derive(Debug, Default)]
pub(super) struct Glimpse<'de> {
    /// The model that answered.
    pub model: Option<&'de RawValue>,
    /// Its `usage`, which may hold a cost.
    pub usage: Option<&'de RawValue>,
    /// What the client would have to show.
    pub content: Content,
    /// Whether it is an error.
    pub is_error: bool,
    /// Whether nothing follows.
    pub is_done: bool,
}

/// What is known so far of an answer that tells its usage, or its end, in parts.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The counts of the messages dialect.
    pub cumulative: Cumulative,
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

/// The bytes of the texts called by one of `names` anywhere in `raw`.
pub(super) fn text_bytes(raw: &RawValue, names: &'static [&'static str]) -> u64 {
    let mut bytes = 0;
    let texts = Texts {
        names,
        is_counted: false,
        bytes: &mut bytes,
    };
    // A text that is no JSON has been read up to where it is none.
    let _ = texts.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
    bytes
}

struct Texts<'a> {
    names: &'static [&'static str],
    is_counted: bool,
    bytes: &'a mut u64,
}

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if self.is_counted {
            *self.bytes = self.bytes.saturating_add(text.len() as u64);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self {
            names,
            is_counted,
            bytes,
        } = self;
        while seq
            .next_element_seed(Texts {
                names,
                is_counted,
                bytes,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self {
            names,
            is_counted,
            bytes,
        } = self;
        while let Some(Name(name)) = map.next_key()? {
            if name == "inlineData" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            map.next_value_seed(Texts {
                names,
                is_counted: is_counted || names.contains(&name.as_ref()),
                bytes,
            })?;
        }
        Ok(())
    }
}

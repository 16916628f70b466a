//! Peek: what the pipeline must know of a chat or embeddings request before it goes anywhere.
//!
//! Invariant: one reading decides: what is malformed, ambiguous (duplicates, aliases, names that differ by case) or priced in a way we
//! cannot bound is refused, so that no upstream reads a different request than was priced; nesting never reaches the stack's end. Pure.
//! Wire facts: OpenAI's API reference; money rules: the table in `fields`.

use super::Operation;
use super::bound::{Count, Walk};
use super::envelope::{CHOICES_MAX, Envelope, FIELDS_MAX, MAX_OUTPUT_MAX, MODEL_BYTES_MAX, PeekError};
use super::fields::{self, FREE_TIERS, FREE_TTLS, Field};
use super::json::{Members, Name, cut, is_null, member_in, place_in};
use super::place::Place;
use super::rewrite::{Body, MaxOutputField, UsageOption};
use serde::de::{Deserializer as _, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

const QUOTED_BYTES_MAX: usize = 64;

/// What the pipeline must know of `body`, and where in it our own fields stand.
///
/// # Errors
/// [`PeekError`] where the body is not a request of `operation` that can be priced.
pub fn peek(operation: Operation, body: &[u8]) -> Result<(Envelope, Body), PeekError> {
    let text = std::str::from_utf8(body).map_err(|error| PeekError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => PeekError::NotAnObject,
            Err(error) => malformed(&error),
        });
    }
    let mut reader = Reader::new(operation, text);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer
        .deserialize_map(&mut reader)
        .and_then(|()| deserializer.end());
    if let Err(error) = read {
        return Err(reader.count.refusal.take().unwrap_or_else(|| malformed(&error)));
    }
    reader.finish()
}

fn malformed(error: &serde_json::Error) -> PeekError {
    PeekError::Malformed {
        line: error.line(),
        column: error.column(),
    }
}

/// The one reading of a request.
struct Reader<'de> {
    operation: Operation,
    text: &'de str,
    seen: Vec<Cow<'de, str>>,
    count: Count,
    prediction: Count,
    envelope: Envelope,
    body: Body,
    has_model: bool,
    has_content: bool,
    stream_options: Option<&'de RawValue>,
    limits: [Option<&'de RawValue>; 2],
}

impl<'de> Reader<'de> {
    fn new(operation: Operation, text: &'de str) -> Self {
        Self {
            operation,
            text,
            seen: Vec::with_capacity(16),
            count: Count::default(),
            prediction: Count::default(),
            envelope: Envelope {
                choices: 1,
                ..Envelope::default()
            },
            body: Body::default(),
            has_model: false,
            has_content: false,
            stream_options: None,
            limits: [None, None],
        }
    }

    /// Refuses a name that was there before, or is one too many, or only looks like one of ours.
    fn check_name(&self, name: &str, field: Field) -> Result<(), PeekError> {
        if self.seen.iter().any(|earlier| earlier == name) {
            return Err(PeekError::Duplicate {
                field: cut(name, QUOTED_BYTES_MAX).to_owned(),
            });
        }
        if self.seen.len() >= FIELDS_MAX {
            return Err(PeekError::TooManyFields);
        }
        if field == Field::Other
            && let Some(known) = fields::lookalike(self.operation, name)
        {
            return Err(PeekError::Lookalike {
                field: cut(name, QUOTED_BYTES_MAX).to_owned(),
                known,
            });
        }
        Ok(())
    }

    /// How a field is walked through, where it is large; the others are read by [`Self::small`].
    fn large(&self, field: Field, name: &str) -> Option<Place> {
        match field {
            Field::Messages => Some(Place::Messages),
            Field::Input => Some(Place::Input),
            Field::Tools | Field::Functions => Some(Place::Tools),
            Field::Prediction => Some(Place::Json),
            Field::Aside => Some(Place::Aside),
            Field::Other if fields::priced_field(name).is_none() => Some(Place::Json),
            _ => None,
        }
    }

    /// Reads the value of a field that is not walked through.
    fn small(&mut self, field: Field, name: &str, raw: &'de RawValue) -> Result<(), PeekError> {
        if field == Field::Model {
            return self.model(raw);
        }
        if field == Field::Usage {
            self.body.cost_option = Some(member_in(self.text, raw.get()));
        }
        match field {
            Field::StreamOptions => self.stream_options = Some(raw),
            Field::MaxCompletionTokens => self.limits[0] = Some(raw),
            Field::MaxTokens => self.limits[1] = Some(raw),
            _ if is_null(raw) => {}
            Field::Stream => self.envelope.stream = typed(raw, "stream", "true or false")?,
            Field::Choices => self.envelope.choices = whole(raw, "n", "a whole number from 1 to 128", CHOICES_MAX)?,
            Field::Usage => {
                for (name, value) in members(raw, "usage", "usage.include")? {
                    if name == "include" && !is_null(value) {
                        self.envelope.include_cost = typed(value, "usage.include", "true or false")?;
                    }
                }
            }
            Field::ServiceTier => {
                let tier: String = typed(raw, "service_tier", "a string")?;
                if !FREE_TIERS.contains(&tier.as_str()) {
                    return Err(unpriced("service_tier", &tier));
                }
                self.envelope.service_tier = Some(tier);
            }
            Field::CacheOptions => {
                for (name, value) in members(raw, "prompt_cache_options", "prompt_cache_options.ttl")? {
                    let ttl = (name == "ttl").then(|| value.get().trim_matches('"'));
                    if let Some(ttl) = ttl.filter(|ttl| *ttl != "null" && !FREE_TTLS.contains(ttl)) {
                        return Err(unpriced("prompt_cache_options.ttl", ttl));
                    }
                }
            }
            _ => return priced(name, raw),
        }
        Ok(())
    }

    fn model(&mut self, raw: &'de RawValue) -> Result<(), PeekError> {
        let expected = "a string of 1 to 256 bytes without control characters";
        let model: String = typed(raw, "model", expected)?;
        if model.is_empty() || model.len() > MODEL_BYTES_MAX || model.chars().any(char::is_control) {
            return Err(PeekError::WrongType {
                field: "model",
                expected,
            });
        }
        self.body.model = place_in(self.text, raw.get());
        self.body.model_name.clone_from(&model);
        self.envelope.model = model;
        self.has_model = true;
        Ok(())
    }

    /// What takes the whole request: the limit's two names, the stream's options, and what is missing.
    fn finish(mut self) -> Result<(Envelope, Body), PeekError> {
        if !self.has_model {
            return Err(PeekError::Missing { field: "model" });
        }
        if !self.has_content {
            let field = if self.operation == Operation::Chat {
                "messages"
            } else {
                "input"
            };
            return Err(PeekError::Missing { field });
        }
        self.max_output()?;
        self.usage_option()?;
        self.body.end = self.text.trim_ascii_end().len() - 1;
        self.envelope.input_bound = self.count.tokens;
        self.envelope.images = self.count.images;
        self.envelope.is_unsized = self.count.is_unsized;
        self.envelope.conversation = self.count.conversation;
        self.envelope.prediction_bound = self.prediction.tokens;
        Ok((self.envelope, self.body))
    }

    fn max_output(&mut self) -> Result<(), PeekError> {
        let fields = [MaxOutputField::MaxCompletionTokens, MaxOutputField::MaxTokens];
        let expected = "a whole number from 1 to 2⁵³";
        for (field, raw) in fields.into_iter().zip(self.limits) {
            let Some(raw) = raw else { continue };
            let place = place_in(self.text, raw.get());
            if is_null(raw) {
                self.body.max_output.get_or_insert((field, place));
                continue;
            }
            if self.envelope.max_output.is_some() {
                let [first, second] = fields.map(MaxOutputField::as_str);
                return Err(PeekError::Alias { first, second });
            }
            self.envelope.max_output = Some(whole(raw, field.as_str(), expected, MAX_OUTPUT_MAX)?);
            self.body.max_output = Some((field, place));
        }
        Ok(())
    }

    fn usage_option(&mut self) -> Result<(), PeekError> {
        let mut option = UsageOption::Absent;
        if let Some(raw) = self.stream_options {
            let place = place_in(self.text, raw.get());
            if is_null(raw) {
                option = UsageOption::Null(place);
            } else {
                let members = members(raw, "stream_options", "stream_options.include_usage")?;
                option = UsageOption::Inside {
                    at: place.start + 1,
                    is_empty: members.is_empty(),
                };
                for (name, value) in members {
                    if name != "include_usage" {
                        continue;
                    }
                    let is_asked = !is_null(value) && typed(value, "stream_options.include_usage", "true or false")?;
                    self.envelope.include_usage = is_asked;
                    let off = UsageOption::Off(place_in(self.text, value.get()));
                    option = if is_asked { UsageOption::Asked } else { off };
                }
            }
        }
        self.body.usage = self.envelope.stream.then_some(option);
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Reader<'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let field = fields::field(self.operation, &name);
            if let Err(refusal) = self.check_name(&name, field) {
                self.count.refusal = Some(refusal);
                return Err(A::Error::custom("refused"));
            }
            self.seen.push(name.clone());
            let Some(place) = self.large(field, &name) else {
                let raw: &RawValue = map.next_value()?;
                if let Err(refusal) = self.small(field, &name, raw) {
                    self.count.refusal = Some(refusal);
                    return Err(A::Error::custom("refused"));
                }
                continue;
            };
            let count = if field == Field::Prediction {
                &mut self.prediction
            } else {
                &mut self.count
            };
            let walked = map.next_value_seed(Walk { count, place, depth: 1 });
            self.count.refusal = self.count.refusal.take().or(self.prediction.refusal.take());
            walked?;
            self.has_content |= matches!(field, Field::Messages | Field::Input);
        }
        Ok(())
    }
}

/// Refuses the field `name` where its value changes the price.
fn priced(name: &str, raw: &RawValue) -> Result<(), PeekError> {
    let Some(priced) = fields::priced_field(name) else {
        return Ok(());
    };
    let value: Option<serde_json::Value> = serde_json::from_str(raw.get()).ok();
    let is_free = value.is_some_and(|value| priced.free.contains(&value.to_string().as_str()));
    if is_free {
        Ok(())
    } else {
        Err(unpriced(priced.name, raw.get()))
    }
}

fn unpriced(field: &'static str, value: &str) -> PeekError {
    PeekError::Unpriced {
        field,
        value: cut(value, QUOTED_BYTES_MAX).to_owned(),
    }
}

fn typed<'de, T: serde::Deserialize<'de>>(
    raw: &'de RawValue,
    field: &'static str,
    expected: &'static str,
) -> Result<T, PeekError> {
    serde_json::from_str(raw.get()).map_err(|_| PeekError::WrongType { field, expected })
}

fn whole(raw: &RawValue, field: &'static str, expected: &'static str, max: u64) -> Result<u64, PeekError> {
    let number: u64 = typed(raw, field, expected)?;
    if (1..=max).contains(&number) {
        Ok(number)
    } else {
        Err(PeekError::WrongType { field, expected })
    }
}

/// The members of a small object, of which none may stand twice.
fn members<'de>(
    raw: &'de RawValue,
    field: &'static str,
    twice: &'static str,
) -> Result<Vec<(Cow<'de, str>, &'de RawValue)>, PeekError> {
    let Members(members) = typed(raw, field, "an object")?;
    for (at, (name, _)) in members.iter().enumerate() {
        if at >= FIELDS_MAX || members[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(PeekError::Duplicate {
                field: twice.to_owned(),
            });
        }
    }
    Ok(members)
}

//! Peek: what the pipeline must know of a request before it goes anywhere.
//!
//! Invariant: one reading decides: what is malformed, ambiguous (duplicates, aliases, names that differ by case) or priced in a way we
//! cannot bound is refused or left out, so that no upstream reads a different request than was priced; nesting never reaches the
//! stack's end. Pure.
//! Wire facts: the API references of OpenAI, Anthropic and Google; money rules: the tables in `fields`.

mod google;
mod hosted;
mod tools;
mod value;

use super::Dialect;
use super::bound::{Count, Walk};
use super::envelope::{Envelope, FIELDS_MAX, MAX_OUTPUT_MAX, MODEL_BYTES_MAX, PeekError};
use super::fields::{self, Field, Table};
use super::json::{Name, cut, is_null, member_in, place_in};
use super::media::{Given, judge};
use super::operation::{Asked, Operation};
use super::place::Place;
use super::rewrite::{Body, Limit, MaxOutputField, ModelPlace, UsageOption};
use super::session::{session, session_in};
use serde::de::{Deserializer as _, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use value::{QUOTED_BYTES_MAX, members, typed, unpriced, whole, whole_from};

/// The model that OpenAI's moderations take where none is named.
const MODERATION_MODEL: &str = "omni-moderation-latest";
const LIMIT_EXPECTED: &str = "a whole number from 1 to 2⁵³";

/// What OpenAI's clients call what shares a prompt's beginning.
const KEY: &str = "prompt_cache_key";
/// Fields that change nothing but may name the conversation.
const NAMING: [&str; 2] = [KEY, "metadata"];

/// What the pipeline must know of `body`, and where in it our own fields stand.
///
/// # Errors
/// [`PeekError`] where the body is not a request of what is `asked` that can be priced.
pub fn peek<'a>(asked: impl Into<Asked<'a>>, body: &[u8]) -> Result<(Envelope, Body), PeekError> {
    let text = std::str::from_utf8(body).map_err(|error| PeekError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => PeekError::NotAnObject,
            Err(error) => malformed(&error),
        });
    }
    let mut reader = Reader::new(asked.into(), text);
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
struct Reader<'a, 'de> {
    asked: Asked<'a>,
    table: &'static Table,
    text: &'de str,
    seen: Vec<Cow<'de, str>>,
    count: Count,
    prediction: Count,
    envelope: Envelope,
    body: Body,
    has_content: bool,
    /// A tool that runs between two readings of the prompt.
    is_read_again: bool,
    /// What stays that runs at the provider.
    hosted: hosted::Found,
    kept: Kept<'de>,
}

/// Values that are judged once everything was read.
#[derive(Default)]
struct Kept<'de> {
    stream_options: Option<&'de RawValue>,
    limits: [Option<&'de RawValue>; 2],
    tools: Option<&'de RawValue>,
    tool_choice: Option<&'de RawValue>,
    tool_calls: Option<&'de RawValue>,
    media: Vec<(Cow<'de, str>, Given<'de>)>,
    /// Tokens that Anthropic's older models may think for.
    thinking_budget: u64,
}

impl<'a, 'de> Reader<'a, 'de> {
    fn new(asked: Asked<'a>, text: &'de str) -> Self {
        Self {
            asked,
            table: fields::table(asked.operation),
            text,
            seen: Vec::with_capacity(16),
            count: Count::default(),
            prediction: Count::default(),
            envelope: Envelope {
                choices: 1,
                stream: asked.stream,
                ..Envelope::default()
            },
            body: Body::default(),
            has_content: false,
            is_read_again: false,
            hosted: hosted::Found::default(),
            kept: Kept::default(),
        }
    }

    const fn is_google(&self) -> bool {
        matches!(self.asked.operation.dialect(), Dialect::Generate)
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
            && let Some(known) = self.table.lookalike(name)
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
            Field::Content(place) | Field::Walked(place) => Some(place),
            Field::Prediction => Some(Place::Json),
            Field::Aside if NAMING.contains(&name) => None,
            Field::Aside => Some(Place::Aside),
            Field::Other if self.asked.operation.is_free() => Some(Place::Aside),
            Field::Other if self.table.priced_field(name).is_none() => Some(Place::Json),
            _ => None,
        }
    }

    /// Walks through a value that was read as a whole.
    fn walk(&mut self, raw: &RawValue, place: Place, depth: u32) -> Result<(), PeekError> {
        use serde::de::DeserializeSeed as _;
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        let count = &mut self.count;
        let walked = Walk { count, place, depth }.deserialize(&mut deserializer);
        walked.map_err(|error| self.count.refusal.take().unwrap_or_else(|| malformed(&error)))
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
            Field::StreamOptions => self.kept.stream_options = Some(raw),
            Field::MaxCompletionTokens | Field::Limit => self.kept.limits[0] = Some(raw),
            Field::MaxTokens => self.kept.limits[1] = Some(raw),
            Field::Tools => self.kept.tools = Some(raw),
            Field::ToolChoice => self.kept.tool_choice = Some(raw),
            Field::ToolCalls => {
                self.walk(raw, Place::Aside, 1)?;
                self.kept.tool_calls = Some(raw);
            }
            Field::Generation => self.generation(raw)?,
            Field::Aside => self.naming(name, raw)?,
            Field::Media => self.media(name, raw),
            _ if is_null(raw) => {}
            Field::Stream => self.envelope.stream = typed(raw, "stream", "true or false")?,
            Field::Store => self.envelope.stores = Some(typed(raw, "store", "true or false")?),
            Field::State => {
                self.envelope.needs_state = true;
                self.envelope.refers_to.push(value::reference(name, raw)?);
                self.count.is_unsized = true;
            }
            Field::Choices => self.envelope.choices = value::choices(raw, "n")?,
            Field::Usage => self.envelope.include_cost = value::include_cost(raw)?,
            Field::ServiceTier => self.envelope.service_tier = Some(value::service_tier(self.asked.operation, raw)?),
            Field::CacheOptions => value::cache_options(self.asked.operation, raw)?,
            Field::Thinking => {
                self.kept.thinking_budget = value::thinking_budget(raw)?;
                self.count.tokens = self.count.tokens.saturating_add(raw.get().len() as u64);
            }
            Field::ContextManagement => value::context_management(raw)?,
            Field::Reasoning => value::reasoning(raw)?,
            Field::Requests => self.requests(raw)?,
            Field::Counted => self.counted(raw)?,
            _ => return self.priced(name, raw),
        }
        Ok(())
    }

    /// Reads what may name the conversation.
    fn naming(&mut self, name: &str, raw: &RawValue) -> Result<(), PeekError> {
        self.walk(raw, Place::Aside, 1)?;
        let named = match name {
            KEY => serde_json::from_str::<Cow<'_, str>>(raw.get())
                .ok()
                .and_then(|key| session(&key)),
            _ if self.asked.operation == Operation::Messages => session_in(raw.get()),
            _ => None,
        };
        self.envelope.session = named.or(self.envelope.session);
        Ok(())
    }

    fn media(&mut self, name: &str, raw: &'de RawValue) {
        if name == "stream_format" {
            self.body.stream_format = Some(place_in(self.text, raw.get()));
        }
        self.kept.media.push((Cow::Owned(name.to_owned()), Given::Raw(raw)));
    }

    /// Refuses the field `name` where its value changes the price in a way that has none here.
    fn priced(&mut self, name: &str, raw: &RawValue) -> Result<(), PeekError> {
        let Some(priced) = self.table.priced_field(name) else {
            return Ok(());
        };
        if self.is_search_option(name) {
            return self.walk(raw, Place::Json, 1);
        }
        let value: Option<serde_json::Value> = serde_json::from_str(raw.get()).ok();
        let is_free = value.is_some_and(|value| priced.free.contains(&value.to_string().as_str()));
        if is_free {
            Ok(())
        } else {
            Err(unpriced(priced.name, raw.get()))
        }
    }

    fn model(&mut self, raw: &'de RawValue) -> Result<(), PeekError> {
        if self.is_google() {
            return self.google_model(raw);
        }
        let model: String = typed(raw, "model", value::MODEL_EXPECTED)?;
        self.name_model(&model)?;
        self.body.models.push(ModelPlace {
            place: place_in(self.text, raw.get()),
            is_resource: false,
        });
        Ok(())
    }

    fn name_model(&mut self, model: &str) -> Result<(), PeekError> {
        if model.is_empty() || model.len() > MODEL_BYTES_MAX || model.chars().any(char::is_control) {
            return Err(PeekError::WrongType {
                field: "model",
                expected: value::MODEL_EXPECTED,
            });
        }
        model.clone_into(&mut self.body.model_name);
        model.clone_into(&mut self.envelope.model);
        Ok(())
    }

    /// What takes the whole request: the model, the limit's names, the stream's options, tools, and what is missing.
    fn finish(mut self) -> Result<(Envelope, Body), PeekError> {
        self.body.end = self.text.trim_ascii_end().len() - 1;
        if let (true, Some(model)) = (self.is_google(), self.asked.model) {
            self.name_model(model)?;
        }
        if self.envelope.model.is_empty() {
            if self.asked.operation != Operation::Moderations || self.seen.is_empty() {
                return Err(PeekError::Missing { field: "model" });
            }
            self.name_model(MODERATION_MODEL)?;
            self.body.is_model_absent = true;
        }
        if let (Some(field), false) = (self.table.content, self.has_content) {
            return Err(PeekError::Missing { field });
        }
        self.tools()?;
        self.running()?;
        if self.is_read_again {
            self.count.tokens = self.count.tokens.saturating_mul(tools::READINGS);
            self.count.is_unsized = true;
        }
        if self.asked.operation.is_media() {
            let tokens = judge(self.asked.operation, &self.kept.media, &mut self.envelope)?;
            self.count.tokens = self.count.tokens.saturating_add(tokens);
            self.count.images = self.envelope.images;
        }
        match self.asked.operation {
            Operation::Chat => self.max_output()?,
            Operation::Completions => self.limit("max_tokens", 1)?,
            Operation::Responses => self.limit("max_output_tokens", 1)?,
            // Without any output the prompt is only put into the cache.
            Operation::Messages => self.limit("max_tokens", 0)?,
            Operation::Generate if self.body.limit == Limit::Chosen => self.body.limit = Limit::NoSettings(None),
            Operation::Generate => {}
            _ => self.body.limit = Limit::Never,
        }
        self.usage_option()?;
        if self.asked.operation == Operation::Completions {
            self.envelope.choices = value::choices_of(self.envelope.choices, self.count.inputs)?;
        }
        let is_googles_vectors = matches!(
            self.asked.operation,
            Operation::EmbedContent | Operation::BatchEmbedContents
        );
        if is_googles_vectors && (self.count.images > 0 || self.count.has_sound || self.count.is_unsized) {
            // Pictures and sound have their own rates.
            return Err(unpriced("content", "media"));
        }
        self.envelope.input_bound = self.count.tokens;
        self.envelope.images = self.count.images;
        self.envelope.is_unsized = self.count.is_unsized;
        self.envelope.conversation = self.count.conversation;
        self.envelope.needs_state |= self.count.needs_state;
        self.envelope.refers_to.append(&mut self.count.refers_to);
        self.envelope.prediction_bound = self.prediction.tokens;
        self.envelope.thinking_budget = self.kept.thinking_budget;
        if self.kept.thinking_budget > self.envelope.max_output.unwrap_or(0) {
            self.envelope.prediction_bound = self.kept.thinking_budget;
        }
        Ok((self.envelope, self.body))
    }

    /// The limit in the only field for it, `least` or more.
    fn limit(&mut self, field: &'static str, least: u64) -> Result<(), PeekError> {
        let is_required = self.asked.operation == Operation::Messages;
        self.body.limit = match self.kept.limits[0] {
            None if is_required => return Err(PeekError::Missing { field }),
            None => Limit::Absent(field),
            Some(raw) => {
                if !is_null(raw) || is_required {
                    let expected = if least == 0 {
                        "a whole number up to 2⁵³"
                    } else {
                        LIMIT_EXPECTED
                    };
                    self.envelope.max_output = Some(whole_from(raw, field, expected, least..=MAX_OUTPUT_MAX)?);
                }
                Limit::At(place_in(self.text, raw.get()))
            }
        };
        Ok(())
    }

    fn max_output(&mut self) -> Result<(), PeekError> {
        let fields = [MaxOutputField::MaxCompletionTokens, MaxOutputField::MaxTokens];
        let expected = LIMIT_EXPECTED;
        for (field, raw) in fields.into_iter().zip(self.kept.limits) {
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
        if let Some(raw) = self.kept.stream_options {
            self.body.stream_options = Some(member_in(self.text, raw.get()));
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
        let has_option = matches!(self.asked.operation, Operation::Chat | Operation::Completions);
        self.body.usage = (self.envelope.stream && has_option).then_some(option);
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Reader<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let name = if self.is_google() { google::camel(name) } else { name };
            let field = self.table.field(&name);
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
            if let Some(PeekError::WrongType { field, .. }) = &mut self.count.refusal
                && let Some((known, _)) = self.table.owned.iter().find(|(known, _)| *known == name)
                && !field.contains('.')
                && *field != "ttl"
            {
                // The same kind of value stands in several fields.
                *field = known;
            }
            walked?;
            self.has_content |= matches!(field, Field::Content(_));
        }
        Ok(())
    }
}

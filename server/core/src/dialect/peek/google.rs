//! What Google's requests have that no other dialect does: settings within settings, requests within a request, the model as a resource.
//!
//! Invariant: names in snake case are the same fields as those in lower camel case; a model in the body is the one of the path. Pure.
//! Wire facts: Google's API reference; the JSON mapping of protocol buffers.

use super::super::envelope::{MAX_OUTPUT_MAX, PeekError};
use super::super::json::{is_null, place_in};
use super::super::place::Place;
use super::super::rewrite::{Limit, ModelPlace};
use super::value::{QUOTED_BYTES_MAX, choices, elements, members, typed, unpriced, whole};
use super::{LIMIT_EXPECTED, Reader};
use crate::dialect::bound::MESSAGE_TOKENS;
use crate::dialect::json::cut;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How a model stands in the body.
const RESOURCE: &str = "models/";

/// Settings that no model reads.
const ASIDE: &[&str] = &[
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "mediaResolution",
    "thinkingConfig",
    "audioTimestamp",
];

/// `name` in lower camel case.
pub(super) fn camel(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.contains('_') {
        return name;
    }
    let mut camel = String::with_capacity(name.len());
    let mut is_upper = false;
    for letter in name.chars() {
        if letter == '_' {
            is_upper = true;
        } else {
            camel.push(if is_upper { letter.to_ascii_uppercase() } else { letter });
            is_upper = false;
        }
    }
    Cow::Owned(camel)
}

/// The members of `raw` with their names in lower camel case, of which none may stand twice.
fn camel_members<'de>(
    raw: &'de RawValue,
    field: &'static str,
) -> Result<Vec<(Cow<'de, str>, &'de RawValue)>, PeekError> {
    let mut members = members(raw, field, field)?;
    for at in 0..members.len() {
        let name = camel(std::mem::take(&mut members[at].0));
        if members[..at].iter().any(|(earlier, _)| *earlier == name) {
            let field = cut(&name, QUOTED_BYTES_MAX).to_owned();
            return Err(PeekError::Duplicate { field });
        }
        members[at].0 = name;
    }
    Ok(members)
}

impl<'de> Reader<'_, 'de> {
    /// A model in the body, which must be the one that the path names.
    pub(super) fn google_model(&mut self, raw: &'de RawValue) -> Result<(), PeekError> {
        let expected = "the model that the path names";
        let model: String = typed(raw, "model", expected)?;
        let name = model.strip_prefix(RESOURCE);
        if self.asked.model != Some(name.unwrap_or(&model)) {
            return Err(PeekError::WrongType {
                field: "model",
                expected,
            });
        }
        self.body.models.push(ModelPlace {
            place: place_in(self.text, raw.get()),
            is_resource: name.is_some(),
        });
        Ok(())
    }

    /// The settings: the limit, the number of answers, and that the answer is text.
    pub(super) fn generation(&mut self, raw: &'de RawValue) -> Result<(), PeekError> {
        let place = place_in(self.text, raw.get());
        if is_null(raw) {
            self.body.limit = Limit::NoSettings(Some(place));
            return Ok(());
        }
        let members = camel_members(raw, "generationConfig")?;
        self.body.limit = Limit::Inside {
            at: place.start + 1,
            is_empty: members.is_empty(),
        };
        for (name, value) in members {
            match name.as_ref() {
                "maxOutputTokens" => {
                    self.body.limit = Limit::At(place_in(self.text, value.get()));
                    if !is_null(value) {
                        let field = "generationConfig.maxOutputTokens";
                        self.envelope.max_output = Some(whole(value, field, LIMIT_EXPECTED, MAX_OUTPUT_MAX)?);
                    }
                }
                _ if is_null(value) => {}
                "candidateCount" => self.envelope.choices = choices(value, "generationConfig.candidateCount")?,
                // Speech and images have their own rates.
                "responseModalities" => {
                    let field = "generationConfig.responseModalities";
                    let wanted: Vec<String> = typed(value, field, "a list of strings")?;
                    if wanted.iter().any(|wanted| !wanted.eq_ignore_ascii_case("text")) {
                        return Err(unpriced(field, value.get()));
                    }
                }
                "responseFormat" => self.response_format(value)?,
                // Another model than the one that was priced.
                "routingConfig" => return Err(unpriced("generationConfig.routingConfig", value.get())),
                name if ASIDE.contains(&name) => self.walk(value, Place::Aside, 2)?,
                _ => self.walk(value, Place::Json, 2)?,
            }
        }
        Ok(())
    }

    /// The format of the answer, which may be text only.
    fn response_format(&mut self, raw: &'de RawValue) -> Result<(), PeekError> {
        let field = "generationConfig.responseFormat";
        for (name, value) in camel_members(raw, field)? {
            if name != "text" && !is_null(value) {
                return Err(unpriced(field, raw.get()));
            }
        }
        self.walk(raw, Place::Json, 2)
    }

    /// Requests for vectors, each with the model and a content.
    pub(super) fn requests(&mut self, raw: &'de RawValue) -> Result<(), PeekError> {
        for request in elements(raw, "requests", "a list of requests")? {
            for (name, value) in camel_members(request, "requests")? {
                match name.as_ref() {
                    "model" => self.google_model(value)?,
                    "content" => {
                        self.count.tokens = self.count.tokens.saturating_add(MESSAGE_TOKENS);
                        self.walk(value, Place::GoogleContent, 3)?;
                    }
                    _ => self.walk(value, Place::Json, 3)?,
                }
            }
            self.has_content = true;
        }
        Ok(())
    }

    /// A whole request whose tokens are counted.
    pub(super) fn counted(&mut self, raw: &'de RawValue) -> Result<(), PeekError> {
        for (name, value) in camel_members(raw, "generateContentRequest")? {
            if name == "model" && !is_null(value) {
                self.google_model(value)?;
            } else {
                self.walk(value, Place::Aside, 2)?;
            }
        }
        Ok(())
    }
}

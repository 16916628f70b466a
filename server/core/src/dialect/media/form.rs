//! Peek, for a form: what the pipeline must know of it.
//!
//! Invariant: as of [`peek`](super::super::peek()): what is ambiguous or has no bound is refused by name. Pure.

use super::super::bound::MESSAGE_TOKENS;
use super::super::envelope::{Envelope, MODEL_BYTES_MAX, PeekError};
use super::super::fields::{self, FREE_TIERS, Field, PRICED_TIERS, Table};
use super::super::json::cut;
use super::super::operation::Operation;
use super::multipart::{Multipart, Part};
use super::{Given, judge};
use std::borrow::Cow;

/// How much of a value a refusal quotes, in bytes.
const QUOTED_MAX: usize = 64;
/// Fields that may be given more than once: each is one more.
const REPEATED: [&str; 2] = ["image", "images"];

/// What the pipeline must know of `form`, which asks for `operation`.
///
/// # Errors
/// [`PeekError`] where it is no such request, or cannot be priced.
pub fn peek_form(operation: Operation, form: &Multipart) -> Result<Envelope, PeekError> {
    let table = fields::table(operation);
    let mut envelope = Envelope {
        choices: 1,
        ..Envelope::default()
    };
    let mut given: Vec<(Cow<'_, str>, Given<'_>)> = Vec::new();
    let mut tokens = MESSAGE_TOKENS;
    for (at, part) in form.parts.iter().enumerate() {
        check_name(table, part, &form.parts[..at])?;
        let field = table.field(&part.name);
        match field {
            Field::Model => envelope.model = model(part)?,
            Field::Stream => envelope.stream = is_true(part)?,
            Field::ServiceTier if !part.text.is_empty() => envelope.service_tier = Some(tier(part)?),
            Field::ServiceTier => {}
            _ if part.is_file => given.push((
                Cow::Borrowed(&part.name),
                Given::File {
                    bytes: part.place.end - part.place.start,
                    head: part.head.bytes(),
                },
            )),
            Field::Media => given.push((Cow::Borrowed(&part.name), Given::Text(&part.text))),
            Field::Aside => {}
            _ => {
                priced(table, part)?;
                tokens = tokens.saturating_add((part.name.len() + part.text.len()) as u64);
            }
        }
    }
    if envelope.model.is_empty() {
        return Err(PeekError::Missing { field: "model" });
    }
    let judged = judge(operation, &given, &mut envelope)?;
    envelope.input_bound = tokens.saturating_add(judged);
    Ok(envelope)
}

/// Refuses a name that was there `before`, or only looks like one of ours.
fn check_name(table: &Table, part: &Part, before: &[Part]) -> Result<(), PeekError> {
    let name = part.name.as_str();
    let may_repeat = name.ends_with("[]") || REPEATED.contains(&name);
    if !may_repeat && before.iter().any(|earlier| earlier.name == name) {
        return Err(PeekError::Duplicate {
            field: cut(name, QUOTED_MAX).to_owned(),
        });
    }
    match table.lookalike(name) {
        Some(known) if table.field(name) == Field::Other => Err(PeekError::Lookalike {
            field: cut(name, QUOTED_MAX).to_owned(),
            known,
        }),
        _ => Ok(()),
    }
}

fn wrong(field: &'static str, expected: &'static str) -> PeekError {
    PeekError::WrongType { field, expected }
}

fn model(part: &Part) -> Result<String, PeekError> {
    let model = &part.text;
    if part.is_file || model.is_empty() || model.len() > MODEL_BYTES_MAX || model.chars().any(char::is_control) {
        let expected = "a string of 1 to 256 bytes without control characters";
        return Err(wrong("model", expected));
    }
    Ok(model.clone())
}

fn is_true(part: &Part) -> Result<bool, PeekError> {
    match part.text.as_str() {
        "true" | "True" | "1" if !part.is_file => Ok(true),
        "false" | "False" | "0" | "" if !part.is_file => Ok(false),
        _ => Err(wrong("stream", "true or false")),
    }
}

/// A class of service at the standard price, or one that may have another.
fn tier(part: &Part) -> Result<String, PeekError> {
    let mut known = FREE_TIERS.iter().chain(PRICED_TIERS);
    if !part.is_file && known.any(|tier| *tier == part.text) {
        return Ok(part.text.clone());
    }
    Err(unpriced("service_tier", &part.text))
}

/// Refuses a field whose value changes the price.
fn priced(table: &Table, part: &Part) -> Result<(), PeekError> {
    match table.priced_field(&part.name) {
        Some(priced) if !part.text.is_empty() && !priced.free.contains(&part.text.as_str()) => {
            Err(unpriced(priced.name, &part.text))
        }
        _ => Ok(()),
    }
}

fn unpriced(field: &'static str, value: &str) -> PeekError {
    PeekError::Unpriced {
        field,
        value: cut(value, QUOTED_MAX).to_owned(),
    }
}

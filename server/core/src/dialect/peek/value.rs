//! Small values of a request: what they must be, and which of them change the price.
//!
//! Invariant: a value of another type is refused by its field's name; a price that nobody stated is never taken on. Pure.
//! Wire facts: the API references of OpenAI and Anthropic.

use super::super::envelope::{CHOICES_MAX, FIELDS_MAX, PeekError};
use super::super::fields::{FREE_TIERS, FREE_TTLS, LONG_TTLS, PRICED_TIERS};
use super::super::json::{Elements, Members, cut, is_null};
use super::super::operation::Operation;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::RangeInclusive;

pub(super) const QUOTED_BYTES_MAX: usize = 64;
pub(super) const MODEL_EXPECTED: &str = "a string of 1 to 256 bytes without control characters";
const CHOICES_EXPECTED: &str = "a whole number from 1 to 128";

pub(super) fn unpriced(field: &'static str, value: &str) -> PeekError {
    PeekError::Unpriced {
        field,
        value: cut(value, QUOTED_BYTES_MAX).to_owned(),
    }
}

pub(super) fn typed<'de, T: serde::Deserialize<'de>>(
    raw: &'de RawValue,
    field: &'static str,
    expected: &'static str,
) -> Result<T, PeekError> {
    serde_json::from_str(raw.get()).map_err(|_| PeekError::WrongType { field, expected })
}

pub(super) fn whole(raw: &RawValue, field: &'static str, expected: &'static str, max: u64) -> Result<u64, PeekError> {
    whole_from(raw, field, expected, 1..=max)
}

pub(super) fn whole_from(
    raw: &RawValue,
    field: &'static str,
    expected: &'static str,
    range: RangeInclusive<u64>,
) -> Result<u64, PeekError> {
    let number: u64 = typed(raw, field, expected)?;
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(PeekError::WrongType { field, expected })
    }
}

/// The members of a small object, of which none may stand twice.
pub(super) fn members<'de>(
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

/// The id of an earlier answer, or of a conversation, which may be an object.
pub(super) fn reference(name: &str, raw: &RawValue) -> Result<String, PeekError> {
    const EXPECTED: &str = "an id";
    if name != "conversation" {
        return typed(raw, "previous_response_id", EXPECTED);
    }
    if !raw.get().starts_with('{') {
        return typed(raw, "conversation", EXPECTED);
    }
    let members = members(raw, "conversation", "conversation.id")?;
    match members.into_iter().find(|(name, _)| name == "id") {
        Some((_, id)) => typed(id, "conversation.id", EXPECTED),
        None => Err(PeekError::Missing {
            field: "conversation.id",
        }),
    }
}

/// How many answers are asked for.
pub(super) fn choices(raw: &RawValue, field: &'static str) -> Result<u64, PeekError> {
    whole(raw, field, CHOICES_EXPECTED, CHOICES_MAX)
}

/// How many answers `prompts` texts have, each `choices`.
pub(super) fn choices_of(choices: u64, prompts: u64) -> Result<u64, PeekError> {
    let all = choices.saturating_mul(prompts.max(1));
    if all <= CHOICES_MAX {
        return Ok(all);
    }
    Err(PeekError::WrongType {
        field: "prompt",
        expected: "a list for which, with “n”, at most 128 answers are given",
    })
}

/// Whether `usage` asks for a cost.
pub(super) fn include_cost(raw: &RawValue) -> Result<bool, PeekError> {
    for (name, value) in members(raw, "usage", "usage.include")? {
        if name == "include" && !is_null(value) {
            return typed(value, "usage.include", "true or false");
        }
    }
    Ok(false)
}

/// A class of service at the standard price, or one that may have another; Anthropic's API has none of those.
pub(super) fn service_tier(operation: Operation, raw: &RawValue) -> Result<String, PeekError> {
    let tier: String = typed(raw, "service_tier", "a string")?;
    let may_be_priced = operation != Operation::Messages && PRICED_TIERS.contains(&tier.as_str());
    if may_be_priced || FREE_TIERS.contains(&tier.as_str()) {
        Ok(tier)
    } else {
        Err(unpriced("service_tier", &tier))
    }
}

/// Refuses a time to live in the cache that has no price.
pub(super) fn cache_options(operation: Operation, raw: &RawValue) -> Result<(), PeekError> {
    let (field, known) = match operation {
        Operation::Messages => ("cache_control.ttl", LONG_TTLS),
        _ => ("prompt_cache_options.ttl", FREE_TTLS),
    };
    for (name, value) in members(raw, "prompt_cache_options", field)? {
        let ttl = (name == "ttl").then(|| value.get().trim_matches('"'));
        if let Some(ttl) = ttl.filter(|ttl| *ttl != "null" && !known.contains(ttl)) {
            return Err(unpriced(field, ttl));
        }
    }
    Ok(())
}

/// The tokens of `thinking.budget_tokens`; on older models they may exceed the limit on the output.
pub(super) fn thinking_budget(raw: &RawValue) -> Result<u64, PeekError> {
    let field = "thinking.budget_tokens";
    for (name, value) in members(raw, "thinking", field)? {
        if name == "budget_tokens" && !is_null(value) {
            return typed(value, field, "a whole number");
        }
    }
    Ok(0)
}

/// Refuses summaries of a long context: their tokens are billed apart, beyond every limit. What only leaves something out is free.
pub(super) fn context_management(raw: &RawValue) -> Result<(), PeekError> {
    const FIELD: &str = "context_management";
    let lists = if raw.get().starts_with('[') {
        vec![raw]
    } else {
        let members = members(raw, FIELD, FIELD)?;
        if members.iter().any(|(name, _)| name != "edits") {
            return Err(unpriced(FIELD, raw.get()));
        }
        members.into_iter().map(|(_, edits)| edits).collect()
    };
    for list in lists {
        for edit in elements(list, FIELD, "a list of edits")? {
            let members = members(edit, FIELD, "context_management.type")?;
            let kind = members.into_iter().find(|(name, _)| name == "type");
            if !kind.is_some_and(|(_, kind)| kind.get().starts_with("\"clear_")) {
                return Err(unpriced(FIELD, edit.get()));
            }
        }
    }
    Ok(())
}

/// Refuses a mode of reasoning that thinks beyond what is limited.
pub(super) fn reasoning(raw: &RawValue) -> Result<(), PeekError> {
    for (name, value) in members(raw, "reasoning", "reasoning.mode")? {
        if name == "mode" && !is_null(value) && value.get() != r#""standard""# {
            return Err(unpriced("reasoning.mode", value.get()));
        }
    }
    Ok(())
}

/// The elements of a list.
pub(super) fn elements<'de>(
    raw: &'de RawValue,
    field: &'static str,
    expected: &'static str,
) -> Result<Vec<&'de RawValue>, PeekError> {
    let Elements(elements) = typed(raw, field, expected)?;
    Ok(elements)
}

//! The counts in a `usage` of the chat dialect, made disjoint.
//!
//! Invariant: counts that are missing, negative or too large give no usage, never a wrong one. Pure.
//! Wire facts: OpenAI's API reference, and where DeepSeek, Groq, Mistral, OpenRouter, Together and xAI put the same counts.

use super::Operation;
use super::json::{Members, is_null};
use crate::usage::Usage;
use serde_json::value::RawValue;

/// Where services put the prompt tokens read from a cache, besides the details of the prompt.
const CACHE_READ: [&str; 3] = ["prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens"];

/// A count that is there but is no count.
struct Unusable;

/// The disjoint counts of `usage`; `None` where a count is missing, negative, or too large.
pub(super) fn usage_of(operation: Operation, usage: &RawValue, reasoning_excluded: bool) -> Option<Usage> {
    counts(operation, &Counts::read(Some(usage)), reasoning_excluded)
        .ok()
        .flatten()
}

fn counts(operation: Operation, usage: &Counts<'_>, reasoning_excluded: bool) -> Result<Option<Usage>, Unusable> {
    let total = usage.count("total_tokens")?;
    let prompt = usage.count("prompt_tokens")?;
    if operation == Operation::Embeddings {
        return Ok(prompt.or(total).map(|input| Usage {
            input,
            ..Usage::default()
        }));
    }
    let Some(prompt) = prompt else { return Ok(None) };
    let completion = usage.count("completion_tokens")?;
    let Some(completion) = completion.or_else(|| total?.checked_sub(prompt)) else {
        return Ok(None);
    };
    let details = usage.details("prompt_tokens_details");
    let mut cached = details.count("cached_tokens")?.unwrap_or(0);
    let spelt_otherwise = usage.details("prompt_token_details");
    cached = cached.max(spelt_otherwise.count("cached_tokens")?.unwrap_or(0));
    for name in CACHE_READ {
        cached = cached.max(usage.count(name)?.unwrap_or(0));
    }
    let reasoning = usage.details("completion_tokens_details").count("reasoning_tokens")?;
    let reasoning = reasoning.unwrap_or(0);
    let output = if reasoning_excluded {
        completion.checked_add(reasoning).ok_or(Unusable)?
    } else {
        completion
    };
    // Some services report more cached tokens than prompt tokens: what is read cannot exceed what was sent.
    let cache_read = cached.min(prompt);
    let cache_write = details
        .count("cache_write_tokens")?
        .unwrap_or(0)
        .min(prompt - cache_read);
    let input = prompt - cache_read - cache_write;
    Ok(Some(Usage {
        input,
        cache_read,
        cache_write,
        output,
        reasoning: reasoning.min(output),
    }))
}

/// An object with counts; empty where there is none.
struct Counts<'de>(Option<Members<'de>>);

impl<'de> Counts<'de> {
    fn read(raw: Option<&'de RawValue>) -> Self {
        Self(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
    }

    fn details(&self, name: &str) -> Self {
        Self::read(self.member(name))
    }

    /// Of a name that comes twice the last counts.
    fn member(&self, name: &str) -> Option<&'de RawValue> {
        let Members(members) = self.0.as_ref()?;
        let found = members.iter().rev().find(|(found, _)| found == name);
        found.map(|(_, value)| *value)
    }

    fn count(&self, name: &str) -> Result<Option<u64>, Unusable> {
        match self.member(name) {
            Some(value) if !is_null(value) => value.get().parse().map(Some).map_err(|_| Unusable),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn usage(json: &str) -> Option<Usage> {
        usage_of(Operation::Chat, serde_json::from_str(json).unwrap(), false)
    }

    #[test]
    fn counts_that_are_no_counts_give_no_usage() {
        for json in [
            "{}",
            "[]",
            "7",
            r#"{"prompt_tokens":5}"#,
            r#"{"completion_tokens":5}"#,
            r#"{"prompt_tokens":-5,"completion_tokens":1}"#,
            r#"{"prompt_tokens":5,"completion_tokens":-1}"#,
            r#"{"prompt_tokens":5.5,"completion_tokens":1}"#,
            r#"{"prompt_tokens":"5","completion_tokens":1}"#,
            r#"{"prompt_tokens":18446744073709551616,"completion_tokens":1}"#,
            r#"{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-1}}"#,
            r#"{"prompt_tokens":9,"total_tokens":5}"#,
        ] {
            assert_eq!(usage(json), None, "{json}");
        }
    }

    #[test]
    fn counts_of_any_size_are_disjoint() {
        let found = usage(
            r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615,
                "prompt_tokens_details":{"cached_tokens":18446744073709551615,"cache_write_tokens":18446744073709551615},
                "completion_tokens_details":{"reasoning_tokens":18446744073709551615}}"#,
        );
        let expected = Usage {
            cache_read: u64::MAX,
            output: u64::MAX,
            reasoning: u64::MAX,
            ..Usage::default()
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn reasoning_outside_of_the_completion_is_added() {
        let json = r#"{"prompt_tokens":10,"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":40}}"#;
        let value: &RawValue = serde_json::from_str(json).unwrap();
        assert_eq!(
            usage_of(Operation::Chat, value, true).map(|usage| usage.output),
            Some(43)
        );
        assert_eq!(
            usage_of(Operation::Chat, value, false).map(|usage| usage.output),
            Some(3)
        );
        let huge = r#"{"prompt_tokens":1,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":18446744073709551615}}"#;
        assert_eq!(
            usage_of(Operation::Chat, serde_json::from_str(huge).unwrap(), true),
            None
        );
    }
}

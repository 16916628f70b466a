//! The counts in a `usage` of the chat dialect, made disjoint.
//!
//! Invariant: counts that are missing, negative or too large give no usage, never a wrong one. Pure.
//! Wire facts: OpenAI's API reference, and where DeepSeek, Groq, Mistral, OpenRouter, Together and xAI put the same counts.

use super::Operation;
use crate::usage::Usage;
use serde_json::Value;

/// Where services put the prompt tokens read from a cache.
const CACHE_READ: &[&str] = &[
    "/prompt_tokens_details/cached_tokens",
    "/prompt_token_details/cached_tokens",
    "/prompt_cache_hit_tokens",
    "/num_cached_tokens",
    "/cached_tokens",
];
const CACHE_WRITE: &str = "/prompt_tokens_details/cache_write_tokens";
const REASONING: &str = "/completion_tokens_details/reasoning_tokens";

/// A count that is there but is no count.
struct Unusable;

/// The disjoint counts of `usage`; `None` where a count is missing, negative, or too large.
pub(super) fn usage_of(operation: Operation, usage: &Value, reasoning_excluded: bool) -> Option<Usage> {
    counts(operation, usage, reasoning_excluded).ok().flatten()
}

fn counts(operation: Operation, usage: &Value, reasoning_excluded: bool) -> Result<Option<Usage>, Unusable> {
    let total = count(usage, "/total_tokens")?;
    let prompt = count(usage, "/prompt_tokens")?;
    if operation == Operation::Embeddings {
        return Ok(prompt.or(total).map(|input| Usage {
            input,
            ..Usage::default()
        }));
    }
    let Some(prompt) = prompt else { return Ok(None) };
    let completion = count(usage, "/completion_tokens")?;
    let Some(completion) = completion.or_else(|| total?.checked_sub(prompt)) else {
        return Ok(None);
    };
    let mut cached = 0;
    for pointer in CACHE_READ {
        cached = cached.max(count(usage, pointer)?.unwrap_or(0));
    }
    let reasoning = count(usage, REASONING)?.unwrap_or(0);
    let output = if reasoning_excluded {
        completion.checked_add(reasoning).ok_or(Unusable)?
    } else {
        completion
    };
    // Some services report more cached tokens than prompt tokens: what is read cannot exceed what was sent.
    let cache_read = cached.min(prompt);
    let cache_write = count(usage, CACHE_WRITE)?.unwrap_or(0).min(prompt - cache_read);
    let input = prompt - cache_read - cache_write;
    Ok(Some(Usage {
        input,
        cache_read,
        cache_write,
        output,
        reasoning: reasoning.min(output),
    }))
}

fn count(usage: &Value, pointer: &str) -> Result<Option<u64>, Unusable> {
    match usage.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(Unusable),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn usage(json: &str) -> Option<Usage> {
        usage_of(Operation::Chat, &serde_json::from_str(json).unwrap(), false)
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
        let value = serde_json::from_str(json).unwrap();
        assert_eq!(
            usage_of(Operation::Chat, &value, true).map(|usage| usage.output),
            Some(43)
        );
        assert_eq!(
            usage_of(Operation::Chat, &value, false).map(|usage| usage.output),
            Some(3)
        );
        let huge = r#"{"prompt_tokens":1,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":18446744073709551615}}"#;
        assert_eq!(
            usage_of(Operation::Chat, &serde_json::from_str(huge).unwrap(), true),
            None
        );
    }
}

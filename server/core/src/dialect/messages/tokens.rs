//! Counts of tokens as they are written.
//!
//! Invariant: the kinds are disjoint and add up to all that was counted. Pure.
//! Wire facts: Anthropic's API reference, "Usage".

use crate::usage::Usage;
use serde::Serialize;

/// The `usage` of a message.
#[derive(Debug, Serialize)]
pub(super) struct Tokens {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: Written,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<String>,
}

#[derive(Debug, Serialize)]
struct Written {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Serialize)]
struct Details {
    thinking_tokens: u64,
}

impl Tokens {
    /// `usage`, or zeros where it is not known, served in `tier`.
    pub(super) fn of(usage: Option<&Usage>, tier: Option<&str>) -> Self {
        let usage = usage.copied().unwrap_or_default();
        let written = usage.cache_write.saturating_add(usage.cache_write_long);
        let read = usage.cache_read.saturating_add(usage.cache_read_audio);
        Self {
            input_tokens: usage.prompt().saturating_sub(written.saturating_add(read)),
            cache_creation_input_tokens: written,
            cache_read_input_tokens: read,
            cache_creation: Written {
                ephemeral_5m_input_tokens: usage.cache_write,
                ephemeral_1h_input_tokens: usage.cache_write_long,
            },
            output_tokens: usage.answer(),
            output_tokens_details: (usage.reasoning > 0).then_some(Details {
                thinking_tokens: usage.reasoning,
            }),
            service_tier: tier.map(|tier| match tier {
                "default" | "auto" => "standard".to_owned(),
                other => other.to_owned(),
            }),
        }
    }
}

//! The fields of Anthropic's Messages.
//!
//! Invariant: what changes the price is in the ceiling or refused by name. Pure.
//! Wire facts: Anthropic's API reference and SDK types.

use super::super::place::Place;
use super::{Field, Table, priced};

/// See the module.
pub(super) const MESSAGES: Table = Table {
    content: Some("messages"),
    owned: &[
        ("model", Field::Model),
        ("messages", Field::Content(Place::Turns)),
        ("system", Field::Walked(Place::Blocks)),
        ("stream", Field::Stream),
        ("max_tokens", Field::Limit),
        ("tools", Field::Tools),
        ("tool_choice", Field::ToolChoice),
        ("usage", Field::Usage),
        ("service_tier", Field::ServiceTier),
        ("cache_control", Field::CacheOptions),
        ("thinking", Field::Thinking),
        ("context_management", Field::ContextManagement),
    ],
    priced: &[
        priced("speed", &[r#""standard""#]),
        priced("inference_geo", &[r#""global""#]),
        // Code that runs at the provider, by the hour.
        priced("container", &[]),
        priced("mcp_servers", &["[]"]),
        // Another model than the one that was priced.
        priced("fallbacks", &["[]"]),
        priced("fallback_credit_token", &[]),
        // Summaries, billed apart.
        priced("compaction", &[]),
        priced("billing_policy", &[]),
        // The header of this name, as Bedrock has it in the body: a longer context at another price may be among them.
        priced("anthropic_beta", &["[]"]),
        // Text at the provider that nobody here has seen.
        priced("thread", &[]),
    ],
    aside: &["metadata", "stop_sequences", "temperature", "top_k", "top_p"],
};

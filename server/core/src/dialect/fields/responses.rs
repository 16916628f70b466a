//! The fields of OpenAI's Responses.
//!
//! Invariant: what changes the price is in the ceiling or refused by name. Pure.
//! Wire facts: OpenAI's API reference and SDK types.

use super::super::place::Place;
use super::{Field, Priced, Table, priced};

/// What is priced of a conversation made shorter: a stream of it is read by nobody.
const PRICED_COMPACT: &[Priced] = &[
    priced("stream", &["false"]),
    // Answers later, at another price, and is fetched by its id.
    priced("background", &["false"]),
    priced("background_options", &[]),
    // A template at the provider, with tools and text that nobody here has seen.
    priced("prompt", &[]),
    priced("models", &["[]"]),
    priced("plugins", &["[]"]),
    priced("speed", &[r#""standard""#]),
    priced("modalities", &[r#"["text"]"#]),
    priced("audio", &[]),
];
/// What is priced of an answer, which may be streamed.
const PRICED: &[Priced] = PRICED_COMPACT.split_at(1).1;

const ASIDE: &[&str] = &[
    "client_metadata",
    "include",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "stream_options",
    "temperature",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// An answer.
pub(super) const RESPONSES: Table = Table {
    content: Some("input"),
    owned: &[
        ("model", Field::Model),
        ("input", Field::Content(Place::Items)),
        ("instructions", Field::Walked(Place::ItemContent)),
        ("stream", Field::Stream),
        ("max_output_tokens", Field::Limit),
        ("tools", Field::Tools),
        ("tool_choice", Field::ToolChoice),
        ("max_tool_calls", Field::ToolCalls),
        ("usage", Field::Usage),
        ("service_tier", Field::ServiceTier),
        ("prompt_cache_options", Field::CacheOptions),
        ("previous_response_id", Field::State),
        ("conversation", Field::State),
        ("store", Field::Store),
        ("reasoning", Field::Reasoning),
        ("context_management", Field::ContextManagement),
    ],
    priced: PRICED,
    aside: ASIDE,
};
/// A conversation made shorter: it may stand in an earlier answer alone, and neither streams nor has a limit.
pub(super) const COMPACT: Table = Table {
    content: None,
    owned: &[
        ("model", Field::Model),
        ("input", Field::Walked(Place::Items)),
        ("instructions", Field::Walked(Place::ItemContent)),
        ("tools", Field::Tools),
        ("tool_choice", Field::ToolChoice),
        ("max_tool_calls", Field::ToolCalls),
        ("service_tier", Field::ServiceTier),
        ("prompt_cache_options", Field::CacheOptions),
        ("previous_response_id", Field::State),
        ("reasoning", Field::Reasoning),
    ],
    priced: PRICED_COMPACT,
    aside: ASIDE,
};
/// A count of what an answer would read: nothing of it has a price, but an earlier answer is kept by one account alone.
pub(super) const COUNT: Table = Table {
    content: None,
    owned: &[
        ("model", Field::Model),
        ("previous_response_id", Field::State),
        ("conversation", Field::State),
    ],
    priced: &[],
    aside: &[],
};

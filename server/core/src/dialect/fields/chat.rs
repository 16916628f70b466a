//! The fields of OpenAI's chat, completions, embeddings and moderations.
//!
//! Invariant: what changes the price is in the ceiling or refused by name. Pure.
//! Wire facts: OpenAI's API reference, and the fields of compatible services.

use super::super::place::Place;
use super::{Field, Priced, Table, priced};

/// The table: refused unless the value is one of the free ones.
pub(super) const PRICED: &[Priced] = &[
    // More answers than are returned are generated and billed.
    priced("best_of", &["1"]),
    // Speech and images have their own rates.
    priced("modalities", &[r#"["text"]"#]),
    priced("audio", &[]),
    // Searches at the provider: a fee per call, and results billed as input.
    priced("web_search_options", &[]),
    priced("search_parameters", &[r#"{"mode":"off"}"#]),
    priced("search_settings", &[]),
    priced("enable_search", &["false"]),
    priced("plugins", &["[]"]),
    priced("mcp_servers", &["[]"]),
    priced("compound_custom", &[]),
    // Another model than the one that was priced.
    priced("models", &["[]"]),
    priced("preset", &[]),
    // Faster, or at a place that costs more.
    priced("speed", &[r#""standard""#]),
    priced("inference_geo", &[r#""global""#]),
];

pub(super) const OWNED: &[(&str, Field)] = &[
    ("model", Field::Model),
    ("messages", Field::Content(Place::Messages)),
    ("stream", Field::Stream),
    ("stream_options", Field::StreamOptions),
    ("max_tokens", Field::MaxTokens),
    ("max_completion_tokens", Field::MaxCompletionTokens),
    ("n", Field::Choices),
    ("tools", Field::Walked(Place::Tools)),
    ("functions", Field::Walked(Place::Tools)),
    ("prediction", Field::Prediction),
    ("usage", Field::Usage),
    ("service_tier", Field::ServiceTier),
    ("prompt_cache_options", Field::CacheOptions),
    ("cache_control", Field::CacheOptions),
];

const OWNED_EMBEDDINGS: &[(&str, Field)] = &[
    ("model", Field::Model),
    ("input", Field::Content(Place::Input)),
    ("usage", Field::Usage),
    ("service_tier", Field::ServiceTier),
];

pub(super) const ASIDE: &[&str] = &[
    "dimensions",
    "encoding_format",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "metadata",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "stop",
    "store",
    "temperature",
    "tool_choice",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
];

const OWNED_COMPLETIONS: &[(&str, Field)] = &[
    ("model", Field::Model),
    ("prompt", Field::Content(Place::Input)),
    ("suffix", Field::Walked(Place::Text)),
    ("stream", Field::Stream),
    ("stream_options", Field::StreamOptions),
    ("max_tokens", Field::Limit),
    ("n", Field::Choices),
    ("usage", Field::Usage),
    ("service_tier", Field::ServiceTier),
];

/// Chat Completions.
pub(super) const CHAT: Table = Table {
    content: Some("messages"),
    owned: OWNED,
    priced: PRICED,
    aside: ASIDE,
};
/// Embeddings.
pub(super) const EMBEDDINGS: Table = Table {
    content: Some("input"),
    owned: OWNED_EMBEDDINGS,
    priced: PRICED,
    aside: ASIDE,
};
/// The older Completions.
pub(super) const COMPLETIONS: Table = Table {
    content: Some("prompt"),
    owned: OWNED_COMPLETIONS,
    priced: PRICED,
    aside: ASIDE,
};
/// Moderations, and counting for Anthropic's dialect: free of charge, so that only the model matters.
pub(super) const FREE: Table = Table {
    content: None,
    owned: &[("model", Field::Model)],
    priced: &[],
    aside: &[],
};

//! The top-level fields of a chat or embeddings request that we know, and which of them change its price.
//!
//! Invariant: a field that changes the price is in the ceiling or refused by name; a name that some parsers would take for one of ours
//! (Go's compares without case) is refused. Pure.

use super::Operation;

/// What a top-level field is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The model asked for.
    Model,
    /// The messages of a chat.
    Messages,
    /// The texts to embed.
    Input,
    /// Whether the answer is streamed.
    Stream,
    /// How it is streamed.
    StreamOptions,
    /// The older name of the limit on the output.
    MaxTokens,
    /// The newer one.
    MaxCompletionTokens,
    /// How many answers.
    Choices,
    /// Tools, each billed with a preamble; those that run at the provider are refused.
    Tools,
    /// Tools in their older form.
    Functions,
    /// Text the answer is expected to repeat; what of it is wrong is billed as output.
    Prediction,
    /// OpenRouter's way to ask for a cost in the usage.
    Usage,
    /// Which class of service, with its price.
    ServiceTier,
    /// Marks of what to cache, with a time to live that has a price.
    CacheOptions,
    /// No part of the prompt and without a price.
    Aside,
    /// Not known: passed on, and counted as if it were prompt.
    Other,
}

/// A field that changes the price in a way no price row describes.
pub(super) struct Priced {
    /// Its name.
    pub name: &'static str,
    /// The values, as compact JSON, with which the price stays as it is; `null` always is one.
    pub free: &'static [&'static str],
}

/// Which values of `service_tier` are the standard price.
pub(super) const FREE_TIERS: &[&str] = &["auto", "default", "standard", "standard_only", "on_demand"];
/// The times to live of a cache entry that `cache_write` is the price of.
pub(super) const FREE_TTLS: &[&str] = &["5m", "30m"];
/// The kinds of tool that run at the client, and so cost nothing but their tokens.
pub(super) const FREE_TOOLS: &[&str] = &["function", "custom"];

/// The table: refused unless the value is one of the free ones.
const PRICED: &[Priced] = &[
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

const OWNED: &[(&str, Field)] = &[
    ("model", Field::Model),
    ("messages", Field::Messages),
    ("stream", Field::Stream),
    ("stream_options", Field::StreamOptions),
    ("max_tokens", Field::MaxTokens),
    ("max_completion_tokens", Field::MaxCompletionTokens),
    ("n", Field::Choices),
    ("tools", Field::Tools),
    ("functions", Field::Functions),
    ("prediction", Field::Prediction),
    ("usage", Field::Usage),
    ("service_tier", Field::ServiceTier),
    ("prompt_cache_options", Field::CacheOptions),
    ("cache_control", Field::CacheOptions),
];

const OWNED_EMBEDDINGS: &[(&str, Field)] = &[
    ("model", Field::Model),
    ("input", Field::Input),
    ("usage", Field::Usage),
    ("service_tier", Field::ServiceTier),
];

const ASIDE: &[&str] = &[
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

const fn priced(name: &'static str, free: &'static [&'static str]) -> Priced {
    Priced { name, free }
}

const fn owned(operation: Operation) -> &'static [(&'static str, Field)] {
    match operation {
        Operation::Chat => OWNED,
        Operation::Embeddings => OWNED_EMBEDDINGS,
    }
}

/// What the field called `name` is.
pub(super) fn field(operation: Operation, name: &str) -> Field {
    if let Some((_, field)) = owned(operation).iter().find(|(known, _)| *known == name) {
        return *field;
    }
    if ASIDE.contains(&name) {
        Field::Aside
    } else {
        Field::Other
    }
}

/// The row of the table for `name`.
pub(super) fn priced_field(name: &str) -> Option<&'static Priced> {
    PRICED.iter().find(|priced| priced.name == name)
}

/// The field that `name`, which is not spelt like it, would be to a parser that ignores case.
pub(super) fn lookalike(operation: Operation, name: &str) -> Option<&'static str> {
    let same = |known: &&str| *known != name && folds_to(name, known);
    let priced = PRICED.iter().map(|priced| priced.name);
    owned(operation)
        .iter()
        .map(|(known, _)| *known)
        .chain(priced)
        .find(|known| same(known))
}

/// Whether `name` in lower case is `known`; the Kelvin sign and the long s fold as Unicode says.
fn folds_to(name: &str, known: &str) -> bool {
    let folded = name.chars().map(|letter| match letter {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(known.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_look_like_ours() {
        for name in ["Model", "MODEL", "meſſages", "ſtream", "Best_Of", "N"] {
            assert!(lookalike(Operation::Chat, name).is_some(), "{name}");
        }
        for name in ["model", "n", "best_of", "models2", "model "] {
            assert_eq!(lookalike(Operation::Chat, name), None, "{name}");
        }
    }

    #[test]
    fn no_name_stands_in_two_tables() {
        let names = OWNED.iter().map(|(name, _)| *name).chain(ASIDE.iter().copied());
        let mut names: Vec<&str> = names.chain(PRICED.iter().map(|priced| priced.name)).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

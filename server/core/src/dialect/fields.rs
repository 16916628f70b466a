//! The top-level fields of a request that we know, and which of them change its price.
//!
//! Invariant: a field that changes the price is in the ceiling or refused by name; a name that some parsers would take for one of ours
//! (Go's compares without case) is refused. Pure.

mod chat;
mod generate;
mod media;
mod messages;
mod responses;

use super::Operation;
use super::place::Place;

/// What a top-level field is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The model asked for.
    Model,
    /// What the request is about, without which there is none.
    Content(Place),
    /// Something else that is large.
    Walked(Place),
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
    /// The limit on the output, of a dialect that has one name for it.
    Limit,
    /// Tools, each billed with a preamble; those that run at the provider are left out, or bounded.
    Tools,
    /// Which tool must be called.
    ToolChoice,
    /// How many calls of tools may run at the provider.
    ToolCalls,
    /// Google's settings, the limit and the number of answers among them.
    Generation,
    /// Google's requests for vectors, each with its model.
    Requests,
    /// Google's request whose tokens are counted, with its model.
    Counted,
    /// What only the account that answered before knows.
    State,
    /// Whether the upstream keeps the answer.
    Store,
    /// Anthropic's thinking: on older models its budget can exceed the limit.
    Thinking,
    /// What is done to a long context; summaries are billed apart.
    ContextManagement,
    /// How OpenAI's models reason.
    Reasoning,
    /// Text the answer is expected to repeat; what of it is wrong is billed as output.
    Prediction,
    /// OpenRouter's way to ask for a cost in the usage.
    Usage,
    /// Which class of service, with its price.
    ServiceTier,
    /// Marks of what to cache, with a time to live that has a price.
    CacheOptions,
    /// What decides the price of an operation that may be priced by other units than tokens; judged together with its like.
    Media,
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
pub(super) const FREE_TIERS: &[&str] = &[
    "auto",
    "default",
    "standard",
    "standard_only",
    "on_demand",
    "SERVICE_TIER_STANDARD",
];
/// Those that have a price of their own where the model's price says so.
pub(super) const PRICED_TIERS: &[&str] = &["flex", "priority", "fast", "SERVICE_TIER_FLEX", "SERVICE_TIER_PRIORITY"];
/// The times to live of a cache entry that `cache_write` is the price of.
pub(super) const FREE_TTLS: &[&str] = &["5m", "30m"];
/// Those of Anthropic: the ceiling counts with the dearest, and usage tells them apart.
pub(super) const LONG_TTLS: &[&str] = &["5m", "1h"];
/// The kinds of tool that run at the client, and so cost nothing but their tokens.
pub(super) const FREE_TOOLS: &[&str] = &["function", "custom"];
/// Those that items of Responses bring along.
pub(super) const FREE_ITEM_TOOLS: &[&str] = &["function", "custom", "namespace", "local_shell", "apply_patch"];

/// What is known of the fields of an operation.
pub(super) struct Table {
    /// The field without which there is no request.
    pub content: Option<&'static str>,
    /// The fields that are read.
    pub owned: &'static [(&'static str, Field)],
    /// Refused unless the value is one of the free ones.
    pub priced: &'static [Priced],
    /// Checked, not counted.
    pub aside: &'static [&'static str],
}

const fn priced(name: &'static str, free: &'static [&'static str]) -> Priced {
    Priced { name, free }
}

/// The table of `operation`.
pub(super) const fn table(operation: Operation) -> &'static Table {
    match operation {
        Operation::Chat => &chat::CHAT,
        Operation::Embeddings => &chat::EMBEDDINGS,
        Operation::Completions => &chat::COMPLETIONS,
        Operation::Moderations | Operation::CountTokens => &chat::FREE,
        Operation::Responses => &responses::RESPONSES,
        Operation::Compact => &responses::COMPACT,
        Operation::CountResponses => &responses::COUNT,
        Operation::Messages => &messages::MESSAGES,
        Operation::Generate => &generate::GENERATE,
        Operation::CountGenerate => &generate::COUNT,
        Operation::EmbedContent => &generate::EMBED,
        Operation::BatchEmbedContents => &generate::BATCH_EMBED,
        Operation::Rerank => &media::RERANK,
        Operation::ImageGenerations | Operation::ImageEdits => &media::IMAGES,
        Operation::Speech => &media::SPEECH,
        Operation::Transcriptions | Operation::Translations => &media::HEARD,
    }
}

impl Table {
    /// What the field called `name` is.
    pub(super) fn field(&self, name: &str) -> Field {
        if let Some((_, field)) = self.owned.iter().find(|(known, _)| *known == name) {
            return *field;
        }
        if self.aside.contains(&name) {
            Field::Aside
        } else {
            Field::Other
        }
    }

    /// The row for `name` among those that change the price.
    pub(super) fn priced_field(&self, name: &str) -> Option<&'static Priced> {
        self.priced.iter().find(|priced| priced.name == name)
    }

    /// The field that `name`, which is not spelt like it, would be to a parser that ignores case.
    pub(super) fn lookalike(&self, name: &str) -> Option<&'static str> {
        let same = |known: &&str| *known != name && folds_to(name, known);
        let priced = self.priced.iter().map(|priced| priced.name);
        self.owned
            .iter()
            .map(|(known, _)| *known)
            .chain(priced)
            .find(|known| same(known))
    }
}

/// Whether `name` and `known` are the same without case; the Kelvin sign and the long s fold as Unicode says.
fn folds_to(name: &str, known: &str) -> bool {
    let folded = name.chars().map(|letter| match letter {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(known.chars().map(|letter| letter.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_look_like_ours() {
        let chat = table(Operation::Chat);
        for name in ["Model", "MODEL", "meſſages", "ſtream", "Best_Of", "N"] {
            assert!(chat.lookalike(name).is_some(), "{name}");
        }
        for name in ["model", "n", "best_of", "models2", "model "] {
            assert_eq!(chat.lookalike(name), None, "{name}");
        }
        assert_eq!(
            table(Operation::Generate).lookalike("generationconfig"),
            Some("generationConfig")
        );
    }

    #[test]
    fn no_name_stands_in_two_tables() {
        for operation in Operation::ALL {
            let table = table(operation);
            let names = table
                .owned
                .iter()
                .map(|(name, _)| *name)
                .chain(table.aside.iter().copied());
            let mut names: Vec<&str> = names.chain(table.priced.iter().map(|priced| priced.name)).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{operation:?}");
        }
    }
}

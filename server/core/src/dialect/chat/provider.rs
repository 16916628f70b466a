//! What is peculiar about how providers speak the chat dialect in requests.
//!
//! Invariant: a provider nobody knows is spoken to as most compatible services are. Pure.
//! Wire facts: the providers' API references and their AI SDK packages, November 2026.

use super::super::turn::hash;

/// Where an assistant's earlier thoughts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thoughts {
    /// Nowhere.
    Dropped,
    /// In this field, in words.
    Field(&'static str),
    /// In `reasoning` and `reasoning_details`.
    Details,
    /// In parts of type `thinking`.
    Parts,
}

/// How thinking is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// By `reasoning_effort`, of these at most: least, most.
    Effort,
    /// By `reasoning_effort`, `none` or `high`.
    NoneOrHigh,
    /// By `reasoning_effort`, from `low` to `high`, or `none`.
    LowToHigh,
    /// By `thinking`, which is on or off, and `reasoning_effort`.
    Switch,
    /// By `reasoning`.
    Object,
}

/// How a provider wants its requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Whether it has all that OpenAI has: developers, custom and allowed tools, labels.
    pub is_openai: bool,
    /// Where earlier thoughts go.
    pub thoughts: Thoughts,
    /// How thinking is asked for.
    pub asking: Asking,
    /// The field of the seed.
    pub seed: &'static str,
    /// Whether it takes `top_k`.
    pub takes_top_k: bool,
    /// Whether functions may be strict.
    pub takes_strict: bool,
    /// Whether content must be one text where it is text.
    pub wants_texts: bool,
    /// Whether parts may carry `cache_control`.
    pub takes_cache_marks: bool,
    /// Whether it is Mistral, which knows no names, few fields, and ids of nine characters.
    pub is_mistral: bool,
    /// Whether it is one whose ways are known here.
    pub is_known: bool,
}

const COMPATIBLE: Manner = Manner {
    is_openai: false,
    thoughts: Thoughts::Field("reasoning_content"),
    asking: Asking::Effort,
    seed: "seed",
    takes_top_k: true,
    takes_strict: true,
    wants_texts: false,
    takes_cache_marks: false,
    is_mistral: false,
    is_known: true,
};

impl Manner {
    /// How the provider with the id `provider` wants its requests.
    pub(super) fn of(provider: &str) -> Self {
        match provider {
            "openai" | "azure" => Self {
                is_openai: true,
                thoughts: Thoughts::Dropped,
                takes_top_k: false,
                ..COMPATIBLE
            },
            "mistral" => Self {
                thoughts: Thoughts::Parts,
                asking: Asking::NoneOrHigh,
                seed: "random_seed",
                takes_top_k: false,
                takes_strict: false,
                is_mistral: true,
                ..COMPATIBLE
            },
            "groq" => Self {
                thoughts: Thoughts::Field("reasoning"),
                asking: Asking::LowToHigh,
                takes_top_k: false,
                ..COMPATIBLE
            },
            "deepseek" => Self {
                asking: Asking::Switch,
                takes_top_k: false,
                takes_strict: false,
                wants_texts: true,
                ..COMPATIBLE
            },
            "xai" => Self {
                thoughts: Thoughts::Dropped,
                takes_top_k: false,
                takes_strict: false,
                ..COMPATIBLE
            },
            "openrouter" => Self {
                thoughts: Thoughts::Details,
                asking: Asking::Object,
                takes_cache_marks: true,
                ..COMPATIBLE
            },
            "anthropic" => Self {
                thoughts: Thoughts::Dropped,
                takes_top_k: false,
                takes_cache_marks: true,
                ..COMPATIBLE
            },
            _ => Self {
                is_known: false,
                ..COMPATIBLE
            },
        }
    }
}

/// `id` as Mistral wants the ids of calls: nine letters and digits, the same for the same id.
pub(super) fn nine_letters(id: &str) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    // Mixed, so that ids which differ in their end differ everywhere.
    let mut hash = hash(id);
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^= hash >> 29;
    (0..9)
        .map(|_| {
            let letter = usize::try_from(hash % 62).unwrap_or(0);
            hash /= 62;
            LETTERS.get(letter).copied().map_or('A', char::from)
        })
        .collect()
}

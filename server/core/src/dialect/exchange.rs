//! The hub: requests, replies and streams in no dialect, as items in the order in which they were said.
//!
//! Invariant: whatever two dialects can both say has one place here; each dialect decodes into these types and encodes from them, so that
//! translations are made of two codecs and never of a pair. Pure.
//! Why items: of the four dialects Responses' list of items is the only shape that keeps every other's order of text, thought and calls.

mod assemble;
mod blob;
mod event;
mod notes;
mod reply;
mod request;
mod rules;

pub use assemble::Assembler;
pub use blob::{Origin, pack, unpack};
pub(crate) use event::OPEN_MAX;
pub use event::{Delta, Event, Kind, Start};
pub use notes::Notes;
pub use reply::{Choice, Citation, Finish, Logprob, Output, Reply};
pub(crate) use request::full_name;
pub use request::{
    Call, CallKind, Effort, Format, Item, Message, Outcome, Part, PartKind, Reasoning, Request, Role, Sampling, Source,
    Thinking, Thought, Tool, ToolChoice,
};
pub use rules::{Rules, ThinkingRule};

/// What a client asked, as far as it shapes the answer in its dialect.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The request as it was decoded: names of tools, what a reply echoes.
    pub request: std::sync::Arc<Request>,
    /// What the reply is called where the client's dialect wants an id; without the prefix that the dialect gives it.
    pub id: String,
    /// Unix seconds.
    pub created_s: i64,
    /// Whether a stream of the generate dialect is one JSON array instead of events.
    pub is_array: bool,
}

/// What a request is encoded for.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The upstream's name of the model.
    pub model: &'a str,
    /// The limit on the output in tokens, where ours stands instead of the client's.
    pub max_output: Option<u64>,
    /// The field for it in the chat dialect.
    pub max_output_field: super::MaxOutputField,
    /// What the model takes and refuses.
    pub rules: &'a Rules,
    /// The provider's id, such as `mistral`: what is peculiar about how it speaks its dialect.
    pub provider: &'a str,
}

/// Why a request of one dialect cannot be said in another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untranslatable {
    /// The request does not follow its own dialect.
    #[error("“{field}” is not {expected}")]
    Wrong {
        /// Where, such as `messages[2].content`.
        field: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The target has nothing like it, and leaving it out would change what was asked.
    #[error("“{field}” cannot be carried to this model: {why}")]
    NoCounterpart {
        /// Where.
        field: String,
        /// Why.
        why: &'static str,
    },
}

impl Untranslatable {
    /// `field` is not `expected`.
    #[must_use]
    pub fn wrong(field: impl Into<String>, expected: &'static str) -> Self {
        Self::Wrong {
            field: field.into(),
            expected,
        }
    }

    /// `field` has no counterpart, because of `why`.
    #[must_use]
    pub fn no_counterpart(field: impl Into<String>, why: &'static str) -> Self {
        Self::NoCounterpart {
            field: field.into(),
            why,
        }
    }

    /// The field it is about, for the `param` of an error.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Wrong { field, .. } | Self::NoCounterpart { field, .. } => field,
        }
    }
}

/// An upstream's reply that does not follow its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply does not follow its dialect")]
pub struct Unreadable;

//! Dialects: the wire protocols that clients and upstreams speak: read and rewritten without being taken apart where both sides speak the
//! same, otherwise decoded into the hub and encoded from it.
//!
//! Invariant: what is not ours to change passes byte for byte; whatever changes a price is understood or refused by name. Pure.
//! Wire facts: OpenAI's API reference and SDK types (Chat Completions, Embeddings), the documented deviations of compatible services.

mod bound;
pub(crate) mod chat;
pub(crate) mod converse;
mod cost;
mod counts;
mod envelope;
mod error;
pub mod exchange;
mod fields;
pub mod frames;
pub(crate) mod generate;
mod glimpse;
mod json;
pub mod media;
pub(crate) mod messages;
mod object;
mod openai;
mod operation;
mod peek;
mod place;
pub(crate) mod responses;
mod rewrite;
mod scrub;
mod session;
pub(crate) mod sse;
mod tally;
mod turn;
mod unpack;
mod walk;

pub use bound::{IMAGE_TOKENS_MAX, MESSAGE_TOKENS, TOOL_TOKENS};
pub use cost::with_cost;
pub use envelope::{CHOICES_MAX, Envelope, FIELDS_MAX, MAX_OUTPUT_MAX, MODEL_BYTES_MAX, PeekError, Running};
pub(crate) use error::read_frame as read_error_frame;
pub use error::{ErrorBody, UpstreamError, further_of, read_error, render_error, render_stream_error, scrub_further};
pub use operation::{Asked, Hosted, Operation};
pub use peek::peek;
pub use rewrite::{Body, MaxOutputField, Rewrite};
pub use scrub::{scrub, scrub_word};
pub use session::{SESSION_HEADERS, session};
pub use sse::{EVENT_BYTES_MAX, LINE_BYTES_MAX, LineTooLong};
pub use tally::{Observed, Step, Tally};
pub use unpack::{Natives, is_of_foreign_thoughts, opened_in_place};

use serde::{Deserialize, Serialize};

/// A wire protocol, named by its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's Chat Completions and what is compatible with it.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
    /// Google's generateContent.
    Generate,
    /// Amazon Bedrock's Converse, which only upstreams speak.
    Converse,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 5] = [
        Self::Chat,
        Self::Responses,
        Self::Messages,
        Self::Generate,
        Self::Converse,
    ];

    /// Its name in rows, in the management API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Generate => "generate",
            Self::Converse => "converse",
        }
    }

    /// The dialect called `text`, or `None` where there is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_back() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::parse(dialect.as_str()), Some(dialect));
            assert_eq!(serde_json::json!(dialect), dialect.as_str());
        }
        assert_eq!(Dialect::parse("Chat"), None);
    }
}

//! Rerank, images and sound: what such a request can be billed for, whether it is written in JSON or as a form.
//!
//! Invariant: what is billed by another unit than tokens is bounded before the request is sent, and known or told afterwards; where
//! neither is so, the whole bound counts. Pure.
//! Wire facts: the API references of OpenAI, Cohere, Jina and Groq, and OpenAI's table of tokens for images.

mod ask;
mod form;
mod multipart;
mod reader;
mod sound;
mod told;
mod written;

pub(super) use ask::{Given, judge};
pub use form::peek_form;
pub use multipart::{Multipart, Piece, Scanner, boundary_of};
pub use reader::{Answer, Reader};

use crate::usage::Usage;

/// What an operation that may be priced by other units than tokens can be billed for, and how its answer is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// The most of each unit.
    pub most: Usage,
    /// What is used of each unit whatever is answered; none where only the answer tells.
    pub least: Usage,
    /// The most output tokens of one choice.
    pub output_bound: u64,
    /// How the answer is wanted.
    pub wanted: Wanted,
}

/// How the answer of such an operation is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// JSON.
    #[default]
    Json,
    /// The bare text of what was heard.
    Text,
    /// Its text as subtitles.
    Srt,
    /// Its text as subtitles for the web.
    Vtt,
    /// JSON with times, or another form that says all there is to know.
    Detailed,
    /// Sound of this content type.
    Sound(&'static str),
}

impl Wanted {
    /// What to ask for in its stead, so that the answer says for how long was listened; `None` where it says so itself.
    ///
    /// `is_timed` where that is what is billed, `tells` where a provider's plain JSON says it.
    #[must_use]
    pub const fn asked_as(self, is_timed: bool, tells: bool) -> Option<&'static str> {
        match self {
            Self::Json if is_timed && !tells => Some("verbose_json"),
            Self::Text if is_timed && !tells => Some("verbose_json"),
            Self::Text => Some("json"),
            Self::Srt | Self::Vtt if is_timed => Some("verbose_json"),
            _ => None,
        }
    }

    /// The content type of what is written anew.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Detailed => "application/json",
            Self::Text | Self::Srt => "text/plain; charset=utf-8",
            Self::Vtt => "text/vtt; charset=utf-8",
            Self::Sound(content_type) => content_type,
        }
    }
}

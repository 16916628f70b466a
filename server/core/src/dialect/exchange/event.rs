//! A stream in no dialect.
//!
//! Invariant, for decoders to keep and encoders to rely on: `Start` comes once and first; a block is opened before its deltas and closed
//! once, before its choice's `Finish`; a block's number is never used again within its choice; nothing follows `Done` or `Error`. Blocks
//! of one choice may overlap, as calls do in the chat dialect. Pure.

use super::{CallKind, Citation, Finish, Logprob};
use crate::dialect::UpstreamError;
use crate::usage::Usage;

/// How many blocks of a stream may be open at once.
pub(crate) const OPEN_MAX: usize = 1024;

/// A step of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The upstream has begun to answer.
    Start(Start),
    /// A block begins.
    Open {
        /// Of which answer, from 0.
        choice: u32,
        /// Its number within the answer, rising from 0.
        block: u32,
        /// What it is.
        kind: Kind,
    },
    /// More of a block.
    Delta {
        /// Of which answer.
        choice: u32,
        /// Of which block.
        block: u32,
        /// What.
        delta: Delta,
    },
    /// A block is whole.
    Close {
        /// Of which answer.
        choice: u32,
        /// Which.
        block: u32,
    },
    /// An answer is whole.
    Finish {
        /// Which.
        choice: u32,
        /// Why.
        reason: Finish,
    },
    /// The class of service that serves it.
    ServiceTier(String),
    /// What was used until now, everything counted; the last holds.
    Usage(Usage),
    /// The upstream went wrong; the stream is over.
    Error(UpstreamError),
    /// The stream is over as it should be.
    Done,
}

/// What an upstream says first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Its id for the reply.
    pub id: String,
    /// The model that answers.
    pub model: String,
    /// Unix seconds, where it says when.
    pub created_s: Option<i64>,
    /// What it counts of the prompt, where it says so at the start.
    pub usage: Option<Usage>,
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// A refusal in words.
    Refusal,
    /// A thought.
    Thought {
        /// The provider's id, in the responses dialect.
        id: Option<String>,
        /// Whether its words sum up what was thought.
        is_summary: bool,
        /// Whether its words are withheld.
        is_redacted: bool,
    },
    /// A call of a tool.
    Call {
        /// What its outcome refers to.
        id: String,
        /// The tool.
        name: String,
        /// The namespace of the tool.
        namespace: Option<String>,
        /// What it takes.
        kind: CallKind,
    },
    /// A picture, whose base64 comes as text.
    Image {
        /// Such as `image/png`.
        media_type: String,
    },
}

/// More of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Words of a text, a refusal, a thought; base64 of a picture.
    Text(String),
    /// Of a call's arguments.
    Arguments(String),
    /// What only the account that thought it can read; it takes the place of an earlier one of the block.
    Blob(String),
    /// Where words are from.
    Citation(Citation),
    /// How likely a token was.
    Logprob(Logprob),
}

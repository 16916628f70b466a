//! The envelope: what the pipeline knows of a request, and why a request has none.
//!
//! Invariant: a refusal is data and names the field it is about; what HTTP makes of it is decided elsewhere. Pure.

use super::media::Media;
use crate::usage::TierAsked;

/// How long a model's name may be, in bytes.
pub const MODEL_BYTES_MAX: usize = 256;
/// How many top-level fields a request may have.
pub const FIELDS_MAX: usize = 256;
/// How many answers a request may ask for.
pub const CHOICES_MAX: u64 = 128;
/// The largest limit on the output, in tokens: 2⁵³, above which not every parser reads the same number.
pub const MAX_OUTPUT_MAX: u64 = 1 << 53;

/// What the pipeline needs to know of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The model asked for.
    pub model: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the client itself asked for usage in the stream.
    pub include_usage: bool,
    /// Whether the client asked for a cost in the usage.
    pub include_cost: bool,
    /// The client's limit on the output of each choice, in tokens.
    pub max_output: Option<u64>,
    /// The answers asked for, 1 to [`CHOICES_MAX`].
    pub choices: u64,
    /// Tokens that the input can be at most, without what a model's provider adds to it.
    pub input_bound: u64,
    /// Image parts, each [`IMAGE_TOKENS_MAX`](super::IMAGE_TOKENS_MAX) of `input_bound`.
    pub images: u64,
    /// Whether the input holds something (a file, a video, earlier sound) that only the model's context bounds.
    pub is_unsized: bool,
    /// Tokens billed as output beyond the limit: those of a prediction where they are wrong, a thinking budget above the limit.
    pub prediction_bound: u64,
    /// The tokens it may think for, which a limit on the output must exceed; 0 where it sets none.
    pub thinking_budget: u64,
    /// The class of service the client named.
    pub service_tier: Option<String>,
    /// The first messages as a number: the same throughout a conversation.
    pub conversation: u64,
    /// What the client itself calls the conversation, as a number.
    pub session: Option<u64>,
    /// Whether it builds on an earlier answer, which only the account that gave it knows.
    pub needs_state: bool,
    /// The ids of what it builds on.
    pub refers_to: Vec<String>,
    /// Whether the client says that the upstream shall keep the answer, or not.
    pub stores: Option<bool>,
    /// Of rerank, images and sound: what besides tokens it can be billed for, and how its answer is wanted.
    pub media: Option<Media>,
    /// What may run at the provider, where something stays that does.
    pub hosted: Option<Running>,
    /// What was left out of the request, and why.
    pub notes: Vec<String>,
}

impl Envelope {
    /// In which service tiers it may be served.
    #[must_use]
    pub fn tier(&self) -> TierAsked {
        let word = self.service_tier.as_deref();
        word.and_then(TierAsked::spoken).unwrap_or_default()
    }
}

/// What the tools of a request that run at the provider can come to, at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Searches, each for a fee.
    pub searches: u64,
    /// How often the prompt is read, each time with what was found before.
    pub readings: u64,
    /// Searches that every answer takes without telling of them.
    pub untold: u64,
    /// The limits that were set because the client set none.
    pub notes: Vec<String>,
}

/// Why a request is refused before it is priced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeekError {
    /// The body is not JSON.
    #[error("the body is not valid JSON, at line {line}, column {column}")]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The body is not UTF-8.
    #[error("the body is not valid UTF-8, at byte {offset}")]
    NotUtf8 {
        /// From 0.
        offset: usize,
    },
    /// The body is JSON of another kind.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// The body is not a form, or not a readable one.
    #[error("the body is not readable as multipart/form-data: {reason}")]
    Form {
        /// Why.
        reason: &'static str,
    },
    /// Too many arrays and objects inside each other.
    #[error("the body is nested too deeply")]
    TooDeep,
    /// More than [`FIELDS_MAX`] fields.
    #[error("the body has more than {FIELDS_MAX} fields")]
    TooManyFields,
    /// The same field twice.
    #[error("“{field}” is given twice")]
    Duplicate {
        /// Its name.
        field: String,
    },
    /// A field that some upstreams would take for another.
    #[error("“{field}” differs from “{known}” only by case")]
    Lookalike {
        /// As it was written.
        field: String,
        /// What it would be taken for.
        known: &'static str,
    },
    /// Two fields that mean the same.
    #[error("“{first}” and “{second}” are both given")]
    Alias {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A field without which there is no request.
    #[error("“{field}” is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A value that is not what the field takes.
    #[error("“{field}” is not {expected}")]
    WrongType {
        /// Its name.
        field: &'static str,
        /// What it takes, such as `a string`.
        expected: &'static str,
    },
    /// A field that changes the price in a way this gateway does not price.
    #[error("“{field}” with the value {value} has no price here")]
    Unpriced {
        /// Its name.
        field: &'static str,
        /// The start of its value.
        value: String,
    },
}

impl PeekError {
    /// The field it is about, for the `param` of an error.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Duplicate { field } | Self::Lookalike { field, .. } => Some(field),
            Self::Alias { second, .. } => Some(second),
            Self::Missing { field } | Self::WrongType { field, .. } | Self::Unpriced { field, .. } => Some(field),
            _ => None,
        }
    }
}

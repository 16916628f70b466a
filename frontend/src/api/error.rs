//! What went wrong, for pages and for `/api/v1`: a code, a sentence, the fields concerned.
//!
//! Invariant: never carries a secret or an internal error's text. Pure.

use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

/// The kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A field is missing or wrong; see `fields`.
    Invalid,
    /// Nobody is signed in, or the token is not valid.
    Unauthenticated,
    /// Signed in, but so long ago that this needs the password once more.
    Unconfirmed,
    /// Signed in, but this needs other rights.
    Forbidden,
    /// No such thing, or it belongs to another team.
    NotFound,
    /// It collides with what exists.
    Conflict,
    /// The body is longer than the server reads.
    TooLarge,
    /// Too many tries; wait.
    Throttled,
    /// The database or the ledger does not answer.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Unconfirmed | Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Throttled => 429,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }

    /// What is said when nothing more is known.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Invalid => "Some fields need another look.",
            Self::Unauthenticated => "Log in to see this.",
            Self::Unconfirmed => "Enter your password once more, then do this again.",
            Self::Forbidden => "Your role does not allow this. Ask an owner of the team.",
            Self::NotFound => "There is nothing here.",
            Self::Conflict => "This exists already.",
            Self::TooLarge => "This is more than the server reads at once. Send less.",
            Self::Throttled => "Too many tries. Wait a minute, then try again.",
            Self::Unavailable => "The database does not answer. Nothing was changed; try again in a moment.",
            Self::Internal => "Something failed on our side. Nothing was changed.",
        }
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name, as in the form and in JSON.
    pub field: String,
    /// What was typed, and what would be right.
    pub message: String,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The kind.
    pub code: Code,
    /// A sentence for people.
    pub message: String,
    /// The fields concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
    /// The id to quote when asking for help; empty until the server fills it in.
    #[serde(default)]
    pub request_id: String,
}

impl ApiError {
    /// A refusal with the code's own sentence.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            code,
            message: code.sentence().to_owned(),
            fields: Vec::new(),
            request_id: String::new(),
        }
    }

    /// A refusal with a sentence of its own.
    #[must_use]
    pub fn because(code: Code, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::new(code)
        }
    }

    /// A refusal of one field.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(Code::Invalid);
        error.fields.push(FieldError {
            field: field.into(),
            message: message.into(),
        });
        error
    }

    /// What is wrong with `field`, if anything.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|error| error.field == field)
            .map(|error| error.message.as_str())
    }
}

impl FromServerFnError for ApiError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) | ServerFnErrorErr::Deserialization(_) => {
                Self::new(Code::Invalid)
            }
            ServerFnErrorErr::Request(_) => Self::because(
                Code::Unavailable,
                "The server does not answer. Check the connection, then try again.",
            ),
            _ => Self::new(Code::Internal),
        }
    }
}

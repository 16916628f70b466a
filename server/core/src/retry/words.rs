//! How an upstream's error is looked up in the table of errors.
//!
//! Invariant: words are compared whatever their case; a phrase inside a message counts only where the code says nothing: no client
//! puts it there. Pure.

use super::table::{STATUS_OF, TABLE};
use super::{ErrorText, Fault, Reason};

/// What an error means, whatever its provider calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The client's own doing: every account would say the same.
    Client(Fault),
    /// This account cannot take this request; another may.
    TooMuchForThisAccount(Fault),
    /// Too many requests or tokens.
    RateLimited,
    /// No capacity at the provider.
    Overloaded,
    /// It failed.
    Fails,
    /// The account does not serve the model.
    ModelMissing,
    /// The account is of no use.
    Parked(Reason),
}

/// What an error says; one of several words or phrases, in lower case, is enough.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// Its code or its type is one of these.
    Named(&'static [&'static str]),
    /// Its code is.
    Coded(&'static [&'static str]),
    /// Its message begins so.
    Begins(&'static [&'static str]),
    /// Its message ends so, but for a full stop.
    Ends(&'static [&'static str]),
    /// Its message holds one of these, and its code says nothing.
    Says(&'static [&'static str]),
    /// Whatever it says.
    Always,
}

impl When {
    fn fits(self, error: &ErrorText<'_>) -> bool {
        match self {
            Self::Named(words) => one_of(error.code, words) || one_of(error.kind, words),
            Self::Coded(words) => one_of(error.code, words),
            Self::Begins(starts) => starts.iter().any(|start| begins(error.message, start)),
            Self::Ends(ends) => ends.iter().any(|end| finishes(error.message, end)),
            Self::Says(phrases) => {
                says_nothing(error.code) && phrases.iter().any(|phrase| contains(error.message, phrase))
            }
            Self::Always => true,
        }
    }
}

/// Codes that say no more than a status does.
const VAGUE: &[&str] = &[
    "invalid_request_error",
    "invalid_argument",
    "invalid-argument",
    "bad_request",
    "badrequesterror",
    "badrequest",
    "precondition_failed",
    "permission_denied",
    "resource_exhausted",
    "validationexception",
    "forbidden",
];

/// What an error of `status` means.
pub(super) fn meaning(status: u16, error: &ErrorText<'_>) -> Meaning {
    let fits = |statuses: &[u16]| statuses.is_empty() || statuses.contains(&status);
    let mut rows = TABLE.iter();
    let row = rows.find(|row| fits(row.statuses) && row.when.fits(error));
    row.map_or(Meaning::Fails, |row| row.means)
}

/// The status that an error inside a successful answer stands for; 500 where it says nothing.
pub(super) fn status_in(error: &ErrorText<'_>) -> u16 {
    let words = [error.code, error.kind];
    let digits = words.into_iter().find_map(|word| word.parse::<u16>().ok());
    if let Some(status) = digits.filter(|status| (400..600).contains(status)) {
        return status;
    }
    let known = |word: &str| STATUS_OF.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    words.into_iter().find_map(known).map_or(500, |(_, status)| *status)
}

/// Whether `code` is none: a number, a sentence, or a word for any bad request.
fn says_nothing(code: &str) -> bool {
    code.bytes().all(|byte| byte.is_ascii_digit()) || code.contains(' ') || one_of(code, VAGUE)
}

fn one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn begins(text: &str, start: &str) -> bool {
    let head = text.trim_start().as_bytes().get(..start.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

fn finishes(text: &str, end: &str) -> bool {
    let text = text.trim_end().trim_end_matches('.').as_bytes();
    let from = text.len().checked_sub(end.len());
    from.is_some_and(|from| text[from..].eq_ignore_ascii_case(end.as_bytes()))
}

fn contains(text: &str, phrase: &str) -> bool {
    let mut windows = text.as_bytes().windows(phrase.len());
    windows.any(|window| window.eq_ignore_ascii_case(phrase.as_bytes()))
}

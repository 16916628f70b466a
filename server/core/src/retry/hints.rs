//! What an upstream's headers say about trying again and about what is left.
//!
//! Invariant: every moment lies between now and 24 hours from now; a header that makes no sense counts as absent. Pure.
//! Wire facts: `retry-after-ms` and `x-ratelimit-*` of OpenAI, Azure, Groq; `anthropic-ratelimit-*`; RFC 9110.

use super::duration::{leading_ms, millis, wait_ms};
use serde::{Deserialize, Serialize};

const REQUESTS: [&str; 2] = ["x-ratelimit-*-requests", "anthropic-ratelimit-requests-*"];
const TOKENS: [&str; 2] = ["x-ratelimit-*-tokens", "anthropic-ratelimit-tokens-*"];

/// What is left of one of an account's own limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The limit.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// When it is whole again: Unix milliseconds.
    pub reset_at_ms: Option<i64>,
}

/// What the headers of an answer say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryHints {
    /// When the upstream wants to be asked again: Unix milliseconds.
    pub retry_at_ms: Option<i64>,
    /// Whether it says that trying again makes sense.
    pub should_retry: Option<bool>,
    /// The account's request limit.
    pub requests: Window,
    /// The account's token limit.
    pub tokens: Window,
}

impl RetryHints {
    /// Reads the headers through `get`, which is asked for lower-case names, at `now_ms` (Unix milliseconds).
    pub fn read<'a>(get: impl Fn(&str) -> Option<&'a str>, now_ms: i64) -> Self {
        let after = |wait_ms: i64| now_ms.saturating_add(wait_ms);
        let retry_after_ms = get("retry-after-ms").and_then(millis);
        let retry_after = || get("retry-after").and_then(|text| wait_ms(text, now_ms));
        let window = |names: [&str; 2]| {
            let field = |field: &str| names.iter().find_map(|name| get(&name.replace('*', field)));
            let count = |name: &str| field(name).and_then(|text| text.trim().parse().ok());
            let reset_at_ms = field("reset").and_then(|text| wait_ms(text, now_ms)).map(after);
            Window {
                limit: count("limit"),
                remaining: count("remaining"),
                reset_at_ms,
            }
        };
        Self {
            retry_at_ms: retry_after_ms.or_else(retry_after).map(after),
            should_retry: get("x-should-retry").and_then(|text| text.trim().parse().ok()),
            requests: window(REQUESTS),
            tokens: window(TOKENS),
        }
    }

    /// When every limit that is used up is whole again; where none is known to be used up, and none to have anything left, the
    /// later reset.
    #[must_use]
    pub fn exhausted_until_ms(&self) -> Option<i64> {
        let windows = [self.requests, self.tokens];
        if windows.iter().any(|window| window.remaining.is_some()) {
            let used_up = windows.into_iter().filter(|window| window.remaining == Some(0));
            return used_up.filter_map(|window| window.reset_at_ms).max();
        }
        windows.into_iter().filter_map(|window| window.reset_at_ms).max()
    }
}

/// When a sentence such as "Please try again in 1.2s" says to try again: Unix milliseconds.
pub(super) fn stated_in(message: &str, now_ms: i64) -> Option<i64> {
    let lower = message.to_ascii_lowercase();
    let (_, after) = ["try again in ", "retry in "]
        .iter()
        .find_map(|phrase| lower.split_once(phrase))?;
    leading_ms(after).map(|wait_ms| now_ms.saturating_add(wait_ms))
}

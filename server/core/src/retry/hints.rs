//! What an upstream's headers say about trying again and about what is left.
//!
//! Invariant: every moment lies between now and 24 hours from now; a header that makes no sense counts as absent. Pure.
//! Wire facts: `retry-after-ms` and `x-ratelimit-*` of OpenAI, Azure, Groq, and as Mistral, Together, OpenRouter and Fireworks name
//! them; `anthropic-ratelimit-*`; RFC 9110.

use super::duration::{leading_ms, millis, wait_ms};
use serde::{Deserialize, Serialize};

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

/// The headers that say anything here, as text.
#[derive(Default)]
struct Texts<'a> {
    retry_after_ms: Option<&'a str>,
    retry_after: Option<&'a str>,
    should_retry: Option<&'a str>,
    requests: WindowTexts<'a>,
    tokens: WindowTexts<'a>,
    input_tokens: WindowTexts<'a>,
    output_tokens: WindowTexts<'a>,
}

#[derive(Default)]
struct WindowTexts<'a> {
    limit: Option<&'a str>,
    remaining: Option<&'a str>,
    reset: Option<&'a str>,
}

/// Which limit a header is about, by what stands around its part: OpenAI, Azure and Groq; Anthropic; Mistral; Together and
/// OpenRouter; the draft of RateLimit header fields.
const REQUESTS: &[(&str, &str)] = &[
    ("x-ratelimit-", "-requests"),
    ("anthropic-ratelimit-requests-", ""),
    ("x-ratelimit-", "-req-minute"),
    ("x-ratelimit-", ""),
    ("ratelimit-", ""),
];
const TOKENS: &[(&str, &str)] = &[
    ("x-ratelimit-", "-tokens"),
    ("anthropic-ratelimit-tokens-", ""),
    ("x-ratelimit-", "-tokens-minute"),
    ("x-tokenlimit-", ""),
];
const INPUT_TOKENS: &[(&str, &str)] = &[
    ("anthropic-ratelimit-input-tokens-", ""),
    ("x-ratelimit-", "-tokens-prompt"),
];
const OUTPUT_TOKENS: &[(&str, &str)] = &[
    ("anthropic-ratelimit-output-tokens-", ""),
    ("x-ratelimit-", "-tokens-generated"),
];

impl<'a> Texts<'a> {
    fn place(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        match name {
            "retry-after-ms" => return Some(&mut self.retry_after_ms),
            "retry-after" => return Some(&mut self.retry_after),
            "x-should-retry" => return Some(&mut self.should_retry),
            _ if !name.contains("limit-") => return None,
            _ => {}
        }
        let windows = [
            (REQUESTS, &mut self.requests),
            (TOKENS, &mut self.tokens),
            (INPUT_TOKENS, &mut self.input_tokens),
            (OUTPUT_TOKENS, &mut self.output_tokens),
        ];
        windows.into_iter().find_map(|(names, window)| {
            let part = |(start, end): &(&str, &str)| name.strip_prefix(start)?.strip_suffix(end);
            names
                .iter()
                .filter_map(part)
                .find_map(|part| match part {
                    "limit" => Some(0),
                    "remaining" => Some(1),
                    "reset" => Some(2),
                    _ => None,
                })
                .map(|part| match part {
                    0 => &mut window.limit,
                    1 => &mut window.remaining,
                    _ => &mut window.reset,
                })
        })
    }
}

impl WindowTexts<'_> {
    /// What it says; nothing where the limit is none, which is how Azure says that it does not know.
    fn read(&self, now_ms: i64) -> Window {
        let count = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
        if self.limit.is_some() && count(self.limit).is_none_or(|limit| limit == 0) {
            return Window::default();
        }
        let reset_ms = self.reset.and_then(|text| wait_ms(text, now_ms));
        Window {
            limit: count(self.limit),
            remaining: count(self.remaining),
            reset_at_ms: reset_ms.map(|wait_ms| now_ms.saturating_add(wait_ms)),
        }
    }
}

impl Window {
    /// What is left of the limit, from 0 to 1000; `None` where that is not known.
    #[must_use]
    pub fn share(&self) -> Option<u16> {
        let limit = self.limit.filter(|limit| *limit > 0)?;
        let share = u128::from(self.remaining?) * 1_000 / u128::from(limit);
        u16::try_from(share.min(1_000)).ok()
    }
}

impl RetryHints {
    /// Reads `headers`, lower-case names with their values, at `now_ms` (Unix milliseconds). Of a name that comes twice the first
    /// counts; of several token limits, the tightest.
    #[must_use]
    pub fn read<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>, now_ms: i64) -> Self {
        let mut texts = Texts::default();
        for (name, value) in headers {
            if let Some(place) = texts.place(name) {
                place.get_or_insert(value);
            }
        }
        let retry_after_ms = texts.retry_after_ms.and_then(millis);
        let retry_after = || texts.retry_after.and_then(|text| wait_ms(text, now_ms));
        let tokens = [&texts.tokens, &texts.input_tokens, &texts.output_tokens].map(|window| window.read(now_ms));
        let tightest = tokens.into_iter().filter(|window| window.remaining.is_some());
        let tightest = tightest.min_by_key(|window| window.share().unwrap_or(u16::MAX));
        Self {
            retry_at_ms: retry_after_ms
                .or_else(retry_after)
                .map(|wait_ms| now_ms.saturating_add(wait_ms)),
            should_retry: texts.should_retry.and_then(|text| text.trim().parse().ok()),
            requests: texts.requests.read(now_ms),
            tokens: tightest.unwrap_or(tokens[0]),
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

/// When the day of Google's quotas is over: the next midnight of the Pacific coast's winter, an hour after that of its summer.
pub(super) fn pacific_midnight_ms(now_ms: i64) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    const MIDNIGHT_MS: i64 = 8 * 3_600_000;
    let into_the_day = (now_ms - MIDNIGHT_MS).rem_euclid(DAY_MS);
    now_ms.saturating_add(DAY_MS - into_the_day)
}
